//! `$unionWith`: the documents of another collection behind those of the input.

use storage::ValueRef;

use super::matching::Match;
use super::operator::{Feed, Item, Operator};
use super::source::{Lead, Source};
use super::{Pipeline, Stage};
use crate::cx::Cx;
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Error, Result};
use crate::expr::Reading;
use crate::filter::Filter;

#[derive(Clone, Debug)]
pub(crate) struct Union {
    /// `None` where the inner pipeline brings its own documents.
    from: Option<String>,
    lead: Lead,
    pipeline: Pipeline,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let wrong_type = |name: &str, found: ValueRef<'_>| {
        Error::mongo(TYPE_MISMATCH, format!("'{name}' of $unionWith has the wrong type {}", found.kind().name()))
    };
    let (mut from, mut pipeline) = (None, None);
    match value {
        ValueRef::String(name) => from = Some(name.to_owned()),
        ValueRef::Document(doc) => {
            for (name, value) in doc.iter() {
                match name {
                    "coll" => from = Some(value.as_str().ok_or_else(|| wrong_type("coll", value))?.to_owned()),
                    "pipeline" if value.as_array().is_none() => return Err(wrong_type("pipeline", value)),
                    "pipeline" => pipeline = Some(Pipeline::inner(value, reading).map_err(renumbered)?),
                    other => return Err(Error::mongo(40415, format!("$unionWith knows no argument '{other}'"))),
                }
            }
        }
        other => {
            let message =
                format!("$unionWith takes a collection's name or a document, but got {}", other.kind().name());
            return Err(Error::mongo(FAILED_TO_PARSE, message));
        }
    }
    let pipeline = pipeline.unwrap_or(Pipeline { stages: Vec::new() });
    if from.is_none() && !pipeline.brings_documents() {
        return Err(Error::mongo(
            FAILED_TO_PARSE,
            "$unionWith needs 'coll', or a pipeline that starts with $documents",
        ));
    }
    let (lead, pipeline) = pipeline.split();
    Ok(vec![Stage::Union(Union { from, lead, pipeline })])
}

/// Stages that cannot stand in this inner pipeline have a number of their own here.
fn renumbered(fault: Error) -> Error {
    if fault.number == 51047 { Error { number: 31441, ..fault } } else { fault }
}

/// A collection's name, if it can be one.
pub(super) fn check_collection(name: &str) -> Result<()> {
    match name {
        "" => Err(Error::mongo(73, "the empty name is no collection's")),
        _ => Ok(()),
    }
}

impl Union {
    pub fn build<'a>(
        &'a self,
        input: Box<dyn Operator + 'a>,
        source: &'a dyn Source,
        cx: &Cx<'_>,
    ) -> Result<Box<dyn Operator + 'a>> {
        self.from.as_deref().map_or(Ok(()), check_collection)?;
        cx.tick()?;
        Ok(Box::new(Chain { union: self, source, input: Some(input), other: None }))
    }

    fn open<'a>(&'a self, source: &'a dyn Source, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        let input = match &self.from {
            Some(from) if !self.pipeline.brings_documents() => source.open(from, &self.lead, cx)?,
            _ => Box::new(Feed::of_docs(Vec::new())),
        };
        self.pipeline.build(input, source, cx)
    }

    /// Lets only documents of the other collection through that meet a filter.
    pub fn add_filter(&mut self, filter: &Filter) {
        let Lead { sort, skip, limit, near, .. } = &self.lead;
        let whole = sort.is_none() && *skip == 0 && limit.is_none() && near.is_none();
        if whole && self.pipeline.is_empty() {
            self.lead.filter = Some(self.lead.filter.take().unwrap_or_else(Filter::all).and(filter.clone()));
        } else {
            self.pipeline.stages.push(Stage::Match(Match { filter: filter.clone() }));
        }
    }

    pub fn collections<'a>(&'a self, names: &mut Vec<&'a str>) {
        names.extend(self.from.as_deref());
        names.extend(self.pipeline.collections());
    }
}

/// The input, then the other documents.
struct Chain<'a> {
    union: &'a Union,
    source: &'a dyn Source,
    input: Option<Box<dyn Operator + 'a>>,
    other: Option<Box<dyn Operator + 'a>>,
}

impl Operator for Chain<'_> {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        cx.tick()?;
        if let Some(input) = &mut self.input {
            if !input.next_batch(cx, out)? {
                self.input = None;
                self.other = Some(self.union.open(self.source, cx)?);
            }
            return Ok(true);
        }
        self.other.as_mut().map_or(Ok(false), |other| other.next_batch(cx, out))
    }
}
