//! Arithmetic of `$inc`, `$mul` and `$bit`: the kind of the result follows from the kinds of both numbers.

use storage::{Decimal128, Value, ValueRef};

use crate::decimal;

/// Decimal digits that a double counts for when it meets a decimal.
const DOUBLE_DIGITS: usize = 15;

/// The sum; `None` where both are integers and it does not fit 64 bits, or one is no number.
pub(super) fn add(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Value> {
    combine(left, right, i64::checked_add, |a, b| a + b, decimal::add)
}

/// The product; `None` where both are integers and it does not fit 64 bits, or one is no number.
pub(super) fn multiply(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Value> {
    combine(left, right, i64::checked_mul, |a, b| a * b, decimal::multiply)
}

fn combine(
    left: ValueRef<'_>,
    right: ValueRef<'_>,
    whole: fn(i64, i64) -> Option<i64>,
    double: fn(f64, f64) -> f64,
    exact: fn(Decimal128, Decimal128) -> Decimal128,
) -> Option<Value> {
    match (left, right) {
        (ValueRef::Decimal128(_), _) | (_, ValueRef::Decimal128(_)) => {
            Some(Value::Decimal128(exact(to_decimal(left)?, to_decimal(right)?)))
        }
        (ValueRef::Double(_), _) | (_, ValueRef::Double(_)) => {
            Some(Value::Double(double(left.as_f64()?, right.as_f64()?)))
        }
        (ValueRef::Int32(a), ValueRef::Int32(b)) => {
            let result = whole(i64::from(a), i64::from(b))?;
            Some(i32::try_from(result).map_or(Value::Int64(result), Value::Int32))
        }
        _ => whole(left.as_i64()?, right.as_i64()?).map(Value::Int64),
    }
}

fn to_decimal(value: ValueRef<'_>) -> Option<Decimal128> {
    match value {
        ValueRef::Decimal128(number) => Some(number),
        ValueRef::Double(number) => Some(decimal::from_f64(number, DOUBLE_DIGITS)),
        other => other.as_i64().map(Decimal128::from_i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_widen_and_then_overflow() {
        let int = |value: Option<Value>| value.map(|value| format!("{value:?}"));
        assert_eq!(int(add(ValueRef::Int32(i32::MAX), ValueRef::Int32(1))), Some("Int64(2147483648)".into()));
        assert_eq!(int(add(ValueRef::Int32(1), ValueRef::Int64(1))), Some("Int64(2)".into()));
        assert_eq!(int(add(ValueRef::Int64(i64::MAX), ValueRef::Int32(1))), None);
        assert_eq!(int(multiply(ValueRef::Int32(2), ValueRef::Double(1.5))), Some("Double(3.0)".into()));
        let ten = Decimal128::parse("1.10").expect("a decimal");
        assert_eq!(
            int(multiply(ValueRef::Int32(0), ValueRef::Decimal128(ten))),
            Some("Decimal128(Decimal128(0.00))".into())
        );
        assert_eq!(
            int(add(ValueRef::Double(0.1), ValueRef::Decimal128(Decimal128::from_i64(2)))),
            Some("Decimal128(Decimal128(2.100000000000000))".into())
        );
    }
}
