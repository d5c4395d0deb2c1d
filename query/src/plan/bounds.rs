//! From predicates to intervals of index keys.
//!
//! An interval is a half-open range of encoded values in ascending order. A predicate is `exact` where the entries
//! inside its intervals are just those of the documents that meet it; otherwise the documents are checked again. What
//! has no useful intervals (negations, `$exists: true`, types, bits …) has no bounds.

use storage::key::{self, class_range, successor};
use storage::{Collation, Direction, Index, Kind, Path, Value, ValueRef};

use crate::filter::{CmpOp, Filter, Members, Pattern, Pred};

/// A half-open range of encoded values, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// First encoding inside.
    pub start: Vec<u8>,
    /// First encoding beyond; empty means no end.
    pub end: Vec<u8>,
    /// Does it hold one value only?
    pub point: bool,
}

/// What a field of an index is bounded to: disjoint intervals in rising order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The intervals; none means that nothing matches.
    pub intervals: Vec<Interval>,
    /// Are the entries inside just those that match?
    pub exact: bool,
}

/// How an index field sees a predicate.
#[derive(Clone, Copy, Debug)]
pub struct FieldView<'a> {
    /// Has some document an array on the way to the field?
    pub multikey: bool,
    /// How the index orders texts.
    pub collation: Option<&'a Collation>,
    /// Does the request compare texts as the index does? If not, texts have no bounds.
    pub same_collation: bool,
    /// Are documents without the field left out?
    pub sparse: bool,
    /// Does the path have numeric parts, which mean two things at once?
    pub ambiguous: bool,
}

impl<'a> FieldView<'a> {
    /// The view of one field of an index.
    pub fn new(index: &'a Index, field: usize, path: &Path, collation: Option<&Collation>) -> FieldView<'a> {
        let of_index = index.collation.as_deref();
        FieldView {
            multikey: index.is_multikey(field),
            collation: of_index,
            same_collation: of_index.map(Collation::spec) == collation.map(Collation::spec),
            sparse: index.sparse || index.partial.is_some(),
            ambiguous: path.parts().iter().any(|part| part.index().is_some()),
        }
    }
}

impl Interval {
    fn point(value: ValueRef<'_>, view: &FieldView<'_>) -> Interval {
        let mut start = Vec::new();
        key::encode(value, Direction::Ascending, view.collation, &mut start);
        Interval { end: successor(&start), start, point: true }
    }

    fn range(start: Vec<u8>, end: Vec<u8>) -> Interval {
        Interval { start, end, point: false }
    }

    /// Every value.
    pub const fn full() -> Interval {
        Interval { start: Vec::new(), end: Vec::new(), point: false }
    }

    /// Does an encoded value (with whatever follows it) lie inside?
    pub fn holds(&self, encoded: &[u8]) -> bool {
        encoded >= self.start.as_slice() && (self.end.is_empty() || encoded < self.end.as_slice())
    }

    /// The same interval over descending encodings, where all bits are flipped.
    pub fn flipped(&self) -> Interval {
        let flip = |bytes: &[u8]| bytes.iter().map(|byte| !byte).collect::<Vec<u8>>();
        if self.point {
            let start = flip(&self.start);
            return Interval { end: successor(&start), start, point: true };
        }
        let after = |bytes: &[u8]| if bytes.is_empty() { Vec::new() } else { successor(&flip(bytes)) };
        Interval { start: after(&self.end), end: after(&self.start), point: self.point }
    }

    fn is_empty(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }

    fn intersect(&self, other: &Interval) -> Interval {
        let start = self.start.clone().max(other.start.clone());
        let end = match (self.end.is_empty(), other.end.is_empty()) {
            (true, _) => other.end.clone(),
            (_, true) => self.end.clone(),
            _ => self.end.clone().min(other.end.clone()),
        };
        Interval { start, end, point: self.point || other.point }
    }
}

impl Bounds {
    /// No bounds: every entry.
    pub fn full() -> Bounds {
        Bounds { intervals: vec![Interval::full()], exact: false }
    }

    /// Ranges of cells of a geo index, both ends included. What they hold has to be looked at closely.
    pub fn of_cells(ranges: &[(u64, u64)]) -> Bounds {
        let encoded = |cell| {
            let mut bytes = Vec::with_capacity(9);
            key::encode(storage::cell_value(cell), Direction::Ascending, None, &mut bytes);
            bytes
        };
        let interval = |(low, high): &(u64, u64)| Interval::range(encoded(*low), successor(&encoded(*high)));
        Bounds { intervals: ranges.iter().map(interval).collect(), exact: false }.tidy()
    }

    /// Does it hold every value?
    pub fn is_full(&self) -> bool {
        self.intervals.iter().any(|interval| interval.start.is_empty() && interval.end.is_empty())
    }

    /// Does it hold one value only?
    pub fn is_point(&self) -> bool {
        matches!(self.intervals.as_slice(), [interval] if interval.point)
    }

    /// Does it hold a few single values only?
    pub fn is_points(&self) -> bool {
        self.intervals.iter().all(|interval| interval.point)
    }

    fn one(interval: Interval, exact: bool) -> Bounds {
        Bounds { intervals: vec![interval], exact }.tidy()
    }

    const fn none(exact: bool) -> Bounds {
        Bounds { intervals: Vec::new(), exact }
    }

    /// Both bounds at once; only where one entry must meet both.
    #[must_use]
    pub fn intersect(&self, other: &Bounds) -> Bounds {
        let pairs = self.intervals.iter().flat_map(|a| other.intervals.iter().map(move |b| a.intersect(b)));
        Bounds { intervals: pairs.collect(), exact: self.exact && other.exact }.tidy()
    }

    fn union(mut self, other: Bounds) -> Bounds {
        self.intervals.extend(other.intervals);
        Bounds { intervals: self.intervals, exact: self.exact && other.exact }.tidy()
    }

    /// Drops empty intervals, sorts, joins what touches.
    fn tidy(mut self) -> Bounds {
        self.intervals.retain(|interval| !interval.is_empty());
        self.intervals.sort();
        let mut joined: Vec<Interval> = Vec::with_capacity(self.intervals.len());
        for next in self.intervals {
            match joined.last_mut() {
                Some(last) if last.end.is_empty() || next.start < last.end => {
                    let end = if next.end.is_empty() || last.end.is_empty() {
                        Vec::new()
                    } else {
                        next.end.max(last.end.clone())
                    };
                    last.point &= next.point && last.end == end;
                    last.end = end;
                }
                _ => joined.push(next),
            }
        }
        Bounds { intervals: joined, exact: self.exact }
    }
}

/// The bounds of a predicate; `None` where it has none.
pub fn of_pred(pred: &Pred, view: &FieldView<'_>) -> Option<Bounds> {
    let mut bounds = match pred {
        Pred::Cmp(op, value) => of_comparison(*op, value, view)?,
        Pred::In(members) => of_members(members, view)?,
        Pred::Regex(pattern) => of_pattern(pattern, view)?,
        Pred::All(preds) => of_all(preds, view)?,
        Pred::ElemValue(preds) => of_element(preds, view)?,
        Pred::Not(inner) if matches!(**inner, Pred::Exists) => of_missing(view)?,
        Pred::Exists if view.sparse => Bounds::full(), // every document that has the field is in a sparse index
        _ => return None,
    };
    bounds.exact &= !view.ambiguous;
    Some(bounds)
}

/// The predicates on elements of an array under `path`, as predicates on the paths below it.
pub fn inside_elements<'f>(path: &Path, pred: &'f Pred) -> Vec<(Path, &'f Pred)> {
    let Pred::ElemMatch(filter) = pred else { return Vec::new() };
    let below = |inner: &Path| Path::new(&format!("{path}.{inner}"));
    required(filter).into_iter().map(|(inner, pred)| (below(inner), pred)).collect()
}

fn required(filter: &Filter) -> Vec<(&Path, &Pred)> {
    filter.required_fields()
}

fn of_comparison(op: CmpOp, value: &Value, view: &FieldView<'_>) -> Option<Bounds> {
    let operand = value.as_ref();
    if !comparable(operand, view) {
        return None;
    }
    if operand.is_nullish() {
        return of_null(op, operand);
    }
    if op == CmpOp::Eq {
        return Some(Bounds::one(Interval::point(operand, view), true));
    }
    if matches!(operand.kind(), Kind::MinKey | Kind::MaxKey | Kind::Regex) {
        return None; // these compare with every class
    }
    if is_nan(operand) {
        let point = Bounds::one(Interval::point(operand, view), true);
        return Some(if matches!(op, CmpOp::Lte | CmpOp::Gte) { point } else { Bounds::none(true) });
    }
    let (low, high) = class_range(operand.kind());
    let low = if operand.kind().is_number() { low + 1 } else { low }; // NaN is the first number and in no range
    let mut at = Vec::new();
    key::encode(operand, Direction::Ascending, view.collation, &mut at);
    let interval = match op {
        CmpOp::Eq | CmpOp::Lt => Interval::range(vec![low], at),
        CmpOp::Lte => Interval::range(vec![low], successor(&at)),
        CmpOp::Gt => Interval::range(successor(&at), vec![high]),
        CmpOp::Gte => Interval::range(at, vec![high]),
    };
    Some(Bounds::one(interval, true))
}

/// Can the operand be looked up? Arrays stand in an index element by element; texts need the same collation.
fn comparable(operand: ValueRef<'_>, view: &FieldView<'_>) -> bool {
    match operand {
        ValueRef::Array(_) => false,
        ValueRef::String(_) | ValueRef::Symbol(_) | ValueRef::Document(_) => view.same_collation,
        _ => true,
    }
}

/// Null also means missing, and missing is stored as null; whether null or undefined matched is checked again.
fn of_null(op: CmpOp, operand: ValueRef<'_>) -> Option<Bounds> {
    let (low, high) = (class_range(Kind::Undefined).0, class_range(Kind::Null).1);
    match (operand, op) {
        (ValueRef::Null, CmpOp::Eq | CmpOp::Lte | CmpOp::Gte) => {
            Some(Bounds::one(Interval::range(vec![low], vec![high]), false))
        }
        _ => None,
    }
}

fn is_nan(operand: ValueRef<'_>) -> bool {
    match operand {
        ValueRef::Double(number) => number.is_nan(),
        ValueRef::Decimal128(number) => number.is_nan(),
        _ => false,
    }
}

fn of_members(members: &Members, view: &FieldView<'_>) -> Option<Bounds> {
    let mut bounds = Bounds::none(true);
    for value in members.values() {
        let point = of_comparison(CmpOp::Eq, value, view)?;
        bounds.intervals.extend(point.intervals);
        bounds.exact &= point.exact;
    }
    for pattern in members.patterns() {
        bounds = bounds.union(of_pattern(pattern, view)?);
    }
    Some(bounds.tidy())
}

/// Texts with the pattern's prefix, and the pattern itself where it is stored as a value.
fn of_pattern(pattern: &Pattern, view: &FieldView<'_>) -> Option<Bounds> {
    if view.collation.is_some() || !view.same_collation {
        return None;
    }
    let prefix = pattern.prefix()?;
    let stored = ValueRef::Regex { pattern: pattern.source(), options: pattern.options() };
    let mut start = Vec::new();
    key::encode(ValueRef::String(&prefix.text), Direction::Ascending, None, &mut start);
    start.pop(); // the end mark: what follows the prefix is free
    let texts = Bounds::one(Interval::range(start.clone(), successor(&start)), prefix.complete);
    Some(texts.union(Bounds::one(Interval::point(stored, view), true)))
}

/// Several predicates on one field. One entry must meet all of them only where there are no arrays.
fn of_all(preds: &[Pred], view: &FieldView<'_>) -> Option<Bounds> {
    let found: Vec<Bounds> = preds.iter().filter_map(|pred| of_pred(pred, view)).collect();
    let complete = found.len() == preds.len();
    let mut bounds = match view.multikey {
        false => found.into_iter().reduce(|a, b| a.intersect(&b))?,
        true => {
            let exact = found.len() == 1;
            let mut best = narrowest(found)?;
            best.exact &= exact;
            best
        }
    };
    bounds.exact &= complete;
    Some(bounds)
}

/// Several predicates that one element must meet. A value that is no array has an entry too, but does not match.
fn of_element(preds: &[Pred], view: &FieldView<'_>) -> Option<Bounds> {
    let found = preds.iter().filter_map(|pred| of_pred(pred, view));
    let mut bounds = found.reduce(|a, b| a.intersect(&b))?;
    bounds.exact = false;
    Some(bounds)
}

fn of_missing(view: &FieldView<'_>) -> Option<Bounds> {
    if view.sparse {
        return None;
    }
    let (low, high) = class_range(Kind::Null);
    Some(Bounds::one(Interval::range(vec![low], vec![high]), false))
}

/// The bounds that promise the fewest entries: points before ranges, fewer before more.
pub fn narrowest(bounds: impl IntoIterator<Item = Bounds>) -> Option<Bounds> {
    bounds.into_iter().min_by_key(|bounds| (!bounds.is_points(), bounds.is_full(), bounds.intervals.len()))
}
