//! `$collStats` and `$indexStats`: what the collection that is read knows of itself.

use storage::{Doc, ValueRef};

use super::Stage;
use super::operator::{Feed, Operator};
use super::source::Source;
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Error, Result};
use crate::expr::Reading;

#[derive(Clone, Debug)]
pub(crate) struct Stats {
    stage: &'static str,
    argument: Doc,
}

pub(super) fn read_collection(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(5_447_000, "$collStats takes a document"))?;
    for (name, value) in doc.iter() {
        if !matches!(name, "count" | "latencyStats" | "storageStats" | "queryExecStats") {
            return Err(Error::mongo(40415, format!("$collStats knows no argument '{name}'")));
        }
        if value.as_doc().is_none() {
            return Err(Error::mongo(TYPE_MISMATCH, format!("'{name}' of $collStats must be a document")));
        }
    }
    Ok(vec![Stage::Stats(Stats { stage: "$collStats", argument: doc.to_doc() })])
}

pub(super) fn read_indexes(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    match value.as_doc() {
        Some(doc) if doc.is_empty() => Ok(vec![Stage::Stats(Stats { stage: "$indexStats", argument: doc.to_doc() })]),
        _ => Err(Error::mongo(28803, "$indexStats takes an empty document")),
    }
}

impl Stats {
    pub fn build<'a>(&'a self, source: &'a dyn Source) -> Result<Box<dyn Operator + 'a>> {
        Ok(Box::new(Feed::of_docs(source.stats(self.stage, &self.argument)?)))
    }
}
