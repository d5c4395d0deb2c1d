//! Whole numbers as arguments of operators, with MongoDB's reasons for refusing others.

use storage::ValueRef;

use crate::error::{Error, Result, number::FAILED_TO_PARSE};

/// An argument that must be a whole number of 64 bits, of any numeric kind.
pub(crate) fn integer(what: &str, value: ValueRef<'_>) -> Result<i64> {
    value.as_i64().ok_or_else(|| {
        let expected = match value.as_f64() {
            None => "a number",
            Some(number) if number.is_finite() && number.trunc() != number => "a whole number",
            Some(_) => "a whole number of 64 bits",
        };
        Error::mongo(FAILED_TO_PARSE, format!("{what} must be {expected}, found {value:?}"))
    })
}

/// An argument that must be a whole number from 0.
pub(crate) fn non_negative_integer(what: &str, value: ValueRef<'_>) -> Result<u64> {
    let number = integer(what, value)?;
    u64::try_from(number)
        .map_err(|_| Error::mongo(FAILED_TO_PARSE, format!("{what} must not be negative, found {number}")))
}

/// A number cut to its whole part, where that fits 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub(crate) fn truncated(value: ValueRef<'_>) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        ValueRef::Int32(number) => Some(i64::from(number)),
        ValueRef::Int64(number) => Some(number),
        ValueRef::Double(number) => (-LIMIT..LIMIT).contains(&number).then_some(number as i64),
        ValueRef::Decimal128(number) => truncated_decimal(number),
        _ => None,
    }
}

fn truncated_decimal(number: storage::Decimal128) -> Option<i64> {
    let storage::Decimal::Finite { negative, coefficient, exponent } = number.decode() else { return None };
    let power = 10u128.checked_pow(exponent.unsigned_abs());
    let magnitude = match (power, exponent < 0) {
        (None, true) => 0,
        (None, false) if coefficient == 0 => 0,
        (None, false) => return None,
        (Some(power), true) => coefficient / power,
        (Some(power), false) => coefficient.checked_mul(power)?,
    };
    let magnitude = i128::try_from(magnitude).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::Decimal128;

    #[test]
    fn decimals_are_cut_toward_zero() {
        let cut = |text| truncated(ValueRef::Decimal128(Decimal128::parse(text).expect("a decimal")));
        assert_eq!(cut("-4.99"), Some(-4));
        assert_eq!(cut("12E2"), Some(1200));
        assert_eq!(cut("1E-6000"), Some(0));
        assert_eq!(cut("1E30"), None);
        assert_eq!(cut("NaN"), None);
    }
}
