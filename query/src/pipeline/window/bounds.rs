//! Which neighbours a window takes in.

use std::cmp::Ordering;
use std::ops::Range;

use storage::{Value, ValueRef, compare};

use super::Partition;
use crate::cx::Cx;
use crate::error::number::FAILED_TO_PARSE;
use crate::error::{Error, Result};
use crate::expr::{Real, Unit, Zone, date_plus};

#[derive(Clone, Debug)]
pub(super) enum Bounds {
    /// The whole partition.
    All,
    /// By position, counted from the document at hand; `None` is unbounded.
    Documents(Option<i64>, Option<i64>),
    /// By the distance in what the documents are ordered by.
    Range(Option<Value>, Option<Value>, Option<Unit>),
}

pub(super) fn read(value: ValueRef<'_>) -> Result<Bounds> {
    let doc = value.as_doc().ok_or_else(|| wrong("'window' must be a document"))?;
    let (mut documents, mut range, mut unit) = (None, None, None);
    for (name, value) in doc.iter() {
        match name {
            "documents" => documents = Some(value),
            "range" => range = Some(value),
            "unit" => unit = Some(value),
            other => {
                return Err(wrong(&format!("'window' takes 'documents', or 'range' with 'unit', but not '{other}'")));
            }
        }
    }
    match (documents, range, unit) {
        (None, None, None) => Ok(Bounds::All),
        (Some(_), Some(_), _) => Err(wrong("'window' takes 'documents' or 'range', not both")),
        (Some(pair), None, None) => read_documents(pair),
        (None, Some(pair), unit) => read_range(pair, unit),
        (_, None, Some(_)) => Err(wrong("'unit' of 'window' goes only with 'range'")),
    }
}

fn wrong(message: &str) -> Error {
    Error::mongo(FAILED_TO_PARSE, message)
}

fn pair(value: ValueRef<'_>) -> Result<[Option<Value>; 2]> {
    let list: Vec<ValueRef<'_>> = value.as_array().into_iter().flat_map(|list| list.iter()).collect();
    let [low, high] = list.as_slice() else { return Err(wrong("the bounds of a window are an array of two")) };
    let edge = |value: &ValueRef<'_>| match value {
        ValueRef::String("unbounded") => Ok(None),
        ValueRef::String("current") => Ok(Some(Value::Int32(0))),
        ValueRef::String(_) => Err(wrong("a bound of a window is a number, 'current' or 'unbounded'")),
        number if number.kind().is_number() => Ok(Some(number.to_value())),
        _ => Err(wrong("a bound of a window must be a number, 'current' or 'unbounded'")),
    };
    Ok([edge(low)?, edge(high)?])
}

fn check_order(low: Option<&Value>, high: Option<&Value>) -> Result<()> {
    match (low, high) {
        (Some(low), Some(high)) if compare(low.as_ref(), high.as_ref()) == Ordering::Greater => {
            Err(Error::mongo(5_339_900, "the lower bound of a window must not be above the upper one"))
        }
        _ => Ok(()),
    }
}

fn read_documents(value: ValueRef<'_>) -> Result<Bounds> {
    let [low, high] = pair(value)?;
    let whole = |edge: &Option<Value>| match edge {
        None => Ok(None),
        Some(edge) => match edge.as_ref().as_i64() {
            Some(count) => Ok(Some(count)),
            None => Err(wrong("the bounds of a window in documents must be whole numbers")),
        },
    };
    let bounds = (whole(&low)?, whole(&high)?);
    check_order(low.as_ref(), high.as_ref())?;
    Ok(Bounds::Documents(bounds.0, bounds.1))
}

fn read_range(value: ValueRef<'_>, unit: Option<ValueRef<'_>>) -> Result<Bounds> {
    let [low, high] = pair(value)?;
    let unit = unit.map(read_unit).transpose()?;
    let is_whole = |edge: &Option<Value>| edge.as_ref().is_none_or(|edge| edge.as_ref().as_i64().is_some());
    if unit.is_some() && !(is_whole(&low) && is_whole(&high)) {
        return Err(wrong("the bounds of a window with a unit must be whole numbers"));
    }
    check_order(low.as_ref(), high.as_ref())?;
    Ok(Bounds::Range(low, high, unit))
}

/// Reads a unit of time.
pub(super) fn read_unit(value: ValueRef<'_>) -> Result<Unit> {
    let name = value.as_str().ok_or_else(|| wrong("'unit' must be a string"))?;
    Unit::from_name(name).ok_or_else(|| wrong(&format!("'{name}' is no unit of time")))
}

impl Bounds {
    pub const fn is_range(&self) -> bool {
        matches!(self, Bounds::Range(..))
    }

    /// Does every window take in the whole partition?
    pub const fn is_all(&self) -> bool {
        matches!(self, Bounds::All | Bounds::Documents(None, None) | Bounds::Range(None, None, _))
    }

    /// Does every window begin with the partition? Then windows only grow.
    pub const fn grows(&self) -> bool {
        matches!(self, Bounds::All | Bounds::Documents(None, _) | Bounds::Range(None, ..))
    }

    /// The documents in the window of one of them.
    pub fn range(&self, place: usize, partition: &Partition, cx: &Cx<'_>) -> Result<Range<usize>> {
        let count = partition.items.len();
        let at = |edge: i64| {
            let place = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(edge).max(0);
            usize::try_from(place).unwrap_or(usize::MAX).min(count)
        };
        let range = match self {
            Bounds::All => 0..count,
            Bounds::Documents(low, high) => low.map_or(0, at)..high.map_or(count, |high| at(high.saturating_add(1))),
            Bounds::Range(low, high, unit) => {
                let Some(value) = partition.order.get(place) else { return Ok(0..count) };
                let low = low.as_ref().map(|low| moved(value, low, *unit)).transpose()?;
                let high = high.as_ref().map(|high| moved(value, high, *unit)).transpose()?;
                check_value(value, *unit)?;
                cx.tick()?;
                let below = |border: Value| partition.order.partition_point(|value| less(value, &border));
                let upto = |border: Value| partition.order.partition_point(|value| !less(&border, value));
                low.map_or(0, below)..high.map_or(count, upto)
            }
        };
        Ok(range.start.min(range.end)..range.end)
    }
}

fn less(left: &Value, right: &Value) -> bool {
    compare(left.as_ref(), right.as_ref()).is_lt()
}

/// Only numbers, or dates with a unit, have distances.
fn check_value(value: &Value, unit: Option<Unit>) -> Result<()> {
    let kind = value.kind();
    match (value, unit) {
        (Value::DateTime(_), Some(_)) => Ok(()),
        (_, Some(_)) => Err(Error::mongo(
            5_429_513,
            format!("a window with a unit needs dates in sortBy, but one is {}", kind.name()),
        )),
        (Value::DateTime(_), None) => Err(Error::mongo(5_429_413, "a window over dates needs a 'unit'")),
        (_, None) if kind.is_number() => Ok(()),
        _ => Err(Error::mongo(
            5_429_414,
            format!("a window by range needs numbers in sortBy, but one is {}", kind.name()),
        )),
    }
}

fn moved(value: &Value, by: &Value, unit: Option<Unit>) -> Result<Value> {
    check_value(value, unit)?;
    match (value, unit) {
        (Value::DateTime(millis), Some(unit)) => {
            let amount = by.as_ref().as_i64().unwrap_or(0);
            let far = if amount < 0 { i64::MIN } else { i64::MAX };
            Ok(Value::DateTime(date_plus(*millis, unit, amount, &Zone::UTC).unwrap_or(far)))
        }
        _ => {
            let real = |value: &Value| Real::of(Some(value.as_ref())).unwrap_or(Real::ZERO);
            Ok(real(value).plus(real(by)).into_value())
        }
    }
}
