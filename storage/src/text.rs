//! Full-text search: which words stand in a document, what a search means, and the index that finds documents by word.
//!
//! `language`, `fold` and `words` turn text into terms, `fields` says which texts of a document count, `search` is the
//! meaning of a search on a document alone. `shadow` keeps words and documents on disk, `standing` answers from it and
//! from the change log, `follow` keeps it up to date. What an index finds is judged by the same code as a scan.

mod distance;
mod fields;
mod fold;
mod follow;
mod language;
mod search;
mod shadow;
mod standing;
mod words;

pub(crate) use fields::LanguageFault;
pub use fields::{TextFields, TextSpec, WEIGHT_DEFAULT, WEIGHT_END, WILDCARD};
pub use language::Language;
pub use search::{Fragment, Highlight, Search, SearchText};
pub use standing::TextHits;
pub(crate) use standing::Texts;

#[cfg(test)]
mod tests;
