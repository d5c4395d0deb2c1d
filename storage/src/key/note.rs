//! What has to be kept beside encoded values.

use crate::collation::Collation;
use crate::value::ValueRef;

/// What has to be kept beside an encoded value so that it can be read back exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Note {
    /// Nothing: the encoding reads back exactly.
    Plain = 0,
    /// A 64-bit integer that would fit 32 bits.
    Long = 1,
    /// A double without a fraction.
    Double = 2,
    /// The double -0.
    NegativeZero = 3,
    /// It cannot be read back (decimals, symbols, collated texts, numbers inside documents).
    Unreadable = 4,
    /// The field is missing; it is encoded as null.
    Missing = 5,
}

impl Note {
    /// The note with this byte; an unknown one reads as unreadable, which is always safe.
    pub const fn from_byte(byte: u8) -> Note {
        match byte {
            0 => Note::Plain,
            1 => Note::Long,
            2 => Note::Double,
            3 => Note::NegativeZero,
            5 => Note::Missing,
            _ => Note::Unreadable,
        }
    }
}

/// The note that a value needs beside its encoding.
pub fn note_of(value: ValueRef<'_>, collation: Option<&Collation>) -> Note {
    match value {
        ValueRef::Int64(number) if i32::try_from(number).is_ok() => Note::Long,
        ValueRef::Double(number) if number == 0.0 && number.is_sign_negative() => Note::NegativeZero,
        ValueRef::Double(number) if crate::value::whole(number).is_some() => Note::Double,
        ValueRef::Double(number) if number.is_nan() && number.to_bits() != f64::NAN.to_bits() => Note::Unreadable,
        ValueRef::String(_) if collation.is_some() => Note::Unreadable,
        ValueRef::Symbol(_) | ValueRef::Decimal128(_) | ValueRef::DbPointer { .. } | ValueRef::CodeWithScope { .. } => {
            Note::Unreadable
        }
        ValueRef::Document(doc) => note_of_parts(doc.iter().map(|(_, value)| value), collation),
        ValueRef::Array(array) => note_of_parts(array.iter(), collation),
        _ => Note::Plain,
    }
}

fn note_of_parts<'a>(mut parts: impl Iterator<Item = ValueRef<'a>>, collation: Option<&Collation>) -> Note {
    match parts.all(|part| note_of(part, collation) == Note::Plain) {
        true => Note::Plain,
        false => Note::Unreadable,
    }
}
