//! Kinds: asking for them and converting between them.

use storage::{Decimal128, Kind, Value, ValueRef};

use super::call::{Call, Named, Op, Shape};
use super::date::parse_date;
use super::read::Reading;
use super::text::{iso_date, short_double};
use super::{Computed, Env, Expr};
use crate::decimal::{self, Rounding};
use crate::error::number::{BAD_VALUE, FAILED_TO_PARSE};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$binarySize", Shape::Fixed(1), binary_size, "how many bytes a string or binary value has").since(44),
    Op::new("$bsonSize", Shape::Fixed(1), bson_size, "how many bytes a document takes").since(44),
    Op::new("$convert", Shape::Named(&CONVERT), convert, "the value as another kind, with values for failure and null")
        .since(40),
    Op::new("$isNumber", Shape::Fixed(1), is_number, "is it a number?").since(44),
    Op::new("$toBool", Shape::Own(read_single), to_kind, "the value as a bool").since(40),
    Op::new("$toDate", Shape::Own(read_single), to_kind, "the value as a date").since(40),
    Op::new("$toDecimal", Shape::Own(read_single), to_kind, "the value as a decimal").since(40),
    Op::new("$toDouble", Shape::Own(read_single), to_kind, "the value as a double").since(40),
    Op::new("$toInt", Shape::Own(read_single), to_kind, "the value as an int").since(40),
    Op::new("$toLong", Shape::Own(read_single), to_kind, "the value as a long").since(40),
    Op::new("$toObjectId", Shape::Own(read_single), to_kind, "the value as an ObjectId").since(40),
    Op::new("$toString", Shape::Own(read_single), to_kind, "the value as a string").since(40),
    Op::new("$tsIncrement", Shape::Fixed(1), stamp_increment, "the increment of a timestamp").since(51),
    Op::new("$tsSecond", Shape::Fixed(1), stamp_seconds, "the seconds of a timestamp").since(51),
    Op::new("$type", Shape::Fixed(1), r#type, "the name of the value's kind, or missing").since(34),
];

const CONVERT: Named = Named {
    not_document: FAILED_TO_PARSE,
    unknown: FAILED_TO_PARSE,
    names: &[("input", Some(FAILED_TO_PARSE)), ("to", Some(FAILED_TO_PARSE)), ("onError", None), ("onNull", None)],
};

/// The number of every conversion that fails.
const CONVERSION_FAILURE: i32 = 241;

fn r#type<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(Computed::Ref(ValueRef::String(call.arg(0, env)?.type_name())))
}

fn is_number<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(call.arg(0, env)?.kind().is_some_and(Kind::is_number).into())
}

fn size(bytes: usize) -> Computed<'static> {
    i32::try_from(bytes).unwrap_or(i32::MAX).into()
}

fn binary_size<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(Computed::null()),
        Some(ValueRef::String(text)) => Ok(size(text.len())),
        Some(ValueRef::Binary { bytes, .. }) => Ok(size(bytes.len())),
        Some(other) => Err(Error::mongo(
            51276,
            format!("$binarySize takes a string or binary value, but got {}", other.kind().name()),
        )),
    }
}

fn bson_size<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(Computed::null()),
        Some(ValueRef::Document(doc)) => Ok(size(doc.as_bytes().len())),
        Some(other) => Err(Error::mongo(31393, format!("$bsonSize takes a document, but got {}", other.kind().name()))),
    }
}

fn stamp_seconds<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    stamp_part(call, env, 5_687_301, |seconds, _| seconds)
}

fn stamp_increment<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    stamp_part(call, env, 5_687_302, |_, increment| increment)
}

fn stamp_part<'a>(call: &'a Call, env: &Env<'a>, number: i32, choose: fn(u32, u32) -> u32) -> Result<Computed<'a>> {
    match call.arg(0, env)?.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(Computed::null()),
        Some(ValueRef::Timestamp { seconds, increment }) => Ok(i64::from(choose(seconds, increment)).into()),
        Some(other) => {
            Err(Error::mongo(number, format!("{} takes a timestamp, but got {}", call.op.name, other.kind().name())))
        }
    }
}

fn read_single(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let count = value.as_array().map_or(1, storage::RawArray::len);
    if count != 1 {
        return Err(Error::mongo(50723, format!("{} takes exactly 1 argument, but {count} were given", op.name)));
    }
    reading.positional(op, value, 1, 1)
}

fn to_kind<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    if value.is_nullish() {
        return Ok(Computed::null());
    }
    let kind = match call.op.name {
        "$toBool" => Kind::Bool,
        "$toDate" => Kind::DateTime,
        "$toDecimal" => Kind::Decimal128,
        "$toDouble" => Kind::Double,
        "$toInt" => Kind::Int32,
        "$toLong" => Kind::Int64,
        "$toObjectId" => Kind::ObjectId,
        _ => Kind::String,
    };
    Ok(converted(value.or_null(), Some(kind))?.into())
}

fn convert<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (input, to) = (call.arg(0, env)?, call.arg(1, env)?);
    let target = if to.is_nullish() { None } else { Some(target_of(to.or_null())?) };
    if input.is_nullish() {
        return if call.given(3).is_some() { call.arg(3, env) } else { Ok(Computed::null()) };
    }
    let Some(target) = target else { return Ok(Computed::null()) };
    match (converted(input.or_null(), target), call.given(2)) {
        (Ok(value), _) => Ok(value.into()),
        (Err(fault), Some(on_error)) if fault.number == CONVERSION_FAILURE => on_error.compute(env),
        (Err(fault), _) => Err(fault),
    }
}

/// The kind that `to` names or numbers. `None` stands for missing, which nothing can be converted to.
fn target_of(to: ValueRef<'_>) -> Result<Option<Kind>> {
    let unknown = || Error::mongo(FAILED_TO_PARSE, "the number in 'to' of $convert is no kind's number");
    match to {
        ValueRef::String("missing") => Ok(None),
        ValueRef::String(name) => match Kind::from_name(name) {
            Some(kind) => Ok(Some(kind)),
            None => Err(Error::mongo(BAD_VALUE, format!("'{name}' in 'to' of $convert is no kind's name"))),
        },
        number if number.kind().is_number() => match number.as_i64().and_then(|whole| i32::try_from(whole).ok()) {
            None => Err(Error::mongo(FAILED_TO_PARSE, "the number in 'to' of $convert must be a whole one")),
            Some(0) => Ok(None),
            Some(-1) => Ok(Some(Kind::MinKey)),
            Some(byte) => u8::try_from(byte).ok().and_then(Kind::from_byte).map(Some).ok_or_else(unknown),
        },
        other => Err(Error::mongo(
            FAILED_TO_PARSE,
            format!("'to' of $convert must be a kind's name or number, but is {}", other.kind().name()),
        )),
    }
}

fn failure(message: String) -> Error {
    Error::mongo(CONVERSION_FAILURE, message)
}

/// Converts a value that is not null to another kind.
fn converted(value: ValueRef<'_>, target: Option<Kind>) -> Result<Value> {
    let impossible = || {
        let target = target.map_or("missing", Kind::name);
        failure(format!("{} cannot be converted to {target}; give onError to allow for it", value.kind().name()))
    };
    match target {
        Some(kind) if kind == value.kind() && is_scalar(kind) => Ok(value.to_value()),
        Some(Kind::Bool) => Ok(Value::Bool(super::computed::truth(value))),
        Some(Kind::Double) => to_double(value).ok_or_else(impossible)?,
        Some(Kind::Decimal128) => to_decimal(value).ok_or_else(impossible)?,
        Some(Kind::Int32) => match value {
            ValueRef::DateTime(_) => Err(impossible()),
            _ => {
                let long = to_long(value).ok_or_else(impossible)??;
                i32::try_from(long).map(Value::Int32).map_err(|_| failure(format!("{long} does not fit an int")))
            }
        },
        Some(Kind::Int64) => Ok(Value::Int64(to_long(value).ok_or_else(impossible)??)),
        Some(Kind::DateTime) => Ok(Value::DateTime(to_date(value).ok_or_else(impossible)??)),
        Some(Kind::ObjectId) => object_id(value.as_str().ok_or_else(impossible)?).map(Value::ObjectId),
        Some(Kind::String) => to_text(value).ok_or_else(impossible)?.map(Value::String),
        _ => Err(impossible()),
    }
}

const fn is_scalar(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Double
            | Kind::Decimal128
            | Kind::Int32
            | Kind::Int64
            | Kind::Bool
            | Kind::DateTime
            | Kind::ObjectId
            | Kind::String
    )
}

fn to_double(value: ValueRef<'_>) -> Option<Result<Value>> {
    Some(Ok(Value::Double(match value {
        ValueRef::Bool(truth) => f64::from(truth),
        ValueRef::DateTime(millis) => ValueRef::Int64(millis).as_f64()?,
        ValueRef::Decimal128(number) => {
            let double = number.to_f64();
            let overflows = double.is_infinite() && !matches!(number.decode(), storage::Decimal::Infinite { .. });
            if overflows {
                return Some(Err(failure(format!("{number} does not fit a double"))));
            }
            double
        }
        ValueRef::String(text) => return Some(double_of_text(text).map(Value::Double)),
        number if number.kind().is_number() => number.as_f64()?,
        _ => return None,
    })))
}

fn double_of_text(text: &str) -> Result<f64> {
    let wrong = || failure(format!("'{text}' is not a double"));
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        return Err(wrong());
    }
    let number: f64 = text.parse().map_err(|_| wrong())?;
    let named = text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_alphabetic());
    let vanished = number == 0.0
        && text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'));
    if (number.is_infinite() && !named) || vanished {
        return Err(failure(format!("'{text}' is out of the range of doubles")));
    }
    Ok(number)
}

fn to_decimal(value: ValueRef<'_>) -> Option<Result<Value>> {
    Some(Ok(Value::Decimal128(match value {
        ValueRef::Bool(truth) => Decimal128::from_i64(i64::from(truth)),
        ValueRef::DateTime(millis) => Decimal128::from_i64(millis),
        ValueRef::String(text) => match decimal_of_text(text) {
            Some(number) => number,
            None => return Some(Err(failure(format!("'{text}' is not a decimal")))),
        },
        number if number.kind().is_number() => super::arith::to_decimal(number),
        _ => return None,
    })))
}

fn decimal_of_text(text: &str) -> Option<Decimal128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.is_empty() || unsigned.starts_with(['+', '-']) || text.contains(char::is_whitespace) {
        return None;
    }
    let parsed = Decimal128::parse(unsigned)?;
    Some(if text.starts_with('-') { decimal::negate(parsed) } else { parsed })
}

fn to_long(value: ValueRef<'_>) -> Option<Result<i64>> {
    Some(match value {
        ValueRef::Bool(truth) => Ok(i64::from(truth)),
        ValueRef::DateTime(millis) => Ok(millis),
        ValueRef::Int32(number) => Ok(i64::from(number)),
        ValueRef::Int64(number) => Ok(number),
        ValueRef::Double(number) => ValueRef::Double(number.trunc())
            .as_i64()
            .ok_or_else(|| failure(format!("{number} does not fit a whole number"))),
        ValueRef::Decimal128(number) => decimal::round_to_place(number, 0, Rounding::Truncate)
            .to_i64_exact()
            .ok_or_else(|| failure(format!("{number} does not fit a whole number"))),
        ValueRef::String(text) => whole_of_text(text).ok_or_else(|| failure(format!("'{text}' is not a whole number"))),
        _ => return None,
    })
}

fn whole_of_text(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn to_date(value: ValueRef<'_>) -> Option<Result<i64>> {
    match value {
        ValueRef::Int64(_) | ValueRef::Double(_) | ValueRef::Decimal128(_) => to_long(value),
        ValueRef::ObjectId(id) => Some(Ok(object_id_millis(id))),
        ValueRef::Timestamp { seconds, .. } => Some(Ok(i64::from(seconds) * 1000)),
        ValueRef::String(text) => Some(parse_date(text).map_err(|fault| Error { number: CONVERSION_FAILURE, ..fault })),
        _ => None,
    }
}

/// The instant in an ObjectId, in milliseconds since 1970.
pub(super) fn object_id_millis(id: [u8; 12]) -> i64 {
    let [a, b, c, d, ..] = id;
    i64::from(i32::from_be_bytes([a, b, c, d])) * 1000
}

fn object_id(text: &str) -> Result<[u8; 12]> {
    let wrong = || failure(format!("'{text}' is not an ObjectId: 24 hexadecimal digits are needed"));
    let mut id = [0; 12];
    if text.len() != 24 || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, place) in id.iter_mut().zip((0..24).step_by(2)) {
        let digits = text.get(place..place + 2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
    }
    Ok(id)
}

fn to_text(value: ValueRef<'_>) -> Option<Result<String>> {
    Some(Ok(match value {
        ValueRef::Bool(truth) => truth.to_string(),
        ValueRef::Int32(number) => number.to_string(),
        ValueRef::Int64(number) => number.to_string(),
        ValueRef::Double(number) => short_double(number, "NaN", "Infinity"),
        ValueRef::Decimal128(number) => number.to_string(),
        ValueRef::DateTime(millis) => return Some(iso_date(millis)),
        ValueRef::ObjectId(id) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn whole_numbers() {
        check(&[
            ("{$toInt: 2.9}", "2"),
            ("{$toInt: -2147483648.9}", "-2147483648"),
            ("{$toInt: 2147483648.0}", "241"),
            ("{$toInt: '12'}", "12"),
            ("{$toInt: '1.5'}", "241"),
            ("{$toInt: d5}", "241"),
            ("{$toLong: d5}", "5L"),
            ("{$toLong: NaN}", "241"),
            ("{$toLong: '+7'}", "7L"),
            ("{$toInt: true}", "1"),
            ("{$toInt: null}", "null"),
            ("{$toInt: [1, 2]}", "50723"),
        ]);
    }

    #[test]
    fn other_kinds() {
        check(&[
            ("{$toDouble: '1e3'}", "1000.0"),
            ("{$toDouble: '.5'}", "0.5"),
            ("{$toDouble: 'inf'}", "inf"),
            ("{$toDouble: '1e400'}", "241"),
            ("{$toDouble: '1e-400'}", "241"),
            ("{$toDouble: ' 1'}", "241"),
            ("{$toDecimal: 2.5}", "2.50000000000000m"),
            ("{$toDecimal: '1E5'}", "1E+5m"),
            ("{$toBool: 'false'}", "true"),
            ("{$toBool: 0.0}", "false"),
            ("{$toDate: 5}", "241"),
            ("{$toDate: 5L}", "d5"),
            ("{$toDate: #5f0000000000000000000000}", "d1593835520000"),
            ("{$toObjectId: '5f000000000000000000000A'}", "#5f000000000000000000000a"),
            ("{$toObjectId: 'x'}", "241"),
            ("{$toString: 0.1}", "'0.1'"),
            ("{$toString: d0}", "'1970-01-01T00:00:00.000Z'"),
            ("{$toString: /a/}", "241"),
            ("{$type: '$a'}", "'missing'"),
            ("{$bsonSize: {a: 1}}", "12"),
            ("{$binarySize: 'é'}", "2"),
            ("{$tsSecond: t5.6}", "5L"),
        ]);
    }

    #[test]
    fn targets_and_stand_ins() {
        check(&[
            ("{$convert: {input: '1', to: 16}}", "1"),
            ("{$convert: {input: 'x', to: 'int', onError: 'E'}}", "'E'"),
            ("{$convert: {input: null, to: 'int', onNull: 'N'}}", "'N'"),
            ("{$convert: {input: 1, to: null}}", "null"),
            ("{$convert: {input: null, to: 'foo'}}", "2"),
            ("{$convert: {input: 1, to: 20}}", "9"),
            ("{$convert: {input: 1, to: 1.5}}", "9"),
            ("{$convert: {input: 1, to: 'missing'}}", "241"),
            ("{$convert: {input: 1}}", "9"),
        ]);
    }
}
