//! Applying projections over a document's bytes.

use storage::{Doc, DocBuilder, Element, RawArray, RawDoc, ValueRef};

use super::{After, Branch, Leaf, Mode, Projection};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{bounded, storable};
use crate::filter::Filter;

/// What one application goes by.
#[derive(Clone, Copy)]
struct Work<'a> {
    mode: Mode,
    root: RawDoc<'a>,
    cx: &'a Cx<'a>,
}

pub(super) fn projected(projection: &Projection, doc: RawDoc<'_>, position: Option<u32>, cx: &Cx<'_>) -> Result<Doc> {
    let work = Work { mode: projection.mode, root: doc, cx };
    let mut builder = DocBuilder::with_capacity(doc.as_bytes().len().min(1024));
    work.branch(&projection.root, doc, &mut builder)?;
    bounded(builder.len())?;
    let mut shown = builder.finish();
    for after in &projection.after {
        let names: Vec<&str> = match after {
            After::Slice { path, .. } | After::Position { path } => path.names().collect(),
        };
        let cut = Cut { after, position };
        let mut builder = DocBuilder::with_capacity(shown.as_bytes().len());
        cut.fields(shown.raw(), &names, &mut builder)?;
        shown = builder.finish();
    }
    Ok(shown)
}

impl Work<'_> {
    /// Appends the fields of a document as a branch shows them.
    fn branch(self, branch: &Branch, doc: RawDoc<'_>, out: &mut DocBuilder) -> Result<()> {
        let mut done = vec![false; branch.fields.len()];
        for element in doc.elements() {
            let Some((place, leaf)) = branch.get(element.name_bytes()) else {
                if self.mode != Mode::Include {
                    out.put_element(element);
                }
                continue;
            };
            let handled = self.existing(leaf, element, out)?;
            if let Some(done) = done.get_mut(place) {
                *done = handled;
            }
        }
        if branch.computes || self.mode == Mode::Include {
            self.missing(branch, &done, out)?;
        }
        Ok(())
    }

    /// Appends what becomes of a field that exists. False where it belongs behind all others.
    fn existing(self, leaf: &Leaf, element: Element<'_>, out: &mut DocBuilder) -> Result<bool> {
        match leaf {
            Leaf::Keep => out.put_element(element),
            Leaf::Drop => {}
            Leaf::Compute(_) | Leaf::ElemMatch(_) if self.mode == Mode::Include => return Ok(false),
            Leaf::Compute(expr) => self.computed(expr, element.name(), out)?,
            Leaf::ElemMatch(filter) => self.elem_match(filter, element.name(), out)?,
            Leaf::Branch(branch) => self.below(branch, element, out)?,
        }
        Ok(true)
    }

    /// Appends a field that a branch leads into.
    fn below(self, branch: &Branch, element: Element<'_>, out: &mut DocBuilder) -> Result<()> {
        match element.value() {
            ValueRef::Document(doc) => {
                let open = out.open_document(element.name());
                self.branch(branch, doc, out)?;
                out.close(open);
            }
            ValueRef::Array(array) => {
                let open = out.open_array(element.name());
                self.array(branch, array, out)?;
                out.close(open);
            }
            _ if self.mode == Mode::Exclude => out.put_element(element),
            _ => self.fresh(branch, element.name(), out)?,
        }
        Ok(())
    }

    fn array(self, branch: &Branch, array: RawArray<'_>, out: &mut DocBuilder) -> Result<()> {
        let mut place = 0;
        let mut digits = itoa::Buffer::new();
        for value in array.iter() {
            self.cx.tick()?;
            let name = digits.format(place);
            let before = out.len();
            match value {
                ValueRef::Document(doc) => {
                    let open = out.open_document(name);
                    self.branch(branch, doc, out)?;
                    out.close(open);
                }
                ValueRef::Array(inner) => {
                    let open = out.open_array(name);
                    self.array(branch, inner, out)?;
                    out.close(open);
                }
                scalar if self.mode == Mode::Exclude => out.put(name, scalar),
                _ => self.fresh(branch, name, out)?,
            }
            bounded(out.len())?;
            place += usize::from(out.len() > before);
        }
        Ok(())
    }

    /// Appends a document of the computed fields alone, where there are any: nothing, or a scalar, stood there.
    fn fresh(self, branch: &Branch, name: &str, out: &mut DocBuilder) -> Result<()> {
        if branch.computes {
            let open = out.open_document(name);
            self.missing(branch, &[], out)?;
            out.close(open);
        }
        Ok(())
    }

    /// Appends computed fields that do not stand in the document yet.
    fn missing(self, branch: &Branch, done: &[bool], out: &mut DocBuilder) -> Result<()> {
        for (place, (name, leaf)) in branch.fields.iter().enumerate() {
            if done.get(place).copied().unwrap_or(false) {
                continue;
            }
            match leaf {
                Leaf::Compute(expr) => self.computed(expr, name, out)?,
                Leaf::ElemMatch(filter) => self.elem_match(filter, name, out)?,
                Leaf::Branch(branch) => self.fresh(branch, name, out)?,
                Leaf::Keep | Leaf::Drop => {}
            }
        }
        Ok(())
    }

    fn computed(self, expr: &crate::expr::Expr, name: &str, out: &mut DocBuilder) -> Result<()> {
        let computed = expr.eval(self.root, self.cx)?;
        if let Some(value) = computed.as_ref() {
            storable(value)?;
            out.put(name, value);
            bounded(out.len())?;
        }
        Ok(())
    }

    /// Appends an array of the first element that meets the filter, if there is one.
    fn elem_match(self, filter: &Filter, name: &str, out: &mut DocBuilder) -> Result<()> {
        let Some(array) = self.root.get(name).and_then(ValueRef::as_array) else { return Ok(()) };
        for value in array.iter() {
            self.cx.tick()?;
            let mut single = DocBuilder::new();
            let open = single.open_array(name);
            single.put_at(0, value);
            single.close(open);
            if filter.matches(single.finish().raw(), self.cx)? {
                let open = out.open_array(name);
                out.put_at(0, value);
                out.close(open);
                break;
            }
        }
        Ok(())
    }
}

/// A cut through the arrays at a path.
#[derive(Clone, Copy)]
struct Cut<'a> {
    after: &'a After,
    position: Option<u32>,
}

impl Cut<'_> {
    fn fields(self, doc: RawDoc<'_>, names: &[&str], out: &mut DocBuilder) -> Result<()> {
        let Some((name, rest)) = names.split_first() else { return Ok(()) };
        for element in doc.elements() {
            if element.name_bytes() == name.as_bytes() {
                self.value(element, rest, out)?;
            } else {
                out.put_element(element);
            }
        }
        Ok(())
    }

    fn value(self, element: Element<'_>, rest: &[&str], out: &mut DocBuilder) -> Result<()> {
        match (element.value(), self.after) {
            (ValueRef::Array(array), After::Position { .. }) => {
                let kept = self.position.and_then(|place| array.get(usize::try_from(place).ok()?));
                let kept = kept.ok_or_else(|| {
                    Error::mongo(
                        51246,
                        "the positional $ of the projection found no array element that the filter matched",
                    )
                })?;
                let open = out.open_array(element.name());
                out.put_at(0, kept);
                out.close(open);
            }
            (ValueRef::Array(array), After::Slice { skip, limit, .. }) if rest.is_empty() => {
                let open = out.open_array(element.name());
                for (place, value) in sliced(array, *skip, *limit).enumerate() {
                    out.put_at(place, value);
                }
                out.close(open);
            }
            (ValueRef::Array(array), After::Slice { .. }) => {
                let open = out.open_array(element.name());
                self.elements(array, rest, out)?;
                out.close(open);
            }
            (ValueRef::Document(doc), _) if !rest.is_empty() => {
                let open = out.open_document(element.name());
                self.fields(doc, rest, out)?;
                out.close(open);
            }
            _ => out.put_element(element),
        }
        Ok(())
    }

    fn elements(self, array: RawArray<'_>, rest: &[&str], out: &mut DocBuilder) -> Result<()> {
        for element in array.elements() {
            match element.value() {
                ValueRef::Document(doc) => {
                    let open = out.open_document(element.name());
                    self.fields(doc, rest, out)?;
                    out.close(open);
                }
                _ => out.put_element(element),
            }
        }
        Ok(())
    }
}

/// Elements of an array: the first or, for a negative limit, the last so many; or so many from a position, which may
/// count from the end.
fn sliced(array: RawArray<'_>, skip: Option<i64>, limit: i64) -> impl Iterator<Item = ValueRef<'_>> {
    let length = array.len();
    let count = |number: i64| usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
    let (from, take) = match skip {
        Some(skip) if skip < 0 => (length.saturating_sub(count(skip)), count(limit)),
        Some(skip) => (count(skip), count(limit)),
        None if limit < 0 => (length.saturating_sub(count(limit)), count(limit)),
        None => (0, count(limit)),
    };
    array.iter().skip(from).take(take)
}
