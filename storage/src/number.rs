//! Numbers across kinds: exact comparison of 32- and 64-bit integers, doubles and 128-bit decimals.
//!
//! Two numbers are equal exactly when their values are: 2^53 + 1 is not a double, and 0.1 as a double is not 0.1 as
//! a decimal. This module knows the bit layout of decimals (IEEE 754-2008, binary integer coding, as BSON stores
//! them); arithmetic on them lives with the query operators.

use std::cmp::Ordering;
use std::fmt;

use crate::value::whole;

/// A 128-bit decimal as BSON stores it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal128(u128);

/// What a decimal's bits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// Not a number.
    NaN,
    /// Infinity, of either sign.
    Infinite {
        /// Is it below every number?
        negative: bool,
    },
    /// `(-1)^negative * coefficient * 10^exponent`.
    Finite {
        /// Is the number below zero (or a negative zero)?
        negative: bool,
        /// At most 34 digits.
        coefficient: u128,
        /// Power of ten, from -6176 to 6111.
        exponent: i32,
    },
}

const BIAS: i32 = 6176;
const SIGN: u128 = 1 << 127;
const NAN: u128 = 0b11111 << 122;
const INFINITY: u128 = 0b11110 << 122;
/// The largest coefficient: 34 nines.
pub const COEFFICIENT_MAX: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;

impl Decimal128 {
    /// Reads the 16 bytes of a BSON element.
    pub const fn from_le_bytes(bytes: [u8; 16]) -> Decimal128 {
        Decimal128(u128::from_le_bytes(bytes))
    }

    /// The 16 bytes of a BSON element.
    pub const fn to_le_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Puts a decimal together; `None` where coefficient or exponent are out of range.
    pub fn new(decimal: Decimal) -> Option<Decimal128> {
        let sign = |negative: bool| if negative { SIGN } else { 0 };
        Some(Decimal128(match decimal {
            Decimal::NaN => NAN,
            Decimal::Infinite { negative } => INFINITY | sign(negative),
            Decimal::Finite { negative, coefficient, exponent } => {
                let biased = u128::try_from(exponent.checked_add(BIAS)?).ok()?;
                if coefficient > COEFFICIENT_MAX || biased > 12287 {
                    return None;
                }
                sign(negative) | biased << 113 | coefficient
            }
        }))
    }

    /// What the bits mean. A coefficient beyond 34 digits is not canonical and counts as zero.
    pub fn decode(self) -> Decimal {
        let negative = self.0 & SIGN != 0;
        let top = (self.0 >> 122) & 0b11111;
        if top == 0b11111 {
            return Decimal::NaN;
        }
        if top == 0b11110 {
            return Decimal::Infinite { negative };
        }
        let large = top >> 3 == 0b11;
        let shift = if large { 111 } else { 113 };
        let exponent = i32::try_from((self.0 >> shift) & 0x3FFF).unwrap_or(0) - BIAS;
        let digits = self.0 & ((1 << 113) - 1);
        let coefficient = if large || digits > COEFFICIENT_MAX { 0 } else { digits };
        Decimal::Finite { negative, coefficient, exponent }
    }

    /// Reads a number as people write it: `"1.50"`, `"-1e3"`, `"NaN"`, `"Infinity"`.
    pub fn parse(text: &str) -> Option<Decimal128> {
        let parsed: bson::Decimal128 = text.parse().ok()?;
        Some(Decimal128::from_le_bytes(parsed.bytes()))
    }

    /// The decimal with the value of an integer.
    pub fn from_i64(number: i64) -> Decimal128 {
        let coefficient = u128::from(number.unsigned_abs());
        Decimal128(if number < 0 { SIGN } else { 0 } | 6176u128 << 113 | coefficient)
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        match self.decode() {
            Decimal::NaN => f64::NAN,
            Decimal::Infinite { negative } => with_sign(f64::INFINITY, negative),
            Decimal::Finite { negative, coefficient, exponent } => {
                // The standard library rounds decimal text correctly, which scaling by powers of ten would not.
                let magnitude = format!("{coefficient}e{exponent}").parse().unwrap_or(f64::INFINITY);
                with_sign(magnitude, negative)
            }
        }
    }

    /// The value as an integer, if it has no fraction and fits.
    pub fn to_i64_exact(self) -> Option<i64> {
        let Decimal::Finite { negative, coefficient, exponent } = self.decode() else { return None };
        let (digits, exponent) = strip_zeros(coefficient, exponent);
        let power = 10u128.checked_pow(u32::try_from(exponent).ok()?)?;
        let magnitude = i128::try_from(digits.checked_mul(power)?).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    /// Is this not a number?
    pub fn is_nan(self) -> bool {
        self.decode() == Decimal::NaN
    }
}

/// Writes the number in the scientific form that BSON prescribes.
impl fmt::Display for Decimal128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bson::Decimal128::from_bytes(self.to_le_bytes()).fmt(f)
    }
}

impl fmt::Debug for Decimal128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal128({self})")
    }
}

/// A number of any kind, by value.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A 32- or 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A decimal.
    Decimal(Decimal128),
}

/// Compares two numbers by exact value. NaN equals NaN of any kind and is less than every other number.
pub fn compare(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Int(a), Number::Int(b)) => a.cmp(&b),
        (Number::Double(a), Number::Double(b)) => compare_doubles(a, b),
        (Number::Int(a), Number::Double(b)) => compare_int_double(a, b),
        (Number::Double(a), Number::Int(b)) => compare_int_double(b, a).reverse(),
        (Number::Decimal(a), b) => compare_decimal(a, b),
        (a, Number::Decimal(b)) => compare_decimal(b, a).reverse(),
    }
}

fn compare_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn compare_int_double(int: i64, double: f64) -> Ordering {
    if double.is_nan() {
        return Ordering::Greater;
    }
    match whole(double.trunc()) {
        Some(trunc) => int.cmp(&trunc).then(0f64.partial_cmp(&(double - double.trunc())).unwrap_or(Ordering::Equal)),
        None if double > 0.0 => Ordering::Less,
        None => Ordering::Greater,
    }
}

fn compare_decimal(left: Decimal128, right: Number) -> Ordering {
    let (a, b) = (Exact::of(Number::Decimal(left)), Exact::of(right));
    a.compare(&b)
}

/// A number as sign, decimal exponent and digits, so that any two kinds can be compared without rounding.
#[derive(Debug)]
pub(crate) enum Exact {
    NaN,
    Infinite {
        negative: bool,
    },
    Zero,
    /// `0.d1d2d3… * 10^point`, first digit not zero, no trailing zeros.
    Finite {
        negative: bool,
        point: i32,
        digits: Vec<u8>,
    },
}

impl Exact {
    pub(crate) fn of(number: Number) -> Exact {
        match number {
            Number::Int(int) => Exact::finite(int < 0, &int.unsigned_abs().to_string(), 0),
            Number::Double(double) if double.is_nan() => Exact::NaN,
            Number::Double(double) if double.is_infinite() => Exact::Infinite { negative: double < 0.0 },
            Number::Double(double) => Exact::of_double(double),
            Number::Decimal(decimal) => match decimal.decode() {
                Decimal::NaN => Exact::NaN,
                Decimal::Infinite { negative } => Exact::Infinite { negative },
                Decimal::Finite { negative, coefficient, exponent } => {
                    Exact::finite(negative, &coefficient.to_string(), exponent)
                }
            },
        }
    }

    /// `digits * 10^exponent`, which may lie outside what a decimal can hold.
    pub(crate) fn magnitude(digits: u128, exponent: i32) -> Exact {
        Exact::finite(false, &digits.to_string(), exponent)
    }

    /// Every double is a finite decimal of at most 767 significant digits; the standard library prints them all.
    fn of_double(double: f64) -> Exact {
        let text = format!("{:.770e}", double.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Exact::finite(double < 0.0, &mantissa.replace('.', ""), exponent - 770)
    }

    fn finite(negative: bool, digits: &str, exponent: i32) -> Exact {
        let significant = digits.trim_start_matches('0');
        let point = exponent + i32::try_from(significant.len()).unwrap_or(i32::MAX);
        let significant = significant.trim_end_matches('0');
        if significant.is_empty() {
            return Exact::Zero;
        }
        Exact::Finite { negative, point, digits: significant.as_bytes().to_vec() }
    }

    /// -3 NaN, -2 minus infinity, -1 below zero, 0, 1 above zero, 2 infinity.
    fn class(&self) -> i8 {
        match self {
            Exact::NaN => -3,
            Exact::Infinite { negative: true } => -2,
            Exact::Finite { negative: true, .. } => -1,
            Exact::Zero => 0,
            Exact::Finite { negative: false, .. } => 1,
            Exact::Infinite { negative: false } => 2,
        }
    }

    pub(crate) fn compare(&self, other: &Exact) -> Ordering {
        match (self, other) {
            (
                Exact::Finite { negative: a, point: a_point, digits: a_digits },
                Exact::Finite { negative: b, point: b_point, digits: b_digits },
            ) if a == b => {
                let magnitude = a_point.cmp(b_point).then_with(|| a_digits.cmp(b_digits));
                if *a { magnitude.reverse() } else { magnitude }
            }
            _ => self.class().cmp(&other.class()),
        }
    }
}

/// Moves trailing zeros of a coefficient into its exponent; zero becomes exponent 0.
pub(crate) fn strip_zeros(mut coefficient: u128, mut exponent: i32) -> (u128, i32) {
    if coefficient == 0 {
        return (0, 0);
    }
    while coefficient.is_multiple_of(10) {
        coefficient /= 10;
        exponent += 1;
    }
    (coefficient, exponent)
}

fn with_sign(magnitude: f64, negative: bool) -> f64 {
    if negative { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Number {
        Number::Decimal(Decimal128::parse(text).expect("a decimal"))
    }

    #[test]
    fn compares_by_exact_value() {
        let above_53 = 9_007_199_254_740_993;
        let cases = [
            (Number::Int(above_53), Number::Double(9_007_199_254_740_992.0), Ordering::Greater),
            (Number::Double(0.1), decimal("0.1"), Ordering::Greater),
            (Number::Double(0.5), decimal("0.50"), Ordering::Equal),
            (Number::Int(1), decimal("1.0"), Ordering::Equal),
            (Number::Double(-0.0), Number::Int(0), Ordering::Equal),
            (Number::Double(f64::NAN), decimal("NaN"), Ordering::Equal),
            (Number::Double(f64::NAN), Number::Int(i64::MIN), Ordering::Less),
            (Number::Double(f64::INFINITY), Number::Int(i64::MAX), Ordering::Greater),
            (Number::Int(i64::MAX), Number::Double(9_223_372_036_854_775_808.0), Ordering::Less),
            (decimal("-1.5"), Number::Int(-1), Ordering::Less),
            (decimal("1E400"), Number::Double(f64::MAX), Ordering::Greater),
            (decimal("1E-400"), Number::Double(5e-324), Ordering::Less),
            (Number::Int(-3), Number::Double(-3.5), Ordering::Greater),
            (decimal("-Infinity"), Number::Double(f64::NEG_INFINITY), Ordering::Equal),
        ];
        for (a, b, expect) in cases {
            assert_eq!(compare(a, b), expect, "{a:?} {b:?}");
            assert_eq!(compare(b, a), expect.reverse(), "{b:?} {a:?}");
        }
    }

    #[test]
    fn decimals_survive_coding() {
        for text in ["0", "-0", "1", "1.50", "-123E+10", "9.999999999999999999999999999999999E+6144", "1E-6176"] {
            let read = Decimal128::parse(text).expect(text);
            assert_eq!(Decimal128::new(read.decode()), Some(read), "{text}");
        }
        assert_eq!(Decimal128::from_i64(-42).to_string(), "-42");
        assert_eq!(Decimal128::parse("12E2").and_then(Decimal128::to_i64_exact), Some(1200));
        assert_eq!(Decimal128::parse("1.5").and_then(Decimal128::to_i64_exact), None);
    }
}
