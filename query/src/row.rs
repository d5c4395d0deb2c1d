//! A document on its way through a pipeline, with what searches found out about it.

use std::sync::Arc;

use storage::{Doc, Value, ValueRef};

use crate::sort::Meta;

/// A document, and perhaps what is known about it beside its fields.
#[derive(Clone, Debug)]
pub struct Row {
    /// The document.
    pub doc: Doc,
    /// What a search found out; most rows have nothing.
    pub found: Option<Arc<Found>>,
}

/// What a search found out about a document.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How well the words of `$text` fit.
    pub text_score: Option<f64>,
    /// The distance that `$geoNear` measured.
    pub distance: Option<f64>,
    /// The point that `$geoNear` measured to.
    pub point: Option<Value>,
}

impl Row {
    /// A document about which nothing is known.
    pub const fn plain(doc: Doc) -> Row {
        Row { doc, found: None }
    }

    /// The same row with another document.
    #[must_use]
    pub fn with_doc(self, doc: Doc) -> Row {
        Row { doc, ..self }
    }
}

impl Found {
    /// What is known of one kind.
    pub fn get(&self, meta: Meta) -> Option<ValueRef<'_>> {
        match meta {
            Meta::TextScore => self.text_score.map(ValueRef::Double),
            Meta::GeoDistance => self.distance.map(ValueRef::Double),
            Meta::GeoPoint => self.point.as_ref().map(Value::as_ref),
            Meta::RandomValue => None,
        }
    }
}
