//! Sums of numbers of mixed kinds, as `$add`, `$sum` and `$avg` make them.
//!
//! Integers and doubles go into a pair of doubles that carries about 106 bits (Knuth's two-sum), so whole numbers add
//! up exactly and `0.1 + 0.2 + 0.3` is `0.6`; decimals are kept apart and joined at the end. The kind of the result is
//! the widest kind that went in.

use storage::{Decimal128, Kind, ValueRef};

use super::Computed;
use crate::decimal;

/// A running sum.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
    /// The plain sum: what remains meaningful after an infinity went in.
    plain: f64,
    decimal: Decimal128,
    widest: Kind,
}

impl Default for Sum {
    fn default() -> Sum {
        Sum { high: 0.0, low: 0.0, plain: 0.0, decimal: Decimal128::from_i64(0), widest: Kind::Int32 }
    }
}

impl Sum {
    /// Adds a number; anything else is ignored and answered with false.
    #[inline]
    pub fn add(&mut self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Int32(number) => self.add_double(f64::from(number)),
            ValueRef::Double(number) => {
                self.add_double(number);
                self.widen(Kind::Double);
            }
            ValueRef::Int64(number) => {
                self.add_long(number);
                self.widen(Kind::Int64);
            }
            ValueRef::Decimal128(number) => {
                self.decimal = decimal::add(self.decimal, number);
                self.widest = Kind::Decimal128;
            }
            _ => return false,
        }
        true
    }

    /// Adds a value if it is a number; tells whether it was.
    #[inline]
    pub fn add_if_number(&mut self, value: Option<ValueRef<'_>>) -> bool {
        match value {
            Some(value) => self.add(value),
            None => false,
        }
    }

    /// Adds a whole number without changing the kind of the result.
    #[expect(clippy::cast_precision_loss, reason = "the two halves are exact")]
    pub fn add_long(&mut self, number: i64) {
        let low = number & 0xFFFF_FFFF;
        self.add_double((number - low) as f64);
        self.add_double(low as f64);
    }

    fn add_double(&mut self, number: f64) {
        self.plain += number;
        let sum = self.high + number;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (number - part);
        self.high = sum + self.low;
        self.low -= self.high - sum;
    }

    fn widen(&mut self, kind: Kind) {
        self.widest = wider(self.widest, kind);
    }

    /// The widest kind that went in; int where nothing did.
    pub const fn kind(&self) -> Kind {
        self.widest
    }

    /// The sum as a double.
    pub fn as_f64(&self) -> f64 {
        let sum = self.high + self.low;
        if sum.is_nan() { self.plain } else { sum }
    }

    /// The sum of everything but the decimals as a whole number; `None` where it is not one or does not fit.
    #[expect(clippy::cast_possible_truncation, reason = "casts of doubles to i128 saturate and the range is checked")]
    pub fn as_i64(&self) -> Option<i64> {
        if !self.high.is_finite() {
            return None;
        }
        i64::try_from(self.high.trunc() as i128 + (self.low + self.high.fract()).trunc() as i128).ok()
    }

    /// The sum as a decimal.
    pub fn as_decimal(&self) -> Decimal128 {
        if !self.high.is_finite() || self.low.is_nan() {
            return decimal::add(self.decimal, decimal::from_f64(self.as_f64(), 34));
        }
        let doubles = decimal::add(decimal::from_f64(self.high, 34), decimal::from_f64(self.low, 34));
        decimal::add(self.decimal, doubles)
    }

    /// The sum in the widest kind that went in; whole numbers that do not fit become long, then double.
    pub fn total(&self) -> Computed<'static> {
        match self.widest {
            Kind::Decimal128 => Computed::Ref(ValueRef::Decimal128(self.as_decimal())),
            Kind::Double => self.as_f64().into(),
            kind => match (self.as_i64(), kind) {
                (Some(sum), Kind::Int64) => sum.into(),
                (Some(sum), _) => i32::try_from(sum).map_or_else(|_| sum.into(), Computed::from),
                (None, _) => self.as_f64().into(),
            },
        }
    }
}

/// The wider of two numeric kinds: int, long, double, decimal.
pub(crate) const fn wider(left: Kind, right: Kind) -> Kind {
    match (left, right) {
        (Kind::Decimal128, _) | (_, Kind::Decimal128) => Kind::Decimal128,
        (Kind::Double, _) | (_, Kind::Double) => Kind::Double,
        (Kind::Int64, _) | (_, Kind::Int64) => Kind::Int64,
        _ => Kind::Int32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::Value;

    fn total(values: &[ValueRef<'_>]) -> Value {
        let mut sum = Sum::default();
        values.iter().for_each(|value| assert!(sum.add(*value)));
        sum.total().into_value().expect("a number")
    }

    #[test]
    fn kinds_widen_and_whole_numbers_stay_exact() {
        use ValueRef::{Double, Int32, Int64};
        let cases = [
            (vec![], Value::Int32(0)),
            (vec![Int32(i32::MAX), Int32(1)], Value::Int64(1 << 31)),
            (vec![Int64(1), Int32(1)], Value::Int64(2)),
            (vec![Int64(i64::MAX), Int32(1)], Value::Double(9_223_372_036_854_775_808.0)),
            (vec![Int64(i64::MAX), Int32(1), Int32(1), Int32(-2), Int32(-1)], Value::Int64(i64::MAX - 1)),
            (vec![Double(0.1), Double(0.2), Double(0.3)], Value::Double(0.6)),
            (vec![Int64(9_007_199_254_740_993), Double(0.5)], Value::Double(9_007_199_254_740_994.0)),
            (vec![Double(1e308), Double(1e308), Double(-1e308)], Value::Double(f64::INFINITY)),
            (vec![Double(-0.0)], Value::Double(0.0)),
        ];
        for (values, expect) in cases {
            let got = total(&values);
            assert_eq!((got.kind(), format!("{got:?}")), (expect.kind(), format!("{expect:?}")), "{values:?}");
        }
    }

    #[test]
    fn decimals_join_at_the_end() {
        let text = |values: &[ValueRef<'_>]| format!("{:?}", total(values));
        let of = |text: &str| ValueRef::Decimal128(Decimal128::parse(text).expect("a decimal"));
        let sum = text(&[ValueRef::Double(0.1), ValueRef::Double(0.2), of("0.3")]);
        assert!(sum.contains("0.6000000000000000166533453693773481"), "{sum}");
        assert!(text(&[ValueRef::Int32(1), of("0.000")]).contains("1.000"));
        assert!(text(&[ValueRef::Double(f64::INFINITY), of("-Infinity")]).contains("NaN"));
    }
}
