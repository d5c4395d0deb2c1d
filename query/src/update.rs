//! Updates: what a request changes in a document, read once and applied to each document that matches.
//!
//! An update is a set of operators, a replacement or a pipeline. Applying one gives the new document and the paths
//! that changed, or says that nothing did. Nothing here knows stores, indexes or rules.

mod apply;
mod array;
mod check;
mod diff;
mod leaf;
mod number;
mod operators;
mod path;
mod rename;
mod replace;
mod rewrite;
mod seed;
mod tree;

use storage::{Doc, RawDoc, Value};

use crate::command::Change;
use crate::cx::Cx;
use crate::error::{Error, Result, number::FAILED_TO_PARSE};
use crate::filter::{Filter, Matched};
use crate::insert;
use crate::pipeline::{Pipeline, Rewrite};

pub(crate) use check::id_names;
pub use operators::{UPDATE_OPERATORS, UpdateOperator};

use operators::Operators;

/// A change of documents.
#[derive(Clone, Debug)]
pub struct Update(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Operators(Operators),
    Replacement(Doc),
    Pipeline(Rewrite),
}

/// A document after a change.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The document as it is now.
    pub doc: Doc,
    /// What is different, by path.
    pub paths: Vec<ChangedPath>,
}

/// A path where a document changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedPath {
    /// The dotted path, array positions as numbers.
    pub path: String,
    /// Is the field gone, rather than new or different?
    pub removed: bool,
}

/// An array filter: which elements `$[name]` means.
#[derive(Clone, Debug)]
struct ArrayFilter {
    name: Box<str>,
    filter: Filter,
}

impl Update {
    /// Reads a change.
    ///
    /// # Errors
    /// MongoDB's numbers: 9 for a malformed update or array filter, 2 for malformed operands, 14 for operands of the
    /// wrong type, 40 for operators that meet on one path, 52 for names that begin with `$` in a replacement, 56 for
    /// empty paths.
    pub fn parse(change: &Change, array_filters: &[Doc], cx: &Cx<'_>) -> Result<Update> {
        let filters = ArrayFilter::parse_all(array_filters, cx)?;
        Ok(Update(match change {
            Change::Operators(doc) => Kind::Operators(Operators::parse(doc.raw(), filters, cx)?),
            Change::Replacement(doc) => {
                check::replacement(doc.raw())?;
                Kind::Replacement(doc.clone())
            }
            Change::Pipeline(_) if !filters.is_empty() => {
                return Err(Error::mongo(FAILED_TO_PARSE, "an update by a pipeline takes no array filters"));
            }
            Change::Pipeline(stages) => Kind::Pipeline(Pipeline::parse_update(stages, cx)?),
        }))
    }

    /// Is this a whole new document? Then it can change only one document at a time.
    pub const fn is_replacement(&self) -> bool {
        matches!(self.0, Kind::Replacement(_))
    }

    /// Does the update use `$`, so that the filter has to say which array element matched?
    pub fn needs_match(&self) -> bool {
        matches!(&self.0, Kind::Operators(operators) if operators.needs_match())
    }

    /// Changes a document; `None` where it stays as it is. `matched` comes from [`Filter::matched`].
    ///
    /// # Errors
    /// MongoDB's numbers: 28 where a path leads through a value without fields, 2 and 14 for values that an operator
    /// cannot work on, 40 where positional paths meet, 66 where `_id` would change, 52 for `$` names, 17419 and 15 for
    /// a document that grows too large or deep.
    pub fn apply(&self, doc: RawDoc<'_>, matched: Matched, cx: &Cx<'_>) -> Result<Option<Changed>> {
        match &self.0 {
            Kind::Operators(operators) => operators.apply(doc, matched, false, cx),
            Kind::Replacement(new) => replace::replace(doc, new.raw(), cx),
            Kind::Pipeline(rewrite) => rewrite::rewrite(rewrite, doc, cx),
        }
    }

    /// The document that an upsert inserts where nothing matched: the filter's equalities, changed by the update.
    ///
    /// # Errors
    /// As [`Update::apply`]; 54 where the filter gives two values for one path.
    pub fn upsert(&self, filter: &Filter, new_id: impl FnOnce() -> Value, cx: &Cx<'_>) -> Result<Doc> {
        let doc = match &self.0 {
            Kind::Replacement(new) => replace::upsert(filter, new.raw(), cx)?,
            Kind::Pipeline(rewrite) => rewrite::upsert(rewrite, filter, cx)?,
            Kind::Operators(operators) => {
                let seed = seed::seed(filter)?;
                let changed = operators.apply(seed.raw(), Matched::default(), true, cx)?;
                changed.map_or(seed, |changed| changed.doc)
            }
        };
        insert::prepare(doc.raw(), new_id, insert::Names::Any, cx)
    }
}

#[cfg(test)]
mod tests;
