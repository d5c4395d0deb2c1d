//! The wrappers of Extended JSON: objects with one `$` name that stand for a value JSON has no form for.
//!
//! A wrapper is told by its first name alone, and then nothing else may stand beside it: text that is almost a wrapper
//! is a fault, never a document, because a date that silently became an object would be found too late.

use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use storage::{Decimal128, DocBuilder, Kind, ValueRef};

use super::date;
use super::read::{Sink, Slot};

/// What a wrapper stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapper {
    Int,
    Long,
    Double,
    Decimal,
    ObjectId,
    Date,
    Binary,
    Uuid,
    Regex,
    Timestamp,
    MinKey,
    MaxKey,
    Symbol,
    Code,
    DbPointer,
    Undefined,
}

/// Every wrapper that is read: name, what stands in it, what it becomes. `$regex` is beside the table because it is
/// an operator as often as a value.
const TABLE: &[(&str, Wrapper, &str)] = &[
    ("$numberInt", Wrapper::Int, "a 32-bit integer as text"),
    ("$numberDouble", Wrapper::Double, "a double as text; also `NaN`, `Infinity`, `-Infinity`"),
    ("$date", Wrapper::Date, "milliseconds as `$numberLong`, `$numberInt` or number, ISO text, or `{offset}` from now"),
    ("$numberLong", Wrapper::Long, "a 64-bit integer as text"),
    ("$oid", Wrapper::ObjectId, "24 hexadecimal digits"),
    ("$tcb_server_date", Wrapper::Date, "`{offset}` in milliseconds from the instant of the request"),
    (
        "$regularExpression",
        Wrapper::Regex,
        "`{pattern, options}`; JavaScript's flags `g`, `y`, `u`, `d`, `v` are dropped",
    ),
    ("$numberDecimal", Wrapper::Decimal, "a 128-bit decimal as text"),
    ("$binary", Wrapper::Binary, "`{base64, subType}`, or base64 text followed by `$type`"),
    ("$uuid", Wrapper::Uuid, "a UUID as text"),
    ("$timestamp", Wrapper::Timestamp, "`{t, i}`: seconds and increment"),
    ("$minKey", Wrapper::MinKey, "1"),
    ("$maxKey", Wrapper::MaxKey, "1"),
    ("$symbol", Wrapper::Symbol, "text"),
    ("$code", Wrapper::Code, "text, optionally followed by `$scope` with a document"),
    ("$dbPointer", Wrapper::DbPointer, "`{$ref, $id: {$oid}}`"),
    ("$undefined", Wrapper::Undefined, "true"),
];

/// Name and content of every wrapper, for the docs.
pub const WRAPPERS: [(&str, &str); TABLE.len()] = {
    let mut rows = [("", ""); TABLE.len()];
    let mut index = 0;
    while index < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "the bound is the table's own length, checked at compile time")]
        {
            rows[index] = (TABLE[index].0, TABLE[index].2);
        }
        index += 1;
    }
    rows
};

/// The wrapper that begins with this name.
pub(super) fn find(name: &[u8]) -> Option<Wrapper> {
    if name.first() != Some(&b'$') {
        return None;
    }
    TABLE.iter().find(|(known, ..)| known.as_bytes() == name).map(|(_, wrapper, _)| *wrapper)
}

/// Reads the rest of a wrapper whose name was just read, and puts its value.
pub(super) fn read<'de, A: MapAccess<'de>>(
    wrapper: Wrapper,
    mut fields: A,
    sink: &mut Sink<'_>,
    depth: usize,
) -> Result<Kind, A::Error> {
    let kind = match wrapper {
        Wrapper::Int => sink.put(ValueRef::Int32(fields.next_value_seed(INT)?)),
        Wrapper::Long => sink.put(ValueRef::Int64(fields.next_value_seed(LONG)?)),
        Wrapper::Double => sink.put(ValueRef::Double(fields.next_value_seed(DOUBLE)?)),
        Wrapper::Decimal => sink.put(ValueRef::Decimal128(fields.next_value_seed(DECIMAL)?)),
        Wrapper::ObjectId => sink.put(ValueRef::ObjectId(fields.next_value_seed(OBJECT_ID)?)),
        Wrapper::Uuid => sink.put(ValueRef::Binary { subtype: 4, bytes: &fields.next_value_seed(UUID)? }),
        Wrapper::Date => {
            let millis = fields.next_value::<Date>()?.millis(sink.reader.now);
            sink.put(ValueRef::DateTime(millis))
        }
        Wrapper::Binary => return binary(fields, sink),
        Wrapper::Regex => {
            let RegexParts { pattern, options } = fields.next_value()?;
            put_regex(sink, &pattern, &options).map_err(A::Error::custom)?
        }
        Wrapper::Timestamp => {
            let TimestampParts { t, i } = fields.next_value()?;
            sink.put(ValueRef::Timestamp { seconds: t, increment: i })
        }
        Wrapper::Symbol => sink.put(ValueRef::Symbol(&fields.next_value::<String>()?)),
        Wrapper::Code => return code(fields, sink, depth),
        Wrapper::DbPointer => {
            let PointerParts { namespace, id } = fields.next_value()?;
            sink.put(ValueRef::DbPointer { namespace: &namespace, id: id.0 })
        }
        Wrapper::MinKey => constant(&mut fields, sink, ValueRef::MinKey)?,
        Wrapper::MaxKey => constant(&mut fields, sink, ValueRef::MaxKey)?,
        Wrapper::Undefined => constant(&mut fields, sink, ValueRef::Undefined)?,
    };
    end(fields)?;
    Ok(kind)
}

/// Puts a regular expression without the flags that only JavaScript knows, the others in BSON's order.
pub(super) fn put_regex(sink: &mut Sink<'_>, pattern: &str, options: &str) -> Result<Kind, &'static str> {
    if pattern.contains('\0') || options.contains('\0') {
        return Err("a regular expression must not contain a NUL character");
    }
    let mut flags: Vec<char> = options.chars().filter(|flag| !"gyudv".contains(*flag)).collect();
    flags.sort_unstable();
    flags.dedup();
    let options: String = flags.into_iter().collect();
    Ok(sink.put(ValueRef::Regex { pattern, options: &options }))
}

fn constant<'de, A: MapAccess<'de>>(
    fields: &mut A,
    sink: &mut Sink<'_>,
    value: ValueRef<'_>,
) -> Result<Kind, A::Error> {
    fields.next_value::<IgnoredAny>()?;
    Ok(sink.put(value))
}

fn end<'de, A: MapAccess<'de>>(mut fields: A) -> Result<(), A::Error> {
    match fields.next_key::<String>()? {
        None => Ok(()),
        Some(name) => Err(A::Error::custom(format_args!("\"{name}\" must not stand beside a wrapped value"))),
    }
}

fn binary<'de, A: MapAccess<'de>>(mut fields: A, sink: &mut Sink<'_>) -> Result<Kind, A::Error> {
    let mut parts = fields.next_value::<BinaryParts>()?;
    if parts.subtype.is_none() && fields.next_key::<String>()?.is_some_and(|name| name == "$type") {
        parts.subtype = Some(fields.next_value()?);
    }
    let subtype = parts.subtype.as_deref().and_then(|text| u8::from_str_radix(text, 16).ok());
    let subtype = subtype.ok_or_else(|| A::Error::custom("a binary value needs `subType`: two hexadecimal digits"))?;
    let bytes = STANDARD.decode(&parts.base64).map_err(|fault| A::Error::custom(format_args!("base64: {fault}")))?;
    let kind = sink.put(ValueRef::Binary { subtype, bytes: &bytes });
    end(fields)?;
    Ok(kind)
}

fn code<'de, A: MapAccess<'de>>(mut fields: A, sink: &mut Sink<'_>, depth: usize) -> Result<Kind, A::Error> {
    let code: String = fields.next_value()?;
    match fields.next_key::<String>()?.as_deref() {
        None => return Ok(sink.put(ValueRef::JavaScript(&code))),
        Some("$scope") => {}
        Some(name) => return Err(A::Error::custom(format_args!("expected `$scope` after `$code`, found \"{name}\""))),
    }
    let start = sink.out.len();
    let kind = fields.next_value_seed(Slot { sink, depth })?;
    if kind != Kind::Document {
        return Err(A::Error::custom("`$scope` must be an object"));
    }
    // The scope stands where the code must; both are small and this kind is rare.
    let scope = sink.out.split_off(start);
    let mut builder = DocBuilder::new();
    builder.begin(Kind::Document, "");
    builder.buffer().extend_from_slice(&scope);
    let holder = builder.finish();
    let scope = holder.get("").and_then(ValueRef::as_doc).unwrap_or(storage::RawDoc::empty());
    let kind = sink.put(ValueRef::CodeWithScope { code: &code, scope });
    end(fields)?;
    Ok(kind)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegexParts {
    pattern: String,
    #[serde(default)]
    options: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampParts {
    t: u32,
    i: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointerParts {
    #[serde(rename = "$ref")]
    namespace: String,
    #[serde(rename = "$id")]
    id: WrappedId,
}

struct WrappedId([u8; 12]);

impl<'de> Deserialize<'de> for WrappedId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrappedId, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            #[serde(rename = "$oid")]
            oid: String,
        }
        let parts = Parts::deserialize(deserializer)?;
        hex(&parts.oid).map(WrappedId).ok_or_else(|| D::Error::custom("expected 24 hexadecimal digits"))
    }
}

struct BinaryParts {
    base64: String,
    subtype: Option<String>,
}

impl<'de> Deserialize<'de> for BinaryParts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BinaryParts, D::Error> {
        deserializer.deserialize_any(BinaryVisitor)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = BinaryParts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{base64, subType}` or base64 text")
    }

    fn visit_str<E>(self, text: &str) -> Result<BinaryParts, E> {
        Ok(BinaryParts { base64: text.to_owned(), subtype: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<BinaryParts, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            base64: String,
            #[serde(rename = "subType")]
            subtype: String,
        }
        let Parts { base64, subtype } = Parts::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(BinaryParts { base64, subtype: Some(subtype) })
    }
}

/// A moment, or a distance from the request's own.
enum Date {
    At(i64),
    Offset(i64),
}

impl Date {
    fn millis(self, now: i64) -> i64 {
        match self {
            Date::At(millis) => millis,
            Date::Offset(offset) => now.saturating_add(offset),
        }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum DateField {
    #[serde(rename = "$numberLong")]
    Long,
    #[serde(rename = "$numberInt")]
    Int,
    #[serde(rename = "$numberDouble")]
    Double,
    #[serde(rename = "offset")]
    Offset,
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        deserializer.deserialize_any(DateVisitor)
    }
}

struct DateVisitor;

impl<'de> Visitor<'de> for DateVisitor {
    type Value = Date;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date: milliseconds, ISO text or `{offset}`")
    }

    fn visit_i64<E>(self, millis: i64) -> Result<Date, E> {
        Ok(Date::At(millis))
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Date, E> {
        WholeVisitor.visit_u64(millis).map(|whole| Date::At(whole.0))
    }

    fn visit_f64<E: Error>(self, millis: f64) -> Result<Date, E> {
        truncate(millis).map(Date::At).ok_or_else(|| E::invalid_value(Unexpected::Float(millis), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Date, E> {
        date::parse(text).map(Date::At).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Date, A::Error> {
        let field = fields.next_key::<DateField>()?.ok_or_else(|| A::Error::invalid_type(Unexpected::Map, &self))?;
        let date = match field {
            DateField::Offset => Date::Offset(fields.next_value::<Whole>()?.0),
            DateField::Long | DateField::Int => Date::At(fields.next_value_seed(LONG)?),
            DateField::Double => Date::At(fields.next_value_seed(WHOLE_DOUBLE)?),
        };
        end(fields)?;
        Ok(date)
    }
}

/// A whole number, plain or wrapped.
struct Whole(i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        i64::try_from(number).map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        truncate(number).map(Whole).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Whole, A::Error> {
        let field = fields.next_key::<DateField>()?.ok_or_else(|| A::Error::invalid_type(Unexpected::Map, &self))?;
        let number = match field {
            DateField::Long | DateField::Int => fields.next_value_seed(LONG)?,
            DateField::Double => fields.next_value_seed(WHOLE_DOUBLE)?,
            DateField::Offset => return Err(A::Error::invalid_type(Unexpected::Map, &self)),
        };
        end(fields)?;
        Ok(Whole(number))
    }
}

/// Reads a value from a JSON text without keeping the text.
struct FromText<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
    made: PhantomData<T>,
}

const INT: FromText<i32> = from_text("a 32-bit integer as text", |text| text.parse().ok());
const LONG: FromText<i64> = from_text("a 64-bit integer as text", |text| text.parse().ok());
const DOUBLE: FromText<f64> = from_text("a double as text", double);
const WHOLE_DOUBLE: FromText<i64> = from_text("a whole number as text", |text| double(text).and_then(truncate));
const DECIMAL: FromText<Decimal128> = from_text("a decimal as text", Decimal128::parse);
const OBJECT_ID: FromText<[u8; 12]> = from_text("24 hexadecimal digits", hex);
const UUID: FromText<[u8; 16]> = from_text("a UUID", |text| hex(&text.replace('-', "")));

const fn from_text<T>(expected: &'static str, parse: fn(&str) -> Option<T>) -> FromText<T> {
    FromText { expected, parse, made: PhantomData }
}

impl<'de, T> DeserializeSeed<'de> for FromText<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A double as JavaScript writes it. The standard library also reads `inf` and `nan`, which nobody sends.
fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok()
        }
        _ => None,
    }
}

fn truncate(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    (-LIMIT..LIMIT).contains(&number).then_some(number as i64)
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
