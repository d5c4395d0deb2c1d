//! Accumulators as expressions: over the elements of one array, or over several arguments.

use storage::{RawDoc, ValueRef};

use super::super::call::{Call, Named, Op, Shape};
use super::super::sum::Sum;
use super::super::{Computed, Env, Expr};
use super::ranked::{percentiles, shares};
use super::{Accumulator, Kind, Tally};
use crate::error::number::BAD_VALUE;
use crate::error::{Error, Result};

pub(in super::super) const OPS: &[Op] = &[
    Op::new("$avg", Shape::Any, average, "the mean of the numbers in an array or among the arguments"),
    Op::new("$max", Shape::Any, max, "the greatest value in an array or among the arguments"),
    Op::new("$median", Shape::Named(&MEDIAN), median, "the number that half of the numbers do not exceed").since(70),
    Op::new("$min", Shape::Any, min, "the least value in an array or among the arguments"),
    Op::new("$percentile", Shape::Named(&PERCENTILE), percentile, "the numbers that given shares do not exceed")
        .since(70),
    Op::new("$stdDevPop", Shape::Any, deviation_of_all, "the standard deviation, the values being all there are")
        .since(32),
    Op::new("$stdDevSamp", Shape::Any, deviation_of_sample, "the standard deviation, the values being a sample")
        .since(32),
    Op::new("$sum", Shape::Any, sum, "the sum of the numbers in an array or among the arguments"),
];

/// Calls `take` with each value: the elements of a single argument that is an array, else the arguments themselves.
fn each<'a>(call: &'a Call, env: &Env<'a>, mut take: impl FnMut(&Computed<'_>) -> Result<()>) -> Result<()> {
    if let [single] = call.args() {
        let value = single.compute(env)?;
        let Some(list) = value.as_ref().and_then(ValueRef::as_array) else { return take(&value) };
        env.cx.tick()?;
        return list.iter().try_for_each(|item| take(&Computed::Ref(item)));
    }
    call.args().iter().try_for_each(|arg| take(&arg.compute(env)?))
}

fn sum<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut sum = Sum::default();
    each(call, env, |value| {
        sum.add_if_number(value.as_ref());
        Ok(())
    })?;
    Ok(sum.total())
}

fn tally<'a>(call: &'a Call, env: &Env<'a>, kind: Kind) -> Result<Computed<'a>> {
    let accumulator = Accumulator::simple(call.op.name, kind, Expr::absent());
    let mut tally: Tally = accumulator.start(RawDoc::empty(), env.cx)?;
    each(call, env, |value| tally.add_value(&accumulator, value, env.cx).map(drop))?;
    Ok(tally.finish()?.into())
}

fn average<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    tally(call, env, Kind::Average)
}

fn max<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    tally(call, env, Kind::Max)
}

fn min<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    tally(call, env, Kind::Min)
}

fn deviation_of_all<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    tally(call, env, Kind::DeviationOfAll)
}

fn deviation_of_sample<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    tally(call, env, Kind::DeviationOfSample)
}

const MEDIAN: Named =
    Named { not_document: 7_436_100, unknown: 40415, names: &[("input", Some(40414)), ("method", Some(40414))] };
const PERCENTILE: Named = Named {
    not_document: 7_436_100,
    unknown: 40415,
    names: &[("input", Some(40414)), ("method", Some(40414)), ("p", Some(40414))],
};

fn median<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let numbers = numbers(call, env)?;
    Ok(percentiles(&numbers, &[0.5], true).into())
}

fn percentile<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let shares = shares(&call.arg(2, env)?)?;
    Ok(percentiles(&numbers(call, env)?, &shares, false).into())
}

/// The numbers of the input: it, or its elements where it is an array.
fn numbers(call: &Call, env: &Env<'_>) -> Result<Vec<f64>> {
    if call.arg(1, env)?.as_ref().and_then(ValueRef::as_str) != Some("approximate") {
        return Err(Error::mongo(BAD_VALUE, format!("'method' of {} must be 'approximate'", call.op.name)));
    }
    let input = call.arg(0, env)?;
    let number = |value: ValueRef<'_>| value.as_f64().filter(|number| !number.is_nan());
    Ok(match input.as_ref() {
        Some(ValueRef::Array(list)) => list.iter().filter_map(number).collect(),
        other => other.and_then(number).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::{check, check_over};

    #[test]
    fn one_array_or_many_arguments() {
        let rows = [
            ("{$sum: '$a'}", "6"),
            ("{$sum: ['$a']}", "6"),
            ("{$sum: ['$a', 1]}", "1"),
            ("{$sum: ['$n', 2147483647, 1]}", "2147483648L"),
            ("{$avg: '$a'}", "2.0"),
            ("{$avg: []}", "null"),
            ("{$avg: [1.5, 1m]}", "1.25m"),
            ("{$max: ['$a', 1]}", "[1, 2, 3]"),
            ("{$max: ['$n', null]}", "null"),
            ("{$min: [3, null, 2.0]}", "2.0"),
            ("{$stdDevPop: '$a'}", "0.816496580927726"),
            ("{$stdDevSamp: [5]}", "null"),
            ("{$stdDevPop: [inf, 1]}", "NaN"),
            ("{$median: {input: '$a', method: 'approximate'}}", "2.0"),
            ("{$percentile: {input: '$a', method: 'approximate', p: [0.1, 1]}}", "[1.0, 3.0]"),
        ];
        check_over("{a: [1, 2, 3]}", &rows);
    }

    #[test]
    fn shapes_of_percentiles() {
        check(&[
            ("{$median: {input: 1}}", "40414"),
            ("{$median: {input: 1, method: 'exact'}}", "2"),
            ("{$percentile: {input: 1, method: 'approximate', p: [2]}}", "7750300"),
        ]);
    }
}
