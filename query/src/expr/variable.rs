//! Operators that bind variables for an inner expression, and values that are not expressions.

use storage::{ArrayBuilder, RawDoc, ValueRef};

use super::call::{Call, Named, Op, Shape};
use super::operand::{array, int32, push};
use super::read::Reading;
use super::{Computed, Env, Expr, Frame, bounded};
use crate::error::number::OVERFLOW;
use crate::error::{Error, Result};
use crate::variables::check_name;

pub(super) const OPS: &[Op] = &[
    Op::new("$const", Shape::Own(read_literal), unread, "the value as it stands, not read as an expression"),
    Op::new("$filter", Shape::Own(read_filter), filter, "the elements for which the condition counts as true")
        .since(32)
        .impure(),
    Op::new("$let", Shape::Own(read_let), r#let, "the value of an expression that uses variables defined beside it")
        .impure(),
    Op::new("$literal", Shape::Own(read_literal), unread, "the value as it stands, not read as an expression"),
    Op::new("$map", Shape::Own(read_map), map, "the value of an expression for each element").impure(),
    Op::new("$reduce", Shape::Own(read_reduce), reduce, "what an expression makes of the elements one after another")
        .since(34)
        .impure(),
];

fn read_literal(_: &'static Op, value: ValueRef<'_>, _: &Reading<'_>) -> Result<Expr> {
    Ok(Expr::constant(Some(value.to_value())))
}

/// Literals become constants while they are read, so there is never a call of one.
fn unread<'a>(_: &'a Call, _: &Env<'a>) -> Result<Computed<'a>> {
    Ok(Computed::Missing)
}

const LET: Named = Named { not_document: 16874, unknown: 16875, names: &[("vars", Some(16876)), ("in", Some(16877))] };

/// The arguments of the call are the variables' values, then the inner expression.
fn read_let(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &LET)?;
    let vars = doc.get("vars").unwrap_or(ValueRef::Null);
    // An array is a document of positions, whose names are no variables' names.
    let vars = vars
        .as_array()
        .map(|list| list.as_doc())
        .or(vars.as_doc())
        .ok_or_else(|| Error::mongo(10065, "'vars' of $let must be a document"))?;
    let (mut names, mut args) = (Vec::new(), Vec::new());
    for (name, value) in vars.iter() {
        check_name(name)?;
        names.push(name);
        args.push(reading.expr(value)?);
    }
    let inner = doc.get("in").unwrap_or(ValueRef::Null);
    reading.within(&names, |reading, level| {
        args.push(reading.expr(inner)?);
        Ok(reading.call(Call::new(op, args).detailed(level)))
    })
}

fn r#let<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some((inner, vars)) = call.args().split_last() else { return Ok(Computed::Missing) };
    let values = vars.iter().map(|expr| expr.compute(env)).collect::<Result<Vec<_>>>()?;
    let frame = Frame { outer: env.frame, level: call.detail, values: &values };
    Ok(inner.compute(&env.within(&frame))?.into_owned())
}

const MAP: Named =
    Named { not_document: 16878, unknown: 16879, names: &[("input", Some(16880)), ("as", None), ("in", Some(16882))] };

fn read_map(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &MAP)?;
    let input = argument(doc, "input", reading)?;
    let name = element_name(doc)?;
    reading.within(&[name], |reading, level| {
        Ok(reading.call(Call::new(op, vec![input, argument(doc, "in", reading)?]).detailed(level)))
    })
}

fn argument(doc: RawDoc<'_>, name: &str, reading: &Reading<'_>) -> Result<Expr> {
    doc.get(name).map_or(Ok(Expr::absent()), |value| reading.expr(value))
}

/// The name that `as` gives to the element.
fn element_name(doc: RawDoc<'_>) -> Result<&str> {
    let Some(name) = doc.get("as") else { return Ok("this") };
    let name = name.as_str().unwrap_or_default();
    check_name(name)?;
    Ok(name)
}

/// The elements to go through: null where the input is nullish.
fn input<'a>(call: &'a Call, env: &Env<'a>, number: i32) -> Result<Option<Computed<'a>>> {
    let list = call.arg(0, env)?;
    if list.is_nullish() {
        return Ok(None);
    }
    if array(&list).is_none() {
        let message = format!("the input of {} must be an array, but is {}", call.op.name, list.type_name());
        return Err(Error::mongo(number, message));
    }
    Ok(Some(list))
}

fn map<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some(list) = input(call, env, 16883)? else { return Ok(Computed::null()) };
    let Some(inner) = call.given(1) else { return Ok(Computed::null()) };
    let mut builder = ArrayBuilder::new();
    for value in array(&list).into_iter().flat_map(storage::RawArray::iter) {
        env.cx.tick()?;
        let values = [Computed::Ref(value)];
        let frame = Frame { outer: env.frame, level: call.detail, values: &values };
        push(&mut builder, inner.compute(&env.within(&frame))?.or_null())?;
    }
    Ok(builder.finish().into())
}

const FILTER: Named = Named {
    not_document: 28646,
    unknown: 28647,
    names: &[("input", Some(28648)), ("as", None), ("cond", Some(28650)), ("limit", None)],
};

/// The arguments of the call are the input, the condition and the limit.
fn read_filter(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &FILTER)?;
    let input = argument(doc, "input", reading)?;
    let limit = argument(doc, "limit", reading)?;
    let name = element_name(doc)?;
    reading.within(&[name], |reading, level| {
        let condition = argument(doc, "cond", reading)?;
        Ok(reading.call(Call::new(op, vec![input, condition, limit]).detailed(level)))
    })
}

fn filter<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some(list) = input(call, env, 28651)? else { return Ok(Computed::null()) };
    let limit = filter_limit(call, env)?;
    let Some(condition) = call.given(1) else { return Ok(Computed::null()) };
    let mut kept = ArrayBuilder::new();
    for value in array(&list).into_iter().flat_map(storage::RawArray::iter) {
        env.cx.tick()?;
        let values = [Computed::Ref(value)];
        let frame = Frame { outer: env.frame, level: call.detail, values: &values };
        if condition.compute(&env.within(&frame))?.is_true() {
            kept.push(value);
            if kept.len() == limit {
                break;
            }
        }
    }
    Ok(kept.finish().into())
}

fn filter_limit(call: &Call, env: &Env<'_>) -> Result<usize> {
    let limit = call.arg(2, env)?;
    if limit.is_nullish() {
        return Ok(usize::MAX);
    }
    let wrong = || Error::mongo(327_391, "the limit of $filter must be a whole number in the range of int");
    match int32(limit.or_null()).ok_or_else(wrong)? {
        limit @ 1.. => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
        limit => Err(Error::mongo(327_392, format!("the limit of $filter must be above 0, but is {limit}"))),
    }
}

const REDUCE: Named = Named {
    not_document: 40075,
    unknown: 40076,
    names: &[("input", Some(40077)), ("initialValue", Some(40078)), ("in", Some(40079))],
};

fn read_reduce(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, &REDUCE)?;
    let (input, initial) = (argument(doc, "input", reading)?, argument(doc, "initialValue", reading)?);
    reading.within(&["this", "value"], |reading, level| {
        Ok(reading.call(Call::new(op, vec![input, initial, argument(doc, "in", reading)?]).detailed(level)))
    })
}

fn reduce<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some(list) = input(call, env, 40080)? else { return Ok(Computed::null()) };
    let mut value = call.arg(1, env)?;
    let Some(inner) = call.given(2) else { return Ok(value) };
    for element in array(&list).into_iter().flat_map(storage::RawArray::iter) {
        env.cx.tick()?;
        let values = [Computed::Ref(element), value];
        let frame = Frame { outer: env.frame, level: call.detail, values: &values };
        value = inner.compute(&env.within(&frame))?.into_owned();
        check_growth(&value)?;
    }
    Ok(value)
}

/// Refuses a value that repeated computation has made too large or too deep for a document.
fn check_growth(value: &Computed<'_>) -> Result<()> {
    match value.as_ref() {
        Some(ValueRef::Document(doc)) => bounded(doc.as_bytes().len()).and_then(|()| check_depth(doc)),
        Some(ValueRef::Array(list)) => bounded(list.as_bytes().len()).and_then(|()| check_depth(list.as_doc())),
        _ => Ok(()),
    }
}

/// Deepest nesting of what an expression gives. It may leave in an answer, where MongoDB allows this much, though no
/// collection takes it.
const DEPTH_MAX: usize = 200;

/// Refuses nesting deeper than an answer may have.
pub(crate) fn check_depth(doc: RawDoc<'_>) -> Result<()> {
    let mut open = vec![doc.elements()];
    while let Some(elements) = open.last_mut() {
        let inner = elements.find_map(|element| match element.value() {
            ValueRef::Document(doc) if !doc.is_empty() => Some(doc),
            ValueRef::Array(array) if !array.is_empty() => Some(array.as_doc()),
            _ => None,
        });
        match inner {
            Some(inner) => open.push(inner.elements()),
            None => {
                open.pop();
            }
        }
        if open.len() > DEPTH_MAX {
            return Err(Error::mongo(OVERFLOW, "a computed value is nested deeper than an answer may be"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::{check, check_over};

    #[test]
    fn variables_reach_inner_expressions() {
        let rows = [
            ("{$let: {vars: {x: 1, y: '$a'}, in: {$add: ['$$x', '$$y']}}}", "6"),
            ("{$let: {vars: {CURRENT: {z: 5}}, in: '$z'}}", "5"),
            ("{$let: {vars: {CURRENT: {z: 5}}, in: '$$ROOT.a'}}", "5"),
            ("{$let: {vars: {x: 1}, in: {$let: {vars: {x: 2, y: '$$x'}, in: ['$$x', '$$y']}}}}", "[2, 1]"),
            ("{$map: {input: [1, '$none'], in: {$add: ['$$this', '$a']}}}", "[6, null]"),
            (
                "{$map: {input: [[1], [2]], as: 'o', in: {$map: {input: '$$o', in: ['$$o', '$$this']}}}}",
                "[[[[1], 1]], [[[2], 2]]]",
            ),
            ("{$filter: {input: [1, 2, 3], as: 'n', cond: {$gt: ['$$n', 1]}, limit: 1}}", "[2]"),
            ("{$reduce: {input: [1, 2], initialValue: '$a', in: {$add: ['$$value', '$$this']}}}", "8"),
            ("{$reduce: {input: [], initialValue: '$none', in: 1}}", "missing"),
            ("{$literal: {$add: [1, 2]}}", "{$add: [1, 2]}"),
        ];
        check_over("{a: 5}", &rows);
    }

    #[test]
    fn shapes() {
        check(&[
            ("{$let: {vars: {a: 1, b: '$$a'}, in: 1}}", "17276"),
            ("{$let: {vars: {A: 1}, in: 1}}", "9"),
            ("{$let: 1}", "16874"),
            ("{$let: {x: 1}}", "16875"),
            ("{$let: {in: 1}}", "16876"),
            ("{$let: {vars: {}}}", "16877"),
            ("{$map: {input: 1, in: 1}}", "16883"),
            ("{$map: {input: [1], as: 5, in: 1}}", "9"),
            ("{$filter: {input: null, cond: 1, limit: 'b'}}", "null"),
            ("{$filter: {input: [1], cond: 1, limit: 1.5}}", "327391"),
            ("{$filter: {input: [1], cond: 1, limit: 0}}", "327392"),
            ("{$reduce: {input: 1, initialValue: 0, in: 1}}", "40080"),
        ]);
    }

    #[test]
    fn growth_is_bounded() {
        check(&[
            ("{$reduce: {input: {$range: [0, 300]}, initialValue: {}, in: {a: '$$value'}}}", "15"),
            (
                "{$reduce: {input: {$range: [0, 64]}, initialValue: [1], in: {$concatArrays: ['$$value', '$$value']}}}",
                "10334",
            ),
            ("{$reduce: {input: {$range: [0, 64]}, initialValue: {a: 1}, in: {a: '$$value', b: '$$value'}}}", "10334"),
        ]);
    }
}
