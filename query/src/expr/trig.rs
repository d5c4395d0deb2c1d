//! Angles and hyperbolic functions, in radians.

use storage::{Decimal128, Kind, ValueRef};

use super::arith::{real, to_decimal};
use super::call::{Call, Op, Shape};
use super::{Computed, Env};
use crate::decimal::trig;
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$acos", Shape::Fixed(1), acos, "the angle whose cosine is the number").since(42),
    Op::new("$acosh", Shape::Fixed(1), acosh, "the number whose hyperbolic cosine is the number").since(42),
    Op::new("$asin", Shape::Fixed(1), asin, "the angle whose sine is the number").since(42),
    Op::new("$asinh", Shape::Fixed(1), asinh, "the number whose hyperbolic sine is the number").since(42),
    Op::new("$atan", Shape::Fixed(1), atan, "the angle whose tangent is the number").since(42),
    Op::new("$atan2", Shape::Fixed(2), atan2, "the angle of the point [y, x]").since(42),
    Op::new("$atanh", Shape::Fixed(1), atanh, "the number whose hyperbolic tangent is the number").since(42),
    Op::new("$cos", Shape::Fixed(1), cos, "the cosine of an angle").since(42),
    Op::new("$cosh", Shape::Fixed(1), cosh, "the hyperbolic cosine").since(42),
    Op::new("$degreesToRadians", Shape::Fixed(1), to_radians, "degrees as radians").since(42),
    Op::new("$radiansToDegrees", Shape::Fixed(1), to_degrees, "radians as degrees").since(42),
    Op::new("$sin", Shape::Fixed(1), sin, "the sine of an angle").since(42),
    Op::new("$sinh", Shape::Fixed(1), sinh, "the hyperbolic sine").since(42),
    Op::new("$tan", Shape::Fixed(1), tan, "the tangent of an angle").since(42),
    Op::new("$tanh", Shape::Fixed(1), tanh, "the hyperbolic tangent").since(42),
];

/// Where a function is defined.
#[derive(Clone, Copy)]
enum Domain {
    Finite,
    UnitInterval,
    FromOne,
    All,
}

impl Domain {
    /// NaN passes everywhere: it gives NaN.
    fn check(self, call: &Call, number: f64) -> Result<()> {
        let (inside, range) = match self {
            Domain::Finite => (!number.is_infinite(), "finite"),
            Domain::UnitInterval => (number.is_nan() || number.abs() <= 1.0, "from -1 to 1"),
            Domain::FromOne => (number.is_nan() || number >= 1.0, "not below 1"),
            Domain::All => (true, ""),
        };
        match inside {
            true => Ok(()),
            false => {
                Err(Error::mongo(50989, format!("{} takes a number that is {range}, but got {number}", call.op.name)))
            }
        }
    }
}

fn within<'a>(
    call: &'a Call,
    env: &Env<'a>,
    domain: Domain,
    double: fn(f64) -> f64,
    exact: fn(Decimal128) -> Decimal128,
) -> Result<Computed<'a>> {
    real(
        call,
        env,
        |number| domain.check(call, number).map(|()| double(number)),
        |number| domain.check(call, number.to_f64()).map(|()| exact(number)),
    )
}

macro_rules! functions {
    ($($name:ident: $domain:ident, $double:path, $exact:path;)+) => {
        $(fn $name<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
            within(call, env, Domain::$domain, $double, $exact)
        })+
    };
}

functions! {
    acos: UnitInterval, f64::acos, trig::arc_cosine;
    acosh: FromOne, f64::acosh, trig::area_cosine;
    asin: UnitInterval, f64::asin, trig::arc_sine;
    asinh: All, area_sine, trig::area_sine;
    atan: All, f64::atan, trig::arc_tangent;
    atanh: UnitInterval, f64::atanh, trig::area_tangent;
    cos: Finite, f64::cos, trig::cosine;
    cosh: All, f64::cosh, trig::hyperbolic_cosine;
    sin: Finite, f64::sin, trig::sine;
    sinh: All, f64::sinh, trig::hyperbolic_sine;
    tan: Finite, f64::tan, trig::tangent;
    tanh: All, f64::tanh, trig::hyperbolic_tangent;
    to_degrees: All, degrees, trig::to_degrees;
    to_radians: All, radians, trig::to_radians;
}

/// The library's function loses digits near zero.
fn area_sine(number: f64) -> f64 {
    let magnitude = number.abs();
    let square = magnitude * magnitude;
    let area = if square.is_infinite() {
        number.abs().ln() + std::f64::consts::LN_2
    } else {
        (magnitude + square / (1.0 + (square + 1.0).sqrt())).ln_1p()
    };
    area.copysign(number)
}

fn degrees(number: f64) -> f64 {
    number * (180.0 / std::f64::consts::PI)
}

fn radians(number: f64) -> f64 {
    number * (std::f64::consts::PI / 180.0)
}

fn atan2<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (y, x) = (call.arg(0, env)?, call.arg(1, env)?);
    if y.is_nullish() || x.is_nullish() {
        return Ok(Computed::null());
    }
    let (y, x) = (y.or_null(), x.or_null());
    for (value, number) in [(y, 51044), (x, 51045)] {
        if !value.kind().is_number() {
            return Err(Error::mongo(number, format!("$atan2 takes numbers, but got {}", value.kind().name())));
        }
    }
    if y.kind() == Kind::Decimal128 || x.kind() == Kind::Decimal128 {
        return Ok(trig::arc_tangent_2(to_decimal(y), to_decimal(x)).into());
    }
    let double = |value: ValueRef<'_>| value.as_f64().unwrap_or(f64::NAN);
    Ok(double(y).atan2(double(x)).into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn doubles_decimals_and_domains() {
        check(&[
            ("{$sin: 1}", "0.8414709848078965"),
            ("{$cos: 1m}", "0.5403023058681397174009366074429766m"),
            ("{$tan: null}", "null"),
            ("{$sin: inf}", "50989"),
            ("{$asin: 2}", "50989"),
            ("{$acosh: 0.5m}", "50989"),
            ("{$atanh: 1}", "inf"),
            ("{$asinh: -1}", "-0.881373587019543"),
            ("{$acos: NaN}", "NaN"),
            ("{$cosh: -inf}", "inf"),
            ("{$degreesToRadians: 180}", "3.141592653589793"),
            ("{$radiansToDegrees: 1m}", "57.29577951308232087679815481410517m"),
            ("{$atan2: [1, 1]}", "0.7853981633974483"),
            ("{$atan2: ['a', 1]}", "51044"),
            ("{$atan2: [1, 'a']}", "51045"),
            ("{$atan2: [null, 'a']}", "null"),
            ("{$sin: 'a'}", "28765"),
        ]);
    }
}
