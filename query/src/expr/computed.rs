//! What an expression gives: nothing, a value borrowed from the document, or a new one.

use storage::{Array, Doc, Kind, Value, ValueRef};

/// The outcome of an expression.
#[derive(Clone, Debug, Default)]
pub enum Computed<'a> {
    /// No value: a field that does not exist, or `$$REMOVE`. Not the same as null.
    #[default]
    Missing,
    /// A value in the document, a constant or a variable.
    Ref(ValueRef<'a>),
    /// A new value.
    Own(Value),
}

impl<'a> Computed<'a> {
    /// A borrowed value, or missing.
    #[inline]
    pub fn from_option(value: Option<ValueRef<'a>>) -> Computed<'a> {
        value.map_or(Computed::Missing, Computed::Ref)
    }

    /// Null.
    pub const fn null() -> Computed<'a> {
        Computed::Ref(ValueRef::Null)
    }

    /// The value, borrowed; `None` if missing.
    #[inline]
    pub fn as_ref(&self) -> Option<ValueRef<'_>> {
        match self {
            Computed::Missing => None,
            Computed::Ref(value) => Some(*value),
            Computed::Own(value) => Some(value.as_ref()),
        }
    }

    /// The value, with null in place of missing.
    #[inline]
    pub fn or_null(&self) -> ValueRef<'_> {
        self.as_ref().unwrap_or(ValueRef::Null)
    }

    /// An owned value; `None` if missing.
    pub fn into_value(self) -> Option<Value> {
        match self {
            Computed::Missing => None,
            Computed::Ref(value) => Some(value.to_value()),
            Computed::Own(value) => Some(value),
        }
    }

    /// The same outcome, borrowing nothing.
    pub fn into_owned(self) -> Computed<'static> {
        self.into_value().map_or(Computed::Missing, Computed::Own)
    }

    /// Is it missing, null or undefined?
    #[inline]
    pub fn is_nullish(&self) -> bool {
        self.as_ref().is_none_or(ValueRef::is_nullish)
    }

    /// Is it missing?
    pub const fn is_missing(&self) -> bool {
        matches!(self, Computed::Missing)
    }

    /// Does it count as true? Missing, null, undefined, false and zero of any kind do not; all else does, NaN included.
    pub fn is_true(&self) -> bool {
        self.as_ref().is_some_and(truth)
    }

    /// The kind of the value; `None` if missing.
    pub fn kind(&self) -> Option<Kind> {
        self.as_ref().map(|value| value.kind())
    }

    /// The name of the kind for messages and `$type`: `missing` where there is no value.
    pub fn type_name(&self) -> &'static str {
        self.kind().map_or("missing", Kind::name)
    }
}

/// Does a value count as true?
pub(crate) fn truth(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Bool(truth) => truth,
        ValueRef::Null | ValueRef::Undefined => false,
        ValueRef::Int32(number) => number != 0,
        ValueRef::Int64(number) => number != 0,
        ValueRef::Double(number) => number != 0.0,
        ValueRef::Decimal128(number) => !matches!(number.decode(), storage::Decimal::Finite { coefficient: 0, .. }),
        _ => true,
    }
}

impl From<Value> for Computed<'_> {
    fn from(value: Value) -> Self {
        Computed::Own(value)
    }
}

impl From<Doc> for Computed<'_> {
    fn from(doc: Doc) -> Self {
        Computed::Own(Value::Document(doc))
    }
}

impl From<Array> for Computed<'_> {
    fn from(array: Array) -> Self {
        Computed::Own(Value::Array(array))
    }
}

impl From<String> for Computed<'_> {
    fn from(text: String) -> Self {
        Computed::Own(Value::String(text))
    }
}

impl From<bool> for Computed<'_> {
    fn from(truth: bool) -> Self {
        Computed::Ref(ValueRef::Bool(truth))
    }
}

impl From<i32> for Computed<'_> {
    fn from(number: i32) -> Self {
        Computed::Ref(ValueRef::Int32(number))
    }
}

impl From<i64> for Computed<'_> {
    fn from(number: i64) -> Self {
        Computed::Ref(ValueRef::Int64(number))
    }
}

impl From<f64> for Computed<'_> {
    fn from(number: f64) -> Self {
        Computed::Ref(ValueRef::Double(number))
    }
}

impl<'a> From<ValueRef<'a>> for Computed<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        Computed::Ref(value)
    }
}
