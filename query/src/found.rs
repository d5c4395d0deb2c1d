//! What a search finds out about a document beside its fields.

use storage::{Value, ValueRef};

use crate::sort::Meta;

/// What a search found out about a document; `$meta` reads it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How well the words of `$text` fit.
    pub text_score: Option<f64>,
    /// The distance that `$geoNear` measured.
    pub distance: Option<f64>,
    /// The point that `$geoNear` measured to.
    pub point: Option<Value>,
    /// Where the words of `$text` stand.
    pub highlights: Option<Value>,
    /// The key of the index by which the document was found.
    pub index_key: Option<Value>,
}

impl Found {
    /// What is known of one kind.
    pub fn get(&self, meta: Meta) -> Option<ValueRef<'_>> {
        match meta {
            Meta::TextScore => self.text_score.map(ValueRef::Double),
            Meta::GeoDistance => self.distance.map(ValueRef::Double),
            Meta::GeoPoint => self.point.as_ref().map(Value::as_ref),
            Meta::Highlights => self.highlights.as_ref().map(Value::as_ref),
            Meta::IndexKey => self.index_key.as_ref().map(Value::as_ref),
            Meta::RandomValue => None,
        }
    }
}
