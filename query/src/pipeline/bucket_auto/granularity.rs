//! Series of preferred numbers (ISO 3 and IEC 60063) that the borders of `$bucketAuto` are rounded to.

use std::borrow::Cow;

use storage::{Decimal128, Value, ValueRef};

use crate::decimal;
use crate::error::{Error, Result};

/// How borders are rounded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Granularity {
    /// To powers of two.
    PowersOfTwo,
    /// To the numbers of a series, each decade having the same digits.
    Series(&'static [u16]),
}

use Granularity::{PowersOfTwo, Series};

impl Granularity {
    pub fn named(name: &str) -> Result<Granularity> {
        SERIES.iter().find(|(known, _)| *known == name).map(|(_, granularity)| *granularity).ok_or_else(|| {
            let known: Vec<&str> = SERIES.iter().map(|(name, _)| *name).collect();
            Error::mongo(40257, format!("'{name}' is no granularity of $bucketAuto; there are {}", known.join(", ")))
        })
    }

    /// The next number of the series above a value; 0 stays 0.
    pub fn above(self, value: ValueRef<'_>) -> Value {
        self.rounded(value, true)
    }

    /// The last number of the series below a value; 0 stays 0.
    pub fn below(self, value: ValueRef<'_>) -> Value {
        self.rounded(value, false)
    }

    fn rounded(self, value: ValueRef<'_>, up: bool) -> Value {
        let number = value.as_f64().unwrap_or(0.0);
        let zero = number == 0.0;
        match (self, value) {
            (_, ValueRef::Decimal128(_)) if zero => Value::Decimal128(Decimal128::from_i64(0)),
            _ if zero || !number.is_finite() => Value::Double(number),
            (PowersOfTwo, ValueRef::Decimal128(_)) => {
                let power = decimal::from_f64(power_of_two(number, up), 34);
                Value::Decimal128(power)
            }
            (PowersOfTwo, _) => whole_if_possible(power_of_two(number, up)),
            (Series(digits), value) => in_series(digits, number, up, matches!(value, ValueRef::Decimal128(_))),
        }
    }
}

fn power_of_two(number: f64, up: bool) -> f64 {
    let exponent = number.log2();
    2f64.powf(if up { exponent.floor() + 1.0 } else { exponent.ceil() - 1.0 })
}

/// Powers of two are whole numbers as long as those of 64 bits hold them.
fn whole_if_possible(number: f64) -> Value {
    match ValueRef::Double(number).as_i64() {
        Some(whole) => i32::try_from(whole).map_or(Value::Int64(whole), Value::Int32),
        None => Value::Double(number),
    }
}

/// The neighbour of a positive number in a series.
fn in_series(digits: &[u16], number: f64, up: bool, decimal: bool) -> Value {
    let mut exponent = exponent_of(number);
    // The decades on both sides are looked at too, since a neighbour may lie in them.
    exponent += if up { -1 } else { 1 };
    for _ in 0..3 {
        let ordered: Cow<'_, [u16]> = if up { digits.into() } else { digits.iter().rev().copied().collect() };
        let power = power_of_ten(exponent + places(digits));
        let at = |digit: u16| f64::from(digit) / f64::from(scale(digits)) * power;
        let beyond = |digit: &&u16| if up { at(**digit) > number } else { at(**digit) < number };
        if let Some(digit) = ordered.iter().find(beyond) {
            return match decimal {
                true => Value::Decimal128(decimal::finite(false, u128::from(*digit), exponent)),
                false => Value::Double(at(*digit)),
            };
        }
        exponent += if up { 1 } else { -1 };
    }
    Value::Double(number)
}

/// The longer series have numbers of three digits, the others of two: that decides how results are rounded.
const LONG: usize = 48;

const fn scale(digits: &[u16]) -> u8 {
    if digits.len() >= LONG && digits.len() != R80_LENGTH { 1 } else { 10 }
}

const R80_LENGTH: usize = 80;

const fn places(digits: &[u16]) -> i32 {
    if scale(digits) == 10 { 1 } else { 0 }
}

/// The power of ten that brings three digits to the size of a number.
fn exponent_of(number: f64) -> i32 {
    format!("{number:e}").split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0) - 2
}

/// A power of ten, reached in steps as MongoDB does.
fn power_of_ten(exponent: i32) -> f64 {
    let step: fn(f64) -> f64 = if exponent < 0 { |power| power / 10.0 } else { |power| power * 10.0 };
    (0..exponent.abs()).fold(1.0, |power, _| step(power))
}

/// Every granularity; a series gives the first three digits of its numbers in one decade.
const SERIES: &[(&str, Granularity)] = &[
    ("R5", Series(&[100, 160, 250, 400, 630])),
    ("R10", Series(&[100, 125, 160, 200, 250, 315, 400, 500, 630, 800])),
    (
        "R20",
        Series(&[100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900]),
    ),
    (
        "R40",
        Series(&[
            100, 106, 112, 118, 125, 132, 140, 150, 160, 170, 180, 190, 200, 212, 224, 236, 250, 265, 280, 300, 315,
            335, 355, 375, 400, 425, 450, 475, 500, 530, 560, 600, 630, 670, 710, 750, 800, 850, 900, 950,
        ]),
    ),
    (
        "R80",
        Series(&[
            100, 103, 106, 109, 112, 115, 118, 122, 125, 128, 132, 136, 140, 145, 150, 155, 160, 165, 170, 175, 180,
            185, 190, 195, 200, 206, 212, 218, 224, 230, 236, 243, 250, 258, 265, 272, 280, 290, 300, 307, 315, 325,
            335, 345, 355, 365, 375, 387, 400, 412, 425, 437, 450, 462, 475, 487, 500, 515, 530, 545, 560, 580, 600,
            615, 630, 650, 670, 690, 710, 730, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975,
        ]),
    ),
    ("1-2-5", Series(&[100, 200, 500])),
    ("E6", Series(&[100, 150, 220, 330, 470, 680])),
    ("E12", Series(&[100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820])),
    (
        "E24",
        Series(&[
            100, 110, 120, 130, 150, 160, 180, 200, 220, 240, 270, 300, 330, 360, 390, 430, 470, 510, 560, 620, 680,
            750, 820, 910,
        ]),
    ),
    (
        "E48",
        Series(&[
            100, 105, 110, 115, 121, 127, 133, 140, 147, 154, 162, 169, 178, 187, 196, 205, 215, 226, 237, 249, 261,
            274, 287, 301, 316, 332, 348, 365, 383, 402, 422, 442, 464, 487, 511, 536, 562, 590, 619, 649, 681, 715,
            750, 787, 825, 866, 909, 953,
        ]),
    ),
    (
        "E96",
        Series(&[
            100, 102, 105, 107, 110, 113, 115, 118, 121, 124, 127, 130, 133, 137, 140, 143, 147, 150, 154, 158, 162,
            165, 169, 174, 178, 182, 187, 191, 196, 200, 205, 210, 215, 221, 226, 232, 237, 243, 249, 255, 261, 267,
            274, 280, 287, 294, 301, 309, 316, 324, 332, 340, 348, 357, 365, 374, 383, 392, 402, 412, 422, 432, 442,
            453, 464, 475, 487, 499, 511, 523, 536, 549, 562, 576, 590, 604, 619, 634, 649, 665, 681, 698, 715, 732,
            750, 768, 787, 806, 825, 845, 866, 887, 909, 931, 953, 976,
        ]),
    ),
    (
        "E192",
        Series(&[
            100, 101, 102, 104, 105, 106, 107, 109, 110, 111, 113, 114, 115, 117, 118, 120, 121, 123, 124, 126, 127,
            129, 130, 132, 133, 135, 137, 138, 140, 142, 143, 145, 147, 149, 150, 152, 154, 156, 158, 160, 162, 164,
            165, 167, 169, 172, 174, 176, 178, 180, 182, 184, 187, 189, 191, 193, 196, 198, 200, 203, 205, 208, 210,
            213, 215, 218, 221, 223, 226, 229, 232, 234, 237, 240, 243, 246, 249, 252, 255, 258, 261, 264, 267, 271,
            274, 277, 280, 284, 287, 291, 294, 298, 301, 305, 309, 312, 316, 320, 324, 328, 332, 336, 340, 344, 348,
            352, 357, 361, 365, 370, 374, 379, 383, 388, 392, 397, 402, 407, 412, 417, 422, 427, 432, 437, 442, 448,
            453, 459, 464, 470, 475, 481, 487, 493, 499, 505, 511, 517, 523, 530, 536, 542, 549, 556, 562, 569, 576,
            583, 590, 597, 604, 612, 619, 626, 634, 642, 649, 657, 665, 673, 681, 690, 698, 706, 715, 723, 732, 741,
            750, 759, 768, 777, 787, 796, 806, 816, 825, 835, 845, 856, 866, 876, 887, 898, 909, 920, 931, 942, 953,
            965, 976, 988,
        ]),
    ),
    ("POWERSOF2", PowersOfTwo),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbours(name: &str, number: f64) -> (f64, f64) {
        let granularity = Granularity::named(name).ok();
        let round = |up| granularity.map(|granularity| granularity.rounded(ValueRef::Double(number), up));
        let number = |value: Option<Value>| value.and_then(|value| value.as_ref().as_f64()).unwrap_or(f64::NAN);
        (number(round(false)), number(round(true)))
    }

    #[test]
    fn neighbours_in_series() {
        let rows = [
            ("R5", 10.0, (6.300000000000001, 16.0)),
            ("R5", 0.7, (0.63, 1.0)),
            ("1-2-5", 3.0, (2.0, 5.0)),
            ("1-2-5", 60.0, (50.0, 100.0)),
            ("E192", 989.0, (988.0, 1000.0)),
            ("E6", 1e9, (680_000_000.0, 1.5e9)),
            ("E24", 3.1, (3.0, 3.3000000000000003)),
            ("POWERSOF2", 8.0, (4.0, 16.0)),
            ("POWERSOF2", 0.3, (0.25, 0.5)),
            ("R10", 0.0, (0.0, 0.0)),
        ];
        for (name, number, expected) in rows {
            assert_eq!(neighbours(name, number), expected, "{name} {number}");
        }
        assert_eq!(Granularity::named("E7").map_err(|fault| fault.number).err(), Some(40257));
    }

    #[test]
    fn every_series_rises_within_a_decade() {
        for (name, granularity) in SERIES {
            if let Series(digits) = granularity {
                assert!(digits.windows(2).all(|pair| pair[0] < pair[1]) && digits[0] == 100, "{name}");
            }
        }
    }
}
