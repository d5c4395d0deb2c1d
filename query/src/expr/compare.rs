//! Comparison of any two values by the one value order; missing stands just above `MinKey`.

use std::cmp::Ordering;

use storage::{Collation, Kind, ValueRef, compare_with};

use super::call::{Call, Op, Shape};
use super::{Computed, Env};
use crate::error::Result;

pub(super) const OPS: &[Op] = &[
    Op::new("$cmp", Shape::Fixed(2), cmp, "-1, 0 or 1: how the first value compares with the second"),
    Op::new("$eq", Shape::Fixed(2), eq, "are the two equal?"),
    Op::new("$gt", Shape::Fixed(2), gt, "is the first greater?"),
    Op::new("$gte", Shape::Fixed(2), gte, "is the first greater or equal?"),
    Op::new("$lt", Shape::Fixed(2), lt, "is the first less?"),
    Op::new("$lte", Shape::Fixed(2), lte, "is the first less or equal?"),
    Op::new("$ne", Shape::Fixed(2), ne, "are the two different?"),
];

/// Compares two outcomes. Missing equals missing and undefined, and is less than null.
pub(crate) fn compare_optional(
    left: Option<ValueRef<'_>>,
    right: Option<ValueRef<'_>>,
    collation: Option<&Collation>,
) -> Ordering {
    let stand_in = ValueRef::Undefined;
    match (left, right) {
        (Some(left), Some(right)) => compare_with(left, right, collation),
        (None, None) => Ordering::Equal,
        (None, Some(right)) => Kind::Undefined.rank().cmp(&right.kind().rank()),
        (Some(left), None) => left.kind().rank().cmp(&stand_in.kind().rank()),
    }
}

fn order(call: &Call, env: &Env<'_>) -> Result<Ordering> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    Ok(compare_optional(left.as_ref(), right.as_ref(), env.cx.collation))
}

fn cmp<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok((order(call, env)? as i32).into())
}

fn eq<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_eq().into())
}

fn gt<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_gt().into())
}

fn gte<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_ge().into())
}

fn lt<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_lt().into())
}

fn lte<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_le().into())
}

fn ne<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(order(call, env)?.is_ne().into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn any_two_values_compare() {
        check(&[
            ("{$cmp: [1, 'a']}", "-1"),
            ("{$cmp: ['$a', min]}", "1"),
            ("{$cmp: ['$a', undefined]}", "0"),
            ("{$eq: ['$a', null]}", "false"),
            ("{$lt: ['$a', null]}", "true"),
            ("{$eq: [1, 1.0]}", "true"),
            ("{$gt: [[1, 2], [1]]}", "true"),
            ("{$ne: [NaN, NaN]}", "false"),
            ("{$gte: [2, 2]}", "true"),
            ("{$lte: [3, 2]}", "false"),
            ("{$eq: [1]}", "16020"),
        ]);
    }
}
