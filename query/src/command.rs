//! What a caller can ask and what comes back: plain data, no protocol, no storage.
//!
//! Filters, updates, projections and stages arrive as BSON documents in MongoDB's language; they are read in one
//! place (`filter`, `update`, `pipeline` …), after the edge has turned its dialect into this.

use storage::{Doc, Value, ValueRef};

use crate::session::TransactionId;

/// A request.
#[derive(Clone, Debug)]
pub enum Command {
    /// Documents that match.
    Find(Find),
    /// How many documents match.
    Count(Find),
    /// The different values of a field among documents that match.
    Distinct(Distinct),
    /// The result of a pipeline.
    Aggregate(Aggregate),
    /// New documents.
    Insert(Insert),
    /// Changes of documents that match.
    Update(Update),
    /// Changes or removes one document and returns it.
    FindAndModify(FindAndModify),
    /// Removes documents that match.
    Delete(Delete),
    /// Opens a transaction.
    Begin,
    /// Makes a transaction's writes visible, all or none.
    Commit(TransactionId),
    /// Forgets a transaction's writes.
    Abort(TransactionId),
    /// Collections, indexes and the like.
    Admin(Admin),
}

impl Command {
    /// The collection and the `_id`, where the command is about one document that it names by its `_id` and nothing else.
    pub(crate) fn one_document(&self) -> Option<(&str, ValueRef<'_>)> {
        let (collection, filter, collation) = match self {
            Command::Find(find) | Command::Count(find) => (&find.collection, &find.filter, &find.collation),
            Command::Update(update) | Command::FindAndModify(FindAndModify { update, .. }) => {
                (&update.collection, &update.filter, &update.collation)
            }
            Command::Delete(delete) => (&delete.collection, &delete.filter, &delete.collation),
            _ => return None,
        };
        let mut fields = filter.raw().iter();
        let (Some(("_id", value)), None, None) = (fields.next(), fields.next(), collation) else { return None };
        let id = match value {
            ValueRef::Document(operators) => {
                let mut operators = operators.iter();
                let (Some(("$eq", value)), None) = (operators.next(), operators.next()) else { return None };
                value
            }
            value => value,
        };
        let plain = matches!(id, ValueRef::String(_) | ValueRef::ObjectId(_)) || id.kind().is_number();
        plain.then_some((collection, id))
    }
}

/// Which documents, in which order, and what of them.
#[derive(Clone, Debug)]
pub struct Find {
    /// The collection's name.
    pub collection: String,
    /// Which documents; empty means all.
    pub filter: Doc,
    /// Which fields; `None` means all.
    pub projection: Option<Doc>,
    /// In which order; `None` means insertion order (or distance for `$near`).
    pub sort: Option<Doc>,
    /// How many to leave out at the start.
    pub skip: u64,
    /// How many at most; `None` means the caller's default.
    pub limit: Option<u64>,
    /// How texts compare.
    pub collation: Option<Doc>,
    /// Variables for `$expr`.
    pub variables: Option<Doc>,
    /// Name or key pattern of the index to use.
    pub hint: Option<Value>,
    /// Return the plan instead of the documents.
    pub explain: bool,
}

impl Find {
    /// All documents of a collection that match a filter.
    pub fn new(collection: impl Into<String>, filter: Doc) -> Find {
        Find {
            collection: collection.into(),
            filter,
            projection: None,
            sort: None,
            skip: 0,
            limit: None,
            collation: None,
            variables: None,
            hint: None,
            explain: false,
        }
    }
}

/// The different values of a field.
#[derive(Clone, Debug)]
pub struct Distinct {
    /// Dotted path of the field.
    pub key: String,
    /// Among which documents.
    pub find: Find,
}

/// A pipeline over a collection.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The collection's name; `None` for pipelines that begin with `$documents`.
    pub collection: Option<String>,
    /// The stages, each a document with one field.
    pub pipeline: Vec<Doc>,
    /// How texts compare.
    pub collation: Option<Doc>,
    /// Variables for expressions.
    pub variables: Option<Doc>,
    /// Return the plan instead of the documents.
    pub explain: bool,
}

/// New documents.
#[derive(Clone, Debug)]
pub struct Insert {
    /// The collection's name.
    pub collection: String,
    /// The documents; each gets an `_id` if it has none.
    pub docs: Vec<Doc>,
    /// Stop at the first fault (the documents before it stay); otherwise go on with the rest.
    pub ordered: bool,
    /// Which field names are allowed.
    pub names: crate::insert::Names,
}

/// How documents change.
#[derive(Clone, Debug)]
pub enum Change {
    /// Update operators: `{$set: …}`.
    Operators(Doc),
    /// A whole new document that keeps the old `_id`.
    Replacement(Doc),
    /// Stages that compute the new document.
    Pipeline(Vec<Doc>),
}

/// Changes of documents that match.
#[derive(Clone, Debug)]
pub struct Update {
    /// The collection's name.
    pub collection: String,
    /// Which documents.
    pub filter: Doc,
    /// How they change.
    pub change: Change,
    /// All that match, or only the first.
    pub multi: bool,
    /// Insert a document if none matches.
    pub upsert: bool,
    /// Filters for `$[name]` in paths.
    pub array_filters: Vec<Doc>,
    /// How texts compare.
    pub collation: Option<Doc>,
    /// Variables for `$expr` and pipelines.
    pub variables: Option<Doc>,
}

/// Changes or removes one document and returns it.
#[derive(Clone, Debug)]
pub struct FindAndModify {
    /// Filter, change and upsert; `multi` is ignored. `None` as change means removal.
    pub update: Update,
    /// Remove the document instead of changing it.
    pub remove: bool,
    /// Return the document after the change rather than before.
    pub return_new: bool,
    /// Which of several matches; `None` means the first in insertion order.
    pub sort: Option<Doc>,
    /// Which fields of the returned document.
    pub projection: Option<Doc>,
}

/// Removes documents that match.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The collection's name.
    pub collection: String,
    /// Which documents.
    pub filter: Doc,
    /// All that match, or only the first.
    pub multi: bool,
    /// How texts compare.
    pub collation: Option<Doc>,
    /// Variables for `$expr`.
    pub variables: Option<Doc>,
}

/// Work on collections and indexes.
#[derive(Clone, Debug)]
pub enum Admin {
    /// Creates a collection.
    CreateCollection {
        /// Its name.
        name: String,
    },
    /// Drops a collection with its documents and indexes.
    DropCollection {
        /// Its name.
        name: String,
    },
    /// Lists the collections with counts and sizes.
    ListCollections,
    /// Creates an index and starts building it.
    CreateIndex {
        /// The collection's name.
        collection: String,
        /// MongoDB's index document: `{key: {a: 1}, name?, unique?, sparse?, partialFilterExpression?,
        /// expireAfterSeconds?, collation?}`.
        index: Doc,
    },
    /// Drops an index.
    DropIndex {
        /// The collection's name.
        collection: String,
        /// The index's name.
        name: String,
    },
    /// Lists the indexes with their state and progress.
    ListIndexes {
        /// The collection's name.
        collection: String,
    },
    /// Says what clients may do with a collection: one row `{policy}`.
    GetPolicy {
        /// The collection's name.
        collection: String,
    },
    /// Sets what clients may do with a collection, from the next request on.
    SetPolicy {
        /// The collection's name.
        collection: String,
        /// The name of a mode, or rules in JSON with comments.
        policy: String,
    },
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Documents of a find or pipeline.
    Rows(Vec<Doc>),
    /// A count.
    Total(u64),
    /// Values of a distinct.
    Values(Vec<Value>),
    /// The ids of inserted documents, in the order of the request. `fault` tells of a document that was refused.
    Inserted {
        /// The ids, generated ones included.
        ids: Vec<Value>,
        /// The first fault of an insert that was carried out in part.
        fault: Option<crate::Error>,
    },
    /// Counts of an update.
    Updated(Updated),
    /// The document of a find-and-modify.
    Modified {
        /// The document before or after, as asked; `None` if nothing matched.
        doc: Option<Doc>,
        /// The counts of the change.
        updated: Updated,
    },
    /// How many documents were removed.
    Deleted(u64),
    /// The id of a new transaction.
    Begun(TransactionId),
    /// Done, nothing to tell.
    Done,
}

/// Counts of an update.
#[derive(Clone, Debug, Default)]
pub struct Updated {
    /// How many documents matched.
    pub matched: u64,
    /// How many documents changed.
    pub modified: u64,
    /// The id of the document that an upsert inserted.
    pub upserted: Option<Value>,
}
