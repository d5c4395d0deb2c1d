//! Real numbers: doubles, or decimals as soon as one takes part.

use storage::{Decimal128, Value, ValueRef};

use super::arith::to_decimal;
use crate::decimal;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Real {
    Double(f64),
    Decimal(Decimal128),
}

impl Real {
    pub const ZERO: Real = Real::Double(0.0);

    /// The number that a value is, if it is one.
    pub fn of(value: Option<ValueRef<'_>>) -> Option<Real> {
        match value? {
            ValueRef::Decimal128(number) => Some(Real::Decimal(number)),
            value if value.kind().is_number() => value.as_f64().map(Real::Double),
            _ => None,
        }
    }

    /// The number that a value is; a date counts its milliseconds.
    pub fn of_time(value: &Value) -> Option<Real> {
        match value {
            Value::DateTime(millis) => Real::of(Some(ValueRef::Int64(*millis))),
            other => Real::of(Some(other.as_ref())),
        }
    }

    pub fn count(number: usize) -> Real {
        Real::of(Some(ValueRef::Int64(i64::try_from(number).unwrap_or(i64::MAX)))).unwrap_or(Real::ZERO)
    }

    pub fn plus(self, other: Real) -> Real {
        self.with(other, |a, b| a + b, decimal::add)
    }

    pub fn minus(self, other: Real) -> Real {
        self.with(other, |a, b| a - b, decimal::subtract)
    }

    pub fn times(self, other: Real) -> Real {
        self.with(other, |a, b| a * b, decimal::multiply)
    }

    pub fn over(self, other: Real) -> Real {
        self.with(other, |a, b| a / b, decimal::divide)
    }

    pub fn is_zero(self) -> bool {
        self.as_f64() == 0.0
    }

    pub fn is_finite(self) -> bool {
        match self {
            Real::Double(number) => number.is_finite(),
            Real::Decimal(number) => matches!(number.decode(), storage::Decimal::Finite { .. }),
        }
    }

    pub fn as_f64(self) -> f64 {
        match self {
            Real::Double(number) => number,
            Real::Decimal(number) => number.to_f64(),
        }
    }

    pub const fn into_value(self) -> Value {
        match self {
            Real::Double(number) => Value::Double(number),
            Real::Decimal(number) => Value::Decimal128(number),
        }
    }

    fn with(self, other: Real, double: fn(f64, f64) -> f64, decimal: fn(Decimal128, Decimal128) -> Decimal128) -> Real {
        match (self, other) {
            (Real::Double(a), Real::Double(b)) => Real::Double(double(a, b)),
            (a, b) => Real::Decimal(decimal(a.as_decimal(), b.as_decimal())),
        }
    }

    fn as_decimal(self) -> Decimal128 {
        match self {
            Real::Double(number) => to_decimal(ValueRef::Double(number)),
            Real::Decimal(number) => number,
        }
    }
}
