//! Carrying out a plan: rows in batches, checked, in order, counted.
//!
//! `fetch` walks the chosen road and yields documents that pass the rest of the filter, `top` sorts with bounded
//! memory. Every loop over data ticks the deadline. Nothing here knows requests or rules.

mod assemble;
mod fetch;
mod index_key;
mod rings;
mod text;
mod top;

pub use fetch::{Fetch, Row};
pub use index_key::index_key;
pub use top::sorted;

/// What carrying out a plan took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// Index entries looked at.
    pub keys: u64,
    /// Documents looked at.
    pub docs: u64,
    /// Rows returned.
    pub returned: u64,
}
