//! `$out` and `$merge`: the documents go into a collection, and nothing comes out.

use std::collections::HashSet;

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, Path, RawDoc, Value, ValueRef};

use super::operator::{Blocking, Feed, Item, Operator};
use super::source::{Change, Source};
use super::union::check_collection;
use super::{Pipeline, Rewrite, Stage};
use crate::cx::Cx;
use crate::error::number::{BAD_VALUE, IMMUTABLE_FIELD, TYPE_MISMATCH};
use crate::error::{Error, Result};
use crate::expr::{Expr, FieldPath, Reading, bounded};
use crate::filter::{CmpOp, Filter, Pred};
use crate::variables::{Binding, check_name};

#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub into: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Merge {
    pub into: String,
    /// Which fields must be equal.
    on: Vec<FieldPath>,
    matched: Matched,
    fresh: Fresh,
}

/// What becomes of a document that is there already.
#[derive(Clone, Debug)]
enum Matched {
    Replace,
    Keep,
    Merge,
    Fail,
    /// A pipeline over the old document; its variables come from the new one.
    Rewrite {
        variables: Vec<(Box<str>, Expr)>,
        first: usize,
        stages: Rewrite,
    },
}

/// What becomes of a document that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fresh {
    Insert,
    Discard,
    Fail,
}

pub(super) fn read_out(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let into = match value {
        ValueRef::String(name) => name,
        ValueRef::Document(doc) => read_target(doc)?,
        other => {
            let message = format!("$out takes a collection's name, but got {}", other.kind().name());
            return Err(Error::mongo(16990, message));
        }
    };
    check_collection(into)?;
    if into.starts_with("system.") {
        return Err(Error::mongo(17385, format!("$out cannot write into the collection '{into}' of the system")));
    }
    Ok(vec![Stage::Out(Out { into: into.to_owned() })])
}

/// The collection of `{db, coll}`. There is one database for each environment, so its name says nothing.
fn read_target(doc: RawDoc<'_>) -> Result<&str> {
    match (doc.get("db"), doc.get("coll"), doc.iter().count()) {
        (Some(ValueRef::String(_)), Some(ValueRef::String(name)), 2) => Ok(name),
        (Some(_), Some(_), 2) => Err(Error::mongo(13111, "'db' and 'coll' of $out must be strings")),
        _ => Err(Error::mongo(16994, "$out takes a document with exactly two fields: 'db' and 'coll'")),
    }
}

pub(super) fn read_merge(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let mut draft = Draft::default();
    match value {
        ValueRef::String(name) => draft.into = Some(name),
        ValueRef::Document(doc) => doc.iter().try_for_each(|(name, value)| draft.argument(name, value))?,
        other => {
            let message = format!("$merge takes a collection's name or a document, but got {}", other.kind().name());
            return Err(Error::mongo(TYPE_MISMATCH, message));
        }
    }
    let into = draft.into.ok_or_else(|| Error::mongo(40414, "$merge needs 'into': a collection's name"))?;
    check_collection(into)?;
    let on = match draft.on.take() {
        Some(on) => on,
        None => vec![FieldPath::parse("_id")?],
    };
    let matched = draft.read_matched(reading)?;
    let fresh = draft.fresh.unwrap_or(Fresh::Insert);
    if fresh != Fresh::Insert && matches!(matched, Matched::Keep | Matched::Fail) {
        return Err(Error::mongo(51181, "this 'whenMatched' of $merge goes only with 'whenNotMatched: insert'"));
    }
    Ok(vec![Stage::Merge(Box::new(Merge { into: into.to_owned(), on, matched, fresh }))])
}

#[derive(Default)]
struct Draft<'v> {
    into: Option<&'v str>,
    on: Option<Vec<FieldPath>>,
    matched: Option<ValueRef<'v>>,
    variables: Option<RawDoc<'v>>,
    fresh: Option<Fresh>,
}

impl<'v> Draft<'v> {
    fn argument(&mut self, name: &str, value: ValueRef<'v>) -> Result<()> {
        let kind = value.kind().name();
        match (name, value) {
            ("into", ValueRef::String("")) => {
                return Err(Error::mongo(5_786_800, "'into' of $merge must not be empty"));
            }
            ("into", ValueRef::String(name)) => self.into = Some(name),
            ("into", ValueRef::Document(doc)) => self.into = doc.get("coll").and_then(ValueRef::as_str),
            ("into", _) => {
                return Err(Error::mongo(
                    51178,
                    format!("'into' of $merge must be a string or a document, not {kind}"),
                ));
            }
            ("on", value) => self.on = Some(read_on(value)?),
            ("let", ValueRef::Document(doc)) => self.variables = Some(doc),
            ("whenMatched", ValueRef::String(_) | ValueRef::Array(_)) => self.matched = Some(value),
            ("whenMatched", _) => {
                let message = format!("'whenMatched' of $merge must be a string or an array of stages, not {kind}");
                return Err(Error::mongo(51191, message));
            }
            ("whenNotMatched", ValueRef::String(text)) => self.fresh = Some(read_fresh(text)?),
            ("let" | "whenNotMatched", _) => {
                return Err(Error::mongo(TYPE_MISMATCH, format!("'{name}' of $merge has the wrong type {kind}")));
            }
            _ => return Err(Error::mongo(40415, format!("$merge knows no argument '{name}'"))),
        }
        Ok(())
    }

    fn read_matched(&self, reading: &Reading<'_>) -> Result<Matched> {
        let word = match self.matched {
            None => "merge",
            Some(ValueRef::String(word)) => word,
            Some(stages) => return self.read_rewrite(stages, reading),
        };
        if self.variables.is_some() {
            return Err(Error::mongo(51199, "'let' of $merge goes only with a pipeline in 'whenMatched'"));
        }
        match word {
            "replace" => Ok(Matched::Replace),
            "keepExisting" => Ok(Matched::Keep),
            "merge" => Ok(Matched::Merge),
            "fail" => Ok(Matched::Fail),
            other => Err(Error::mongo(BAD_VALUE, format!("'whenMatched' of $merge cannot be '{other}'"))),
        }
    }

    fn read_rewrite(&self, stages: ValueRef<'_>, reading: &Reading<'_>) -> Result<Matched> {
        let wrong = || Error::mongo(TYPE_MISMATCH, "each stage in 'whenMatched' of $merge must be a document");
        let stages = stages.as_array().ok_or_else(wrong)?;
        let stages = stages.iter().map(|stage| stage.as_doc().map(RawDoc::to_doc).ok_or_else(wrong));
        let stages = stages.collect::<Result<Vec<_>>>()?;
        let mut bound = reading.cx.variables.clone();
        let (first, mut variables) = (bound.len(), Vec::new());
        for (name, value) in self.variables.into_iter().flat_map(RawDoc::iter) {
            let is_root = value.as_str() == Some("$$ROOT");
            match name {
                "new" if !is_root => return Err(Error::mongo(51273, "'new' in 'let' of $merge can only be '$$ROOT'")),
                name => check_name(name)?,
            }
            variables.push((Box::from(name), reading.expr(value)?));
        }
        variables.push((Box::from("new"), Expr::root()));
        variables.iter().for_each(|(name, _)| bound.bind(name, Binding::Later));
        let stages = Pipeline::parse_update(&stages, &reading.cx.with_variables(&bound))?;
        Ok(Matched::Rewrite { variables, first, stages })
    }
}

fn read_on(value: ValueRef<'_>) -> Result<Vec<FieldPath>> {
    let mut paths: Vec<FieldPath> = Vec::new();
    match value {
        ValueRef::String(path) => paths.push(FieldPath::parse(path)?),
        ValueRef::Array(list) if list.is_empty() => {
            return Err(Error::mongo(51187, "'on' of $merge names at least one field"));
        }
        ValueRef::Array(list) => {
            for path in list.iter() {
                let path = path.as_str().ok_or_else(|| Error::mongo(51134, "'on' of $merge takes names of fields"))?;
                let path = FieldPath::parse(path)?;
                if paths.contains(&path) {
                    return Err(Error::mongo(31465, format!("'on' of $merge names '{}' twice", path.as_str())));
                }
                paths.push(path);
            }
        }
        other => {
            let kind = other.kind().name();
            return Err(Error::mongo(
                51186,
                format!("'on' of $merge must be a string or an array of strings, not {kind}"),
            ));
        }
    }
    Ok(paths)
}

fn read_fresh(text: &str) -> Result<Fresh> {
    match text {
        "insert" => Ok(Fresh::Insert),
        "discard" => Ok(Fresh::Discard),
        "fail" => Ok(Fresh::Fail),
        other => Err(Error::mongo(BAD_VALUE, format!("'whenNotMatched' of $merge cannot be '{other}'"))),
    }
}

impl Out {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>, source: &'a dyn Source) -> Box<dyn Operator + 'a> {
        let mut input = input;
        Box::new(Blocking::new(move |cx: &Cx<'_>| {
            source.replace_all(&self.into, &mut *input, cx)?;
            Ok(Box::new(Feed::of_docs(Vec::new())) as Box<dyn Operator + 'a>)
        }))
    }
}

impl Merge {
    /// # Errors
    /// 51183 where nothing ensures that at most one document of the collection matches.
    pub fn build<'a>(
        &'a self,
        input: Box<dyn Operator + 'a>,
        source: &'a dyn Source,
    ) -> Result<Box<dyn Operator + 'a>> {
        let on: Vec<&str> = self.on.iter().map(FieldPath::as_str).collect();
        if !source.is_unique(&self.into, &on) {
            let message = format!("$merge needs a unique index on exactly {} of '{}'", on.join(", "), self.into);
            return Err(Error::mongo(51183, message));
        }
        Ok(Box::new(Merging { merge: self, source, input, pending: Vec::new(), keys: HashSet::new() }))
    }

    /// The values that the `on` fields have.
    fn values(&self, doc: RawDoc<'_>) -> Result<Vec<Option<Value>>> {
        self.on.iter().map(|path| one_value(path, doc)).collect()
    }

    /// The change that a document brings; `None` for none.
    fn change(&self, doc: Doc, old: Option<Doc>, cx: &Cx<'_>) -> Result<Option<Change>> {
        let Some(old) = old else {
            return match self.fresh {
                Fresh::Insert => Ok(Some(Change::Insert(doc))),
                Fresh::Discard => Ok(None),
                Fresh::Fail => {
                    Err(Error::mongo(13113, "$merge finds no document to match, as 'whenNotMatched: fail' demands"))
                }
            };
        };
        let new = match &self.matched {
            Matched::Keep => return Ok(None),
            Matched::Fail => return Ok(Some(Change::Insert(doc))),
            Matched::Replace => doc,
            Matched::Merge => merged(old.raw(), doc.raw()),
            Matched::Rewrite { variables, first, stages } => {
                let mut bound = cx.variables.clone();
                bound.truncate(*first);
                for (name, expr) in variables {
                    let value = expr.eval(doc.raw(), cx)?.into_value();
                    bound.bind(name, value.map_or(Binding::Missing, Binding::Value));
                }
                stages.apply(old.raw(), &cx.with_variables(&bound))?
            }
        };
        let id = old.get("_id").unwrap_or(ValueRef::Null);
        let new = keeping_id(new, id)?;
        bounded(new.as_bytes().len())?;
        Ok((new.as_bytes() != old.as_bytes()).then(|| Change::Replace { id: id.to_value(), doc: new }))
    }
}

/// The one value at a path; only `_id` may be missing, since it is made then.
fn one_value(path: &FieldPath, doc: RawDoc<'_>) -> Result<Option<Value>> {
    let fault =
        |number, what: &str| Err(Error::mongo(number, format!("the 'on' field '{}' of $merge {what}", path.as_str())));
    let mut value = Some(ValueRef::Document(doc));
    for name in path.names() {
        value = match value {
            Some(ValueRef::Array(_)) => return fault(51132, "leads through an array"),
            other => other.and_then(ValueRef::as_doc).and_then(|doc| doc.get(name)),
        };
    }
    match value {
        Some(ValueRef::Array(_)) => fault(51185, "is an array"),
        None if path.as_str() == "_id" => Ok(None),
        None | Some(ValueRef::Null | ValueRef::Undefined) => {
            fault(51132, "must not be missing, null, undefined or an array")
        }
        Some(value) => Ok(Some(value.to_value())),
    }
}

/// The old document with the fields of the new one: those that it has in their places, others behind by name.
fn merged(old: RawDoc<'_>, new: RawDoc<'_>) -> Doc {
    let mut builder = DocBuilder::with_capacity(old.as_bytes().len() + new.as_bytes().len());
    for element in old.elements() {
        builder.put_element(new.element(element.name()).unwrap_or(element));
    }
    let mut fresh: Vec<_> = new.elements().filter(|element| old.element(element.name()).is_none()).collect();
    fresh.sort_by(|a, b| a.name_bytes().cmp(b.name_bytes()));
    fresh.into_iter().for_each(|element| builder.put_element(element));
    builder.finish()
}

/// The document with the id of the one that it takes the place of.
fn keeping_id(doc: Doc, id: ValueRef<'_>) -> Result<Doc> {
    match doc.get("_id") {
        Some(found) if found == id => Ok(doc),
        Some(_) => {
            Err(Error::mongo(IMMUTABLE_FIELD, "$merge would change the `_id` of a document; leave it out with $unset"))
        }
        None => {
            let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + 32);
            builder.put("_id", id);
            doc.raw().elements().for_each(|element| builder.put_element(element));
            Ok(builder.finish())
        }
    }
}

/// Writes the documents batch by batch.
struct Merging<'a> {
    merge: &'a Merge,
    source: &'a dyn Source,
    input: Box<dyn Operator + 'a>,
    pending: Vec<Change>,
    /// Keys of the documents that the pending changes touch.
    keys: HashSet<Vec<u8>>,
}

impl Merging<'_> {
    fn take(&mut self, doc: Doc, cx: &Cx<'_>) -> Result<()> {
        let values = self.merge.values(doc.raw())?;
        let mut key = Vec::new();
        let (mut filter, mut known) = (Filter::all(), true);
        for (path, value) in self.merge.on.iter().zip(values) {
            known &= value.is_some();
            let value = value.unwrap_or(Value::Null);
            key::encode(value.as_ref(), Direction::Ascending, None, &mut key);
            filter = filter.and(Filter::Field(Path::new(path.as_str()), Pred::Cmp(CmpOp::Eq, value)));
        }
        if known && !self.keys.insert(key.clone()) {
            // It meets a document whose change was not carried out yet.
            self.flush(cx)?;
            self.keys.insert(key);
        }
        let old =
            if known { self.source.current(&self.merge.into, filter, &Cx { collation: None, ..*cx })? } else { None };
        self.pending.extend(self.merge.change(doc, old, cx)?);
        Ok(())
    }

    fn flush(&mut self, cx: &Cx<'_>) -> Result<()> {
        self.keys.clear();
        match self.pending.is_empty() {
            true => Ok(()),
            false => self.source.write(&self.merge.into, std::mem::take(&mut self.pending), cx),
        }
    }
}

impl Operator for Merging<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, _: &mut Vec<Item>) -> Result<bool> {
        let mut batch = Vec::new();
        let more = self.input.next_batch(cx, &mut batch)?;
        let mut outcome = Ok(());
        for item in batch {
            outcome = cx.tick().and_then(|()| self.take(item.doc, cx));
            if outcome.is_err() {
                break;
            }
        }
        // What came before a fault stays written.
        self.flush(cx).and(outcome)?;
        Ok(more)
    }
}
