//! Arrays: their elements, their parts, their joins.

use storage::{ArrayBuilder, RawArray, Value, ValueRef};

use super::call::{Algebra, Call, Named, Op, Shape};
use super::compare::compare_optional;
use super::operand::{array, collect, int32, part, push};
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Code, Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$arrayElemAt", Shape::Fixed(2), element_at, "the element at a position; negative ones count from the end")
        .since(32),
    Op::new("$concatArrays", Shape::Any, concat, "the elements of all arrays in one")
        .since(32)
        .algebra(Algebra::Associative),
    Op::new("$first", Shape::Fixed(1), first, "the first element").since(44),
    Op::new("$in", Shape::Fixed(2), contains, "is the first value an element of the array?").since(34),
    Op::new(
        "$indexOfArray",
        Shape::Between(2, 4),
        index_of,
        "the first position of a value in a range of an array, or -1",
    )
    .since(34),
    Op::new("$isArray", Shape::Fixed(1), is_array, "is it an array?").since(32),
    Op::new("$last", Shape::Fixed(1), last, "the last element").since(44),
    Op::new("$range", Shape::Between(2, 3), range, "whole numbers from a start to before an end, by a step").since(34),
    Op::new("$reverseArray", Shape::Fixed(1), reverse, "the elements from last to first").since(34),
    Op::new("$size", Shape::Fixed(1), size, "how many elements"),
    Op::new("$slice", Shape::Between(2, 3), slice, "so many elements from the start, the end or a position").since(32),
    Op::new("$zip", Shape::Own(read_zip), zip, "the first elements of all arrays, then the second ones, and so on")
        .since(34),
];

fn type_fault(number: i32, what: &str, value: &Computed<'_>) -> Error {
    Error::mongo(number, format!("{what}, but got {}", value.type_name()))
}

fn element_at<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (list, position) = (call.arg(0, env)?, call.arg(1, env)?);
    if list.is_nullish() || position.is_nullish() {
        return Ok(Computed::null());
    }
    if array(&list).is_none() {
        return Err(type_fault(28689, "$arrayElemAt takes an array first", &list));
    }
    if !position.or_null().kind().is_number() {
        return Err(type_fault(28690, "$arrayElemAt takes a position as its second argument", &position));
    }
    let position = int32(position.or_null()).ok_or_else(|| {
        Error::mongo(28691, "the position of $arrayElemAt must be a whole number in the range of int")
    })?;
    Ok(part(list, |list| at(list.as_array()?, position)))
}

/// The element at a position; negative ones count from the end.
fn at(list: RawArray<'_>, position: i32) -> Option<ValueRef<'_>> {
    let position = match usize::try_from(position) {
        Ok(position) => position,
        Err(_) => list.len().checked_sub(usize::try_from(position.unsigned_abs()).ok()?)?,
    };
    list.get(position)
}

fn first<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    end(call, env, 0)
}

fn last<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    end(call, env, -1)
}

fn end<'a>(call: &'a Call, env: &Env<'a>, position: i32) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    if list.is_nullish() {
        return Ok(Computed::null());
    }
    if array(&list).is_none() {
        return Err(type_fault(28689, &format!("{} takes an array", call.op.name), &list));
    }
    Ok(part(list, |list| at(list.as_array()?, position)))
}

fn concat<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut builder = ArrayBuilder::new();
    for arg in call.args() {
        let list = arg.compute(env)?;
        if list.is_nullish() {
            return Ok(Computed::null());
        }
        let Some(list) = array(&list) else {
            return Err(type_fault(28664, "$concatArrays takes arrays", &list));
        };
        env.cx.tick()?;
        for value in list.iter() {
            push(&mut builder, value)?;
        }
    }
    Ok(builder.finish().into())
}

fn contains<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (value, list) = (call.arg(0, env)?, call.arg(1, env)?);
    let Some(list) = array(&list) else {
        return Err(type_fault(40081, "$in takes an array as its second argument", &list));
    };
    let equal = |item| compare_optional(value.as_ref(), Some(item), env.cx.collation).is_eq();
    Ok(list.iter().any(equal).into())
}

fn index_of<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    if list.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(list) = array(&list) else {
        return Err(type_fault(40090, "$indexOfArray takes an array first", &list));
    };
    let sought = call.arg(1, env)?;
    let start = bound_of(call, env, 2)?.unwrap_or(0);
    let end = bound_of(call, env, 3)?.unwrap_or(usize::MAX);
    let equal = |item| compare_optional(Some(item), sought.as_ref(), env.cx.collation).is_eq();
    let found = list.iter().take(end).skip(start).position(equal);
    Ok(found.and_then(|place| i32::try_from(place + start).ok()).unwrap_or(-1).into())
}

/// A bound of a search: a whole number that is not negative.
pub(super) fn bound_of(call: &Call, env: &Env<'_>, place: usize) -> Result<Option<usize>> {
    let Some(arg) = call.given(place) else { return Ok(None) };
    let value = arg.compute(env)?;
    let name = call.op.name;
    let Some(bound) = value.as_ref().and_then(int32) else {
        return Err(type_fault(
            40096,
            &format!("the bounds of {name} must be whole numbers in the range of int"),
            &value,
        ));
    };
    match usize::try_from(bound) {
        Ok(bound) => Ok(Some(bound)),
        Err(_) => Err(Error::mongo(40097, format!("the bounds of {name} must not be below 0, but one is {bound}"))),
    }
}

fn is_array<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    Ok(array(&call.arg(0, env)?).is_some().into())
}

fn range<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let whole = |place: usize, what: &str, type_number: i32| -> Result<i64> {
        let value = call.arg(place, env)?;
        if !value.kind().is_some_and(storage::Kind::is_number) {
            return Err(type_fault(type_number, &format!("the {what} of $range must be a number"), &value));
        }
        let message = || format!("the {what} of $range must be a whole number in the range of int");
        int32(value.or_null()).map(i64::from).ok_or_else(|| Error::mongo(type_number + 1, message()))
    };
    let (start, end) = (whole(0, "start", 34443)?, whole(1, "end", 34445)?);
    let step = if call.given(2).is_some() { whole(2, "step", 34447)? } else { 1 };
    if step == 0 {
        return Err(Error::mongo(34449, "the step of $range must not be 0"));
    }
    check_range(start, end, step)?;
    let mut builder = ArrayBuilder::new();
    let mut next = start;
    while (step > 0 && next < end) || (step < 0 && next > end) {
        env.cx.tick()?;
        let number = i32::try_from(next).unwrap_or(i32::MAX);
        push(&mut builder, ValueRef::Int32(number)).map_err(|_| range_too_large())?;
        next += step;
    }
    Ok(builder.finish().into())
}

/// Refuses a range whose elements cannot fit, before any is made.
fn check_range(start: i64, end: i64, step: i64) -> Result<()> {
    const ELEMENT_BYTES_MIN: i64 = 7;
    let count = (end - start).checked_div(step).unwrap_or(0);
    let bytes = usize::try_from(count.saturating_mul(ELEMENT_BYTES_MIN)).unwrap_or(0);
    super::bounded(bytes).map_err(|_| range_too_large())
}

fn range_too_large() -> Error {
    let bytes_max = storage::limits::DOC_BYTES_MAX;
    Error::mongo(146, format!("$range would make an array of more than {bytes_max} bytes")).with_code(Code::MemoryLimit)
}

fn reverse<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    if list.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(list) = array(&list) else { return Err(type_fault(34435, "$reverseArray takes an array", &list)) };
    let values: Vec<ValueRef<'_>> = list.iter().collect();
    collect(values.into_iter().rev())
}

fn size<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    match array(&list) {
        Some(list) => Ok(i32::try_from(list.len()).unwrap_or(i32::MAX).into()),
        None => Err(type_fault(17124, "$size takes an array", &list)),
    }
}

fn slice<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (list, second) = (call.arg(0, env)?, call.arg(1, env)?);
    if list.is_nullish() || second.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(list) = array(&list) else { return Err(type_fault(28724, "$slice takes an array first", &list)) };
    let second = slice_number(&second, "second", 28725)?;
    let length = list.len();
    let Some(third) = call.given(2) else {
        let skipped = if second < 0 { length.saturating_sub(magnitude(second)) } else { 0 };
        return collect(list.iter().skip(skipped).take(magnitude(second)));
    };
    let third = third.compute(env)?;
    if third.is_nullish() {
        return Ok(Computed::null());
    }
    let count = slice_number(&third, "third", 28727)?;
    if count <= 0 {
        return Err(Error::mongo(28729, format!("the third argument of $slice must be above 0, but is {count}")));
    }
    let skipped = if second < 0 { length.saturating_sub(magnitude(second)) } else { magnitude(second) };
    collect(list.iter().skip(skipped).take(magnitude(count)))
}

fn magnitude(number: i32) -> usize {
    usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX)
}

fn slice_number(value: &Computed<'_>, which: &str, type_number: i32) -> Result<i32> {
    let value_ref = value.or_null();
    if !value_ref.kind().is_number() {
        return Err(type_fault(type_number, &format!("the {which} argument of $slice must be a number"), value));
    }
    let message = || format!("the {which} argument of $slice must be a whole number in the range of int");
    int32(value_ref).ok_or_else(|| Error::mongo(type_number + 1, message()))
}

const ZIP: Named = Named {
    not_document: 34460,
    unknown: 34464,
    names: &[("inputs", Some(34465)), ("useLongestLength", None), ("defaults", None)],
};

/// The arguments of the call are whether the longest array counts, then the inputs (`detail` tells how many), then the
/// defaults.
fn read_zip(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &ZIP)?;
    let list = |name: &str, number: i32| -> Result<Vec<Expr>> {
        let Some(value) = doc.get(name) else { return Ok(Vec::new()) };
        let wrong = || Error::mongo(number, format!("'{name}' of $zip must be an array of expressions"));
        value.as_array().ok_or_else(wrong)?.iter().map(|item| reading.expr(item)).collect()
    };
    let inputs = list("inputs", 34461)?;
    let defaults = list("defaults", 34462)?;
    let longest = match doc.get("useLongestLength") {
        None => false,
        Some(ValueRef::Bool(longest)) => longest,
        Some(_) => return Err(Error::mongo(34463, "'useLongestLength' of $zip must be true or false")),
    };
    if inputs.is_empty() {
        return Err(Error::mongo(34465, "$zip needs at least one input"));
    }
    if !defaults.is_empty() && !longest {
        return Err(Error::mongo(34466, "'defaults' of $zip need 'useLongestLength'"));
    }
    if !defaults.is_empty() && defaults.len() != inputs.len() {
        return Err(Error::mongo(34467, "$zip needs as many defaults as inputs"));
    }
    let count = u32::try_from(inputs.len()).unwrap_or(u32::MAX);
    let flag = Expr::constant(Some(Value::Bool(longest)));
    let args = std::iter::once(flag).chain(inputs).chain(defaults).collect();
    Ok(reading.call(Call::new(op, args).detailed(count)))
}

fn zip<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let longest = call.arg(0, env)?.is_true();
    let count = usize::try_from(call.detail).unwrap_or(0);
    let mut inputs = Vec::with_capacity(count);
    for place in 1..=count {
        let input = call.arg(place, env)?;
        if input.is_nullish() {
            return Ok(Computed::null());
        }
        if array(&input).is_none() {
            return Err(type_fault(34468, "the inputs of $zip must be arrays", &input));
        }
        inputs.push(input);
    }
    let mut defaults = Vec::with_capacity(count);
    for place in count + 1..=2 * count {
        defaults.push(if call.given(place).is_some() { call.arg(place, env)? } else { Computed::null() });
    }
    let lengths = inputs.iter().filter_map(array).map(RawArray::len);
    let rows = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let mut columns: Vec<_> = inputs.iter().filter_map(array).map(|list| list.iter()).collect();
    let mut zipped = ArrayBuilder::new();
    for _ in 0..rows {
        env.cx.tick()?;
        let mut row = ArrayBuilder::new();
        for (column, default) in columns.iter_mut().zip(&defaults) {
            if let Some(value) = column.next().or(default.as_ref()) {
                row.push(value);
            }
        }
        push(&mut zipped, ValueRef::Array(row.finish().raw()))?;
    }
    Ok(zipped.finish().into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn positions() {
        check(&[
            ("{$arrayElemAt: [[1, 2, 3], -1.0]}", "3"),
            ("{$arrayElemAt: [[1], 5]}", "missing"),
            ("{$arrayElemAt: [[1], -5]}", "missing"),
            ("{$arrayElemAt: ['$a', 'x']}", "null"),
            ("{$arrayElemAt: [1, 1]}", "28689"),
            ("{$arrayElemAt: [[1], 'x']}", "28690"),
            ("{$arrayElemAt: [[1], 2147483648L]}", "28691"),
            ("{$first: [[]]}", "missing"),
            ("{$last: [[1, 2]]}", "2"),
            ("{$in: ['$a', [null]]}", "false"),
            ("{$in: [[1], [[1]]]}", "true"),
            ("{$in: [1, '$a']}", "40081"),
            ("{$indexOfArray: [[1, 2, 3, 2], 2, 2]}", "3"),
            ("{$indexOfArray: [[1, 2], 2, 0, 1]}", "-1"),
            ("{$indexOfArray: [[1], 1, -1]}", "40097"),
            ("{$indexOfArray: [[1], 1, 0.5]}", "40096"),
            ("{$size: '$a'}", "17124"),
        ]);
    }

    #[test]
    fn parts() {
        check(&[
            ("{$slice: [[1, 2, 3], -2]}", "[2, 3]"),
            ("{$slice: [[1, 2, 3], -5, 2]}", "[1, 2]"),
            ("{$slice: [[1, 2, 3], 1, 0]}", "28729"),
            ("{$slice: [[1, 2, 3], 1, null]}", "null"),
            ("{$reverseArray: [[1, 'b']]}", "['b', 1]"),
            ("{$concatArrays: [[1], [], [2]]}", "[1, 2]"),
            ("{$concatArrays: [[1], 2]}", "28664"),
            ("{$concatArrays: ['$a', 2]}", "null"),
        ]);
    }

    #[test]
    fn ranges() {
        check(&[
            ("{$range: [5, 0, -2]}", "[5, 3, 1]"),
            ("{$range: [0, 5, -1]}", "[]"),
            ("{$range: [2147483646, 2147483647]}", "[2147483646]"),
            ("{$range: [0, 5, 0]}", "34449"),
            ("{$range: [0, 1000000000]}", "146"),
            ("{$size: [{$range: [0, 1000000]}]}", "1000000"),
            ("{$range: ['$a', 5]}", "34443"),
            ("{$range: [0, 2147483648L]}", "34446"),
        ]);
    }

    #[test]
    fn zips() {
        check(&[
            ("{$zip: {inputs: [[1], [2, 3]]}}", "[[1, 2]]"),
            ("{$zip: {inputs: [[1], [2, 3]], useLongestLength: true}}", "[[1, 2], [null, 3]]"),
            ("{$zip: {inputs: [[1], [2, 3]], useLongestLength: true, defaults: ['$a', 9]}}", "[[1, 2], [3]]"),
            ("{$zip: {inputs: ['$a', [1]]}}", "null"),
            ("{$zip: {inputs: [[1]], defaults: [1]}}", "34466"),
            ("{$zip: {inputs: [[1], [2]], useLongestLength: true, defaults: [1]}}", "34467"),
            ("{$zip: {inputs: [1]}}", "34468"),
        ]);
    }
}
