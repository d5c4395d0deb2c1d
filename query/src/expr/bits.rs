//! Bits of whole numbers.

use storage::ValueRef;

use super::call::{Algebra, Call, Op, Shape};
use super::{Computed, Env};
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$bitAnd", Shape::Any, and, "the bits that are set in all numbers").since(63).algebra(Algebra::Commutative),
    Op::new("$bitNot", Shape::Fixed(1), not, "the bits that are not set").since(63),
    Op::new("$bitOr", Shape::Any, or, "the bits that are set in any number").since(63).algebra(Algebra::Commutative),
    Op::new("$bitXor", Shape::Any, xor, "the bits that are set in an odd count of numbers")
        .since(63)
        .algebra(Algebra::Commutative),
];

fn and<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    combine(call, env, -1, |a, b| a & b)
}

fn or<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    combine(call, env, 0, |a, b| a | b)
}

fn xor<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    combine(call, env, 0, |a, b| a ^ b)
}

fn not_whole(call: &Call, value: ValueRef<'_>) -> Error {
    Error::mongo(TYPE_MISMATCH, format!("{} takes ints and longs, but got {}", call.op.name, value.kind().name()))
}

fn combine<'a>(call: &'a Call, env: &Env<'a>, start: i64, join: fn(i64, i64) -> i64) -> Result<Computed<'a>> {
    let (mut bits, mut long, mut nothing) = (start, false, false);
    for arg in call.args() {
        let value = arg.compute(env)?;
        match value.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => nothing = true,
            Some(ValueRef::Int32(number)) => bits = join(bits, i64::from(number)),
            Some(ValueRef::Int64(number)) => {
                bits = join(bits, number);
                long = true;
            }
            Some(other) => return Err(not_whole(call, other)),
        }
    }
    Ok(match i32::try_from(bits) {
        _ if nothing => Computed::null(),
        Ok(int) if !long => int.into(),
        _ => bits.into(),
    })
}

fn not<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(Computed::null()),
        Some(ValueRef::Int32(number)) => Ok((!number).into()),
        Some(ValueRef::Int64(number)) => Ok((!number).into()),
        Some(other) => Err(not_whole(call, other)),
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn bits() {
        check(&[
            ("{$bitAnd: [6, 3]}", "2"),
            ("{$bitAnd: []}", "-1"),
            ("{$bitOr: [6, 1L]}", "7L"),
            ("{$bitXor: [6, 3, 1]}", "4"),
            ("{$bitNot: 0}", "-1"),
            ("{$bitAnd: [1, null]}", "null"),
            ("{$bitOr: [1, 1.0]}", "14"),
            ("{$bitNot: 'a'}", "14"),
        ]);
    }
}
