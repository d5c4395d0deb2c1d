//! Arithmetic: sums, products, roots, logarithms and roundings over all kinds of numbers.

use storage::{Decimal, Decimal128, Kind, ValueRef};

use super::call::{Algebra, Call, Op, Shape};
use super::sum::Sum;
use super::{Computed, Env};
use crate::decimal::{self, Rounding};
use crate::error::number::{BAD_VALUE, OVERFLOW, TYPE_MISMATCH};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$abs", Shape::Fixed(1), abs, "the number without its sign"),
    Op::new("$add", Shape::Any, add, "the sum of numbers, or a date that many milliseconds later")
        .algebra(Algebra::Commutative),
    Op::new("$ceil", Shape::Fixed(1), ceil, "the least whole number not below"),
    Op::new("$divide", Shape::Fixed(2), divide, "the quotient, never rounded to a whole number"),
    Op::new("$exp", Shape::Fixed(1), exp, "e raised to the number"),
    Op::new("$floor", Shape::Fixed(1), floor, "the greatest whole number not above"),
    Op::new("$ln", Shape::Fixed(1), ln, "the natural logarithm"),
    Op::new("$log", Shape::Fixed(2), log, "the logarithm to a base"),
    Op::new("$log10", Shape::Fixed(1), log10, "the logarithm to base 10"),
    Op::new("$mod", Shape::Fixed(2), modulo, "the remainder, with the sign of the dividend"),
    Op::new("$multiply", Shape::Any, multiply, "the product of numbers").algebra(Algebra::Commutative),
    Op::new("$pow", Shape::Fixed(2), pow, "the first number raised to the second"),
    Op::new("$round", Shape::Between(1, 2), round, "the number rounded to a place, ties to even").since(42),
    Op::new("$sqrt", Shape::Fixed(1), sqrt, "the square root"),
    Op::new("$subtract", Shape::Fixed(2), subtract, "the difference of numbers, dates, or a date and a number"),
    Op::new("$trunc", Shape::Between(1, 2), trunc, "the number cut off at a place"),
];

/// An operator of one number met something else.
pub(super) fn not_a_number(name: &str, value: ValueRef<'_>) -> Error {
    Error::mongo(28765, format!("{name} takes a number, but got {}", value.kind().name()))
}

/// The single operand of a function of one number; `None` where it is nullish.
fn operand<'a>(call: &'a Call, env: &Env<'a>) -> Result<Option<Computed<'a>>> {
    let value = call.arg(0, env)?;
    match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(None),
        Some(number) if number.kind().is_number() => Ok(Some(value)),
        Some(other) => Err(not_a_number(call.op.name, other)),
    }
}

/// Applies one function to a double and another to a decimal; integers count as doubles.
pub(super) fn real<'a>(
    call: &'a Call,
    env: &Env<'a>,
    double: impl FnOnce(f64) -> Result<f64>,
    exact: impl FnOnce(Decimal128) -> Result<Decimal128>,
) -> Result<Computed<'a>> {
    let Some(value) = operand(call, env)? else { return Ok(Computed::null()) };
    Ok(match value.or_null() {
        ValueRef::Decimal128(number) => exact(number)?.into(),
        number => double(number.as_f64().unwrap_or(f64::NAN))?.into(),
    })
}

impl From<Decimal128> for Computed<'_> {
    fn from(number: Decimal128) -> Self {
        Computed::Ref(ValueRef::Decimal128(number))
    }
}

fn abs<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some(value) = operand(call, env)? else { return Ok(Computed::null()) };
    Ok(match value.or_null() {
        ValueRef::Int32(number) => number.checked_abs().map_or_else(|| i64::from(number).abs().into(), Computed::from),
        ValueRef::Int64(number) => match number.checked_abs() {
            Some(number) => number.into(),
            None => return Err(Error::mongo(28680, "$abs of the least long does not fit a long")),
        },
        ValueRef::Decimal128(number) => decimal::absolute(number).into(),
        number => number.as_f64().unwrap_or(f64::NAN).abs().into(),
    })
}

fn add<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut sum = Sum::default();
    let mut date = false;
    for arg in call.args() {
        let value = arg.compute(env)?;
        match value.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => return Ok(Computed::null()),
            Some(ValueRef::DateTime(_)) if date => {
                return Err(Error::mongo(16612, "$add takes at most one date"));
            }
            Some(ValueRef::DateTime(millis)) => {
                sum.add_long(millis);
                date = true;
            }
            Some(number) if sum.add(number) => {}
            Some(other) => {
                let message = format!("$add takes numbers and at most one date, but got {}", other.kind().name());
                return Err(Error::mongo(16554, message));
            }
        }
    }
    if !date {
        return Ok(sum.total());
    }
    let millis = match sum.kind() {
        Kind::Decimal128 => Some(rounded_long(sum.as_decimal()).unwrap_or(i64::MIN)),
        _ => sum.as_i64(),
    };
    let millis = millis.ok_or_else(|| Error::mongo(OVERFLOW, "$add leads to a date that cannot be represented"))?;
    Ok(Computed::Ref(ValueRef::DateTime(millis)))
}

/// The nearest whole number, ties to even; `None` where it does not fit.
fn rounded_long(number: Decimal128) -> Option<i64> {
    decimal::round_to_place(number, 0, Rounding::HalfEven).to_i64_exact()
}

fn subtract<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    if left.is_nullish() || right.is_nullish() {
        return Ok(Computed::null());
    }
    let (left, right) = (left.or_null(), right.or_null());
    Ok(match (left, right) {
        (ValueRef::Int32(a), ValueRef::Int32(b)) => {
            a.checked_sub(b).map_or_else(|| (i64::from(a) - i64::from(b)).into(), Computed::from)
        }
        (ValueRef::DateTime(a), ValueRef::DateTime(b)) => {
            a.checked_sub(b).ok_or_else(|| Error::mongo(OVERFLOW, "$subtract: the dates lie too far apart"))?.into()
        }
        (ValueRef::DateTime(date), number) if number.kind().is_number() => {
            let earlier = whole_millis(number)?.checked_neg().and_then(|millis| date.checked_add(millis));
            let earlier =
                earlier.ok_or_else(|| Error::mongo(DURATION_OVERFLOW, "$subtract leads out of the range of dates"))?;
            Computed::Ref(ValueRef::DateTime(earlier))
        }
        (a, b) if a.kind().is_number() && b.kind().is_number() => subtract_numbers(a, b),
        (a, b) => {
            let message = format!("$subtract cannot take {} from {}", b.kind().name(), a.kind().name());
            return Err(Error::mongo(TYPE_MISMATCH, message));
        }
    })
}

const DURATION_OVERFLOW: i32 = 159;

fn subtract_numbers(left: ValueRef<'_>, right: ValueRef<'_>) -> Computed<'static> {
    if let Some((a, b)) = decimals(left, right) {
        return decimal::subtract(a, b).into();
    }
    if let Some((a, b)) = integers(left, right)
        && let Some(difference) = a.checked_sub(b)
    {
        return difference.into();
    }
    (double(left) - double(right)).into()
}

/// A number of milliseconds; fractions are cut off, decimals rounded.
fn whole_millis(number: ValueRef<'_>) -> Result<i64> {
    match number {
        ValueRef::Decimal128(number) => Ok(rounded_long(number).unwrap_or(i64::MIN)),
        ValueRef::Double(number) => ValueRef::Double(number.trunc())
            .as_i64()
            .ok_or_else(|| Error::mongo(31109, format!("{number} is too large for a number of milliseconds"))),
        number => Ok(number.as_i64().unwrap_or(0)),
    }
}

fn multiply<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut product = ValueRef::Int32(1);
    for arg in call.args() {
        let value = arg.compute(env)?;
        match value.as_ref() {
            None | Some(ValueRef::Null | ValueRef::Undefined) => return Ok(Computed::null()),
            Some(number) if number.kind().is_number() => product = product_of(product, number),
            Some(other) => {
                let message = format!("$multiply takes numbers, but got {}", other.kind().name());
                return Err(Error::mongo(TYPE_MISMATCH, message));
            }
        }
    }
    Ok(product.into())
}

/// The product of two numbers in the wider of their kinds; whole numbers that do not fit become long, then double.
pub(crate) fn product_of(left: ValueRef<'_>, right: ValueRef<'_>) -> ValueRef<'static> {
    if let (ValueRef::Int32(a), ValueRef::Int32(b)) = (left, right) {
        return a.checked_mul(b).map_or_else(|| ValueRef::Int64(i64::from(a) * i64::from(b)), ValueRef::Int32);
    }
    if let Some((a, b)) = decimals(left, right) {
        return ValueRef::Decimal128(decimal::multiply(a, b));
    }
    if let Some((a, b)) = integers(left, right)
        && let Some(product) = a.checked_mul(b)
    {
        return ValueRef::Int64(product);
    }
    ValueRef::Double(double(left) * double(right))
}

/// Both as decimals, if at least one is.
fn decimals(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<(Decimal128, Decimal128)> {
    let any = left.kind() == Kind::Decimal128 || right.kind() == Kind::Decimal128;
    any.then(|| (to_decimal(left), to_decimal(right)))
}

/// Both as integers, if both are.
fn integers(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<(i64, i64)> {
    let whole =
        |value: ValueRef<'_>| matches!(value.kind(), Kind::Int32 | Kind::Int64).then(|| value.as_i64()).flatten();
    whole(left).zip(whole(right))
}

fn double(number: ValueRef<'_>) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// A number as a decimal: doubles with 15 significant digits.
pub(crate) fn to_decimal(number: ValueRef<'_>) -> Decimal128 {
    match number {
        ValueRef::Decimal128(number) => number,
        ValueRef::Double(number) => decimal::from_f64(number, 15),
        number => Decimal128::from_i64(number.as_i64().unwrap_or(0)),
    }
}

fn divide<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    if left.is_nullish() || right.is_nullish() {
        return Ok(Computed::null());
    }
    let (left, right) = (left.or_null(), right.or_null());
    if !left.kind().is_number() || !right.kind().is_number() {
        let message = format!("$divide takes numbers, but got {} and {}", left.kind().name(), right.kind().name());
        return Err(Error::mongo(TYPE_MISMATCH, message));
    }
    if !super::computed::truth(right) {
        return Err(Error::mongo(BAD_VALUE, "$divide by zero; test the divisor with $cond first"));
    }
    Ok(match decimals(left, right) {
        Some((a, b)) => decimal::divide(a, b).into(),
        None => (double(left) / double(right)).into(),
    })
}

fn modulo<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    if left.is_nullish() || right.is_nullish() {
        return Ok(Computed::null());
    }
    let (left, right) = (left.or_null(), right.or_null());
    if !left.kind().is_number() || !right.kind().is_number() {
        let message = format!("$mod takes numbers, but got {} and {}", left.kind().name(), right.kind().name());
        return Err(Error::mongo(16611, message));
    }
    let zero = !super::computed::truth(right);
    if let Some((a, b)) = decimals(left, right) {
        return if zero { Err(Error::mongo(5_733_415, "$mod by zero")) } else { Ok(decimal::remainder(a, b).into()) };
    }
    if zero {
        return Err(Error::mongo(16610, "$mod by zero"));
    }
    if left.kind() == Kind::Double {
        return Ok((double(left) % double(right)).into());
    }
    // A whole divisor in the range of int counts as an int, whatever its kind.
    let (dividend, divisor) = (left.as_i64().unwrap_or(0), right.as_i64());
    Ok(match (right.kind(), divisor) {
        (Kind::Double, None) => (double(left) % double(right)).into(),
        (Kind::Double, Some(divisor)) if i32::try_from(divisor).is_err() => (double(left) % double(right)).into(),
        (kind, divisor) => {
            let rest = dividend.wrapping_rem(divisor.unwrap_or(1));
            match left.kind() == Kind::Int32 && kind != Kind::Int64 {
                true => i32::try_from(rest).map_or_else(|_| rest.into(), Computed::from),
                false => rest.into(),
            }
        }
    })
}

fn ceil<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    whole(call, env, f64::ceil, Rounding::Ceiling)
}

fn floor<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    whole(call, env, f64::floor, Rounding::Floor)
}

fn whole<'a>(call: &'a Call, env: &Env<'a>, double: fn(f64) -> f64, rounding: Rounding) -> Result<Computed<'a>> {
    let Some(value) = operand(call, env)? else { return Ok(Computed::null()) };
    Ok(match value.or_null() {
        ValueRef::Double(number) => double(number).into(),
        // MongoDB's decimals have no next whole number beyond an infinite one.
        ValueRef::Decimal128(number) if matches!(number.decode(), Decimal::Infinite { .. }) => decimal::nan().into(),
        ValueRef::Decimal128(number) => decimal::to_whole(number, rounding).into(),
        _ => value,
    })
}

fn round<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    to_place(call, env, f64::round_ties_even, Rounding::HalfEven)
}

fn trunc<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    to_place(call, env, f64::trunc, Rounding::Truncate)
}

fn to_place<'a>(call: &'a Call, env: &Env<'a>, plain: fn(f64) -> f64, rounding: Rounding) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    let place = match call.given(1) {
        None => Computed::from(0),
        Some(place) => place.compute(env)?,
    };
    if value.is_nullish() || place.is_nullish() {
        return Ok(Computed::null());
    }
    let place = place_of(call.op.name, place.or_null())?;
    Ok(match value.or_null() {
        ValueRef::Double(number) if place == 0 || !number.is_finite() => plain(number).into(),
        ValueRef::Double(number) => {
            decimal::round_to_place(decimal::from_f64(number, 34), place, rounding).to_f64().into()
        }
        ValueRef::Decimal128(number) => decimal::round_to_place(number, place, rounding).into(),
        ValueRef::Int32(_) | ValueRef::Int64(_) if place >= 0 => value,
        ValueRef::Int32(number) => {
            let rounded = round_integer(i64::from(number), place, rounding);
            i32::try_from(rounded).map_or_else(|_| i64::try_from(rounded).unwrap_or(0).into(), Computed::from)
        }
        ValueRef::Int64(number) => match i64::try_from(round_integer(number, place, rounding)) {
            Ok(rounded) => rounded.into(),
            Err(_) => {
                let message = format!("{} of {number} at place {place} does not fit a long", call.op.name);
                return Err(Error::mongo(51080, message));
            }
        },
        other => {
            let message = format!("{} takes a number, but got {}", call.op.name, other.kind().name());
            return Err(Error::mongo(51081, message));
        }
    })
}

fn round_integer(number: i64, place: i32, rounding: Rounding) -> i128 {
    let power = 10i128.pow(place.unsigned_abs());
    let (quotient, rest) = (i128::from(number) / power, i128::from(number) % power);
    let half = (rest.abs() * 2).cmp(&power);
    let away = rounding == Rounding::HalfEven && (half.is_gt() || (half.is_eq() && quotient % 2 != 0));
    (quotient + if away { rest.signum() } else { 0 }) * power
}

fn place_of(name: &str, value: ValueRef<'_>) -> Result<i32> {
    if !value.kind().is_number() {
        return Err(Error::mongo(
            16004,
            format!("the place of {name} must be a number, but is {}", value.kind().name()),
        ));
    }
    let whole = value.as_i64();
    let whole = whole.ok_or_else(|| Error::mongo(51082, format!("the place of {name} must be a whole number")))?;
    match i32::try_from(whole) {
        Ok(place @ -20..=100) => Ok(place),
        _ => Err(Error::mongo(51083, format!("the place of {name} must be from -20 to 100, but is {whole}"))),
    }
}

fn sqrt<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let negative = || Error::mongo(28714, "$sqrt takes a number that is not below 0");
    real(
        call,
        env,
        |number| if number < 0.0 { Err(negative()) } else { Ok(number.sqrt()) },
        |number| if below_zero(number) { Err(negative()) } else { Ok(decimal::square_root(number)) },
    )
}

fn exp<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    real(call, env, |number| Ok(number.exp()), |number| Ok(decimal::exponential(number)))
}

fn ln<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    logarithm(call, env, 28766, f64::ln, decimal::natural_logarithm)
}

fn log10<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    logarithm(call, env, 28761, f64::log10, decimal::decimal_logarithm)
}

fn logarithm<'a>(
    call: &'a Call,
    env: &Env<'a>,
    fault: i32,
    double: fn(f64) -> f64,
    exact: fn(Decimal128) -> Decimal128,
) -> Result<Computed<'a>> {
    let refuse = || Error::mongo(fault, format!("{} takes a number above 0", call.op.name));
    real(
        call,
        env,
        |number| if number <= 0.0 { Err(refuse()) } else { Ok(double(number)) },
        |number| if above_zero_or_nan(number) { Ok(exact(number)) } else { Err(refuse()) },
    )
}

fn below_zero(number: Decimal128) -> bool {
    storage::compare(ValueRef::Decimal128(number), ValueRef::Int32(0)).is_lt() && !number.is_nan()
}

fn above_zero_or_nan(number: Decimal128) -> bool {
    number.is_nan() || storage::compare(ValueRef::Decimal128(number), ValueRef::Int32(0)).is_gt()
}

fn log<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (argument, base) = (call.arg(0, env)?, call.arg(1, env)?);
    if argument.is_nullish() || base.is_nullish() {
        return Ok(Computed::null());
    }
    let (argument, base) = (argument.or_null(), base.or_null());
    for (value, what, number) in [(argument, "argument", 28756), (base, "base", 28757)] {
        if !value.kind().is_number() {
            return Err(Error::mongo(
                number,
                format!("the {what} of $log must be a number, but is {}", value.kind().name()),
            ));
        }
    }
    if double(argument) <= 0.0 {
        return Err(Error::mongo(28758, "the argument of $log must be above 0"));
    }
    if double(base) <= 0.0 || double(base) == 1.0 {
        return Err(Error::mongo(28759, "the base of $log must be above 0 and not 1"));
    }
    Ok(match decimals(argument, base) {
        Some((argument, base)) => decimal::logarithm(argument, base).into(),
        None => (double(argument).ln() / double(base).ln()).into(),
    })
}

fn pow<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (base, exponent) = (call.arg(0, env)?, call.arg(1, env)?);
    if base.is_nullish() || exponent.is_nullish() {
        return Ok(Computed::null());
    }
    let (base, exponent) = (base.or_null(), exponent.or_null());
    for (value, what, number) in [(base, "base", 28762), (exponent, "exponent", 28763)] {
        if !value.kind().is_number() {
            return Err(Error::mongo(
                number,
                format!("the {what} of $pow must be a number, but is {}", value.kind().name()),
            ));
        }
    }
    if !super::computed::truth(base) && double(exponent) < 0.0 {
        return Err(Error::mongo(28764, "$pow of 0 needs an exponent that is not below 0"));
    }
    if let Some((base, exponent)) = decimals(base, exponent) {
        return Ok(decimal::power(base, exponent).into());
    }
    let both_int = base.kind() == Kind::Int32 && exponent.kind() == Kind::Int32;
    let power = integers(base, exponent).and_then(|(base, exponent)| integer_power(base, exponent));
    Ok(match power {
        Some(power) if both_int => i32::try_from(power).map_or_else(|_| power.into(), Computed::from),
        Some(power) => power.into(),
        None => double(base).powf(double(exponent)).into(),
    })
}

/// The power, where it is a whole number that fits.
fn integer_power(base: i64, exponent: i64) -> Option<i64> {
    match (base, exponent % 2 == 0) {
        (1, _) | (-1, true) => return Some(1),
        (-1, false) => return Some(-1),
        (0, _) if exponent > 0 => return Some(0),
        _ => {}
    }
    base.checked_pow(u32::try_from(exponent).ok()?)
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn kinds_of_results() {
        check(&[
            ("{$add: []}", "0"),
            ("{$add: [2147483647, 1]}", "2147483648L"),
            ("{$add: [d5, 1.5]}", "d6"),
            ("{$add: [d5, 1.5m]}", "d6"),
            ("{$subtract: [-2147483648, 1]}", "-2147483649L"),
            ("{$subtract: [d5, d3]}", "2L"),
            ("{$subtract: [1.5, 1m]}", "0.50000000000000m"),
            ("{$multiply: [4611686018427387904L, 2]}", "9.223372036854776e18"),
            ("{$multiply: [0.1, 0.1, 1m]}", "0.0100000000000000m"),
            ("{$divide: [4, 2]}", "2.0"),
            ("{$mod: [10, 3.0]}", "1"),
            ("{$mod: [10, 3L]}", "1L"),
            ("{$mod: [-10.0, 5]}", "-0.0"),
            ("{$mod: [10, 2147483648.0]}", "10.0"),
            ("{$abs: -2147483648}", "2147483648L"),
            ("{$pow: [2, 31]}", "2147483648L"),
            ("{$pow: [2, 63]}", "9.223372036854776e18"),
            ("{$pow: [-1, -5]}", "-1"),
            ("{$pow: [2L, 3]}", "8L"),
            ("{$sqrt: 9L}", "3.0"),
            ("{$log: [8, 2m]}", "3m"),
        ]);
    }

    #[test]
    fn rounding() {
        check(&[
            ("{$round: 2.5}", "2.0"),
            ("{$round: [1250, -2]}", "1200"),
            ("{$round: [2147483647, -1]}", "2147483650L"),
            ("{$round: [0.15, 1]}", "0.1"),
            ("{$round: [1m, 2]}", "1.00m"),
            ("{$trunc: [4.35, 2]}", "4.34"),
            ("{$trunc: [-1999L, -3]}", "-1000L"),
            ("{$ceil: -0.5}", "-0.0"),
            ("{$round: [9223372036854775807L, -1]}", "51080"),
            ("{$round: [1, 101]}", "51083"),
            ("{$round: [1, 1.5]}", "51082"),
        ]);
    }

    #[test]
    fn nothing_in_null_out_and_faults() {
        check(&[
            ("{$add: [1, '$a']}", "null"),
            ("{$add: [null, 'a']}", "null"),
            ("{$add: ['a', null]}", "16554"),
            ("{$add: ['a', '$a']}", "null"),
            ("{$multiply: ['$x', 0.1, 3]}", "null"),
            ("{$add: [d1, d2]}", "16612"),
            ("{$subtract: [1, d1]}", "14"),
            ("{$divide: [1, 0]}", "2"),
            ("{$divide: ['a', null]}", "null"),
            ("{$mod: [1, 0]}", "16610"),
            ("{$mod: [1m, 0]}", "5733415"),
            ("{$abs: -9223372036854775808L}", "28680"),
            ("{$abs: [1, 2]}", "16020"),
            ("{$round: []}", "28667"),
            ("{$sqrt: -1}", "28714"),
            ("{$ln: 0}", "28766"),
            ("{$log10: 'a'}", "28765"),
            ("{$log: [8, 1]}", "28759"),
            ("{$pow: [0, -1]}", "28764"),
        ]);
    }
}
