//! What one operator does to one value.

use storage::{Kind, Value, ValueRef, compare_with};

use super::array::{AddToSet, Pull, Push};
use super::number;
use super::path::bad;
use super::rename::Moved;
use crate::cx::Cx;
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Error, Result};

/// An operator at the end of a path.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    Set(Value),
    SetOnInsert(Value),
    Unset,
    Add(Value),
    Multiply(Value),
    Min(Value),
    Max(Value),
    Bits(Vec<(BitOp, Value)>),
    CurrentDate,
    CurrentTimestamp,
    /// Takes the value that the rename at this place of the list moves.
    RenameTo(usize),
    /// Gives its value to that rename.
    RenameFrom(usize),
    Push(Box<Push>),
    AddToSet(AddToSet),
    /// Removes the first element, or the last.
    Pop {
        first: bool,
    },
    Pull(Box<Pull>),
}

/// A bitwise operation of `$bit`.
#[derive(Clone, Copy, Debug)]
pub(super) enum BitOp {
    And,
    Or,
    Xor,
}

/// What becomes of a value.
pub(super) enum Outcome<'v> {
    /// It stays as it is.
    Keep,
    /// It goes away.
    Remove,
    /// It is written; where the bytes are the same it counts as unchanged.
    Write(Written<'v>),
    /// It is written and counts as changed in any case.
    Rewrite(Value),
}

/// A new value, borrowed from the operator or made for this document.
pub(super) enum Written<'v> {
    Borrowed(ValueRef<'v>),
    Owned(Value),
}

impl Written<'_> {
    pub(super) fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Written::Borrowed(value) => *value,
            Written::Owned(value) => value.as_ref(),
        }
    }
}

impl Leaf {
    /// Does the operator write where nothing is? `moved` tells which renames have something to move.
    pub(super) fn creates(&self, inserting: bool, moved: &[Moved<'_>]) -> bool {
        match self {
            Leaf::Unset | Leaf::RenameFrom(_) | Leaf::Pop { .. } | Leaf::Pull(_) => false,
            Leaf::SetOnInsert(_) => inserting,
            Leaf::RenameTo(place) => moves(moved, *place),
            _ => true,
        }
    }

    /// Does the operator do nothing where its path cannot be followed, rather than fail?
    pub(super) fn tolerates_dead_ends(&self, inserting: bool, moved: &[Moved<'_>]) -> bool {
        match self {
            Leaf::Unset | Leaf::RenameFrom(_) => true,
            Leaf::SetOnInsert(_) => !inserting,
            Leaf::RenameTo(place) => !moves(moved, *place),
            _ => false,
        }
    }

    /// What becomes of the value; `None` stands for a missing one. `path` is for messages.
    pub(super) fn apply<'v>(
        &'v self,
        value: Option<ValueRef<'v>>,
        path: &str,
        inserting: bool,
        moved: &[Moved<'v>],
        cx: &Cx<'_>,
    ) -> Result<Outcome<'v>> {
        Ok(match self {
            Leaf::Set(new) => borrowed(new),
            Leaf::SetOnInsert(new) if inserting => borrowed(new),
            Leaf::SetOnInsert(_) => Outcome::Keep,
            Leaf::Unset => removed(value),
            Leaf::RenameFrom(place) if moves(moved, *place) => removed(value),
            Leaf::RenameFrom(_) => Outcome::Keep,
            Leaf::RenameTo(place) => match moved.get(*place) {
                Some(Ok(Some(new))) => Outcome::Write(Written::Borrowed(*new)),
                Some(Err(fault)) => return Err(fault.clone()),
                _ => Outcome::Keep,
            },
            Leaf::Add(by) => arithmetic(value, by, path, "$inc", number::add)?,
            Leaf::Multiply(by) => match value {
                None => number::multiply(by.as_ref(), ValueRef::Int32(0)).map_or(Outcome::Keep, owned),
                value => arithmetic(value, by, path, "$mul", number::multiply)?,
            },
            Leaf::Min(new) => closer(value, new, |order| order.is_lt(), cx),
            Leaf::Max(new) => closer(value, new, |order| order.is_gt(), cx),
            Leaf::Bits(ops) => owned(bits(value.unwrap_or(ValueRef::Int32(0)), ops, path)?),
            Leaf::CurrentDate => Outcome::Rewrite(Value::DateTime(cx.now)),
            Leaf::CurrentTimestamp => {
                let seconds = u32::try_from(cx.now / 1000).unwrap_or_default();
                Outcome::Rewrite(Value::Timestamp { seconds, increment: 1 })
            }
            Leaf::Push(push) => push.apply(value, path, cx)?,
            Leaf::AddToSet(add) => add.apply(value, path, cx)?,
            Leaf::Pop { first } => super::array::pop(value, *first, path)?,
            Leaf::Pull(pull) => pull.apply(value, path, cx)?,
        })
    }
}

/// Has the rename something to move, or a fault to report?
fn moves(moved: &[Moved<'_>], place: usize) -> bool {
    !matches!(moved.get(place), Some(Ok(None)) | None)
}

fn borrowed(value: &Value) -> Outcome<'_> {
    Outcome::Write(Written::Borrowed(value.as_ref()))
}

const fn owned<'v>(value: Value) -> Outcome<'v> {
    Outcome::Write(Written::Owned(value))
}

const fn removed<'v>(value: Option<ValueRef<'v>>) -> Outcome<'v> {
    match value {
        Some(_) => Outcome::Remove,
        None => Outcome::Keep,
    }
}

fn arithmetic<'v>(
    value: Option<ValueRef<'v>>,
    by: &'v Value,
    path: &str,
    name: &str,
    compute: fn(ValueRef<'_>, ValueRef<'_>) -> Option<Value>,
) -> Result<Outcome<'v>> {
    let Some(value) = value else { return Ok(borrowed(by)) };
    if !value.kind().is_number() {
        let message = format!("{name} needs a number at {path:?}, found a value of type {}", value.kind().name());
        return Err(Error::mongo(TYPE_MISMATCH, message));
    }
    match compute(value, by.as_ref()) {
        // NaN is never the same as before.
        Some(result) if is_nan(&result) => Ok(Outcome::Rewrite(result)),
        Some(result) => Ok(owned(result)),
        None => Err(bad(format!("{name} of {} at {path:?} with {} overflows 64 bits", value, by.as_ref()))),
    }
}

fn is_nan(value: &Value) -> bool {
    match value {
        Value::Double(number) => number.is_nan(),
        Value::Decimal128(number) => number.is_nan(),
        _ => false,
    }
}

/// The new value where it comes first in the wanted direction, or where there is none.
fn closer<'v>(
    value: Option<ValueRef<'v>>,
    new: &'v Value,
    wanted: fn(std::cmp::Ordering) -> bool,
    cx: &Cx<'_>,
) -> Outcome<'v> {
    match value {
        Some(value) if !wanted(compare_with(new.as_ref(), value, cx.collation)) => Outcome::Keep,
        _ => borrowed(new),
    }
}

fn bits(value: ValueRef<'_>, ops: &[(BitOp, Value)], path: &str) -> Result<Value> {
    let mut wide = value.kind() == Kind::Int64;
    let mut number = match value {
        ValueRef::Int32(number) => i64::from(number),
        ValueRef::Int64(number) => number,
        other => {
            let kind = other.kind().name();
            return Err(bad(format!("$bit needs an int or long at {path:?}, found a value of type {kind}")));
        }
    };
    for (op, operand) in ops {
        wide |= operand.kind() == Kind::Int64;
        let operand = operand.as_ref().as_i64().unwrap_or_default();
        number = match op {
            BitOp::And => number & operand,
            BitOp::Or => number | operand,
            BitOp::Xor => number ^ operand,
        };
    }
    Ok(match i32::try_from(number) {
        Ok(narrow) if !wide => Value::Int32(narrow),
        _ => Value::Int64(number),
    })
}
