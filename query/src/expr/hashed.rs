//! The number that MongoDB's hashed indexes keep for a value.

use md5::{Digest, Md5};
use storage::{Decimal128, Kind, RawDoc, ValueRef};

use super::call::{Call, Op, Shape};
use super::{Computed, Env, Expr, Reading};
use crate::error::Result;

pub(super) const OPS: &[Op] = &[Op::new(
    "$toHashedIndexKey",
    Shape::Own(read),
    hashed,
    "the number that a hashed index of MongoDB keeps for a value",
)
.since(60)];

/// Whatever is written is the one argument, arrays included.
fn read(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    Ok(reading.call(Call::new(op, vec![reading.expr(value)?])))
}

fn hashed<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    Ok(hash(value.or_null()).into())
}

/// The number that a hashed index keeps for a value: the first eight bytes of an MD5 digest.
pub(crate) fn hash(value: ValueRef<'_>) -> i64 {
    let mut hasher = Md5::new();
    hasher.update(0i32.to_le_bytes()); // the seed
    feed(&mut hasher, None, value);
    let digest = hasher.finalize();
    digest.first_chunk().map_or(0, |first| i64::from_le_bytes(*first))
}

fn feed(hasher: &mut Md5, name: Option<&str>, value: ValueRef<'_>) {
    hasher.update(class(value.kind()).to_le_bytes());
    if let Some(name) = name {
        hasher.update(name);
        hasher.update([0]);
    }
    match value {
        ValueRef::Document(doc) => feed_fields(hasher, doc),
        ValueRef::Array(list) => feed_fields(hasher, list.as_doc()),
        ValueRef::Int32(number) => hasher.update(i64::from(number).to_le_bytes()),
        ValueRef::Int64(number) => hasher.update(number.to_le_bytes()),
        ValueRef::Double(number) => hasher.update(whole(number).to_le_bytes()),
        ValueRef::Decimal128(number) => hasher.update(nearest(number).to_le_bytes()),
        other => {
            let mut bytes = Vec::new();
            other.encode(&mut bytes);
            hasher.update(bytes);
        }
    }
}

fn feed_fields(hasher: &mut Md5, doc: RawDoc<'_>) {
    doc.iter().for_each(|(name, value)| feed(hasher, Some(name), value));
    hasher.update(0i32.to_le_bytes()); // the end counts as an element
}

/// A double without its fraction. The bound itself turns over, as a conversion by the processor does.
fn whole(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if number.to_bits() == BOUND.to_bits() { i64::MIN } else { number as i64 }
}

/// A decimal without its fraction, rounded to the nearest.
fn nearest(number: Decimal128) -> i64 {
    number.to_i64_exact().unwrap_or_else(|| number.to_f64().round_ties_even() as i64)
}

/// Kinds that compare with each other have one number, which is MongoDB's.
const fn class(kind: Kind) -> i32 {
    match kind {
        Kind::MinKey => -1,
        Kind::MaxKey => 127,
        Kind::Undefined => 0,
        Kind::Null => 5,
        Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128 => 10,
        Kind::String | Kind::Symbol => 15,
        Kind::Document => 20,
        Kind::Array => 25,
        Kind::Binary => 30,
        Kind::ObjectId => 35,
        Kind::Bool => 40,
        Kind::DateTime => 45,
        Kind::Timestamp => 47,
        Kind::Regex => 50,
        Kind::DbPointer => 55,
        Kind::JavaScript => 60,
        Kind::CodeWithScope => 65,
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn hashes_are_mongodbs() {
        check(&[
            ("{$toHashedIndexKey: 'user123'}", "7481704873447366084L"),
            ("{$toHashedIndexKey: 10}", "7766103514953448109L"),
            ("{$toHashedIndexKey: 10.7}", "7766103514953448109L"),
            ("{$toHashedIndexKey: 1e300}", "921523596458303250L"),
            ("{$toHashedIndexKey: null}", "2338878944348059895L"),
            ("{$toHashedIndexKey: '$missing'}", "2338878944348059895L"),
            ("{$toHashedIndexKey: true}", "6405873908747105701L"),
            ("{$toHashedIndexKey: {$literal: {a: 1, b: {c: 'x'}}}}", "3140165265723222620L"),
            ("{$toHashedIndexKey: {$literal: {}}}", "7980500913326740417L"),
            ("{$toHashedIndexKey: []}", "8849948234993459283L"),
            ("{$toHashedIndexKey: [[1]]}", "-4334179859190550950L"),
            ("{$toHashedIndexKey: '中文'}", "7896167821865405622L"),
        ]);
    }
}
