//! What a pipeline reads and writes beside its input.

use std::fmt::Debug;

use storage::{Doc, Value};

use super::operator::{Feed, Operator};
use super::{Stage, matching};
use crate::cx::Cx;
use crate::error::{Code, Error, Result};
use crate::filter::Filter;
use crate::sort::Sort;

/// The start of a pipeline, for whoever can serve it better than by passing every document.
#[derive(Clone, Debug, Default)]
pub struct Lead {
    /// Which documents.
    pub filter: Option<Filter>,
    /// In which order; `None` means any that the collection likes, by preference that of insertion.
    pub sort: Option<Sort>,
    /// How many to leave out of the ordered documents.
    pub skip: u64,
    /// How many at most.
    pub limit: Option<u64>,
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
                let mut key = Vec::new();
                order.key(doc.raw(), cx, &mut key)?;
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
    fn apply(self, docs: &mut Vec<Doc>) {
        match self {
            Change::Insert(doc) => docs.push(doc),
            Change::Replace { id, doc } => {
                let old = docs.iter_mut().find(|old| old.get("_id").is_some_and(|old| old == id.as_ref()));
                if let Some(old) = old {
                    *old = doc;
                }
            }
        }
    }
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

    /// Puts documents in the place of all that a collection holds, creating it if need be.
    ///
    /// # Errors
    /// `DuplicateKey`, `PermissionDenied`; faults of storage.
    fn replace_all(&self, collection: &str, docs: Vec<Doc>, cx: &Cx<'_>) -> Result<()>;

    /// Carries out writes in their order, creating the collection if need be.
    ///
    /// # Errors
    /// As for [`Source::replace_all`].
    fn write(&self, collection: &str, changes: Vec<Change>, cx: &Cx<'_>) -> Result<()>;

    /// The documents that `$collStats` (with its argument) or `$indexStats` give for the collection that is read.
    ///
    /// # Errors
    /// `NotSupported` for what is not kept.
    fn stats(&self, stage: &str, argument: &Doc) -> Result<Vec<Doc>>;
}

/// Takes leading stages off that an index may serve.
pub(super) fn lead(stages: &mut Vec<Stage>) -> Lead {
    let mut lead = Lead::default();
    let mut taken = 0;
    for stage in stages.iter() {
        let ordered = lead.sort.is_some() || lead.skip > 0 || lead.limit.is_some();
        match stage {
            Stage::Match(stage) if !ordered => lead.filter = Some(matching::joined(lead.filter.take(), stage)),
            Stage::Sort(stage) if !ordered => lead.sort = Some(stage.order.clone()),
            Stage::Skip(count) if lead.limit.is_none() => lead.skip = lead.skip.saturating_add(*count),
            Stage::Limit(count) => lead.limit = Some(lead.limit.map_or(*count, |limit| limit.min(*count))),
            _ => break,
        }
        taken += 1;
    }
    stages.drain(..taken);
    lead
}

/// Collections as lists of documents: for tests, where being obvious matters more than being fast.
#[derive(Debug, Default)]
pub struct VecSource {
    /// Names and documents.
    pub collections: std::cell::RefCell<Vec<(String, Vec<Doc>)>>,
}

impl VecSource {
    /// The documents of a collection.
    pub fn docs(&self, name: &str) -> Vec<Doc> {
        let collections = self.collections.borrow();
        collections.iter().find(|(known, _)| known == name).map(|(_, docs)| docs.clone()).unwrap_or_default()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<Doc>)) {
        let mut collections = self.collections.borrow_mut();
        if !collections.iter().any(|(known, _)| known == name) {
            collections.push((name.to_owned(), Vec::new()));
        }
        if let Some((_, docs)) = collections.iter_mut().find(|(known, _)| known == name) {
            change(docs);
        }
    }
}

impl Source for VecSource {
    fn open<'a>(&'a self, collection: &str, lead: &Lead, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        Ok(Box::new(Feed::of_docs(lead.over(self.docs(collection), cx)?)))
    }

    fn has_index(&self, _: &str, path: &str) -> bool {
        path == "_id"
    }

    fn is_unique(&self, _: &str, paths: &[&str]) -> bool {
        paths == ["_id"]
    }

    fn replace_all(&self, collection: &str, docs: Vec<Doc>, _: &Cx<'_>) -> Result<()> {
        self.change(collection, |held| *held = docs);
        Ok(())
    }

    fn write(&self, collection: &str, changes: Vec<Change>, _: &Cx<'_>) -> Result<()> {
        self.change(collection, |held| changes.into_iter().for_each(|change| change.apply(held)));
        Ok(())
    }

    fn stats(&self, stage: &str, _: &Doc) -> Result<Vec<Doc>> {
        Err(Error::new(Code::NotSupported, format!("a list of documents has no {stage}")))
    }
}
