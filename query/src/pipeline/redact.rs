//! `$redact`: at each level of a document, an expression decides whether it stays, goes, or is looked into.

use storage::{DocBuilder, RawArray, RawDoc, Value, ValueRef};

use super::Stage;
use super::operator::{Mapped, Operator};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading};
use crate::variables::Binding;

#[derive(Clone, Debug)]
pub(crate) struct Redact {
    decide: Expr,
    level: u32,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let mut variables = reading.cx.variables.clone();
    for (name, word) in [("KEEP", "keep"), ("PRUNE", "prune"), ("DESCEND", "descend")] {
        variables.bind(name, Binding::Value(Value::from(word)));
    }
    let cx = reading.cx.with_variables(&variables);
    // Field paths lead from the level at hand, $$ROOT stays the whole document.
    let redact = reading
        .with_cx(&cx)
        .within(&["CURRENT"], |reading, level| Ok(Redact { decide: reading.expr(value)?, level }))?;
    Ok(vec![Stage::Redact(redact)])
}

/// What becomes of one level.
enum Verdict {
    Keep,
    Prune,
    Descend,
}

impl Redact {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        Box::new(Mapped::new(input, |item, cx, out| {
            let root = item.doc.raw();
            match self.verdict(root, root, cx)? {
                Verdict::Keep => out.push(item),
                Verdict::Prune => {}
                Verdict::Descend => {
                    let mut builder = DocBuilder::with_capacity(root.as_bytes().len());
                    self.fields(root, root, cx, &mut builder)?;
                    out.push(item.with_doc(builder.finish()));
                }
            }
            Ok(())
        }))
    }

    fn verdict(&self, root: RawDoc<'_>, level: RawDoc<'_>, cx: &Cx<'_>) -> Result<Verdict> {
        let verdict = self.decide.eval_within(root, self.level, ValueRef::Document(level), cx)?;
        match verdict.as_ref() {
            Some(ValueRef::String("keep")) => Ok(Verdict::Keep),
            Some(ValueRef::String("prune")) => Ok(Verdict::Prune),
            Some(ValueRef::String("descend")) => Ok(Verdict::Descend),
            _ => Err(Error::mongo(17053, "the expression of $redact must give $$KEEP, $$PRUNE or $$DESCEND")),
        }
    }

    fn fields(&self, root: RawDoc<'_>, level: RawDoc<'_>, cx: &Cx<'_>, out: &mut DocBuilder) -> Result<()> {
        for element in level.elements() {
            match element.value() {
                value @ (ValueRef::Document(_) | ValueRef::Array(_)) => {
                    self.value(root, element.name(), value, cx, out)?;
                }
                _ => out.put_element(element),
            }
        }
        Ok(())
    }

    fn value(
        &self,
        root: RawDoc<'_>,
        name: &str,
        value: ValueRef<'_>,
        cx: &Cx<'_>,
        out: &mut DocBuilder,
    ) -> Result<()> {
        cx.tick()?;
        match value {
            ValueRef::Array(array) => {
                let open = out.open_array(name);
                self.elements(root, array, cx, out)?;
                out.close(open);
            }
            ValueRef::Document(doc) => match self.verdict(root, doc, cx)? {
                Verdict::Keep => out.put(name, value),
                Verdict::Prune => {}
                Verdict::Descend => {
                    let open = out.open_document(name);
                    self.fields(root, doc, cx, out)?;
                    out.close(open);
                }
            },
            scalar => out.put(name, scalar),
        }
        Ok(())
    }

    fn elements(&self, root: RawDoc<'_>, array: RawArray<'_>, cx: &Cx<'_>, out: &mut DocBuilder) -> Result<()> {
        let mut place = 0;
        let mut digits = itoa::Buffer::new();
        for value in array.iter() {
            let before = out.len();
            self.value(root, digits.format(place), value, cx, out)?;
            place += usize::from(out.len() > before);
        }
        Ok(())
    }
}
