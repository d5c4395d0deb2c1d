//! Arithmetic on 128-bit decimals: 34 digits, ties to even, exponents from -6176 to 6111 (IEEE 754-2008).
//!
//! Storage keeps decimals in binary integer coding; libdecnumber (crate `dec`) computes on digit strings. Functions
//! without an exact result are computed with more than twice the digits and rounded once.

pub mod trig;

use dec::{Context, Decimal as Digits};
use storage::{Decimal, Decimal128};

/// Units of three digits: room for the 34 digits of a result while it is rounded.
const NARROW: usize = 12;
/// Units of three digits for functions that are not exact: 90 digits.
const WIDE: usize = 30;

/// Units of three digits: room for any 128-bit coefficient.
const NARROW_INPUT: usize = 13;

const PRECISION: usize = 34;
const UNIT: u128 = 1000;
const NEGATIVE: u8 = 0x80;
const INFINITE: u8 = 0x40;
const NOT_A_NUMBER: u8 = 0x20;

/// `left + right`.
pub fn add(left: Decimal128, right: Decimal128) -> Decimal128 {
    exact(left, right, |context, left, right| context.add(left, right))
}

/// `left - right`.
pub fn subtract(left: Decimal128, right: Decimal128) -> Decimal128 {
    exact(left, right, |context, left, right| context.sub(left, right))
}

/// `left * right`.
pub fn multiply(left: Decimal128, right: Decimal128) -> Decimal128 {
    exact(left, right, |context, left, right| context.mul(left, right))
}

/// `left / right`; an infinity for a divisor of zero, NaN for `0 / 0`.
pub fn divide(left: Decimal128, right: Decimal128) -> Decimal128 {
    exact(left, right, |context, left, right| context.div(left, right))
}

/// What is left of `left` after taking away whole multiples of `right`, with the sign of `left`.
pub fn remainder(left: Decimal128, right: Decimal128) -> Decimal128 {
    // The quotient may have thousands of digits, which libdecnumber refuses; the remainder is reduced piece by piece.
    let (
        Decimal::Finite { negative, coefficient, exponent },
        Decimal::Finite { coefficient: modulus, exponent: scale, .. },
    ) = (left.decode(), right.decode())
    else {
        return match (left.decode(), right.decode()) {
            (Decimal::Finite { .. }, Decimal::Infinite { .. }) => left,
            _ => nan(),
        };
    };
    if modulus == 0 {
        return nan();
    }
    let target = exponent.min(scale);
    // The dividend is brought to the exponent of the divisor where it is coarser, else the divisor to the dividend's.
    let shrunk = if exponent >= scale {
        scaled_modulo(coefficient, exponent.abs_diff(scale), modulus)
    } else {
        match 10u128.checked_pow(exponent.abs_diff(scale)).and_then(|power| power.checked_mul(modulus)) {
            Some(wide) => coefficient % wide,
            None => coefficient,
        }
    };
    finite(negative, shrunk, target)
}

/// `coefficient * 10^power mod modulus`, by steps that stay within 128 bits.
fn scaled_modulo(coefficient: u128, power: u32, modulus: u128) -> u128 {
    // Remainders are below 10^34, so a factor of 1000 keeps them below 10^37 < 2^128.
    let mut rest = coefficient % modulus;
    for _ in 0..power / 3 {
        rest = rest * UNIT % modulus;
    }
    for _ in 0..power % 3 {
        rest = rest * 10 % modulus;
    }
    rest
}

/// The number without its sign.
pub fn absolute(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::Finite { coefficient, exponent, .. } => finite(false, coefficient, exponent),
        Decimal::Infinite { .. } => infinite(false),
        Decimal::NaN => number,
    }
}

/// The number with the other sign.
pub fn negate(number: Decimal128) -> Decimal128 {
    match number.decode() {
        Decimal::Finite { negative, coefficient, exponent } => finite(!negative, coefficient, exponent),
        Decimal::Infinite { negative } => infinite(!negative),
        Decimal::NaN => number,
    }
}

/// How a number is brought to fewer digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest; ties to the even digit.
    HalfEven,
    /// Towards minus infinity.
    Floor,
    /// Towards plus infinity.
    Ceiling,
    /// Towards zero.
    Truncate,
}

/// The number rounded to a whole one, with exponent 0; NaN where that would take more than 34 digits.
pub fn to_whole(number: Decimal128, rounding: Rounding) -> Decimal128 {
    let rounded = round_to_place(number, 0, rounding);
    match rounded.decode() {
        Decimal::Finite { exponent: 1.., .. } => nan(),
        _ => rounded,
    }
}

/// The number rounded to so many digits behind the point (before it, where `place` is negative). A number that is coarser
/// already gets zeros, as far as 34 digits reach.
pub fn round_to_place(number: Decimal128, place: i32, rounding: Rounding) -> Decimal128 {
    let Decimal::Finite { negative, coefficient, exponent } = number.decode() else { return number };
    let target = -place;
    if exponent >= target {
        return extend(negative, coefficient, exponent, target);
    }
    let (whole, rest, half) = split(coefficient, target.abs_diff(exponent));
    let up = match rounding {
        Rounding::Truncate => false,
        Rounding::Floor => negative && rest,
        Rounding::Ceiling => !negative && rest,
        Rounding::HalfEven => half.is_gt() || (half.is_eq() && whole % 2 == 1),
    };
    finite(negative, whole + u128::from(up), target)
}

/// Appends zeros until the exponent is `target` or 34 digits are full.
fn extend(negative: bool, coefficient: u128, exponent: i32, target: i32) -> Decimal128 {
    if coefficient == 0 {
        return finite(negative, 0, target);
    }
    let (mut coefficient, mut exponent) = (coefficient, exponent);
    while exponent > target && coefficient * 10 <= storage::COEFFICIENT_MAX {
        coefficient *= 10;
        exponent -= 1;
    }
    finite(negative, coefficient, exponent)
}

/// Cuts off the last `digits` digits: what stays, whether anything but zeros was cut, and how that compares to a half.
fn split(coefficient: u128, digits: u32) -> (u128, bool, std::cmp::Ordering) {
    match 10u128.checked_pow(digits) {
        Some(power) => {
            let rest = coefficient % power;
            (coefficient / power, rest != 0, rest.cmp(&(power / 2)))
        }
        None => (0, coefficient != 0, std::cmp::Ordering::Less),
    }
}

/// The square root; NaN below zero.
pub fn square_root(number: Decimal128) -> Decimal128 {
    let mut context = narrow_context();
    let mut digits: Digits<NARROW> = unpack(number.decode());
    context.sqrt(&mut digits);
    pack(&digits)
}

/// e raised to the number.
pub fn exponential(number: Decimal128) -> Decimal128 {
    wide(number, |context, digits| context.exp(digits))
}

/// The natural logarithm; minus infinity for zero, NaN below zero.
pub fn natural_logarithm(number: Decimal128) -> Decimal128 {
    wide(number, |context, digits| context.ln(digits))
}

/// The logarithm to base 10; minus infinity for zero, NaN below zero.
pub fn decimal_logarithm(number: Decimal128) -> Decimal128 {
    wide(number, |context, digits| context.log10(digits))
}

/// The logarithm of a number to a base.
pub fn logarithm(number: Decimal128, base: Decimal128) -> Decimal128 {
    wide(number, |context, digits| {
        let mut base: Digits<WIDE> = unpack(base.decode());
        context.ln(digits);
        context.ln(&mut base);
        context.div(digits, &base);
    })
}

/// `base` raised to `exponent`, with all 34 digits written out.
pub fn power(base: Decimal128, exponent: Decimal128) -> Decimal128 {
    let power = wide(base, |context, digits| {
        let exponent: Digits<WIDE> = unpack(exponent.decode());
        context.pow(digits, &exponent);
    });
    match power.decode() {
        Decimal::Finite { negative, coefficient, exponent } if coefficient != 0 => {
            extend(negative, coefficient, exponent, i32::MIN)
        }
        _ => power,
    }
}

/// The decimal with so many significant digits nearest to a double: 15 where a double enters decimal arithmetic, where all
/// of them are written out; 34 where it is to be kept as exactly as can be, then without needless zeros.
pub fn from_f64(number: f64, digits: usize) -> Decimal128 {
    if number.is_nan() {
        return nan();
    }
    if number.is_infinite() {
        return infinite(number < 0.0);
    }
    let negative = number.is_sign_negative();
    if number == 0.0 {
        return finite(negative, 0, 0);
    }
    let text = format!("{:.*e}", digits.saturating_sub(1), number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mut coefficient: u128 = mantissa.replace('.', "").parse().unwrap_or(0);
    let fraction = i32::try_from(mantissa.len().saturating_sub(2)).unwrap_or(0);
    let mut exponent = exponent.parse().unwrap_or(0) - fraction;
    while digits > PRECISION_OF_DOUBLE && exponent < 0 && coefficient.is_multiple_of(10) {
        coefficient /= 10;
        exponent += 1;
    }
    finite(negative, coefficient, exponent)
}

/// Significant digits that every double can hold.
const PRECISION_OF_DOUBLE: usize = 15;

/// Not a number.
pub fn nan() -> Decimal128 {
    Decimal128::new(Decimal::NaN).unwrap_or_else(|| Decimal128::from_i64(0))
}

/// An infinity.
pub fn infinite(negative: bool) -> Decimal128 {
    Decimal128::new(Decimal::Infinite { negative }).unwrap_or_else(nan)
}

/// `(-1)^negative * coefficient * 10^exponent`, rounded to what a decimal can hold.
pub fn finite(negative: bool, coefficient: u128, exponent: i32) -> Decimal128 {
    if let Some(decimal) = Decimal128::new(Decimal::Finite { negative, coefficient, exponent }) {
        return decimal;
    }
    narrow(unpack::<NARROW_INPUT>(Decimal::Finite { negative, coefficient, exponent }))
}

fn exact(
    left: Decimal128,
    right: Decimal128,
    compute: impl FnOnce(&mut Context<Digits<NARROW>>, &mut Digits<NARROW>, &Digits<NARROW>),
) -> Decimal128 {
    let mut context = narrow_context();
    let (mut left, right) = (unpack(left.decode()), unpack(right.decode()));
    compute(&mut context, &mut left, &right);
    pack(&left)
}

fn wide(number: Decimal128, compute: impl FnOnce(&mut Context<Digits<WIDE>>, &mut Digits<WIDE>)) -> Decimal128 {
    let mut digits = unpack(number.decode());
    compute(&mut wide_context(), &mut digits);
    narrow(digits)
}

/// Rounds to 34 digits and the range of exponents.
fn narrow<const N: usize>(digits: Digits<N>) -> Decimal128 {
    let mut narrow = narrow_context().to_width(digits);
    if digits.is_zero() && digits.is_negative() {
        // libdecnumber drops the sign of a zero here.
        narrow_context().neg(&mut narrow);
    }
    pack(&narrow)
}

fn narrow_context() -> Context<Digits<NARROW>> {
    let mut context = Context::default();
    // These settings are within libdecnumber's range; it can refuse none of them.
    let _ = context.set_precision(PRECISION);
    let _ = context.set_max_exponent(6144);
    let _ = context.set_min_exponent(-6143);
    context.set_clamp(true);
    context.set_rounding(dec::Rounding::HalfEven);
    context
}

/// The widest exponents for which libdecnumber offers its inexact functions.
fn wide_context() -> Context<Digits<WIDE>> {
    let mut context = Context::default();
    let _ = context.set_precision(75);
    let _ = context.set_max_exponent(999_999);
    let _ = context.set_min_exponent(-999_999);
    context.set_rounding(dec::Rounding::HalfEven);
    context
}

fn unpack<const N: usize>(decimal: Decimal) -> Digits<N> {
    let mut units = [0; N];
    let (mut count, mut scale) = (1, 0);
    let bits;
    match decimal {
        Decimal::NaN => bits = NOT_A_NUMBER,
        Decimal::Infinite { negative } => bits = INFINITE | if negative { NEGATIVE } else { 0 },
        Decimal::Finite { negative, coefficient, exponent } => {
            bits = if negative { NEGATIVE } else { 0 };
            scale = exponent;
            count = coefficient.checked_ilog10().unwrap_or(0) + 1;
            let mut rest = coefficient;
            for unit in &mut units {
                *unit = u16::try_from(rest % UNIT).unwrap_or(0);
                rest /= UNIT;
            }
        }
    }
    Digits::from_raw_parts(count, scale, bits, units)
}

fn pack(digits: &Digits<NARROW>) -> Decimal128 {
    let (exponent, negative) = (digits.exponent(), digits.is_negative());
    if digits.is_nan() {
        return nan();
    }
    if digits.is_infinite() {
        return infinite(negative);
    }
    let coefficient = digits.coefficient_units().iter().rev().fold(0, |sum, unit| sum * UNIT + u128::from(*unit));
    Decimal128::new(Decimal::Finite { negative, coefficient, exponent }).unwrap_or_else(nan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Decimal128 {
        Decimal128::parse(text).expect("a decimal")
    }

    #[test]
    fn exact_operations_keep_ieee_exponents() {
        type Binary = fn(Decimal128, Decimal128) -> Decimal128;
        let cases: [(Binary, &str, &str, &str); 18] = [
            (add, "1.50", "2.5", "4.00"),
            (add, "9999999999999999999999999999999999", "1", "1.000000000000000000000000000000000E+34"),
            (add, "Infinity", "-Infinity", "NaN"),
            (subtract, "1", "1.0", "0.0"),
            (subtract, "0.3", "0.1", "0.2"),
            (multiply, "1.20", "3", "3.60"),
            (multiply, "9E+6144", "10", "Infinity"),
            (multiply, "-0", "5", "-0"),
            (multiply, "1E-6176", "0.1", "0E-6176"),
            (divide, "1", "3", "0.3333333333333333333333333333333333"),
            (divide, "1", "0", "Infinity"),
            (divide, "0", "0", "NaN"),
            (remainder, "10.5", "3", "1.5"),
            (remainder, "-7", "3", "-1"),
            (remainder, "1E+40", "7", "4"),
            (remainder, "5", "Infinity", "5"),
            (remainder, "5", "0", "NaN"),
            (remainder, "0.5", "1E+30", "0.5"),
        ];
        for (compute, left, right, expect) in cases {
            assert_eq!(compute(of(left), of(right)).to_string(), expect, "{left} {right}");
        }
    }

    #[test]
    fn functions_are_rounded_once() {
        type Unary = fn(Decimal128) -> Decimal128;
        let cases: [(Unary, &str, &str); 10] = [
            (square_root, "2", "1.414213562373095048801688724209698"),
            (square_root, "-1", "NaN"),
            (exponential, "1", "2.718281828459045235360287471352662"),
            (exponential, "-1E+6", "0E-6176"),
            (exponential, "1E+6", "Infinity"),
            (natural_logarithm, "10", "2.302585092994045684017991454684364"),
            (natural_logarithm, "0", "-Infinity"),
            (decimal_logarithm, "1000", "3"),
            (absolute, "-1.50", "1.50"),
            (negate, "0", "-0"),
        ];
        for (compute, number, expect) in cases {
            assert_eq!(compute(of(number)).to_string(), expect, "{number}");
        }
        assert_eq!(power(of("2"), of("3")).to_string(), "8.000000000000000000000000000000000");
        assert_eq!(logarithm(of("8"), of("2")).to_string(), "3");
        assert_eq!(to_whole(of("1E+35"), Rounding::Floor).to_string(), "NaN");
        assert_eq!(power(of("2"), of("0.5")).to_string(), "1.414213562373095048801688724209698");
    }

    #[test]
    fn rounding_goes_the_right_way() {
        use Rounding::{Ceiling, Floor, HalfEven, Truncate};
        let cases = [
            ("2.5", 0, HalfEven, "2"),
            ("3.5", 0, HalfEven, "4"),
            ("-2.51", 0, HalfEven, "-3"),
            ("1.2345", 2, HalfEven, "1.23"),
            ("1250", -2, HalfEven, "1.2E+3"),
            ("-1.5", 0, Floor, "-2"),
            ("-1.5", 0, Ceiling, "-1"),
            ("1.01", 0, Ceiling, "2"),
            ("-1.99", 0, Truncate, "-1"),
            ("1", 2, HalfEven, "1.00"),
            ("Infinity", 0, Floor, "Infinity"),
            ("1E-40", 0, HalfEven, "0"),
        ];
        for (number, place, rounding, expect) in cases {
            assert_eq!(
                round_to_place(of(number), place, rounding).to_string(),
                expect,
                "{number} {place} {rounding:?}"
            );
        }
    }

    #[test]
    fn doubles_enter_with_as_many_digits_as_asked() {
        assert_eq!(from_f64(0.1, 15).to_string(), "0.100000000000000");
        assert_eq!(from_f64(0.1, 34).to_string(), "0.1000000000000000055511151231257827");
        assert_eq!(from_f64(-1.5, 15).to_string(), "-1.50000000000000");
        assert_eq!(from_f64(f64::NAN, 15).to_string(), "NaN");
        assert_eq!(from_f64(-0.0, 15).to_string(), "-0");
        assert_eq!(from_f64(1.5, 34).to_string(), "1.5");
        assert_eq!(from_f64(1e22, 34).to_string(), "10000000000000000000000");
    }
}
