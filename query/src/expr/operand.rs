//! What operators ask of their operands: whole numbers in a range, arrays, texts.

use storage::{ArrayBuilder, RawArray, Value, ValueRef};

use super::{Computed, bounded};
use crate::error::Result;

/// The value as a 32-bit whole number, if it is one, of whatever numeric kind.
pub(super) fn int32(value: ValueRef<'_>) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

/// A part of an outcome: borrowed where the whole is borrowed, else copied.
pub(super) fn part<'a>(
    whole: Computed<'a>,
    choose: impl for<'v> FnOnce(ValueRef<'v>) -> Option<ValueRef<'v>>,
) -> Computed<'a> {
    match whole {
        Computed::Missing => Computed::Missing,
        Computed::Ref(value) => Computed::from_option(choose(value)),
        Computed::Own(value) => choose(value.as_ref()).map_or(Computed::Missing, |part| part.to_value().into()),
    }
}

/// A new array of values, refused beyond the size of a document.
pub(super) fn collect<'v>(values: impl IntoIterator<Item = ValueRef<'v>>) -> Result<Computed<'static>> {
    let mut builder = ArrayBuilder::new();
    for value in values {
        push(&mut builder, value)?;
    }
    Ok(Computed::Own(Value::Array(builder.finish())))
}

/// Appends to an array that is being built, unless it grows beyond the size of a document.
pub(super) fn push(builder: &mut ArrayBuilder, value: ValueRef<'_>) -> Result<()> {
    builder.push(value);
    bounded(builder.size())
}

/// The array, where the outcome is one.
pub(super) fn array<'v>(value: &'v Computed<'_>) -> Option<RawArray<'v>> {
    value.as_ref().and_then(ValueRef::as_array)
}
