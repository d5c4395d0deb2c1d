//! The first, last, greatest and least elements of an array, and arrays sorted.

use std::cmp::Ordering;

use storage::{RawDoc, ValueRef, compare_with};

use super::call::{Call, Named, Op, Shape};
use super::operand::{array, collect};
use super::path::FieldPath;
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$firstN", Shape::Own(read_end), first_n, "the first n elements").since(52),
    Op::new("$lastN", Shape::Own(read_end), last_n, "the last n elements").since(52),
    Op::new("$maxN", Shape::Own(read_extreme), max_n, "the n greatest elements, greatest first; null does not count")
        .since(52),
    Op::new("$minN", Shape::Own(read_extreme), min_n, "the n least elements, least first; null does not count")
        .since(52),
    Op::new("$sortArray", Shape::Own(read_sort), sort_array, "the elements sorted by their values or by fields")
        .since(52),
];

fn read_end(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    read_n(op, value, 5_787_801, reading)
}

fn read_extreme(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    read_n(op, value, 5_787_900, reading)
}

const N: Named =
    Named { not_document: 0, unknown: 5_787_901, names: &[("n", Some(5_787_906)), ("input", Some(5_787_907))] };

fn read_n(op: &'static Op, value: ValueRef<'_>, not_document: i32, reading: &Reading<'_>) -> Result<Expr> {
    reading.named(op, value, &Named { not_document, ..N })
}

/// The number `n` of operators that keep n values: whole and above 0.
pub(crate) fn count_of(value: &Computed<'_>) -> Result<usize> {
    let number = value.or_null();
    if !number.kind().is_number() {
        return Err(Error::mongo(5_787_902, format!("'n' must be a whole number, but is {}", value.type_name())));
    }
    if number.as_f64().is_none_or(|number| !number.is_finite()) {
        return Err(Error::mongo(31109, "'n' must be a whole number in the range of long"));
    }
    match number.as_i64() {
        None => Err(Error::mongo(5_787_903, "'n' must be a whole number in the range of long")),
        Some(count @ 1..) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        Some(count) => Err(Error::mongo(5_787_908, format!("'n' must be above 0, but is {count}"))),
    }
}

/// Count and input of a call.
fn operands<'a>(call: &'a Call, env: &Env<'a>) -> Result<(usize, Computed<'a>)> {
    let count = count_of(&call.arg(0, env)?)?;
    let input = call.arg(1, env)?;
    if array(&input).is_none() {
        let message = format!("the input of {} must be an array, but is {}", call.op.name, input.type_name());
        return Err(Error::mongo(5_788_200, message));
    }
    Ok((count, input))
}

fn values<'v>(input: &'v Computed<'_>) -> Vec<ValueRef<'v>> {
    array(input).into_iter().flat_map(storage::RawArray::iter).collect()
}

fn first_n<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (count, input) = operands(call, env)?;
    collect(values(&input).into_iter().take(count))
}

fn last_n<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (count, input) = operands(call, env)?;
    let values = values(&input);
    let skipped = values.len().saturating_sub(count);
    collect(values.into_iter().skip(skipped))
}

fn max_n<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    extreme(call, env, Ordering::reverse)
}

fn min_n<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    extreme(call, env, |order| order)
}

fn extreme<'a>(call: &'a Call, env: &Env<'a>, turn: fn(Ordering) -> Ordering) -> Result<Computed<'a>> {
    let (count, input) = operands(call, env)?;
    let mut values = values(&input);
    values.retain(|value| !value.is_nullish());
    values.sort_by(|a, b| turn(compare_with(*a, *b, env.cx.collation)));
    collect(values.into_iter().take(count))
}

const SORT: Named = Named {
    not_document: 2_942_500,
    unknown: 2_942_501,
    names: &[("input", Some(2_942_502)), ("sortBy", Some(2_942_503))],
};

/// The arguments of the call are the input, then a path and 1 or -1 for each field; a whole element is sorted by where
/// the path is missing.
fn read_sort(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &SORT)?;
    let mut args = vec![reading.expr(doc.get("input").unwrap_or(ValueRef::Null))?];
    match doc.get("sortBy").unwrap_or(ValueRef::Null) {
        ValueRef::Document(fields) => args.extend(read_fields(fields)?),
        number if number.kind().is_number() => {
            let direction = direction(number).ok_or_else(|| Error::mongo(2_942_506, "'sortBy' must be 1 or -1"))?;
            args.extend([Expr::root(), direction]);
        }
        _ => return Err(Error::mongo(2_942_507, "'sortBy' of $sortArray must be 1, -1 or a document of fields")),
    }
    Ok(reading.call(Call::new(op, args)))
}

fn direction(value: ValueRef<'_>) -> Option<Expr> {
    let direction = value.as_i64().filter(|direction| matches!(direction, 1 | -1))?;
    Some(Expr::constant(Some(storage::Value::Int32(i32::try_from(direction).ok()?))))
}

fn read_fields(fields: RawDoc<'_>) -> Result<Vec<Expr>> {
    let wrong = || Error::mongo(2_942_505, "'sortBy' of $sortArray must name fields with 1 or -1");
    let mut args = Vec::new();
    for (name, value) in fields.iter() {
        args.push(Expr::field(FieldPath::parse_lenient(name).ok_or_else(wrong)?));
        args.push(direction(value).ok_or_else(wrong)?);
    }
    if args.is_empty() { Err(wrong()) } else { Ok(args) }
}

fn sort_array<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let input = call.arg(0, env)?;
    if input.is_nullish() {
        return Ok(Computed::null());
    }
    if array(&input).is_none() {
        return Err(Error::mongo(2_942_504, format!("$sortArray takes an array, but got {}", input.type_name())));
    }
    env.cx.tick()?;
    let mut keyed: Vec<(Vec<ValueRef<'_>>, ValueRef<'_>)> = Vec::new();
    let keys = call.args().get(1..).unwrap_or_default();
    for value in values(&input) {
        keyed.push((keys.chunks(2).map(|key| sort_value(key, value)).collect(), value));
    }
    let directions: Vec<bool> = keys.chunks(2).map(is_descending).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let pairs = a.iter().zip(b).zip(&directions);
        pairs.fold(Ordering::Equal, |order, ((a, b), descending)| {
            order.then_with(|| {
                let order = compare_with(*a, *b, env.cx.collation);
                if *descending { order.reverse() } else { order }
            })
        })
    });
    collect(keyed.into_iter().map(|(_, value)| value))
}

fn is_descending(key: &[Expr]) -> bool {
    key.get(1).and_then(Expr::as_constant).and_then(Option::as_ref).and_then(|value| value.as_ref().as_i64())
        == Some(-1)
}

/// What an element is sorted by. Arrays on the way give nothing, and nothing sorts like null.
fn sort_value<'v>(key: &[Expr], value: ValueRef<'v>) -> ValueRef<'v> {
    let Some(path) = key.first().and_then(Expr::as_field) else { return value };
    let found = path.names().try_fold(value, |value, name| value.as_doc()?.get(name));
    found.filter(|value| !value.is_nullish()).unwrap_or(ValueRef::Null)
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn the_n_of_a_kind() {
        check(&[
            ("{$firstN: {n: 2, input: [3, 1, 2]}}", "[3, 1]"),
            ("{$lastN: {n: 2.0, input: [3, 1, 2]}}", "[1, 2]"),
            ("{$maxN: {n: 3, input: [1, null, 5, 'a']}}", "['a', 5, 1]"),
            ("{$minN: {n: 2, input: [3, null, 1]}}", "[1, 3]"),
            ("{$firstN: {n: 0, input: [1]}}", "5787908"),
            ("{$firstN: {n: 1.5, input: [1]}}", "5787903"),
            ("{$firstN: {n: NaN, input: [1]}}", "31109"),
            ("{$firstN: {n: 'a', input: [1]}}", "5787902"),
            ("{$firstN: {n: 1, input: 1}}", "5788200"),
            ("{$firstN: 1}", "5787801"),
            ("{$minN: 1}", "5787900"),
            ("{$minN: {n: 1}}", "5787907"),
        ]);
    }

    #[test]
    fn sorting() {
        check(&[
            ("{$sortArray: {input: [3, null, 'a', 1, [0]], sortBy: -1}}", "[[0], 'a', 3, 1, null]"),
            (
                "{$sortArray: {input: [{a: 1, b: 2}, {a: 1, b: 1}], sortBy: {a: 1, b: 1}}}",
                "[{a: 1, b: 1}, {a: 1, b: 2}]",
            ),
            (
                "{$sortArray: {input: [{a: [3]}, {a: 2}, 7, {a: null}], sortBy: {a: 1}}}",
                "[7, {a: null}, {a: 2}, {a: [3]}]",
            ),
            ("{$sortArray: {input: [1], sortBy: 2}}", "2942506"),
            ("{$sortArray: {input: [1], sortBy: {}}}", "2942505"),
            ("{$sortArray: {input: [1], sortBy: 'a'}}", "2942507"),
            ("{$sortArray: {input: 1, sortBy: 1}}", "2942504"),
        ]);
    }
}
