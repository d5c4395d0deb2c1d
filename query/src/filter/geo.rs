//! Geometry in filters: where a condition may stand, and nearest-first search. Shapes and distances are storage's.

use storage::geo::{GeoFault, NEAR_OPERATORS, Near, Nearest, Shape};
use storage::{Part, Path, RawArray, RawDoc, ValueRef};

use super::parse::{Place, Reader, bad};
use super::{Filter, Pred};
use crate::error::{Error, Result};

/// MongoDB's number for a nearest-first search in a place that cannot order its results.
const NEAR_NOT_ALLOWED: i32 = 5_626_500;

impl Filter {
    /// The nearest-first search in the filter, if there is one: its path and what it asks for. Such a filter is
    /// answered through a geo index, and orders its results by distance.
    pub fn near(&self) -> Option<(&Path, &Near)> {
        self.required_fields().into_iter().find_map(|(path, pred)| match pred {
            Pred::Near(near) => Some((path, &**near)),
            _ => None,
        })
    }

    /// Refuses nearest-first searches that cannot order the results.
    pub(super) fn check_near(&self) -> Result<()> {
        let top = self.required_fields().into_iter().filter(|(_, pred)| matches!(pred, Pred::Near(_))).count();
        match (top, nears(self)) {
            (_, 0) | (1, 1) => Ok(()),
            (_, 1) => Err(misplaced()),
            _ => Err(bad("a filter can have only one $near")),
        }
    }
}

/// The geometry of the document that is nearest, if it is within the distances asked for.
pub fn nearest<'d>(path: &Path, near: &Near, doc: RawDoc<'d>) -> Option<Nearest<'d>> {
    let mut values = Vec::new();
    collect(doc, path.parts(), &mut values);
    near.nearest(values)
}

/// Everything that a path leads to; arrays on the way are walked, one at its end counts as a whole.
fn collect<'d>(mut doc: RawDoc<'d>, mut parts: &[Part], values: &mut Vec<ValueRef<'d>>) {
    while let Some((part, rest)) = parts.split_first() {
        match doc.get(part.name()) {
            Some(value) if rest.is_empty() => return values.push(value),
            Some(ValueRef::Document(inner)) => doc = inner,
            Some(ValueRef::Array(array)) => return collect_elements(array, rest, values),
            _ => return,
        }
        parts = rest;
    }
}

fn collect_elements<'d>(array: RawArray<'d>, parts: &[Part], values: &mut Vec<ValueRef<'d>>) {
    for element in array.iter() {
        if let ValueRef::Document(inner) = element {
            collect(inner, parts, values);
        }
    }
    let Some((part, rest)) = parts.split_first() else { return };
    let at_position = part.index().and_then(|index| array.get(usize::try_from(index).ok()?));
    match (at_position, rest) {
        (Some(value), []) => values.push(value),
        (Some(ValueRef::Document(inner)), _) => collect(inner, rest, values),
        (Some(ValueRef::Array(inner)), _) => collect_elements(inner, rest, values),
        _ => {}
    }
}

impl Reader<'_> {
    /// Reads `{$near: …, $maxDistance: …}`, which belong together; `None` where the document begins otherwise.
    pub(super) fn near(&mut self, doc: RawDoc<'_>) -> Result<Option<Pred>> {
        let begins = |(name, value): (&str, ValueRef<'_>)| {
            NEAR_OPERATORS.iter().any(|(operator, _)| *operator == name)
                && matches!(value, ValueRef::Document(_) | ValueRef::Array(_))
        };
        if !doc.iter().next().is_some_and(begins) {
            return Ok(None);
        }
        let near = Near::parse(doc)?;
        match self.place {
            Place::Document => Ok(Some(Pred::Near(Box::new(near)))),
            Place::Element => Err(misplaced()),
            Place::Update => Err(Error::mongo(
                NEAR_NOT_ALLOWED,
                "$near orders documents, so it cannot stand in an update's condition",
            )),
        }
    }
}

/// Reads the operand of `$geoWithin`, which stands alone under its field.
pub(super) fn read_within(_: &mut Reader<'_>, value: ValueRef<'_>, siblings: RawDoc<'_>) -> Result<Option<Pred>> {
    check_alone(siblings)?;
    Ok(Some(Pred::Geo(Box::new(Shape::within(value)?))))
}

/// Reads the operand of `$geoIntersects`, which stands alone under its field.
pub(super) fn read_intersects(_: &mut Reader<'_>, value: ValueRef<'_>, siblings: RawDoc<'_>) -> Result<Option<Pred>> {
    check_alone(siblings)?;
    Ok(Some(Pred::Geo(Box::new(Shape::intersects(value)?))))
}

fn check_alone(siblings: RawDoc<'_>) -> Result<()> {
    match siblings.iter().nth(1) {
        None => Ok(()),
        Some((name, _)) => Err(bad(format!("a geo operator stands alone under its field; move {name} into $and"))),
    }
}

fn misplaced() -> Error {
    bad("$near must stand at the top of the filter, not under $or, $nor, $not or $elemMatch")
}

fn nears(filter: &Filter) -> usize {
    match filter {
        Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => members.iter().map(nears).sum(),
        Filter::Field(_, pred) => nears_in(pred),
        _ => 0,
    }
}

fn nears_in(pred: &Pred) -> usize {
    match pred {
        Pred::Near(_) => 1,
        Pred::Not(inner) => nears_in(inner),
        Pred::All(preds) | Pred::ElemValue(preds) => preds.iter().map(nears_in).sum(),
        Pred::ElemMatch(filter) => nears(filter),
        _ => 0,
    }
}

impl From<GeoFault> for Error {
    fn from(fault: GeoFault) -> Error {
        Error::mongo(fault.code(), fault.to_string())
    }
}
