//! Arrays as sets: equality by value, duplicates dropped, order of no meaning. Unions and intersections come sorted.

use std::cmp::Ordering;

use storage::{Collation, RawArray, ValueRef, compare_with};

use super::call::{Algebra, Call, Op, Shape};
use super::computed::truth;
use super::operand::{array, collect};
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$allElementsTrue", Shape::Fixed(1), all_true, "does every element count as true?"),
    Op::new("$anyElementTrue", Shape::Fixed(1), any_true, "does any element count as true?"),
    Op::new("$setDifference", Shape::Fixed(2), difference, "the elements of the first array that the second lacks"),
    Op::new("$setEquals", Shape::Own(read_equals), equals, "do all arrays hold the same elements?"),
    Op::new("$setIntersection", Shape::Any, intersection, "the elements that all arrays hold")
        .algebra(Algebra::Commutative),
    Op::new("$setIsSubset", Shape::Fixed(2), is_subset, "does the second array hold all elements of the first?"),
    Op::new("$setUnion", Shape::Any, union, "the elements that any array holds").algebra(Algebra::Commutative),
];

fn need<'v>(call: &Call, value: &'v Computed<'_>, number: i32) -> Result<RawArray<'v>> {
    let message = || format!("{} takes arrays, but got {}", call.op.name, value.type_name());
    array(value).ok_or_else(|| Error::mongo(number, message()))
}

fn all_true<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    Ok(need(call, &list, 17040)?.iter().all(truth).into())
}

fn any_true<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    Ok(need(call, &list, 17041)?.iter().any(truth).into())
}

/// The different values of an array, sorted; of equal ones the first stays.
struct Set<'v> {
    values: Vec<ValueRef<'v>>,
    collation: Option<&'v Collation>,
}

impl<'v> Set<'v> {
    fn of(list: RawArray<'v>, collation: Option<&'v Collation>) -> Set<'v> {
        Set::new(list.iter().collect(), collation)
    }

    fn new(mut values: Vec<ValueRef<'v>>, collation: Option<&'v Collation>) -> Set<'v> {
        values.sort_by(|a, b| compare_with(*a, *b, collation));
        values.dedup_by(|a, b| compare_with(*a, *b, collation).is_eq());
        Set { values, collation }
    }

    fn holds(&self, value: ValueRef<'_>) -> bool {
        self.values.binary_search_by(|item| compare_with(*item, value, self.collation)).is_ok()
    }

    fn equals(&self, other: &Set<'_>) -> bool {
        let same = |(a, b): (&ValueRef<'_>, &ValueRef<'_>)| compare_with(*a, *b, self.collation) == Ordering::Equal;
        self.values.len() == other.values.len() && self.values.iter().zip(&other.values).all(same)
    }
}

fn difference<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    if left.is_nullish() || right.is_nullish() {
        return Ok(Computed::null());
    }
    let (left, right) = (need(call, &left, 17048)?, need(call, &right, 17049)?);
    let taken = Set::of(right, env.cx.collation);
    let mut kept: Vec<(usize, ValueRef<'_>)> = left.iter().filter(|value| !taken.holds(*value)).enumerate().collect();
    kept.sort_by(|(_, a), (_, b)| compare_with(*a, *b, env.cx.collation));
    kept.dedup_by(|(_, a), (_, b)| compare_with(*a, *b, env.cx.collation).is_eq());
    kept.sort_by_key(|(place, _)| *place);
    collect(kept.into_iter().map(|(_, value)| value))
}

fn read_equals(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let count = value.as_array().map_or(1, RawArray::len);
    if count < 2 {
        return Err(Error::mongo(17045, format!("$setEquals takes at least two arrays, but {count} were given")));
    }
    let expr = reading.positional(op, value, 2, usize::MAX)?;
    if let Some((_, args)) = expr.as_call() {
        let wrong = args.iter().filter_map(Expr::as_constant).flatten().find(|arg| arg.as_ref().as_array().is_none());
        if let Some(wrong) = wrong {
            let message = format!("$setEquals takes arrays, but got {}", wrong.kind().name());
            reading.note(Error::mongo(CONSTANT_NO_ARRAY, message));
        }
    }
    Ok(expr)
}

const CONSTANT_NO_ARRAY: i32 = 5_887_502;

fn equals<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let first = call.arg(0, env)?;
    let number = if call.args().iter().all(|arg| arg.as_constant().is_some()) { CONSTANT_NO_ARRAY } else { 17044 };
    let expected = Set::of(need(call, &first, number)?, env.cx.collation);
    let mut equal = true;
    for arg in call.args().iter().skip(1) {
        let other = arg.compute(env)?;
        equal &= expected.equals(&Set::of(need(call, &other, number)?, env.cx.collation));
    }
    Ok(equal.into())
}

fn intersection<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut common: Option<Computed<'a>> = None;
    for arg in call.args() {
        let list = arg.compute(env)?;
        if list.is_nullish() {
            return Ok(Computed::null());
        }
        env.cx.tick()?;
        let set = Set::of(need(call, &list, 17047)?, env.cx.collation);
        let kept = match &common {
            None => collect(set.values)?,
            Some(common) => collect(need(call, common, 17047)?.iter().filter(|value| set.holds(*value)))?,
        };
        common = Some(kept);
    }
    Ok(common.unwrap_or_else(|| storage::Array::empty().into()))
}

fn union<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut lists = Vec::with_capacity(call.args().len());
    for arg in call.args() {
        let list = arg.compute(env)?;
        if list.is_nullish() {
            return Ok(Computed::null());
        }
        need(call, &list, 17043)?;
        lists.push(list);
    }
    env.cx.tick()?;
    let values = lists.iter().filter_map(array).flat_map(RawArray::iter).collect();
    collect(Set::new(values, env.cx.collation).values)
}

fn is_subset<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    let constant = |place: usize| call.given(place).is_some_and(|arg| arg.as_constant().is_some());
    // MongoDB has a number of its own for a left side that turns out wrong after the right one was prepared.
    let left = need(call, &left, if constant(1) && !constant(0) { 17310 } else { 17046 })?;
    let right = Set::of(need(call, &right, 17042)?, env.cx.collation);
    Ok(left.iter().all(|value| right.holds(value)).into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::{check, check_over};

    #[test]
    fn sets_ignore_order_and_repetition() {
        let rows = [
            ("{$setUnion: ['$a', [2, 5, 4]]}", "[1, 2, 3, 4, 5]"),
            ("{$setIntersection: [[2, 5, 3, 4], '$a']}", "[2, 3]"),
            ("{$setDifference: [[3, 2, 3, 1, 1], [2]]}", "[3, 1]"),
            ("{$setEquals: [[1, 2, 3], '$a', [3, 2, 1.0]]}", "true"),
            ("{$setIsSubset: [[1, 1], '$a']}", "true"),
            ("{$setIsSubset: [[], '$a']}", "true"),
            ("{$allElementsTrue: ['$a']}", "true"),
            ("{$allElementsTrue: [[]]}", "true"),
            ("{$anyElementTrue: [[0, null, false]]}", "false"),
            ("{$setUnion: []}", "[]"),
        ];
        check_over("{a: [3, 1, 2, 3]}", &rows);
    }

    #[test]
    fn operands_must_be_arrays() {
        check(&[
            ("{$setUnion: ['$a', 5]}", "null"),
            ("{$setUnion: [[1], 5]}", "17043"),
            ("{$setIntersection: [[], 5]}", "17047"),
            ("{$setDifference: [1, [1]]}", "17048"),
            ("{$setDifference: [[1], 1]}", "17049"),
            ("{$setEquals: [[1], '$a']}", "17044"),
            ("{$setEquals: ['$a', 5]}", "5887502"),
            ("{$setEquals: [[1]]}", "17045"),
            ("{$setIsSubset: [5, [1]]}", "17046"),
            ("{$setIsSubset: ['$a', [1]]}", "17310"),
            ("{$setIsSubset: [[1], '$a']}", "17042"),
            ("{$allElementsTrue: '$a'}", "17040"),
            ("{$anyElementTrue: [null]}", "17041"),
        ]);
    }
}
