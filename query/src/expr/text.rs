//! Values as text: how doubles, dates and timestamps read where an operator takes any of them for a string.

use std::borrow::Cow;

use storage::ValueRef;

use super::Computed;
use super::date::calendar::Civil;
use crate::error::{Error, Result};

/// The text of an operand of a string operator: empty for nothing, numbers and dates written out.
pub(super) fn coerced<'v>(value: &'v Computed<'_>) -> Result<Cow<'v, str>> {
    Ok(match value.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Cow::Borrowed(""),
        Some(ValueRef::String(text) | ValueRef::Symbol(text) | ValueRef::JavaScript(text)) => Cow::Borrowed(text),
        Some(ValueRef::Int32(number)) => Cow::Owned(number.to_string()),
        Some(ValueRef::Int64(number)) => Cow::Owned(number.to_string()),
        Some(ValueRef::Decimal128(number)) => Cow::Owned(number.to_string()),
        Some(ValueRef::Double(number)) => Cow::Owned(short_double(number, "nan", "inf")),
        Some(ValueRef::DateTime(millis)) => Cow::Owned(iso_date(millis)?),
        Some(ValueRef::Timestamp { seconds, increment }) => Cow::Owned(stamp(seconds, increment)),
        Some(other) => {
            return Err(Error::mongo(
                16007,
                format!("{} cannot stand for a string; use $toString", other.kind().name()),
            ));
        }
    })
}

/// A double with six significant digits, as C's `%g` writes it; that is how MongoDB's `$toString` does.
pub(super) fn short_double(number: f64, nan: &str, infinity: &str) -> String {
    if number.is_nan() {
        return nan.to_owned();
    }
    if number.is_infinite() {
        return format!("{}{infinity}", if number < 0.0 { "-" } else { "" });
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or(0);
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

/// A date in ISO 8601 with milliseconds.
///
/// # Errors
/// 18537 outside of the years 0 to 9999.
pub(crate) fn iso_date(millis: i64) -> Result<String> {
    let civil = Civil::of(millis);
    if !(0..=9999).contains(&civil.year) {
        let message = format!("only dates from the year 0 to 9999 can be written, but this one is in {}", civil.year);
        return Err(Error::mongo(18537, message));
    }
    let Civil { year, month, day, hour, minute, second, millisecond } = civil;
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"))
}

fn stamp(seconds: u32, increment: u32) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Civil { month, day, hour, minute, second, .. } = Civil::of(i64::from(seconds) * 1000);
    let name = usize::try_from(month - 1).ok().and_then(|place| MONTHS.get(place)).unwrap_or(&"");
    format!("{name} {day:2} {hour:02}:{minute:02}:{second:02}:{increment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_six_digits() {
        let cases = [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333"),
            (100.0, "100"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.23457e+06"),
            (1e20, "1e+20"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-0.0, "-0"),
            (5e-324, "4.94066e-324"),
            (999_999.5, "1e+06"),
        ];
        for (number, expect) in cases {
            assert_eq!(short_double(number, "NaN", "Infinity"), expect);
        }
        assert_eq!(short_double(f64::NEG_INFINITY, "nan", "inf"), "-inf");
    }

    #[test]
    fn dates_and_stamps() {
        assert_eq!(iso_date(-1).ok().as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(iso_date(253_402_300_800_000).map_err(|error| error.number), Err(18537));
        assert_eq!(stamp(5, 6), "Jan  1 00:00:05:6");
        assert_eq!(stamp(1_595_000_000, 6), "Jul 17 15:33:20:6");
    }
}
