//! Bytes that last: documents, their order, their keys, their indexes and their commits.
//!
//! Reading order: `value` and `doc` (what a document is), `order` (how values compare), `key` (the key space as one
//! table), then the engine and the store above it. This crate knows no query, no JSON text, no permission and no
//! async runtime.
#![forbid(unsafe_code)]

mod admin;
mod cache;
mod catalog;
mod changes;
mod collation;
mod commit;
mod doc;
pub mod doctor;
pub mod engine;
mod error;
pub mod geo;
mod index;
mod keeper;
pub mod key;
pub mod limits;
mod locks;
mod number;
mod order;
mod path;
#[cfg(test)]
mod schedules;
mod stats;
mod store;
mod sync;
#[cfg(test)]
mod tests;
pub mod text;
mod txn;
mod value;
mod witness;
mod write;

pub use admin::RecordChange;
pub use catalog::{
    Catalog, Collection, CompilePartial, Env, FieldOrder, Index, IndexField, IndexSpec, IndexState, Partial, Predicate,
};
pub use changes::{Change, Commit};
pub use collation::{CaseFirst, Collation, CollationSpec};
pub use commit::Ticket;
pub use doc::{
    Array, ArrayBuilder, Doc, DocBuilder, Element, Elements, Open, RawArray, RawDoc, name_fault, patch_length,
};
pub use engine::{Durability, RocksOptions, Scan};
pub use error::{Error, Result};
pub use index::{cell_of, cell_value, geo_values};
pub use key::{CollId, Direction, EnvId, IndexId, KeyRange, Rid, Seq, Space};
pub use number::{COEFFICIENT_MAX, Decimal, Decimal128, Number};
pub use order::{compare, compare_documents, compare_with, number};
pub use path::{Part, Path};
pub use stats::CollectionStats;
pub use store::{Changes, Docs, Entries, FORMAT_VERSION, IndexEntry, Options, Store, View};
pub use txn::Txn;
pub use value::{Kind, Value, ValueRef};
pub use write::{Changed, Edit};
