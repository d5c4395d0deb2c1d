//! `$unwind`: one document for each element of an array.

use storage::{DocBuilder, RawDoc, ValueRef};

use super::Stage;
use super::needs::Needs;
use super::operator::{BATCH, Item, Operator};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{FieldPath, Reading, bounded};

#[derive(Clone, Debug)]
pub(crate) struct Unwind {
    path: FieldPath,
    index: Option<FieldPath>,
    preserve: bool,
}

pub(super) fn read(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let mut unwind = Draft::default();
    match value {
        ValueRef::String(path) => unwind.path = Some(path),
        ValueRef::Document(doc) => {
            for (name, value) in doc.iter() {
                unwind.option(name, value)?;
            }
        }
        _ => {
            return Err(Error::mongo(
                15981,
                format!("$unwind takes a path or a document, but got {}", value.kind().name()),
            ));
        }
    }
    let path = unwind.path.filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| Error::mongo(28812, "$unwind needs a path"))?;
    let path = path.strip_prefix('$').ok_or_else(|| Error::mongo(28818, "the path of $unwind must start with '$'"))?;
    let index = unwind.index.map(FieldPath::parse).transpose()?;
    Ok(vec![Stage::Unwind(Unwind { path: FieldPath::parse(path)?, index, preserve: unwind.preserve })])
}

#[derive(Default)]
struct Draft<'v> {
    path: Option<&'v str>,
    index: Option<&'v str>,
    preserve: bool,
}

impl<'v> Draft<'v> {
    fn option(&mut self, name: &str, value: ValueRef<'v>) -> Result<()> {
        match (name, value) {
            ("path", ValueRef::String(path)) => self.path = Some(path),
            ("path", _) => return Err(Error::mongo(28808, "the path of $unwind must be a string")),
            ("preserveNullAndEmptyArrays", ValueRef::Bool(preserve)) => self.preserve = preserve,
            ("preserveNullAndEmptyArrays", _) => {
                return Err(Error::mongo(28809, "'preserveNullAndEmptyArrays' of $unwind must be true or false"));
            }
            ("includeArrayIndex", ValueRef::String(index)) if index.starts_with('$') => {
                return Err(Error::mongo(
                    28822,
                    "'includeArrayIndex' of $unwind names a field: it must not start with '$'",
                ));
            }
            ("includeArrayIndex", ValueRef::String(index)) if !index.is_empty() => self.index = Some(index),
            ("includeArrayIndex", _) => {
                return Err(Error::mongo(28810, "'includeArrayIndex' of $unwind must be the name of a field"));
            }
            _ => return Err(Error::mongo(28811, format!("$unwind knows no argument '{name}'"))),
        }
        Ok(())
    }
}

impl Unwind {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        Box::new(Unwound { unwind: self, input, waiting: Vec::new().into_iter(), current: None, more: true })
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        need.path(self.path.as_path());
    }

    /// Does it leave this top field as it is?
    pub fn keeps(&self, name: &str) -> bool {
        self.path.head() != name && self.index.as_ref().is_none_or(|index| index.head() != name)
    }

    /// The value at the path; arrays on the way lead nowhere.
    fn value<'d>(&self, doc: RawDoc<'d>) -> Option<ValueRef<'d>> {
        self.path.names().try_fold(ValueRef::Document(doc), |value, name| value.as_doc()?.get(name))
    }

    /// The document with another value at the path, and the position in its field.
    fn with(&self, item: &Item, value: Option<ValueRef<'_>>, position: Option<i64>) -> Result<Item> {
        let names: Vec<&str> = self.path.names().collect();
        let mut builder = DocBuilder::with_capacity(item.doc.as_bytes().len().min(1024));
        set(item.doc.raw(), &names, value, &mut builder);
        self.numbered(item.clone().with_doc(builder.finish()), position)
    }

    /// The document with the position in its field.
    fn numbered(&self, item: Item, position: Option<i64>) -> Result<Item> {
        let Some(index) = &self.index else {
            bounded(item.doc.as_bytes().len())?;
            return Ok(item);
        };
        let names: Vec<&str> = index.names().collect();
        let mut builder = DocBuilder::with_capacity(item.doc.as_bytes().len() + 16);
        let position = position.map_or(ValueRef::Null, ValueRef::Int64);
        set(item.doc.raw(), &names, Some(position), &mut builder);
        bounded(builder.len())?;
        Ok(item.with_doc(builder.finish()))
    }
}

/// Appends the fields of a document with the one at a path set, or left out. Documents on the way are made as needed, in
/// the place of whatever stood there.
pub(super) fn set(doc: RawDoc<'_>, names: &[&str], value: Option<ValueRef<'_>>, out: &mut DocBuilder) {
    let Some((name, rest)) = names.split_first() else { return };
    let mut met = false;
    for element in doc.elements() {
        if element.name_bytes() == name.as_bytes() {
            met = true;
            set_below(element.value().as_doc(), name, rest, value, out);
        } else {
            out.put_element(element);
        }
    }
    if !met {
        set_below(None, name, rest, value, out);
    }
}

fn set_below(doc: Option<RawDoc<'_>>, name: &str, rest: &[&str], value: Option<ValueRef<'_>>, out: &mut DocBuilder) {
    match (rest.is_empty(), value) {
        (true, Some(value)) => out.put(name, value),
        (true, None) => {}
        (false, None) if doc.is_none() => {}
        (false, value) => {
            let open = out.open_document(name);
            set(doc.unwrap_or(RawDoc::empty()), rest, value, out);
            out.close(open);
        }
    }
}

/// Goes through the elements of one document at a time, however long its array is.
struct Unwound<'a> {
    unwind: &'a Unwind,
    input: Box<dyn Operator + 'a>,
    waiting: std::vec::IntoIter<Item>,
    /// A document whose array is being unwound, and how many elements were given.
    current: Option<(Item, usize)>,
    more: bool,
}

impl Unwound<'_> {
    /// Gives elements of the document at hand until the batch is full or the array ends.
    fn elements(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<()> {
        let Some((item, given)) = self.current.take() else { return Ok(()) };
        let Some(array) = self.unwind.value(item.doc.raw()).and_then(ValueRef::as_array) else { return Ok(()) };
        let (mut position, mut full) = (given, false);
        for value in array.iter().skip(given) {
            if out.len() >= BATCH {
                full = true;
                break;
            }
            cx.tick()?;
            out.push(self.unwind.with(&item, Some(value), i64::try_from(position).ok())?);
            position += 1;
        }
        if full {
            self.current = Some((item, position));
        }
        Ok(())
    }

    fn start(&mut self, item: Item, out: &mut Vec<Item>) -> Result<()> {
        let preserve = self.unwind.preserve;
        match self.unwind.value(item.doc.raw()) {
            Some(ValueRef::Array(array)) if !array.is_empty() => self.current = Some((item, 0)),
            Some(ValueRef::Array(_)) if preserve => out.push(self.unwind.with(&item, None, None)?),
            None | Some(ValueRef::Null | ValueRef::Undefined | ValueRef::Array(_)) if !preserve => {}
            _ => out.push(self.unwind.numbered(item, None)?),
        }
        Ok(())
    }
}

impl Operator for Unwound<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        let mut given = Vec::with_capacity(BATCH);
        while given.len() < BATCH {
            cx.tick()?;
            if self.current.is_some() {
                self.elements(cx, &mut given)?;
                continue;
            }
            match self.waiting.next() {
                Some(item) => self.start(item, &mut given)?,
                None if !self.more => {
                    out.append(&mut given);
                    return Ok(false);
                }
                None => {
                    let mut batch = Vec::new();
                    self.more = self.input.next_batch(cx, &mut batch)?;
                    self.waiting = batch.into_iter();
                }
            }
        }
        out.append(&mut given);
        Ok(true)
    }
}
