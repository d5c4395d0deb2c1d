//! `$graphLookup`: documents that are reached from a value by following fields, step by step.

use std::collections::HashSet;

use storage::key::{self, Direction};
use storage::{Doc, DocBuilder, Path, Value, ValueRef};

use super::Stage;
use super::lookup::local_values;
use super::needs::Needs;
use super::operator::{ITEM_BYTES, Item, Mapped, Memory, Operator, each};
use super::source::{Lead, Source};
use super::union::check_collection;
use super::unwind::set;
use crate::cx::Cx;
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Error, Result};
use crate::expr::{Expr, FieldPath, Reading, bounded};
use crate::filter::{Filter, Members, Pred};

#[derive(Clone, Debug)]
pub(crate) struct GraphLookup {
    pub from: String,
    start: Expr,
    connect_from: FieldPath,
    connect_to: Path,
    into: FieldPath,
    depth_max: Option<u64>,
    depth_field: Option<FieldPath>,
    restrict: Option<Filter>,
}

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let fault = |message: String| Error::mongo(FAILED_TO_PARSE, message);
    let doc = value
        .as_doc()
        .ok_or_else(|| fault(format!("$graphLookup takes a document, but got {}", value.kind().name())))?;
    let from = doc.get("from").ok_or_else(|| fault("$graphLookup needs 'from'".to_owned()))?;
    let from = from.as_str().ok_or_else(|| fault("'from' of $graphLookup must be a string".to_owned()))?;
    check_collection(from)?;
    let mut draft = Draft::default();
    for (name, value) in doc.iter() {
        draft.argument(name, value, reading)?;
    }
    let complete = (|| {
        Some(GraphLookup {
            from: from.to_owned(),
            start: draft.start?,
            connect_from: draft.connect_from?,
            connect_to: draft.connect_to?.as_path().clone(),
            into: draft.into?,
            depth_max: draft.depth_max,
            depth_field: draft.depth_field,
            restrict: draft.restrict,
        })
    })();
    let complete = complete.ok_or_else(|| {
        Error::mongo(40105, "$graphLookup needs 'from', 'as', 'startWith', 'connectFromField' and 'connectToField'")
    })?;
    Ok(vec![Stage::GraphLookup(Box::new(complete))])
}

#[derive(Default)]
struct Draft {
    start: Option<Expr>,
    connect_from: Option<FieldPath>,
    connect_to: Option<FieldPath>,
    into: Option<FieldPath>,
    depth_max: Option<u64>,
    depth_field: Option<FieldPath>,
    restrict: Option<Filter>,
}

impl Draft {
    fn argument(&mut self, name: &str, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<()> {
        let path = || {
            let wrong = || {
                Error::mongo(
                    40103,
                    format!("'{name}' of $graphLookup must be a string, but is {}", value.kind().name()),
                )
            };
            let text = value.as_str().ok_or_else(wrong)?;
            if text.is_empty() { Ok(None) } else { FieldPath::parse(text).map(Some) }
        };
        match name {
            "from" => {}
            "startWith" => self.start = Some(reading.expr(value)?),
            "maxDepth" => self.depth_max = Some(read_depth(value)?),
            "restrictSearchWithMatch" => {
                let wrong =
                    || Error::mongo(40185, "'restrictSearchWithMatch' of $graphLookup must be a filter: a document");
                self.restrict = Some(Filter::parse(value.as_doc().ok_or_else(wrong)?, reading.cx)?);
            }
            "connectFromField" => self.connect_from = path()?,
            "connectToField" => self.connect_to = path()?,
            "as" => self.into = path()?,
            "depthField" => self.depth_field = path()?,
            other => return Err(Error::mongo(40104, format!("$graphLookup knows no argument '{other}'"))),
        }
        Ok(())
    }
}

fn read_depth(value: ValueRef<'_>) -> Result<u64> {
    if !value.kind().is_number() {
        return Err(Error::mongo(40100, "'maxDepth' of $graphLookup must be a number"));
    }
    if value.as_f64().is_some_and(|depth| depth < 0.0) {
        return Err(Error::mongo(40101, "'maxDepth' of $graphLookup must not be below 0"));
    }
    let whole = value.as_i64().and_then(|depth| u64::try_from(depth).ok());
    whole.ok_or_else(|| Error::mongo(40102, "'maxDepth' of $graphLookup must be a whole number in the range of long"))
}

impl GraphLookup {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>, source: &'a dyn Source) -> Box<dyn Operator + 'a> {
        Box::new(Mapped::new(input, |item, cx, out| {
            let found = self.reached(&item, source, cx)?;
            let mut list = DocBuilder::new();
            for (place, doc) in found.iter().enumerate() {
                list.put_at(place, ValueRef::Document(doc.raw()));
                bounded(list.len())?;
            }
            let list = list.finish();
            let names: Vec<&str> = self.into.names().collect();
            let mut builder = DocBuilder::with_capacity(item.doc.as_bytes().len() + list.as_bytes().len());
            set(item.doc.raw(), &names, Some(ValueRef::Array(list.as_array())), &mut builder);
            bounded(builder.len())?;
            out.push(item.with_doc(builder.finish()));
            Ok(())
        }))
    }

    /// The field that it sets.
    pub fn sets(&self) -> &str {
        self.into.head()
    }

    /// Notes what it reads of its input.
    pub fn needs(&self, need: &mut Needs) {
        need.expr(&self.start);
    }

    /// Every document that is reached, breadth first.
    fn reached(&self, item: &Item, source: &dyn Source, cx: &Cx<'_>) -> Result<Vec<Doc>> {
        let mut search = Search {
            lookup: self,
            found: Vec::new(),
            met: HashSet::new(),
            asked: HashSet::new(),
            memory: Memory::of("$graphLookup"),
        };
        let start = self.start.eval(item.doc.raw(), cx)?;
        let mut frontier = match start.as_ref() {
            Some(ValueRef::Array(list)) => search.fresh(list.iter().map(ValueRef::to_value), cx),
            Some(value) => search.fresh(std::iter::once(value.to_value()), cx),
            None => Vec::new(),
        };
        let mut depth = 0;
        while !frontier.is_empty() && self.depth_max.is_none_or(|depth_max| depth <= depth_max) {
            cx.tick()?;
            frontier = search.step(frontier, depth, source, cx)?;
            depth += 1;
        }
        Ok(search.found)
    }
}

struct Search<'g> {
    lookup: &'g GraphLookup,
    found: Vec<Doc>,
    /// Keys of the ids of documents that were found.
    met: HashSet<Vec<u8>>,
    /// Keys of values that were looked up.
    asked: HashSet<Vec<u8>>,
    memory: Memory,
}

impl Search<'_> {
    /// Those values that were not looked up yet.
    fn fresh(&mut self, values: impl Iterator<Item = Value>, cx: &Cx<'_>) -> Vec<Value> {
        values.filter(|value| self.asked.insert(key_of(value.as_ref(), cx))).collect()
    }

    /// Follows one edge from every value; gives the values to follow next.
    fn step(&mut self, frontier: Vec<Value>, depth: u64, source: &dyn Source, cx: &Cx<'_>) -> Result<Vec<Value>> {
        let members = Members::new(frontier, Vec::new(), cx.collation);
        let reachable = Filter::Field(self.lookup.connect_to.clone(), Pred::In(members));
        let filter = match &self.lookup.restrict {
            Some(restrict) => reachable.and(restrict.clone()),
            None => reachable,
        };
        let mut rows = source.open(&self.lookup.from, &Lead { filter: Some(filter), ..Lead::default() }, cx)?;
        let mut next = Vec::new();
        each(&mut *rows, cx, |item| {
            let id = key_of(item.doc.get("_id").unwrap_or(ValueRef::Null), cx);
            let bytes = id.len();
            if !self.met.insert(id) {
                return Ok(());
            }
            self.memory
                .take(ITEM_BYTES + bytes + item.doc.as_bytes().len(), cx)
                .map_err(|fault| Error { number: 40099, ..fault })?;
            let values = local_values(item.doc.raw(), &self.lookup.connect_from);
            next.extend(self.fresh(values.into_iter(), cx));
            self.found.push(self.lookup.with_depth(item.doc, depth));
            Ok(())
        })?;
        Ok(next)
    }
}

impl GraphLookup {
    fn with_depth(&self, doc: Doc, depth: u64) -> Doc {
        let Some(field) = &self.depth_field else { return doc };
        let names: Vec<&str> = field.names().collect();
        let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + 16);
        let depth = ValueRef::Int64(i64::try_from(depth).unwrap_or(i64::MAX));
        set(doc.raw(), &names, Some(depth), &mut builder);
        builder.finish()
    }
}

fn key_of(value: ValueRef<'_>, cx: &Cx<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    key::encode(value, Direction::Ascending, cx.collation, &mut bytes);
    bytes
}
