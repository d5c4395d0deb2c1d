//! Values: the kinds that BSON knows, borrowed from a document's bytes or owned.
//!
//! A `ValueRef` is two or three machine words over bytes that somebody else holds, so reading a field allocates
//! nothing. A `Value` owns its content; documents and arrays stay BSON bytes in both, never trees. This module
//! knows the layout of BSON elements (bsonspec.org, version 1.1); it knows neither order (`order`) nor paths (`path`).
//!
//! ```
//! use storage::{DocBuilder, ValueRef};
//! let mut builder = DocBuilder::new();
//! builder.put("n", ValueRef::Int32(1));
//! let doc = builder.finish();
//! assert_eq!(doc.raw().get("n").and_then(|value| value.as_i64()), Some(1));
//! ```

use std::fmt;

use crate::doc::{Array, Doc, RawArray, RawDoc};
use crate::number::Decimal128;

/// The kind of a value, numbered as BSON numbers its element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are BSON's own")]
pub enum Kind {
    Double = 0x01,
    String = 0x02,
    Document = 0x03,
    Array = 0x04,
    Binary = 0x05,
    Undefined = 0x06,
    ObjectId = 0x07,
    Bool = 0x08,
    DateTime = 0x09,
    Null = 0x0A,
    Regex = 0x0B,
    DbPointer = 0x0C,
    JavaScript = 0x0D,
    Symbol = 0x0E,
    CodeWithScope = 0x0F,
    Int32 = 0x10,
    Timestamp = 0x11,
    Int64 = 0x12,
    Decimal128 = 0x13,
    MinKey = 0xFF,
    MaxKey = 0x7F,
}

/// Every kind once, in the order of their classes.
const KINDS: [Kind; 21] = [
    Kind::MinKey,
    Kind::Undefined,
    Kind::Null,
    Kind::Double,
    Kind::Int32,
    Kind::Int64,
    Kind::Decimal128,
    Kind::String,
    Kind::Symbol,
    Kind::Document,
    Kind::Array,
    Kind::Binary,
    Kind::ObjectId,
    Kind::Bool,
    Kind::DateTime,
    Kind::Timestamp,
    Kind::Regex,
    Kind::DbPointer,
    Kind::JavaScript,
    Kind::CodeWithScope,
    Kind::MaxKey,
];

impl Kind {
    /// The kind with this BSON element number, if there is one.
    pub const fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0x01 => Kind::Double,
            0x02 => Kind::String,
            0x03 => Kind::Document,
            0x04 => Kind::Array,
            0x05 => Kind::Binary,
            0x06 => Kind::Undefined,
            0x07 => Kind::ObjectId,
            0x08 => Kind::Bool,
            0x09 => Kind::DateTime,
            0x0A => Kind::Null,
            0x0B => Kind::Regex,
            0x0C => Kind::DbPointer,
            0x0D => Kind::JavaScript,
            0x0E => Kind::Symbol,
            0x0F => Kind::CodeWithScope,
            0x10 => Kind::Int32,
            0x11 => Kind::Timestamp,
            0x12 => Kind::Int64,
            0x13 => Kind::Decimal128,
            0xFF => Kind::MinKey,
            0x7F => Kind::MaxKey,
            _ => return None,
        })
    }

    /// The kind that `$type` calls by this alias (`"int"`, `"objectId"` …).
    pub fn from_name(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }

    /// The alias that `$type` answers and error messages use.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::MinKey => "minKey",
            Kind::Undefined => "undefined",
            Kind::Null => "null",
            Kind::Double => "double",
            Kind::Int32 => "int",
            Kind::Int64 => "long",
            Kind::Decimal128 => "decimal",
            Kind::String => "string",
            Kind::Symbol => "symbol",
            Kind::Document => "object",
            Kind::Array => "array",
            Kind::Binary => "binData",
            Kind::ObjectId => "objectId",
            Kind::Bool => "bool",
            Kind::DateTime => "date",
            Kind::Timestamp => "timestamp",
            Kind::Regex => "regex",
            Kind::DbPointer => "dbPointer",
            Kind::JavaScript => "javascript",
            Kind::CodeWithScope => "javascriptWithScope",
            Kind::MaxKey => "maxKey",
        }
    }

    /// Rank of the kind's class in the one value order; all numbers share a rank, so do strings and symbols.
    pub const fn rank(self) -> u8 {
        match self {
            Kind::MinKey => 0,
            Kind::Undefined => 1,
            Kind::Null => 2,
            Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128 => 3,
            Kind::String | Kind::Symbol => 4,
            Kind::Document => 5,
            Kind::Array => 6,
            Kind::Binary => 7,
            Kind::ObjectId => 8,
            Kind::Bool => 9,
            Kind::DateTime => 10,
            Kind::Timestamp => 11,
            Kind::Regex => 12,
            Kind::DbPointer => 13,
            Kind::JavaScript => 14,
            Kind::CodeWithScope => 15,
            Kind::MaxKey => 16,
        }
    }

    /// Is this one of the four numeric kinds?
    pub const fn is_number(self) -> bool {
        matches!(self, Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128)
    }
}

/// A value borrowed from a document's bytes.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are BSON's own")]
pub enum ValueRef<'a> {
    Double(f64),
    String(&'a str),
    Document(RawDoc<'a>),
    Array(RawArray<'a>),
    Binary { subtype: u8, bytes: &'a [u8] },
    Undefined,
    ObjectId([u8; 12]),
    Bool(bool),
    DateTime(i64),
    Null,
    Regex { pattern: &'a str, options: &'a str },
    DbPointer { namespace: &'a str, id: [u8; 12] },
    JavaScript(&'a str),
    Symbol(&'a str),
    CodeWithScope { code: &'a str, scope: RawDoc<'a> },
    Int32(i32),
    Timestamp { seconds: u32, increment: u32 },
    Int64(i64),
    Decimal128(Decimal128),
    MinKey,
    MaxKey,
}

/// A value that owns its content.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are BSON's own")]
pub enum Value {
    Double(f64),
    String(String),
    Document(Doc),
    Array(Array),
    Binary { subtype: u8, bytes: Vec<u8> },
    Undefined,
    ObjectId([u8; 12]),
    Bool(bool),
    DateTime(i64),
    Null,
    Regex { pattern: String, options: String },
    DbPointer { namespace: String, id: [u8; 12] },
    JavaScript(String),
    Symbol(String),
    CodeWithScope { code: String, scope: Doc },
    Int32(i32),
    Timestamp { seconds: u32, increment: u32 },
    Int64(i64),
    Decimal128(Decimal128),
    MinKey,
    MaxKey,
}

impl<'a> ValueRef<'a> {
    /// Reads the value of an element. `bytes` is exactly the value's part of the element; `None` where it is malformed.
    #[inline]
    pub fn decode(kind: Kind, bytes: &'a [u8]) -> Option<ValueRef<'a>> {
        Some(match kind {
            Kind::Double => ValueRef::Double(f64::from_le_bytes(fixed(bytes)?)),
            Kind::String => ValueRef::String(text(bytes)?),
            Kind::Document => ValueRef::Document(RawDoc::trusted(bytes)),
            Kind::Array => ValueRef::Array(RawArray::trusted(bytes)),
            Kind::Binary => ValueRef::Binary { subtype: *bytes.get(4)?, bytes: bytes.get(5..)? },
            Kind::Undefined => ValueRef::Undefined,
            Kind::ObjectId => ValueRef::ObjectId(fixed(bytes)?),
            Kind::Bool => ValueRef::Bool(*bytes.first()? != 0),
            Kind::DateTime => ValueRef::DateTime(i64::from_le_bytes(fixed(bytes)?)),
            Kind::Null => ValueRef::Null,
            Kind::Regex => {
                let (pattern, rest) = c_text(bytes)?;
                ValueRef::Regex { pattern, options: c_text(rest)?.0 }
            }
            Kind::DbPointer => {
                let split = bytes.len().checked_sub(12)?;
                ValueRef::DbPointer { namespace: text(bytes.get(..split)?)?, id: fixed(bytes.get(split..)?)? }
            }
            Kind::JavaScript => ValueRef::JavaScript(text(bytes)?),
            Kind::Symbol => ValueRef::Symbol(text(bytes)?),
            Kind::CodeWithScope => {
                let code_len = length(bytes.get(4..)?)?;
                let code = text(bytes.get(4..8usize.checked_add(code_len)?)?)?;
                ValueRef::CodeWithScope { code, scope: RawDoc::trusted(bytes.get(8 + code_len..)?) }
            }
            Kind::Int32 => ValueRef::Int32(i32::from_le_bytes(fixed(bytes)?)),
            Kind::Timestamp => {
                let increment = u32::from_le_bytes(fixed(bytes)?);
                ValueRef::Timestamp { seconds: u32::from_le_bytes(fixed(bytes.get(4..)?)?), increment }
            }
            Kind::Int64 => ValueRef::Int64(i64::from_le_bytes(fixed(bytes)?)),
            Kind::Decimal128 => ValueRef::Decimal128(Decimal128::from_le_bytes(fixed(bytes)?)),
            Kind::MinKey => ValueRef::MinKey,
            Kind::MaxKey => ValueRef::MaxKey,
        })
    }

    /// The kind of this value.
    pub const fn kind(&self) -> Kind {
        match self {
            ValueRef::Double(_) => Kind::Double,
            ValueRef::String(_) => Kind::String,
            ValueRef::Document(_) => Kind::Document,
            ValueRef::Array(_) => Kind::Array,
            ValueRef::Binary { .. } => Kind::Binary,
            ValueRef::Undefined => Kind::Undefined,
            ValueRef::ObjectId(_) => Kind::ObjectId,
            ValueRef::Bool(_) => Kind::Bool,
            ValueRef::DateTime(_) => Kind::DateTime,
            ValueRef::Null => Kind::Null,
            ValueRef::Regex { .. } => Kind::Regex,
            ValueRef::DbPointer { .. } => Kind::DbPointer,
            ValueRef::JavaScript(_) => Kind::JavaScript,
            ValueRef::Symbol(_) => Kind::Symbol,
            ValueRef::CodeWithScope { .. } => Kind::CodeWithScope,
            ValueRef::Int32(_) => Kind::Int32,
            ValueRef::Timestamp { .. } => Kind::Timestamp,
            ValueRef::Int64(_) => Kind::Int64,
            ValueRef::Decimal128(_) => Kind::Decimal128,
            ValueRef::MinKey => Kind::MinKey,
            ValueRef::MaxKey => Kind::MaxKey,
        }
    }

    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Double(number) => Value::Double(number),
            ValueRef::String(text) => Value::String(text.to_owned()),
            ValueRef::Document(doc) => Value::Document(doc.to_doc()),
            ValueRef::Array(array) => Value::Array(array.to_array()),
            ValueRef::Binary { subtype, bytes } => Value::Binary { subtype, bytes: bytes.to_vec() },
            ValueRef::Undefined => Value::Undefined,
            ValueRef::ObjectId(id) => Value::ObjectId(id),
            ValueRef::Bool(truth) => Value::Bool(truth),
            ValueRef::DateTime(millis) => Value::DateTime(millis),
            ValueRef::Null => Value::Null,
            ValueRef::Regex { pattern, options } => {
                Value::Regex { pattern: pattern.to_owned(), options: options.to_owned() }
            }
            ValueRef::DbPointer { namespace, id } => Value::DbPointer { namespace: namespace.to_owned(), id },
            ValueRef::JavaScript(code) => Value::JavaScript(code.to_owned()),
            ValueRef::Symbol(text) => Value::Symbol(text.to_owned()),
            ValueRef::CodeWithScope { code, scope } => {
                Value::CodeWithScope { code: code.to_owned(), scope: scope.to_doc() }
            }
            ValueRef::Int32(number) => Value::Int32(number),
            ValueRef::Timestamp { seconds, increment } => Value::Timestamp { seconds, increment },
            ValueRef::Int64(number) => Value::Int64(number),
            ValueRef::Decimal128(number) => Value::Decimal128(number),
            ValueRef::MinKey => Value::MinKey,
            ValueRef::MaxKey => Value::MaxKey,
        }
    }

    /// The value as a whole number: an integer, or a double or decimal without a fraction that fits an `i64`.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            ValueRef::Int32(number) => Some(i64::from(number)),
            ValueRef::Int64(number) => Some(number),
            ValueRef::Double(number) => whole(number),
            ValueRef::Decimal128(number) => number.to_i64_exact(),
            _ => None,
        }
    }

    /// The value as a double: any number, rounded to the nearest double where it is not one.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            ValueRef::Int32(number) => Some(f64::from(number)),
            #[expect(clippy::cast_precision_loss, reason = "rounding is what the caller asks for")]
            ValueRef::Int64(number) => Some(number as f64),
            ValueRef::Double(number) => Some(number),
            ValueRef::Decimal128(number) => Some(number.to_f64()),
            _ => None,
        }
    }

    /// The text of a string; `None` for every other kind, symbols included.
    pub const fn as_str(self) -> Option<&'a str> {
        match self {
            ValueRef::String(text) => Some(text),
            _ => None,
        }
    }

    /// The document, if this is one.
    pub const fn as_doc(self) -> Option<RawDoc<'a>> {
        match self {
            ValueRef::Document(doc) => Some(doc),
            _ => None,
        }
    }

    /// The array, if this is one.
    pub const fn as_array(self) -> Option<RawArray<'a>> {
        match self {
            ValueRef::Array(array) => Some(array),
            _ => None,
        }
    }

    /// Is this null or undefined?
    pub const fn is_nullish(self) -> bool {
        matches!(self, ValueRef::Null | ValueRef::Undefined)
    }

    /// Appends the value's bytes as they stand in an element, without kind and name.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            ValueRef::Double(number) => out.extend_from_slice(&number.to_le_bytes()),
            ValueRef::String(text) | ValueRef::JavaScript(text) | ValueRef::Symbol(text) => put_text(out, text),
            ValueRef::Document(doc) => out.extend_from_slice(doc.as_bytes()),
            ValueRef::Array(array) => out.extend_from_slice(array.as_bytes()),
            ValueRef::Binary { subtype, bytes } => {
                put_length(out, bytes.len());
                out.push(subtype);
                out.extend_from_slice(bytes);
            }
            ValueRef::ObjectId(id) => out.extend_from_slice(&id),
            ValueRef::Bool(truth) => out.push(u8::from(truth)),
            ValueRef::DateTime(number) | ValueRef::Int64(number) => out.extend_from_slice(&number.to_le_bytes()),
            ValueRef::Regex { pattern, options } => {
                put_c_text(out, pattern);
                put_c_text(out, options);
            }
            ValueRef::DbPointer { namespace, id } => {
                put_text(out, namespace);
                out.extend_from_slice(&id);
            }
            ValueRef::CodeWithScope { code, scope } => {
                put_length(out, 4 + 4 + code.len() + 1 + scope.as_bytes().len());
                put_text(out, code);
                out.extend_from_slice(scope.as_bytes());
            }
            ValueRef::Int32(number) => out.extend_from_slice(&number.to_le_bytes()),
            ValueRef::Timestamp { seconds, increment } => {
                out.extend_from_slice(&increment.to_le_bytes());
                out.extend_from_slice(&seconds.to_le_bytes());
            }
            ValueRef::Decimal128(number) => out.extend_from_slice(&number.to_le_bytes()),
            ValueRef::Undefined | ValueRef::Null | ValueRef::MinKey | ValueRef::MaxKey => {}
        }
    }
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Double(number) => ValueRef::Double(*number),
            Value::String(text) => ValueRef::String(text),
            Value::Document(doc) => ValueRef::Document(doc.raw()),
            Value::Array(array) => ValueRef::Array(array.raw()),
            Value::Binary { subtype, bytes } => ValueRef::Binary { subtype: *subtype, bytes },
            Value::Undefined => ValueRef::Undefined,
            Value::ObjectId(id) => ValueRef::ObjectId(*id),
            Value::Bool(truth) => ValueRef::Bool(*truth),
            Value::DateTime(millis) => ValueRef::DateTime(*millis),
            Value::Null => ValueRef::Null,
            Value::Regex { pattern, options } => ValueRef::Regex { pattern, options },
            Value::DbPointer { namespace, id } => ValueRef::DbPointer { namespace, id: *id },
            Value::JavaScript(code) => ValueRef::JavaScript(code),
            Value::Symbol(text) => ValueRef::Symbol(text),
            Value::CodeWithScope { code, scope } => ValueRef::CodeWithScope { code, scope: scope.raw() },
            Value::Int32(number) => ValueRef::Int32(*number),
            Value::Timestamp { seconds, increment } => ValueRef::Timestamp { seconds: *seconds, increment: *increment },
            Value::Int64(number) => ValueRef::Int64(*number),
            Value::Decimal128(number) => ValueRef::Decimal128(*number),
            Value::MinKey => ValueRef::MinKey,
            Value::MaxKey => ValueRef::MaxKey,
        }
    }

    /// The kind of this value.
    pub fn kind(&self) -> Kind {
        self.as_ref().kind()
    }
}

/// Equality of the value order: numbers by value whatever their kind, documents by their fields in order.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        crate::order::compare(self.as_ref(), other.as_ref()).is_eq()
    }
}

/// Equality of the value order, as for [`Value`].
impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &ValueRef<'_>) -> bool {
        crate::order::compare(*self, *other).is_eq()
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Value {
        value.to_value()
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

/// Shows a value the way MongoDB's shell does, for messages.
impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueRef::Double(number) => write!(f, "{number:?}"),
            ValueRef::String(text) | ValueRef::Symbol(text) => write!(f, "{text:?}"),
            ValueRef::Document(doc) if doc.is_empty() => f.write_str("{}"),
            ValueRef::Document(doc) => {
                f.write_str("{ ")?;
                write_list(f, doc.iter().map(|(name, value)| format!("{name}: {value}")))?;
                f.write_str(" }")
            }
            ValueRef::Array(array) => {
                f.write_str("[")?;
                write_list(f, array.iter().map(|value| value.to_string()))?;
                f.write_str("]")
            }
            ValueRef::Binary { subtype, bytes } => write!(f, "BinData({subtype}, {} bytes)", bytes.len()),
            ValueRef::Undefined => f.write_str("undefined"),
            ValueRef::ObjectId(id) => {
                f.write_str("ObjectId('")?;
                id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("')")
            }
            ValueRef::Bool(truth) => write!(f, "{truth}"),
            ValueRef::DateTime(millis) => write!(f, "Date({millis})"),
            ValueRef::Null => f.write_str("null"),
            ValueRef::Regex { pattern, options } => write!(f, "/{pattern}/{options}"),
            ValueRef::DbPointer { namespace, .. } => write!(f, "DBPointer({namespace:?})"),
            ValueRef::JavaScript(code) | ValueRef::CodeWithScope { code, .. } => write!(f, "Code({code:?})"),
            ValueRef::Int32(number) => write!(f, "{number}"),
            ValueRef::Timestamp { seconds, increment } => write!(f, "Timestamp({seconds}, {increment})"),
            ValueRef::Int64(number) => write!(f, "{number}"),
            ValueRef::Decimal128(number) => write!(f, "{number}"),
            ValueRef::MinKey => f.write_str("MinKey"),
            ValueRef::MaxKey => f.write_str("MaxKey"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = String>) -> fmt::Result {
    for (at, item) in items.enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        f.write_str(&item)?;
    }
    Ok(())
}

/// How many bytes the value of an element takes, read from the bytes that follow the element's name.
/// `None` where the bytes are too short or the length they state is impossible.
#[inline]
pub(crate) fn width(kind: Kind, bytes: &[u8]) -> Option<usize> {
    let size = match kind {
        Kind::Double | Kind::DateTime | Kind::Timestamp | Kind::Int64 => 8,
        Kind::String | Kind::JavaScript | Kind::Symbol => 4usize.checked_add(length(bytes)?)?,
        Kind::Document | Kind::Array | Kind::CodeWithScope => length(bytes)?,
        Kind::Binary => 5usize.checked_add(length(bytes)?)?,
        Kind::ObjectId => 12,
        Kind::Bool => 1,
        Kind::Undefined | Kind::Null | Kind::MinKey | Kind::MaxKey => 0,
        Kind::Regex => {
            let pattern = memchr::memchr(0, bytes)? + 1;
            pattern + memchr::memchr(0, bytes.get(pattern..)?)? + 1
        }
        Kind::DbPointer => 16usize.checked_add(length(bytes)?)?,
        Kind::Int32 => 4,
        Kind::Decimal128 => 16,
    };
    (size <= bytes.len()).then_some(size)
}

/// A double without a fraction, as an integer, if it fits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub(crate) fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (number.trunc() == number && (-LIMIT..LIMIT).contains(&number)).then_some(number as i64)
}

#[inline]
fn length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(fixed(bytes)?)).ok()
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.first_chunk::<N>().copied()
}

/// Text of a length-prefixed string. It was checked to be UTF-8 when it came in and is checksummed on disk, so a
/// failure here means damaged memory; it reads as empty rather than ending the process.
fn text(bytes: &[u8]) -> Option<&str> {
    let content = bytes.get(4..bytes.len().checked_sub(1)?)?;
    Some(std::str::from_utf8(content).unwrap_or_default())
}

fn c_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((std::str::from_utf8(bytes.get(..end)?).unwrap_or_default(), bytes.get(end + 1..)?))
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    // A length beyond i32 cannot be reached: documents are bounded at 16 MiB long before.
    out.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len() + 1);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn put_c_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_byte_and_name() {
        for byte in 0..=u8::MAX {
            let Some(kind) = Kind::from_byte(byte) else { continue };
            assert_eq!(kind as u8, byte);
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn encode_then_decode_is_identity() {
        let scope = crate::doc::DocBuilder::new().finish();
        let values = [
            ValueRef::Double(1.5),
            ValueRef::String("héllo"),
            ValueRef::Binary { subtype: 4, bytes: &[1, 2, 3] },
            ValueRef::ObjectId([7; 12]),
            ValueRef::Bool(true),
            ValueRef::DateTime(-5),
            ValueRef::Null,
            ValueRef::Regex { pattern: "a.b", options: "i" },
            ValueRef::DbPointer { namespace: "a.b", id: [1; 12] },
            ValueRef::JavaScript("x"),
            ValueRef::Symbol("s"),
            ValueRef::CodeWithScope { code: "x", scope: scope.raw() },
            ValueRef::Int32(-1),
            ValueRef::Timestamp { seconds: 5, increment: 6 },
            ValueRef::Int64(i64::MIN),
            ValueRef::MinKey,
            ValueRef::MaxKey,
        ];
        for value in values {
            let mut bytes = Vec::new();
            value.encode(&mut bytes);
            assert_eq!(width(value.kind(), &bytes), Some(bytes.len()), "{value:?}");
            let back = ValueRef::decode(value.kind(), &bytes).expect("decodes");
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }
    }
}
