//! Bytes that last: documents, their order, their keys, their indexes and their commits.
//!
//! Reading order: `value` and `doc` (what a document is), `order` (how values compare), `key` (the key space as one
//! table), then the engine and the store above it. This crate knows no query, no JSON text, no permission and no
//! async runtime.
#![forbid(unsafe_code)]

mod collation;
mod doc;
mod error;
pub mod key;
pub mod limits;
mod number;
mod order;
mod path;
mod value;

pub use collation::{CaseFirst, Collation, CollationSpec};
pub use doc::{
    Array, ArrayBuilder, Doc, DocBuilder, Element, Elements, Open, RawArray, RawDoc, name_fault, patch_length,
};
pub use error::{Error, Result};
pub use key::{CollId, Direction, EnvId, IndexId, KeyRange, Rid, Seq, Space};
pub use number::{COEFFICIENT_MAX, Decimal, Decimal128, Number};
pub use order::{compare, compare_documents, compare_with, number};
pub use path::{Part, Path};
pub use value::{Kind, Value, ValueRef};
