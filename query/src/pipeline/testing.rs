//! The only test code that knows how a pipeline is read and run.

use storage::{Doc, Path, ValueRef};

use super::{Feed, MemorySpill, Pipeline, Source, VecSource, collect};
use crate::expr::testing::Surroundings;
use crate::notation::{docs, text};
use crate::{Cx, Error, Result};

/// What a pipeline gives over documents, in the notation of tests; the number of a fault.
pub(crate) fn outcome(stages: &str, given: &str) -> String {
    let surroundings = Surroundings::default();
    shown(run(&docs(stages), &source(given), &surroundings.cx()))
}

/// The same where stages may hold only so many bytes, with and without temporary files.
pub(crate) fn outcome_within(bytes_max: u64, spills: bool, stages: &str, given: Vec<Doc>) -> String {
    let mut surroundings = Surroundings::default();
    surroundings.limits.stage_bytes_max = bytes_max;
    let source = VecSource { collections: vec![("c".to_owned(), given)].into(), ..VecSource::default() };
    let spill = spills.then_some(&MemorySpill as &dyn super::Spill);
    shown(run(&docs(stages), &source, &Cx { spill, ..surroundings.cx() }))
}

/// Documents of the collection `c`; those of `d` stand behind a bar.
pub(crate) fn source(given: &str) -> VecSource {
    let (first, second) = given.split_once('|').unwrap_or((given, "[]"));
    let collections = vec![("c".to_owned(), docs(first)), ("d".to_owned(), docs(second))];
    VecSource {
        collections: collections.into(),
        geo_indexes: vec![("c".to_owned(), Path::new("at"), true), ("c".to_owned(), Path::new("loc"), false)],
        unique_indexes: vec![("d".to_owned(), vec!["k".to_owned()])],
    }
}

pub(crate) fn run(stages: &[Doc], source: &VecSource, cx: &Cx<'_>) -> Result<Vec<Doc>> {
    let (lead, rest) = Pipeline::parse(stages, cx)?.split();
    let input = match rest.brings_documents() {
        true => Box::new(Feed::of_docs(Vec::new())),
        false => source.open("c", &lead, cx)?,
    };
    collect(&mut *rest.build(input, source, cx)?, cx)
}

pub(crate) fn shown(rows: Result<Vec<Doc>, Error>) -> String {
    match rows {
        Ok(rows) => rows.iter().map(|row| text(ValueRef::Document(row.raw()))).collect::<Vec<_>>().join(" "),
        Err(fault) => fault.number.to_string(),
    }
}

/// Each row: a pipeline and what it gives over the same documents.
pub(crate) fn check(given: &str, rows: &[(&str, &str)]) {
    for (stages, expect) in rows {
        assert_eq!(outcome(stages, given), *expect, "{stages}");
    }
}
