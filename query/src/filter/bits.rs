//! Bit tests: `$bitsAllSet`, `$bitsAnySet`, `$bitsAllClear`, `$bitsAnyClear`.
//!
//! Positions count from the least significant bit. A number is sign-extended without end; a binary value is
//! little-endian and clear beyond its last byte.

use storage::{Decimal128, ValueRef};

use super::number::{integer, non_negative_integer};
use crate::decimal::{self, Rounding};
use crate::error::{Error, Result, number::BAD_VALUE};

/// Bits that are tested together.
#[derive(Clone, Debug)]
pub struct Bits {
    test: BitTest,
    positions: Vec<u32>,
}

/// What is asked of the bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitTest {
    /// Every bit is 1.
    AllSet,
    /// At least one bit is 1.
    AnySet,
    /// Every bit is 0.
    AllClear,
    /// At least one bit is 0.
    AnyClear,
}

impl Bits {
    /// Reads the operand: a number or binary mask, or an array of positions.
    pub(super) fn read(test: BitTest, operand: ValueRef<'_>) -> Result<Bits> {
        let positions = match operand {
            ValueRef::Array(array) => array.iter().map(position).collect::<Result<_>>()?,
            ValueRef::Binary { bytes, .. } => set_bits(bytes),
            number if number.kind().is_number() => {
                set_bits(&non_negative_integer("the bit mask", operand)?.to_le_bytes())
            }
            _ => {
                return Err(Error::mongo(
                    BAD_VALUE,
                    format!("a bit test takes an array of positions, a number or binary data, not {operand:?}"),
                ));
            }
        };
        Ok(Bits { test, positions })
    }

    /// What is asked of the bits.
    pub const fn test(&self) -> BitTest {
        self.test
    }

    /// Does the value pass? Only whole numbers, decimals and binary values can.
    pub(super) fn holds(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::Binary { bytes, .. } => self.check(|position| binary_bit(bytes, position)),
            ValueRef::Decimal128(number) => self.check_number(rounded(number)),
            number => number.as_i64().is_some_and(|number| self.check_number(number)),
        }
    }

    fn check_number(&self, number: i64) -> bool {
        self.check(|position| number >> position.min(63) & 1 == 1)
    }

    fn check(&self, set: impl Fn(u32) -> bool) -> bool {
        let mut positions = self.positions.iter().copied();
        match self.test {
            BitTest::AllSet => positions.all(set),
            BitTest::AnySet => positions.any(set),
            BitTest::AllClear => !positions.any(set),
            BitTest::AnyClear => !positions.all(set),
        }
    }
}

/// A decimal as MongoDB tests it: rounded to the even neighbour, and the least integer where it is out of range.
fn rounded(number: Decimal128) -> i64 {
    decimal::to_whole(number, Rounding::HalfEven).to_i64_exact().unwrap_or(i64::MIN)
}

fn binary_bit(bytes: &[u8], position: u32) -> bool {
    let place = usize::try_from(position / 8).unwrap_or(usize::MAX);
    bytes.get(place).is_some_and(|byte| byte >> (position % 8) & 1 == 1)
}

fn set_bits(bytes: &[u8]) -> Vec<u32> {
    let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_mul(8);
    (0..count).filter(|position| binary_bit(bytes, *position)).collect()
}

fn position(value: ValueRef<'_>) -> Result<u32> {
    let position = integer("a bit position", value).map_err(|error| Error { number: BAD_VALUE, ..error })?;
    u32::try_from(position).ok().filter(|position| i32::try_from(*position).is_ok()).ok_or_else(|| {
        Error::mongo(BAD_VALUE, format!("a bit position must be between 0 and {}, found {position}", i32::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::Array;

    #[test]
    fn numbers_are_sign_extended_and_binaries_are_not() {
        let high: Array = [ValueRef::Int32(200)].into_iter().collect();
        let set = Bits::read(BitTest::AllSet, ValueRef::Array(high.raw())).expect("positions");
        assert!(set.holds(ValueRef::Int32(-1)));
        assert!(!set.holds(ValueRef::Int32(1)));
        assert!(!set.holds(ValueRef::Binary { subtype: 0, bytes: &[0xFF; 8] }));
    }

    #[test]
    fn only_integral_values_pass() {
        let any = Bits::read(BitTest::AllClear, ValueRef::Int32(2)).expect("a mask");
        assert!(any.holds(ValueRef::Double(4.0)));
        assert!(!any.holds(ValueRef::Double(4.5)));
        assert!(!any.holds(ValueRef::Double(f64::NAN)));
        assert!(!any.holds(ValueRef::String("4")));
    }
}
