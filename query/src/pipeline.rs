//! Pipelines: stages that documents flow through, one pulling from the one before.
//!
//! A pipeline is read as a whole, then built into a chain of operators over an input. Every stage is one row of
//! [`STAGES`] and one file: its reader, its operator, its tests. What a stage reads beside its input, and what it
//! writes, goes through a [`Source`]. Nothing here knows stores, plans or rules.
//!
//! ```ignore
//! let pipeline = Pipeline::parse(&stages, &cx)?;
//! let (lead, rest) = pipeline.split();                      // what an index may serve, and what remains
//! let mut rows = rest.build(source.open(name, &lead, &cx)?, &source, &cx)?;
//! while rows.next_batch(&cx, &mut batch)? {}
//! ```

mod bucket;
mod bucket_auto;
mod count;
mod densify;
mod documents;
mod facet;
mod fill;
mod geo_near;
mod graph_lookup;
mod group;
mod lookup;
mod matching;
mod merge;
mod needs;
mod operator;
mod paging;
mod redact;
mod reshape;
mod rewrite;
mod sample;
mod sort;
mod source;
mod spill;
mod stats;
mod union;
mod unwind;
mod update;
mod window;

use std::cell::Cell;
use std::rc::Rc;

use storage::{Doc, RawDoc, ValueRef};

use crate::cx::Cx;
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Code, Error, Result};
use crate::expr::{Expr, Late, Reading};
use crate::sort::Meta;
use operator::Counted;

pub use geo_near::Nearness;
pub use operator::{BATCH, Feed, Item, Operator, collect};
pub use source::{Change, Lead, Source, VecSource};
pub use spill::{MemorySpill, Spill, SpillFile};
pub use update::Rewrite;

/// How many documents a stage has given.
#[derive(Clone, Debug)]
pub struct StageCount {
    /// The stage's name.
    pub stage: &'static str,
    /// Grows while the pipeline runs.
    pub given: Rc<Cell<u64>>,
}

/// A pipeline, ready to be built.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Vec<Stage>,
}

/// One stage, read.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Match(matching::Match),
    Reshape(reshape::Reshape),
    Group(group::Group),
    Sort(sort::Sorting),
    Skip(u64),
    Limit(u64),
    Unwind(unwind::Unwind),
    Lookup(Box<lookup::Lookup>),
    GraphLookup(Box<graph_lookup::GraphLookup>),
    Union(union::Union),
    Facet(facet::Facet),
    BucketAuto(bucket_auto::BucketAuto),
    Sample(u64),
    Redact(redact::Redact),
    Documents(documents::Documents),
    GeoNear(Box<geo_near::GeoNear>),
    Densify(Box<densify::Densify>),
    Window(Box<window::Window>),
    Out(merge::Out),
    Merge(Box<merge::Merge>),
    Stats(stats::Stats),
}

/// Where a stage may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Anywhere.
    Anywhere,
    /// Only as the first.
    First,
    /// Only as the last, and in no inner pipeline.
    Last,
}

/// A stage of the language: a row of the table.
pub struct StageOp {
    /// How it is written, e.g. `$group`.
    pub name: &'static str,
    /// MongoDB release that brought it, major times ten plus minor; 30 for all older ones.
    pub since: u32,
    /// What it does, in one line.
    pub help: &'static str,
    /// Where it may stand.
    pub standing: Standing,
    read: fn(ValueRef<'_>, &Reading<'_>) -> Result<Vec<Stage>>,
}

const fn stage(
    name: &'static str,
    since: u32,
    standing: Standing,
    read: fn(ValueRef<'_>, &Reading<'_>) -> Result<Vec<Stage>>,
    help: &'static str,
) -> StageOp {
    StageOp { name, since, help, standing, read }
}

use Standing::{Anywhere, First, Last};

/// Every stage.
pub const STAGES: &[StageOp] = &[
    stage("$addFields", 34, Anywhere, reshape::read_add, "adds computed fields"),
    stage("$bucket", 34, Anywhere, bucket::read, "groups documents into ranges with given borders"),
    stage("$bucketAuto", 34, Anywhere, bucket_auto::read, "groups documents into so many ranges of equal size"),
    stage("$collStats", 34, First, stats::read_collection, "gives counts and sizes of the collection"),
    stage("$count", 34, Anywhere, count::read, "counts the documents"),
    stage("$densify", 51, Anywhere, densify::read, "adds documents where a sequence of values has gaps"),
    stage("$documents", 51, First, documents::read, "gives documents that are written in the pipeline"),
    stage("$facet", 34, Anywhere, facet::read, "feeds the same documents to several pipelines"),
    stage("$fill", 53, Anywhere, fill::read, "fills null and missing fields"),
    stage("$geoNear", 30, First, geo_near::read, "gives documents by their distance from a point"),
    stage("$graphLookup", 34, Anywhere, graph_lookup::read, "adds documents that are reached step by step"),
    stage("$group", 30, Anywhere, group::read, "gives one document for each group of documents"),
    stage("$indexStats", 32, First, stats::read_indexes, "gives the indexes of the collection"),
    stage("$limit", 30, Anywhere, paging::read_limit, "lets so many documents through"),
    stage("$lookup", 32, Anywhere, lookup::read, "adds matching documents of another collection"),
    stage("$match", 30, Anywhere, matching::read, "lets documents through that meet a filter"),
    stage("$merge", 42, Last, merge::read_merge, "writes the documents into a collection"),
    stage("$out", 30, Last, merge::read_out, "writes the documents as a collection"),
    stage("$project", 30, Anywhere, reshape::read_project, "shows some fields and computes others"),
    stage("$redact", 30, Anywhere, redact::read, "leaves out parts of documents by what they hold"),
    stage("$replaceRoot", 34, Anywhere, reshape::read_replace_root, "puts a computed document in the place of each"),
    stage("$replaceWith", 42, Anywhere, reshape::read_replace_with, "puts a computed document in the place of each"),
    stage("$sample", 32, Anywhere, sample::read, "lets so many documents through, chosen by chance"),
    stage("$set", 42, Anywhere, reshape::read_add, "adds computed fields"),
    stage("$setWindowFields", 50, Anywhere, window::read, "adds fields computed over neighbouring documents"),
    stage("$skip", 30, Anywhere, paging::read_skip, "leaves out so many documents"),
    stage("$sort", 30, Anywhere, sort::read, "puts the documents in order"),
    stage("$sortByCount", 34, Anywhere, count::read_sort_by_count, "counts different values, most frequent first"),
    stage("$unionWith", 44, Anywhere, union::read, "appends the documents of another collection"),
    stage("$unset", 42, Anywhere, reshape::read_unset, "leaves out fields"),
    stage("$unwind", 30, Anywhere, unwind::read, "gives one document for each element of an array"),
];

impl Pipeline {
    /// Reads the stages of a command.
    ///
    /// # Errors
    /// 40323 and 40324 for what is no stage, 40601 and 40602 for a stage in the wrong place, and those of each stage.
    pub fn parse(stages: &[Doc], cx: &Cx<'_>) -> Result<Pipeline> {
        let late = Late::default();
        let docs: Vec<RawDoc<'_>> = stages.iter().map(Doc::raw).collect();
        let pipeline = Pipeline::read(&docs, &Reading::new(cx, &late), Depth::Outer)?;
        pipeline.check_metas()?;
        late.check()?;
        Ok(pipeline)
    }

    /// Reads the stages of an inner pipeline.
    pub(crate) fn inner(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Pipeline> {
        let list =
            value.as_array().ok_or_else(|| Error::mongo(TYPE_MISMATCH, "a pipeline must be an array of stages"))?;
        let wrong = || Error::mongo(TYPE_MISMATCH, "each stage of a pipeline must be a document");
        let docs = list.iter().map(|stage| stage.as_doc().ok_or_else(wrong)).collect::<Result<Vec<_>>>()?;
        Pipeline::read(&docs, reading, Depth::Inner)
    }

    fn read(docs: &[RawDoc<'_>], reading: &Reading<'_>, depth: Depth) -> Result<Pipeline> {
        check_count(docs.len(), reading.cx)?;
        let (mut stages, mut ops) = (Vec::new(), Vec::new());
        for doc in docs {
            let (op, value) = stage_of(*doc, reading.cx)?;
            stages.extend((op.read)(value, reading)?);
            ops.push(op);
        }
        for (place, op) in ops.iter().enumerate() {
            check_standing(op, place, place + 1 == docs.len(), depth)?;
        }
        if stages.iter().skip(1).any(|stage| matches!(stage, Stage::Match(stage) if stage.finds_text())) {
            return Err(Error::mongo(17313, "$match with $text can only be the first stage"));
        }
        rewrite::reorder(&mut stages);
        sort::take_limits(&mut stages);
        Ok(Pipeline { stages })
    }

    /// Is there no stage?
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Does it begin with documents of its own, so that no collection is read?
    pub fn brings_documents(&self) -> bool {
        matches!(self.stages.first(), Some(Stage::Documents(_)))
    }

    /// Does it write?
    pub fn writes(&self) -> bool {
        matches!(self.stages.last(), Some(Stage::Out(_) | Stage::Merge(_)))
    }

    /// Every collection that it reads or writes beside its input.
    pub fn collections(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.stages.iter().for_each(|stage| stage.collections(&mut names));
        names
    }

    /// Does it show by which key of an index documents were found?
    pub fn shows_index_keys(&self) -> bool {
        let mut shown = false;
        self.stages.iter().for_each(|stage| stage.metas(&mut |meta| shown |= meta == Meta::IndexKey));
        shown
    }

    /// How many stages there are, after reading: some written ones are several here.
    pub fn len(&self) -> usize {
        self.stages.len()
    }

    /// Takes off the stages that a collection's indexes may serve: leading filters, then an order, then paging.
    pub fn split(mut self) -> (Lead, Pipeline) {
        let lead = source::lead(&mut self.stages, false);
        (lead, self)
    }

    /// Takes off the leading filters only; for a source that cannot give the order, which a `$sort` can spill.
    pub fn split_filter(mut self) -> (Lead, Pipeline) {
        let lead = source::lead(&mut self.stages, true);
        (lead, self)
    }

    /// Builds the chain of operators behind an input.
    ///
    /// # Errors
    /// Faults of inner pipelines that are opened at once.
    pub fn build<'a>(
        &'a self,
        input: Box<dyn Operator + 'a>,
        source: &'a dyn Source,
        cx: &Cx<'_>,
    ) -> Result<Box<dyn Operator + 'a>> {
        self.stages.iter().try_fold(input, |input, stage| stage.build(input, source, cx))
    }

    /// Builds the chain and tells how many documents each stage gives, for explain.
    ///
    /// # Errors
    /// As for [`Pipeline::build`].
    pub fn build_counted<'a>(
        &'a self,
        input: Box<dyn Operator + 'a>,
        source: &'a dyn Source,
        cx: &Cx<'_>,
    ) -> Result<(Box<dyn Operator + 'a>, Vec<StageCount>)> {
        let (mut chain, mut counts) = (input, Vec::new());
        for stage in &self.stages {
            let count = Rc::default();
            chain = Box::new(Counted::new(stage.build(chain, source, cx)?, Rc::clone(&count)));
            counts.push(StageCount { stage: stage.name(), given: count });
        }
        Ok((chain, counts))
    }

    /// Refuses `$meta` of what no stage before has found out.
    fn check_metas(&self) -> Result<()> {
        let (mut text, mut geo) = (false, false);
        for stage in &self.stages {
            let mut missing = None;
            stage.metas(&mut |meta| match meta {
                Meta::TextScore if !text => missing = Some("text score"),
                Meta::GeoDistance | Meta::GeoPoint if !geo => missing = Some("$geoNear distance"),
                _ => {}
            });
            if let Some(what) = missing {
                return Err(Error::mongo(
                    40218,
                    format!("no stage before has found out the {what} that $meta asks for"),
                ));
            }
            match stage {
                Stage::Match(stage) => text |= stage.finds_text(),
                Stage::GeoNear(_) => geo = true,
                Stage::Group(_) | Stage::BucketAuto(_) | Stage::Facet(_) => (text, geo) = (false, false),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Is a pipeline the command's own, or inside a stage?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Inner,
}

fn check_count(count: usize, cx: &Cx<'_>) -> Result<()> {
    let stages_max = cx.limits.pipeline_stages_max;
    if u64::try_from(count).unwrap_or(u64::MAX) <= stages_max {
        return Ok(());
    }
    let message = format!("a pipeline has at most {stages_max} stages, but this one has {count}");
    Err(Error::mongo(FAILED_TO_PARSE, message).with_code(Code::TooLarge))
}

/// The row of a stage and its argument.
fn stage_of<'v>(doc: RawDoc<'v>, cx: &Cx<'_>) -> Result<(&'static StageOp, ValueRef<'v>)> {
    let mut fields = doc.iter();
    let (Some((name, value)), None) = (fields.next(), fields.next()) else {
        return Err(Error::mongo(40323, "a stage of a pipeline is a document with exactly one field, its name"));
    };
    let known = STAGES.iter().find(|op| op.name == name && u64::from(op.since) <= cx.limits.language_release_max);
    match known {
        Some(op) => Ok((op, value)),
        None => Err(Error::mongo(40324, format!("'{name}' is not a stage")).with_code(Code::InvalidOperator)),
    }
}

fn check_standing(op: &StageOp, place: usize, last: bool, depth: Depth) -> Result<()> {
    match op.standing {
        Standing::First if place > 0 => {
            let number = if op.name == "$geoNear" { 40603 } else { 40602 };
            Err(Error::mongo(number, format!("{} can only be the first stage", op.name)))
        }
        Standing::Last if depth == Depth::Inner => {
            Err(Error::mongo(51047, format!("{} cannot stand in an inner pipeline", op.name)))
        }
        Standing::Last if !last => Err(Error::mongo(40601, format!("{} can only be the last stage", op.name))),
        _ => Ok(()),
    }
}

impl Stage {
    const fn name(&self) -> &'static str {
        match self {
            Stage::Match(_) => "$match",
            Stage::Reshape(_) => "$project",
            Stage::Group(_) => "$group",
            Stage::Sort(_) => "$sort",
            Stage::Skip(_) => "$skip",
            Stage::Limit(_) => "$limit",
            Stage::Unwind(_) => "$unwind",
            Stage::Lookup(_) => "$lookup",
            Stage::GraphLookup(_) => "$graphLookup",
            Stage::Union(_) => "$unionWith",
            Stage::Facet(_) => "$facet",
            Stage::BucketAuto(_) => "$bucketAuto",
            Stage::Sample(_) => "$sample",
            Stage::Redact(_) => "$redact",
            Stage::Documents(_) => "$documents",
            Stage::Stats(_) => "$collStats",
            Stage::GeoNear(_) => "$geoNear",
            Stage::Densify(_) => "$densify",
            Stage::Window(_) => "$setWindowFields",
            Stage::Out(_) => "$out",
            Stage::Merge(_) => "$merge",
        }
    }

    fn build<'a>(
        &'a self,
        input: Box<dyn Operator + 'a>,
        source: &'a dyn Source,
        cx: &Cx<'_>,
    ) -> Result<Box<dyn Operator + 'a>> {
        Ok(match self {
            Stage::Match(stage) => stage.build(input),
            Stage::Reshape(stage) => stage.build(input),
            Stage::Group(stage) => stage.build(input),
            Stage::Sort(stage) => stage.build(input),
            Stage::Skip(count) => paging::skip(input, *count),
            Stage::Limit(count) => paging::limit(input, *count),
            Stage::Unwind(stage) => stage.build(input),
            Stage::Lookup(stage) => stage.build(input, source),
            Stage::GraphLookup(stage) => stage.build(input, source),
            Stage::Union(stage) => stage.build(input, source, cx)?,
            Stage::Facet(stage) => stage.build(input, source),
            Stage::BucketAuto(stage) => stage.build(input),
            Stage::Sample(count) => sample::build(input, *count),
            Stage::Redact(stage) => stage.build(input),
            Stage::Documents(stage) => stage.build(cx)?,
            Stage::GeoNear(stage) => stage.build(input),
            Stage::Densify(stage) => stage.build(input),
            Stage::Window(stage) => stage.build(input),
            Stage::Out(stage) => stage.build(input, source),
            Stage::Merge(stage) => stage.build(input, source)?,
            Stage::Stats(stage) => stage.build(source)?,
        })
    }

    /// Calls `used` with what must have been found out about documents that enter.
    fn metas(&self, used: &mut dyn FnMut(Meta)) {
        match self {
            Stage::Reshape(stage) => stage.metas(used),
            Stage::Group(stage) => stage.exprs(&mut |expr: &Expr| expr.metas(used)),
            Stage::Sort(stage) => stage.metas(used),
            _ => {}
        }
    }

    fn collections<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Stage::Lookup(stage) => stage.collections(names),
            Stage::GraphLookup(stage) => names.push(&stage.from),
            Stage::Union(stage) => stage.collections(names),
            Stage::Facet(stage) => stage.collections(names),
            Stage::Out(stage) => names.push(&stage.into),
            Stage::Merge(stage) => names.push(&stage.into),
            _ => {}
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
