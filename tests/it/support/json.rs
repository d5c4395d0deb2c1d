//! Extended JSON (version 2) for tests: text to values and back, in the forms that the specification data uses.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use storage::{Array, ArrayBuilder, Decimal128, Doc, DocBuilder, Value, ValueRef};

/// JSON with the order of members kept.
#[derive(Clone, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads JSON text.
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.disable_recursion_limit(); // documents may be nested deeper than its own limit
        let json = Json::deserialize(&mut reader).map_err(|error| error.to_string())?;
        reader.end().map_err(|error| error.to_string())?;
        Ok(json)
    }

    /// The member of this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(other, _)| other == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value that this JSON stands for.
    pub fn to_value(&self) -> Result<Value, String> {
        Ok(match self {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Int(number) => i32::try_from(*number).map_or(Value::Int64(*number), Value::Int32),
            Json::Double(number) => Value::Double(*number),
            Json::Text(text) => Value::String(text.clone()),
            Json::List(items) => Value::Array(array(items)?),
            Json::Object(members) => match wrapped(members)? {
                Some(value) => value,
                None => Value::Document(document(members)?),
            },
        })
    }
}

fn array(items: &[Json]) -> Result<Array, String> {
    let mut builder = ArrayBuilder::new();
    for item in items {
        builder.push(item.to_value()?.as_ref());
    }
    Ok(builder.finish())
}

fn document(members: &[(String, Json)]) -> Result<Doc, String> {
    let mut builder = DocBuilder::new();
    for (name, value) in members {
        builder.put(name, value.to_value()?.as_ref());
    }
    Ok(builder.finish())
}

/// The binary subtype whose content repeats its own length.
const OLD_BINARY: u8 = 2;

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes(), bytes].concat()
}

/// The value of an object with one member whose name says its type.
fn wrapped(members: &[(String, Json)]) -> Result<Option<Value>, String> {
    let [(name, inner)] = members else { return Ok(None) };
    let text = || inner.as_str().ok_or_else(|| format!("{name} needs a text"));
    fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
        text.parse().map_err(|_| format!("no number: {text}"))
    }
    Ok(Some(match name.as_str() {
        "$oid" => Value::ObjectId(bytes_of(text()?)?.try_into().map_err(|_| "no ObjectId".to_owned())?),
        "$numberInt" => Value::Int32(number(text()?)?),
        "$numberLong" => Value::Int64(number(text()?)?),
        "$numberDouble" => Value::Double(match text()? {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => number(other)?,
        }),
        "$numberDecimal" => Value::Decimal128(Decimal128::parse(text()?).ok_or("no decimal")?),
        "$date" => Value::DateTime(match inner {
            Json::Int(millis) => *millis,
            Json::Text(text) => iso_millis(text).ok_or_else(|| format!("no date: {text}"))?,
            other => match other.to_value()?.as_ref().as_i64() {
                Some(millis) => millis,
                None => return Ok(None),
            },
        }),
        "$binary" => {
            let Some(base64) = inner.get("base64").and_then(Json::as_str) else { return Ok(None) };
            let subtype = inner.get("subType").and_then(Json::as_str).unwrap_or("0");
            let subtype = u8::from_str_radix(subtype, 16).map_err(|error| error.to_string())?;
            let bytes = from_base64(base64);
            Value::Binary { subtype, bytes: if subtype == OLD_BINARY { with_length(&bytes) } else { bytes } }
        }
        "$timestamp" => match (inner.get("t"), inner.get("i")) {
            (Some(Json::Int(seconds)), Some(Json::Int(increment))) => Value::Timestamp {
                seconds: u32::try_from(*seconds).map_err(|error| error.to_string())?,
                increment: u32::try_from(*increment).map_err(|error| error.to_string())?,
            },
            _ => return Ok(None),
        },
        "$regularExpression" => match (inner.get("pattern"), inner.get("options")) {
            (Some(Json::Text(pattern)), Some(Json::Text(options))) => {
                Value::Regex { pattern: pattern.clone(), options: options.clone() }
            }
            _ => return Ok(None),
        },
        "$minKey" => Value::MinKey,
        "$maxKey" => Value::MaxKey,
        "$undefined" => Value::Undefined,
        "$symbol" => Value::Symbol(text()?.to_owned()),
        "$code" => Value::JavaScript(text()?.to_owned()),
        _ => return Ok(None),
    }))
}

/// `2024-01-31T12:34:56.789Z` in milliseconds since 1970.
fn iso_millis(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':');
    let (hour, minute): (i64, i64) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let seconds: f64 = time.next()?.parse().ok()?;
    // Days since 1970 in the Gregorian calendar, years counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + (seconds * 1000.0).round() as i64)
}

fn bytes_of(hex: &str) -> Result<Vec<u8>, String> {
    let digit = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(digit).collect::<Option<_>>().ok_or_else(|| format!("no hex: {hex}"))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn from_base64(text: &str) -> Vec<u8> {
    let sextets = text.bytes().filter_map(|byte| BASE64.iter().position(|other| *other == byte));
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for sextet in sextets {
        bits = bits << 6 | sextet as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([0u8; 2].iter()).take(3).fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(char::from(BASE64[(bits >> (18 - 6 * place) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

/// Writes a value as canonical extended JSON.
pub fn write(value: ValueRef<'_>, out: &mut String) {
    match value {
        ValueRef::Double(number) => out.push_str(&format!("{{\"$numberDouble\":\"{}\"}}", double(number))),
        ValueRef::String(text) => quote(text, out),
        ValueRef::Document(doc) => {
            out.push('{');
            for (place, (name, value)) in doc.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { "," });
                quote(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        ValueRef::Array(array) => {
            out.push('[');
            for (place, value) in array.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { "," });
                write(value, out);
            }
            out.push(']');
        }
        ValueRef::Binary { subtype, bytes } => {
            let base64 = to_base64(if subtype == OLD_BINARY { bytes.get(4..).unwrap_or_default() } else { bytes });
            out.push_str(&format!("{{\"$binary\":{{\"base64\":\"{base64}\",\"subType\":\"{subtype:02x}\"}}}}"));
        }
        ValueRef::Undefined => out.push_str("{\"$undefined\":true}"),
        ValueRef::ObjectId(id) => {
            let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            out.push_str(&format!("{{\"$oid\":\"{hex}\"}}"));
        }
        ValueRef::Bool(truth) => out.push_str(if truth { "true" } else { "false" }),
        ValueRef::DateTime(millis) => out.push_str(&format!("{{\"$date\":{{\"$numberLong\":\"{millis}\"}}}}")),
        ValueRef::Null => out.push_str("null"),
        ValueRef::Regex { pattern, options } => {
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            quote(pattern, out);
            out.push_str(",\"options\":");
            quote(options, out);
            out.push_str("}}");
        }
        ValueRef::JavaScript(code) | ValueRef::CodeWithScope { code, .. } => {
            out.push_str("{\"$code\":");
            quote(code, out);
            out.push('}');
        }
        ValueRef::Symbol(text) | ValueRef::DbPointer { namespace: text, .. } => {
            out.push_str("{\"$symbol\":");
            quote(text, out);
            out.push('}');
        }
        ValueRef::Int32(number) => out.push_str(&format!("{{\"$numberInt\":\"{number}\"}}")),
        ValueRef::Timestamp { seconds, increment } => {
            out.push_str(&format!("{{\"$timestamp\":{{\"t\":{seconds},\"i\":{increment}}}}}"));
        }
        ValueRef::Int64(number) => out.push_str(&format!("{{\"$numberLong\":\"{number}\"}}")),
        ValueRef::Decimal128(number) => out.push_str(&format!("{{\"$numberDecimal\":\"{number}\"}}")),
        ValueRef::MinKey => out.push_str("{\"$minKey\":1}"),
        ValueRef::MaxKey => out.push_str("{\"$maxKey\":1}"),
    }
}

fn double(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        number if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        number => format!("{number:?}"),
    }
}

/// Writes a text as a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Json, E> {
        i64::try_from(number).map(Json::Int).map_err(|_| E::custom("a whole number beyond 64 bits"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Double(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value().map_err(|error| A::Error::custom(error.to_string()))?;
            object.push((name, value));
        }
        Ok(Json::Object(object))
    }
}
