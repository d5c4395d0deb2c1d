//! The operators on arrays: `$push` with its modifiers, `$addToSet`, `$pop`, `$pull`, `$pullAll`.

use std::cmp::Ordering;

use storage::key::Direction;
use storage::{Array, DocBuilder, Path, RawArray, Value, ValueRef, compare_with};

use super::leaf::Outcome;
use super::path::bad;
use crate::cx::Cx;
use crate::error::number::TYPE_MISMATCH;
use crate::error::{Error, Result};
use crate::filter::{Filter, Pattern};

/// `$push`: insert, then sort, then cut, whatever the order in which the modifiers are written.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) values: Vec<Value>,
    /// Where to insert: from the start, or from the end where negative; `None` means at the end.
    pub(super) position: Option<i64>,
    pub(super) sort: Option<PushSort>,
    /// How many to keep: the first ones, or the last ones where negative.
    pub(super) slice: Option<i64>,
}

/// `$sort` of `$push`.
#[derive(Clone, Debug)]
pub(super) enum PushSort {
    /// By the elements themselves.
    Whole(Direction),
    /// By fields of elements that are documents; arrays in them count as values.
    Fields(Vec<(Path, Direction)>),
}

/// `$addToSet`: append what is not there yet.
#[derive(Clone, Debug)]
pub(super) struct AddToSet {
    pub(super) values: Vec<Value>,
}

/// `$pull` and `$pullAll`: which elements go.
#[derive(Clone, Debug)]
pub(super) enum Pull {
    /// Documents that meet the filter.
    Documents(Filter),
    /// Elements that meet a filter on the field `""`.
    Elements(Filter),
    /// Texts that match.
    Pattern(Pattern),
    /// Elements equal to one of the values.
    Values(Vec<Value>),
}

impl Push {
    pub(super) fn apply<'v>(&'v self, value: Option<ValueRef<'v>>, path: &str, cx: &Cx<'_>) -> Result<Outcome<'v>> {
        let array = array_or_empty(value, path, "$push")?;
        if self.position.is_none() && self.sort.is_none() && self.slice.is_none() {
            return Ok(match (self.values.is_empty(), value) {
                (true, Some(_)) => Outcome::Keep,
                _ => appended(array, &self.values),
            });
        }
        let mut elements: Vec<ValueRef<'_>> = array.iter().collect();
        let at = self.insert_place(elements.len());
        elements.splice(at..at, self.values.iter().map(Value::as_ref));
        let count = elements.len();
        if let Some(sort) = &self.sort {
            elements.sort_by(|a, b| sort.compare(*a, *b, cx));
        }
        if let Some(slice) = self.slice {
            cut(&mut elements, slice);
        }
        let untouched = self.values.is_empty() && self.sort.is_none() && elements.len() == count;
        match (untouched, value) {
            (true, Some(_)) => Ok(Outcome::Keep),
            _ => Ok(Outcome::Rewrite(Value::Array(elements.into_iter().collect()))),
        }
    }

    fn insert_place(&self, len: usize) -> usize {
        let Some(position) = self.position else { return len };
        let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        match position < 0 {
            true => len.saturating_sub(distance),
            false => distance.min(len),
        }
    }
}

/// The first `slice` elements, or the last ones where it is negative.
fn cut(elements: &mut Vec<ValueRef<'_>>, slice: i64) {
    let keep = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX);
    match slice < 0 {
        true => drop(elements.drain(..elements.len().saturating_sub(keep))),
        false => elements.truncate(keep),
    }
}

impl PushSort {
    fn compare(&self, a: ValueRef<'_>, b: ValueRef<'_>, cx: &Cx<'_>) -> Ordering {
        let directed = |order: Ordering, direction: &Direction| match direction {
            Direction::Ascending => order,
            Direction::Descending => order.reverse(),
        };
        match self {
            PushSort::Whole(direction) => directed(compare_with(a, b, cx.collation), direction),
            PushSort::Fields(fields) => {
                let mut orders = fields.iter().map(|(path, direction)| {
                    directed(compare_with(field_of(a, path), field_of(b, path), cx.collation), direction)
                });
                orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }
        }
    }
}

/// The value at a path of an element, positions of arrays included; null where there is none.
fn field_of<'v>(element: ValueRef<'v>, path: &Path) -> ValueRef<'v> {
    let ValueRef::Document(_) = element else { return ValueRef::Null };
    let mut value = element;
    for part in path.parts() {
        let next = match value {
            ValueRef::Document(doc) => doc.get(part.name()),
            ValueRef::Array(array) => array.as_doc().get(part.name()),
            _ => None,
        };
        let Some(next) = next else { return ValueRef::Null };
        value = next;
    }
    value
}

impl AddToSet {
    pub(super) fn apply<'v>(&'v self, value: Option<ValueRef<'v>>, path: &str, cx: &Cx<'_>) -> Result<Outcome<'v>> {
        let array = array_or_empty(value, path, "$addToSet")?;
        // `values` are distinct already; what remains is to leave out those that the array holds.
        let mut new: Vec<&Value> = self.values.iter().collect();
        for element in array.iter() {
            cx.tick()?;
            if new.is_empty() {
                break;
            }
            new.retain(|value| compare_with(value.as_ref(), element, cx.collation).is_ne());
        }
        match (new.is_empty(), value) {
            (true, Some(_)) => Ok(Outcome::Keep),
            _ => Ok(appended(array, new)),
        }
    }
}

impl Pull {
    pub(super) fn apply<'v>(&'v self, value: Option<ValueRef<'v>>, _path: &str, cx: &Cx<'_>) -> Result<Outcome<'v>> {
        let array = match value {
            None => return Ok(Outcome::Keep),
            Some(ValueRef::Array(array)) => array,
            Some(other) => {
                return Err(bad(format!("$pull needs an array, found a value of type {}", other.kind().name())));
            }
        };
        let mut kept = Vec::new();
        let mut count = 0;
        for element in array.iter() {
            cx.tick()?;
            count += 1;
            if !self.takes(element, cx)? {
                kept.push(element);
            }
        }
        match kept.len() == count {
            true => Ok(Outcome::Keep),
            false => Ok(Outcome::Rewrite(Value::Array(kept.into_iter().collect()))),
        }
    }

    fn takes(&self, element: ValueRef<'_>, cx: &Cx<'_>) -> Result<bool> {
        match self {
            Pull::Documents(filter) => match element {
                ValueRef::Document(doc) => filter.matches(doc, cx),
                _ => Ok(false),
            },
            Pull::Elements(filter) => filter.matches(wrapped("", element).raw(), cx),
            Pull::Pattern(pattern) => pattern.matches(element, cx),
            Pull::Values(values) => {
                Ok(values.iter().any(|value| compare_with(value.as_ref(), element, cx.collation).is_eq()))
            }
        }
    }
}

/// A document with one field, so that a filter can be asked about a value.
pub(super) fn wrapped(name: &str, value: ValueRef<'_>) -> storage::Doc {
    let mut builder = DocBuilder::new();
    builder.put(name, value);
    builder.finish()
}

pub(super) fn pop<'v>(value: Option<ValueRef<'v>>, first: bool, path: &str) -> Result<Outcome<'v>> {
    let array = match value {
        None => return Ok(Outcome::Keep),
        Some(ValueRef::Array(array)) => array,
        Some(other) => {
            let kind = other.kind().name();
            return Err(Error::mongo(TYPE_MISMATCH, format!("$pop needs an array at {path:?}, found type {kind}")));
        }
    };
    let mut elements: Vec<ValueRef<'_>> = array.iter().collect();
    match (elements.is_empty(), first) {
        (true, _) => return Ok(Outcome::Keep),
        (false, true) => drop(elements.remove(0)),
        (false, false) => drop(elements.pop()),
    }
    Ok(Outcome::Rewrite(Value::Array(elements.into_iter().collect())))
}

fn array_or_empty<'v>(value: Option<ValueRef<'v>>, path: &str, name: &str) -> Result<RawArray<'v>> {
    match value {
        None => Ok(RawArray::empty()),
        Some(ValueRef::Array(array)) => Ok(array),
        Some(other) => {
            Err(bad(format!("{name} needs an array at {path:?}, found a value of type {}", other.kind().name())))
        }
    }
}

/// The array with more elements; the bytes of the old ones are copied as they stand.
fn appended<'v>(array: RawArray<'_>, values: impl IntoIterator<Item = &'v Value>) -> Outcome<'static> {
    let mut builder = DocBuilder::with_capacity(array.as_bytes().len() + 64);
    let bytes = array.as_bytes();
    let content = bytes.get(4..bytes.len().saturating_sub(1)).unwrap_or_default();
    builder.buffer().extend_from_slice(content);
    for (position, value) in (array.len()..).zip(values) {
        builder.put_at(position, value.as_ref());
    }
    Outcome::Rewrite(Value::Array(Array::from_doc(builder.finish())))
}
