//! Sets of kinds, as `$type` and schemas name them.

use storage::{Kind, ValueRef};

use crate::error::{Error, Result, number};

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet {
    bits: u32,
}

/// Names that stand for more than one kind.
const NUMBER: [Kind; 4] = [Kind::Double, Kind::Int32, Kind::Int64, Kind::Decimal128];

impl KindSet {
    /// The set of one kind.
    pub const fn of(kind: Kind) -> KindSet {
        KindSet { bits: bit(kind) }
    }

    /// The set of the four numeric kinds.
    pub fn numbers() -> KindSet {
        NUMBER.into_iter().map(KindSet::of).fold(KindSet::default(), KindSet::union)
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: KindSet) -> KindSet {
        KindSet { bits: self.bits | other.bits }
    }

    /// Is the kind in the set?
    pub const fn contains(self, kind: Kind) -> bool {
        self.bits & bit(kind) != 0
    }

    /// Reads the operand of `$type`: a name, a number of BSON's list, or an array of both.
    pub(super) fn read(operand: ValueRef<'_>) -> Result<KindSet> {
        let ValueRef::Array(array) = operand else { return KindSet::read_one(operand) };
        if array.is_empty() {
            return Err(Error::mongo(number::FAILED_TO_PARSE, "$type must name at least one type"));
        }
        array.iter().try_fold(KindSet::default(), |set, member| Ok(set.union(KindSet::read_one(member)?)))
    }

    /// The set that a name stands for.
    pub(super) fn named(name: &str) -> Result<KindSet> {
        if name == "number" {
            return Ok(KindSet::numbers());
        }
        Kind::from_name(name).map(KindSet::of).ok_or_else(|| {
            Error::mongo(number::BAD_VALUE, format!("unknown type name {name:?}; use e.g. \"string\" or \"number\""))
        })
    }

    fn read_one(operand: ValueRef<'_>) -> Result<KindSet> {
        if let Some(name) = operand.as_str() {
            return KindSet::named(name);
        }
        if !operand.kind().is_number() {
            return Err(Error::mongo(
                number::TYPE_MISMATCH,
                format!("a type is written as a name or a number, found {operand:?}"),
            ));
        }
        let kind = operand.as_i64().and_then(|code| match code {
            -1 => Some(Kind::MinKey),
            255 => None,
            _ => u8::try_from(code).ok().and_then(Kind::from_byte),
        });
        kind.map(KindSet::of).ok_or_else(|| {
            Error::mongo(
                number::BAD_VALUE,
                format!("{operand:?} is not the number of a BSON type; for missing fields use {{$exists: false}}"),
            )
        })
    }
}

const fn bit(kind: Kind) -> u32 {
    match kind {
        Kind::MinKey => 1 << 30,
        Kind::MaxKey => 1 << 31,
        other => 1 << (other as u8),
    }
}
