//! `$documents`: documents that are written in the pipeline itself.

use storage::{RawDoc, Value, ValueRef};

use super::Stage;
use super::operator::{Blocking, Feed, Operator};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading, storable};

#[derive(Clone, Debug)]
pub(crate) struct Documents {
    list: Expr,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    if matches!(value, ValueRef::Document(doc) if doc.is_empty()) {
        return Err(Error::mongo(51270, "$documents takes an array of documents, not an empty document"));
    }
    Ok(vec![Stage::Documents(Documents { list: reading.expr(value)? })])
}

impl Documents {
    pub fn build<'a>(&'a self, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        cx.tick()?;
        Ok(Box::new(Blocking::new(move |cx: &Cx<'_>| {
            Ok(Box::new(Feed::of_docs(self.docs(cx)?)) as Box<dyn Operator + 'a>)
        })))
    }

    fn docs(&self, cx: &Cx<'_>) -> Result<Vec<storage::Doc>> {
        let list = self.list.eval(RawDoc::empty(), cx)?;
        let Some(ValueRef::Array(list)) = list.as_ref() else {
            return Err(Error::mongo(5_858_203, format!("$documents takes an array, but got {}", list.type_name())));
        };
        let doc = |value: ValueRef<'_>| {
            storable(value)?;
            match value.to_value() {
                Value::Document(doc) => Ok(doc),
                other => {
                    Err(Error::mongo(40228, format!("$documents takes documents, but one is {}", other.kind().name())))
                }
            }
        };
        list.iter().map(doc).collect()
    }
}
