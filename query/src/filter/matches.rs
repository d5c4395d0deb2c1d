//! Evaluates filters over a document's bytes: fields are found by skipping, nothing is decoded as a tree.
//!
//! What a path leads to is MongoDB's rule: arrays on the way are walked one level deep, a numeric part is a position
//! as well as a name, and an array at the end counts as each of its elements and as itself.

use std::cmp::Ordering;

use storage::{Collation, Kind, Part, RawArray, RawDoc, ValueRef, compare_with};

use super::geo::nearest;
use super::number::truncated;
use super::{CmpOp, Filter, Pred};
use crate::cx::Cx;
use crate::error::Result;

/// How a document matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Position in the array that the condition evaluated last went through; what `$` in an update's path means.
    pub position: Option<u32>,
}

const WITHOUT_POSITION: Option<Matched> = Some(Matched { position: None });

impl Filter {
    /// Does the document meet the filter?
    ///
    /// # Errors
    /// Faults of expressions, and the deadline.
    pub fn matches(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        Ok(self.matched(doc, cx)?.is_some())
    }

    /// Like [`Filter::matches`], and says through which array element.
    ///
    /// # Errors
    /// Faults of expressions, and the deadline.
    pub fn matched(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Option<Matched>> {
        match self {
            Filter::Field(path, Pred::Near(near)) => Ok(found(nearest(path, near, doc).is_some())),
            Filter::Field(path, pred) => Walk { pred, cx }.path(doc, path.parts()),
            Filter::And(members) => conjunction(members, doc, cx),
            Filter::Or(members) => Ok(found(any(members, doc, cx)?)),
            Filter::Nor(members) => Ok(found(!any(members, doc, cx)?)),
            Filter::Schema(schema) => Ok(found(schema.holds(doc, cx)?)),
            Filter::Text(text) => Ok(found(text.matches(doc, cx)?)),
            Filter::Expr(expr) => Ok(found(expr.eval(doc, cx)?.is_true())),
            Filter::Sample(rate) => Ok(found(cx.random.next_unit() < *rate)),
            Filter::Always(truth) => Ok(found(*truth)),
        }
    }
}

/// The last condition that went through an array says where.
fn conjunction(members: &[Filter], doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Option<Matched>> {
    let mut matched = Matched::default();
    for member in members {
        let Some(found) = member.matched(doc, cx)? else { return Ok(None) };
        matched.position = found.position.or(matched.position);
    }
    Ok(Some(matched))
}

fn any(members: &[Filter], doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
    for member in members {
        if member.matched(doc, cx)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn found(truth: bool) -> Option<Matched> {
    truth.then_some(Matched::default())
}

/// The search for a value that meets a predicate.
struct Walk<'a> {
    pred: &'a Pred,
    cx: &'a Cx<'a>,
}

type Hit = Result<Option<Matched>>;

impl Walk<'_> {
    fn path(&self, doc: RawDoc<'_>, parts: &[Part]) -> Hit {
        match self.pred {
            Pred::Not(inner) => Ok(found(Walk { pred: inner, cx: self.cx }.path(doc, parts)?.is_none())),
            Pred::All(preds) => {
                for pred in preds {
                    if (Walk { pred, cx: self.cx }.path(doc, parts)?).is_none() {
                        return Ok(None);
                    }
                }
                Ok(WITHOUT_POSITION)
            }
            _ => self.document(doc, parts),
        }
    }

    fn document(&self, mut doc: RawDoc<'_>, mut parts: &[Part]) -> Hit {
        while let Some((part, rest)) = parts.split_first() {
            let value = doc.get(part.name());
            if rest.is_empty() {
                return self.leaf(value);
            }
            match value {
                Some(ValueRef::Document(inner)) => doc = inner,
                Some(ValueRef::Array(array)) => return self.array(array, rest),
                _ => return self.test(None),
            }
            parts = rest;
        }
        Ok(None)
    }

    /// The end of the path: an array counts as each of its elements, then as itself.
    fn leaf(&self, value: Option<ValueRef<'_>>) -> Hit {
        if let Some(ValueRef::Array(array)) = value
            && self.pred.enters_arrays()
        {
            for (position, element) in array.iter().enumerate() {
                self.cx.tick()?;
                if self.pred.holds(Some(element), self.cx)? {
                    return Ok(Some(Matched { position: u32::try_from(position).ok() }));
                }
            }
        }
        self.test(value)
    }

    /// An array on the way: each document in it is followed, and the element at the part's position too.
    fn array(&self, array: RawArray<'_>, parts: &[Part]) -> Hit {
        let Some((part, rest)) = parts.split_first() else { return Ok(None) };
        let index = part.index().and_then(|index| usize::try_from(index).ok());
        for (position, element) in array.iter().enumerate() {
            self.cx.tick()?;
            if let ValueRef::Document(doc) = element
                && self.document(doc, parts)?.is_some()
            {
                return Ok(Some(Matched { position: u32::try_from(position).ok() }));
            }
            if index == Some(position) {
                let hit = self.at_position(element, rest)?;
                if hit.is_some() {
                    return Ok(hit);
                }
            }
        }
        Ok(None)
    }

    fn at_position(&self, element: ValueRef<'_>, rest: &[Part]) -> Hit {
        match element {
            // A path that ends with a position means that element itself, not its own elements.
            _ if rest.is_empty() => self.test(Some(element)),
            ValueRef::Document(doc) => self.document(doc, rest),
            ValueRef::Array(array) => self.array(array, rest),
            _ => Ok(None),
        }
    }

    fn test(&self, value: Option<ValueRef<'_>>) -> Hit {
        match (self.pred, value) {
            (Pred::ElemMatch(_) | Pred::ElemValue(_), Some(ValueRef::Array(array))) => {
                let position = self.pred.element(array, self.cx)?;
                Ok(position.map(|position| Matched { position: u32::try_from(position).ok() }))
            }
            _ => Ok(found(self.pred.holds(value, self.cx)?)),
        }
    }
}

impl Pred {
    /// Does an array at the end of the path count as its elements?
    const fn enters_arrays(&self) -> bool {
        !matches!(self, Pred::Size(_) | Pred::ElemMatch(_) | Pred::ElemValue(_))
    }

    /// Does this one value meet the predicate? `None` stands for what is missing.
    pub(super) fn holds(&self, value: Option<ValueRef<'_>>, cx: &Cx<'_>) -> Result<bool> {
        Ok(match self {
            Pred::Cmp(op, operand) => compares(*op, value, operand.as_ref(), cx.collation),
            Pred::In(members) => members.contains(value, cx)?,
            Pred::Regex(pattern) => value.map_or(Ok(false), |value| pattern.matches(value, cx))?,
            Pred::Not(inner) => !inner.holds(value, cx)?,
            Pred::All(preds) => all_hold(preds, value, cx)?,
            Pred::Never => false,
            Pred::Exists => value.is_some(),
            Pred::Type(kinds) => value.is_some_and(|value| kinds.contains(value.kind())),
            Pred::Mod { divisor, remainder } => {
                value.and_then(truncated).is_some_and(|number| number.wrapping_rem(*divisor) == *remainder)
            }
            Pred::Size(size) => matches!(value, Some(ValueRef::Array(array)) if array.len() as u64 == *size),
            Pred::ElemMatch(_) | Pred::ElemValue(_) => match value {
                Some(ValueRef::Array(array)) => self.element(array, cx)?.is_some(),
                _ => false,
            },
            Pred::Bits(bits) => value.is_some_and(|value| bits.holds(value)),
            Pred::Geo(shape) => value.map_or(Ok(false), |value| shape.matches(value))?,
            Pred::Near(near) => near.nearest(value).is_some(),
        })
    }

    /// Position of the first element that meets `$elemMatch`.
    fn element(&self, array: RawArray<'_>, cx: &Cx<'_>) -> Result<Option<usize>> {
        for (position, element) in array.iter().enumerate() {
            cx.tick()?;
            let holds = match (self, element) {
                (Pred::ElemMatch(filter), ValueRef::Document(doc)) => filter.matches(doc, cx)?,
                (Pred::ElemMatch(filter), ValueRef::Array(inner)) => filter.matches(inner.as_doc(), cx)?,
                (Pred::ElemValue(preds), _) => all_hold(preds, Some(element), cx)?,
                _ => false,
            };
            if holds {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }
}

fn all_hold(preds: &[Pred], value: Option<ValueRef<'_>>, cx: &Cx<'_>) -> Result<bool> {
    for pred in preds {
        if !pred.holds(value, cx)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Comparison as filters do it: only within the operand's class, null equal to what is missing, NaN only to itself.
pub(super) fn compares(
    op: CmpOp,
    value: Option<ValueRef<'_>>,
    operand: ValueRef<'_>,
    collation: Option<&Collation>,
) -> bool {
    let Some(value) = value.filter(|value| value.kind() != Kind::Undefined) else {
        return compares_missing(op, operand);
    };
    if value.kind().rank() != operand.kind().rank() {
        return beyond(op, operand);
    }
    if is_nan(value) || is_nan(operand) {
        return !matches!(op, CmpOp::Lt | CmpOp::Gt) && is_nan(value) && is_nan(operand);
    }
    let order = compare_with(value, operand, collation);
    match op {
        CmpOp::Eq => order == Ordering::Equal,
        CmpOp::Lte => order != Ordering::Greater,
        CmpOp::Lt => order == Ordering::Less,
        CmpOp::Gt => order == Ordering::Greater,
        CmpOp::Gte => order != Ordering::Less,
    }
}

/// MinKey and MaxKey are the only operands that compare with other classes.
const fn beyond(op: CmpOp, operand: ValueRef<'_>) -> bool {
    match operand {
        ValueRef::MaxKey => matches!(op, CmpOp::Lt | CmpOp::Lte),
        ValueRef::MinKey => matches!(op, CmpOp::Gt | CmpOp::Gte),
        _ => false,
    }
}

const fn compares_missing(op: CmpOp, operand: ValueRef<'_>) -> bool {
    match operand {
        ValueRef::Null => matches!(op, CmpOp::Eq | CmpOp::Lte | CmpOp::Gte),
        other => beyond(op, other),
    }
}

fn is_nan(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Double(number) => number.is_nan(),
        ValueRef::Decimal128(number) => number.is_nan(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
