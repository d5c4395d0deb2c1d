//! What a pipeline reads and writes beside its input.

use std::fmt::Debug;

use storage::{Doc, Path, Value, ValueRef};

use super::geo_near::Nearness;
use super::needs::Needs;
use super::operator::{Feed, Item, Operator, collect};
use super::sort::Sorting;
use super::{Stage, matching};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::filter::Filter;
use crate::insert;
use crate::sort::Sort;

/// The start of a pipeline, for whoever can serve it better than by passing every document.
///
/// The parts apply in the order in which they stand here.
#[derive(Clone, Debug, Default)]
pub struct Lead {
    /// Those near a place, nearest first, each with what was found out about it: see [`Nearness::found`].
    pub near: Option<Nearness>,
    /// Which documents.
    pub filter: Option<Filter>,
    /// In which order, by fields or, where the filter searches for words, best first; `None` means any that the collection likes, by preference that of insertion.
    pub sort: Option<Sort>,
    /// How many to leave out of the ordered documents.
    pub skip: u64,
    /// How many at most.
    pub limit: Option<u64>,
    /// The paths whose values, read as expressions read them, are enough for the rest of the pipeline; none at all
    /// where only the number of documents matters. `None` means the whole documents.
    pub values: Option<Vec<Path>>,
}

impl Lead {
    /// What it leaves of documents that are at hand.
    ///
    /// # Errors
    /// Those of the filter and the order.
    pub fn over(&self, docs: Vec<Doc>, cx: &Cx<'_>) -> Result<Vec<Doc>> {
        let mut kept = Vec::new();
        for doc in docs {
            cx.tick()?;
            if self.filter.as_ref().map_or(Ok(true), |filter| filter.matches(doc.raw(), cx))? {
                kept.push(doc);
            }
        }
        if let Some(order) = &self.sort {
            let mut keyed = Vec::new();
            for doc in kept {
                let found = match (&self.filter, order.metas()) {
                    (Some(filter), metas) if !metas.is_empty() => filter.found(doc.raw(), &metas, cx)?,
                    _ => None,
                };
                let meta =
                    |meta| found.as_ref().and_then(|found| found.get(meta)).map_or(Value::Null, ValueRef::to_value);
                let mut key = Vec::new();
                order.key_with(doc.raw(), cx, meta, &mut key)?;
                keyed.push((key, doc));
            }
            keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
            kept = keyed.into_iter().map(|(_, doc)| doc).collect();
        }
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limit = self.limit.map_or(usize::MAX, count);
        Ok(kept.into_iter().skip(count(self.skip)).take(limit).collect())
    }
}

/// A write of `$merge`.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new document; it gets an `_id` if it has none.
    Insert(Doc),
    /// Another document in the place of the one with this `_id`.
    Replace {
        /// The old document's `_id`.
        id: Value,
        /// The new document.
        doc: Doc,
    },
}

impl Change {
    fn apply(self, docs: &mut Vec<Doc>, cx: &Cx<'_>) -> Result<()> {
        match self {
            Change::Insert(doc) => {
                let doc = prepared(doc, cx)?;
                if docs.iter().any(|other| id(other) == id(&doc)) {
                    return Err(duplicate());
                }
                docs.push(doc);
            }
            Change::Replace { id: old, doc } => {
                if let Some(held) = docs.iter_mut().find(|held| id(held) == old.as_ref()) {
                    *held = doc;
                }
            }
        }
        Ok(())
    }
}

fn id(doc: &Doc) -> ValueRef<'_> {
    doc.get("_id").unwrap_or(ValueRef::Null)
}

fn prepared(doc: Doc, cx: &Cx<'_>) -> Result<Doc> {
    let new_id = || Value::Int64(i64::try_from(cx.random.next_below(1 << 60)).unwrap_or(0));
    insert::prepare(doc.raw(), new_id, insert::Names::Any, cx)
}

fn duplicate() -> Error {
    Error::mongo(number::DUPLICATE_KEY, "E11000 duplicate key error").with_code(Code::DuplicateKey)
}

/// The collections that a pipeline can reach: the planner's in a server, a list of documents in tests.
pub trait Source {
    /// The documents of a collection that the lead describes. A collection that does not exist is empty.
    ///
    /// # Errors
    /// `PermissionDenied`; faults of storage.
    fn open<'a>(&'a self, collection: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>>;

    /// Can documents be found by this field without looking at all of them?
    fn has_index(&self, collection: &str, path: &str) -> bool;

    /// Is there a unique index on exactly these fields, in whatever order?
    fn is_unique(&self, collection: &str, paths: &[&str]) -> bool;

    /// A document that meets the filter as it is now: writes that were carried out for this pipeline are seen.
    ///
    /// # Errors
    /// `PermissionDenied`; faults of storage.
    fn current(&self, collection: &str, filter: Filter, cx: &Cx<'_>) -> Result<Option<Doc>>;

    /// Puts rows in the place of all that a collection holds, creating it if need be. Rows without an `_id` get one.
    /// Where it fails the collection stays as it was.
    ///
    /// # Errors
    /// Those of the rows; `DuplicateKey`, `PermissionDenied`; faults of storage.
    fn replace_all(&self, collection: &str, rows: &mut dyn Operator, cx: &Cx<'_>) -> Result<()>;

    /// Carries out writes in their order, creating the collection if need be.
    ///
    /// # Errors
    /// As for [`Source::replace_all`]; those before the one that fails stay.
    fn write(&self, collection: &str, changes: Vec<Change>, cx: &Cx<'_>) -> Result<()>;

    /// The documents that `$collStats` (with its argument) or `$indexStats` give for the collection that is read.
    ///
    /// # Errors
    /// `NotSupported` for what is not kept.
    fn stats(&self, stage: &str, argument: &Doc) -> Result<Vec<Doc>>;
}

/// Does an order put those documents first whose words fit a search best?
fn is_best_first(lead: &Lead, stage: &Sorting) -> bool {
    lead.filter.as_ref().is_some_and(|filter| filter.text().is_some()) && stage.order.is_best_first()
}

/// Takes leading stages off that an index may serve: only filters, or also an order and paging.
pub(super) fn lead(stages: &mut Vec<Stage>, only_filters: bool) -> Lead {
    let mut lead = Lead::default();
    let mut taken = 0;
    for stage in stages.iter() {
        let ordered = lead.sort.is_some() || lead.skip > 0 || lead.limit.is_some();
        match stage {
            Stage::Match(stage) if !ordered => lead.filter = Some(matching::joined(lead.filter.take(), stage)),
            Stage::Sort(stage)
                if !ordered && !only_filters && (stage.is_by_fields() || is_best_first(&lead, stage)) =>
            {
                lead.sort = Some(stage.order.clone());
            }
            Stage::Skip(count) if lead.limit.is_none() && !only_filters => {
                lead.skip = lead.skip.saturating_add(*count);
            }
            Stage::Limit(count) if !only_filters => {
                lead.limit = Some(lead.limit.map_or(*count, |limit| limit.min(*count)));
            }
            _ => break,
        }
        taken += 1;
    }
    if let (0, Some(Stage::GeoNear(stage))) = (taken, stages.first()) {
        (lead.near, lead.filter) = (Some(stage.near.clone()), stage.filter.clone());
    }
    stages.drain(..taken);
    lead.values = Needs::of(stages);
    lead
}

/// Collections as lists of documents: for tests, where being obvious matters more than being fast.
#[derive(Debug, Default)]
pub struct VecSource {
    /// Names and documents.
    pub collections: std::cell::RefCell<Vec<(String, Vec<Doc>)>>,
    /// Fields with a geo index, by collection; true for those in the plane.
    pub geo_indexes: Vec<(String, Path, bool)>,
    /// Fields that are unique together, by collection.
    pub unique_indexes: Vec<(String, Vec<String>)>,
}

impl VecSource {
    /// The documents of a collection.
    pub fn docs(&self, name: &str) -> Vec<Doc> {
        let collections = self.collections.borrow();
        collections.iter().find(|(known, _)| known == name).map(|(_, docs)| docs.clone()).unwrap_or_default()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<Doc>) -> Result<()>) -> Result<()> {
        let mut collections = self.collections.borrow_mut();
        if !collections.iter().any(|(known, _)| known == name) {
            collections.push((name.to_owned(), Vec::new()));
        }
        collections.iter_mut().find(|(known, _)| known == name).map_or(Ok(()), |(_, docs)| change(docs))
    }
}

impl Source for VecSource {
    fn open<'a>(&'a self, collection: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        let Some(near) = &lead.near else { return Ok(Box::new(Feed::of_docs(lead.over(self.docs(collection), cx)?))) };
        let indexes = self.geo_indexes.iter().filter(|(of, ..)| of == collection);
        let path = near.path_among(indexes.map(|(_, path, flat)| (path, *flat)))?;
        let mut items: Vec<Item> = Vec::new();
        for doc in lead.over(self.docs(collection), cx)? {
            let found = near.found(&path, doc.raw());
            items.extend(found.map(|found| Item { doc, found: Some(found.into()) }));
        }
        let distance = |item: &Item| item.found.as_ref().and_then(|found| found.distance).unwrap_or(f64::INFINITY);
        items.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        Ok(Box::new(Feed::new(items)))
    }

    fn has_index(&self, _: &str, path: &str) -> bool {
        path == "_id"
    }

    fn is_unique(&self, collection: &str, paths: &[&str]) -> bool {
        let same =
            |fields: &[String]| fields.len() == paths.len() && fields.iter().all(|field| paths.contains(&&**field));
        paths == ["_id"] || self.unique_indexes.iter().any(|(of, fields)| of == collection && same(fields))
    }

    fn current(&self, collection: &str, filter: Filter, cx: &Cx<'_>) -> Result<Option<Doc>> {
        let lead = Lead { filter: Some(filter), limit: Some(1), ..Lead::default() };
        Ok(lead.over(self.docs(collection), cx)?.pop())
    }

    fn replace_all(&self, collection: &str, rows: &mut dyn Operator, cx: &Cx<'_>) -> Result<()> {
        let docs = collect(rows, cx)?;
        let docs = docs.into_iter().map(|doc| prepared(doc, cx)).collect::<Result<Vec<_>>>()?;
        for (place, doc) in docs.iter().enumerate() {
            if docs.iter().take(place).any(|other| id(other) == id(doc)) {
                return Err(duplicate());
            }
        }
        self.change(collection, |held| {
            *held = docs;
            Ok(())
        })
    }

    fn write(&self, collection: &str, changes: Vec<Change>, cx: &Cx<'_>) -> Result<()> {
        self.change(collection, |held| changes.into_iter().try_for_each(|change| change.apply(held, cx)))
    }

    fn stats(&self, stage: &str, _: &Doc) -> Result<Vec<Doc>> {
        Err(Error::new(Code::NotSupported, format!("a list of documents has no {stage}")))
    }
}
