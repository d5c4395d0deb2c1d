//! What one index can do for a query: bounds of its fields, order, what is left to check.

use std::sync::Arc;

use storage::key::successor;
use storage::{Collection, Direction, FieldOrder, Index, IndexField, KeyRange, Kind, Scan};

use super::bounds::{Bounds, FieldView, Interval, inside_elements, narrowest, of_pred};
use super::implied::implies;
use super::{Access, Cover, Entries, RowsWanted, Wanted};
use crate::filter::{Filter, Pred};

/// Ranges that the points of leading fields may multiply to.
const RANGES_MAX: usize = 1024;

/// An index with what it can do for the query.
pub(super) struct Candidate {
    pub(super) index: Arc<Index>,
    pub(super) bounds: Vec<Bounds>,
    /// Conditions that bound a field, by their place in the filter.
    pub(super) used: Vec<usize>,
    /// Conditions that need no further check.
    pub(super) exact: Vec<usize>,
    /// The direction that gives the wanted order, if one does.
    pub(super) ordered: Option<Scan>,
}

/// The conditions that must all hold.
pub(super) fn conjuncts(filter: &Filter) -> Vec<&Filter> {
    match filter {
        Filter::And(members) => members.iter().collect(),
        other => vec![other],
    }
}

/// The indexes that can serve a query, without those that another one beats.
pub(super) fn candidates(coll: &Collection, wanted: &Wanted<'_>, members: &[&Filter]) -> Vec<Candidate> {
    let usable =
        coll.ready_indexes().filter(|index| index.partial.as_ref().is_none_or(|partial| implies(members, partial)));
    let mut candidates: Vec<Candidate> = usable
        .filter_map(|index| Candidate::new(index, wanted, members))
        .filter(|found| found.is_useful(wanted))
        .collect();
    drop_dominated(&mut candidates);
    candidates
}

impl Candidate {
    /// What an index can do; `None` for kinds of index that are no ordered lists of values.
    pub(super) fn new(index: &Arc<Index>, wanted: &Wanted<'_>, members: &[&Filter]) -> Option<Candidate> {
        let mut found = Candidate::bounded(index, wanted, members)?;
        found.ordered = found.order_given(wanted);
        found.is_complete().then_some(found)
    }

    /// The index with the bounds of its fields.
    pub(super) fn bounded(index: &Arc<Index>, wanted: &Wanted<'_>, members: &[&Filter]) -> Option<Candidate> {
        if index.fields.iter().any(|field| field.order == FieldOrder::Text) {
            return None;
        }
        let mut found =
            Candidate { index: index.clone(), bounds: Vec::new(), used: Vec::new(), exact: Vec::new(), ordered: None };
        for field in 0..index.fields.len() {
            let bounds = found.bound_field(field, wanted, members);
            found.bounds.push(bounds);
        }
        Some(found)
    }

    fn is_useful(&self, wanted: &Wanted<'_>) -> bool {
        let bounded = self.bounds.first().is_some_and(|bounds| !bounds.is_full());
        bounded || self.ordered.is_some() || self.is_covering_count(wanted) || self.is_covering(wanted)
    }

    /// The bounds of one field from all conditions that speak of it.
    fn bound_field(&mut self, field: usize, wanted: &Wanted<'_>, members: &[&Filter]) -> Bounds {
        let index = self.index.clone();
        let Some(index_field) = index.fields.get(field) else { return Bounds::full() };
        if is_geo(index_field) {
            return self.bound_geo(&index, field, index_field, members);
        }
        let view = FieldView::new(&index, field, &index_field.path, wanted.collation);
        let found: Vec<(usize, Bounds)> = members
            .iter()
            .enumerate()
            .filter_map(|(place, member)| Some((place, self.bounds_of(member, field, &view)?)))
            .filter(|(place, _)| self.may_combine(field, *place))
            .collect();
        let chosen: Vec<(usize, Bounds)> = match view.multikey {
            false => found,
            // Each condition may be met by another element, so only one can bound the entries.
            true => {
                let best = narrowest(found.iter().map(|(_, bounds)| bounds.clone()));
                found.into_iter().filter(|(_, bounds)| Some(bounds) == best.as_ref()).take(1).collect()
            }
        };
        for (place, bounds) in &chosen {
            self.used.push(*place);
            if bounds.exact {
                self.exact.push(*place);
            }
        }
        chosen.into_iter().map(|(_, bounds)| bounds).reduce(|a, b| a.intersect(&b)).unwrap_or_else(Bounds::full)
    }

    /// The cells that the first shape about the field touches.
    fn bound_geo(&mut self, index: &Index, at: usize, field: &IndexField, members: &[&Filter]) -> Bounds {
        let shape = members.iter().enumerate().find_map(|(place, member)| match member {
            Filter::Field(path, Pred::Geo(shape)) if *path == field.path => Some((place, shape)),
            _ => None,
        });
        let Some((place, shape)) = shape else { return Bounds::full() };
        self.used.push(place);
        match field.order {
            FieldOrder::Plane => Bounds::of_cells(&shape.grid_ranges(&index.grid)),
            _ => Bounds::of_cells(&shape.ranges(index.stored(at))),
        }
    }

    fn bounds_of(&self, member: &Filter, field: usize, view: &FieldView<'_>) -> Option<Bounds> {
        let path = &self.index.fields.get(field)?.path;
        let Filter::Field(of, pred) = member else { return None };
        if of == path {
            return of_pred(pred, view);
        }
        if !path.starts_with(of) {
            return None;
        }
        let inside = inside_elements(of, pred).into_iter().filter(|(inner, _)| inner == path);
        // Below the element there may be another array, so only one of several conditions can bound the entries.
        let found = narrowest(inside.filter_map(|(_, pred)| of_pred(pred, view)))?;
        Some(Bounds { exact: false, ..found })
    }

    /// Two fields below one array: an entry holds values of one element, a document may meet each condition through
    /// another one. So only one condition may bound them, unless it asks for one element itself.
    fn may_combine(&self, field: usize, place: usize) -> bool {
        let head = |field: usize| self.index.fields.get(field).map(|field| field.path.head());
        !self.index.is_multikey(field)
            || (0..field).all(|earlier| {
                !self.index.is_multikey(earlier)
                    || head(earlier) != head(field)
                    || self.bounds.get(earlier).is_some_and(Bounds::is_full)
                    || self.used.contains(&place)
            })
    }

    /// Can no document that matches be missing from the index? A geo index leaves out documents without a geometry, so
    /// it serves only conditions on geometries.
    fn is_complete(&self) -> bool {
        let geo = self.index.fields.iter().zip(&self.bounds).filter(|(field, _)| is_geo(field));
        let mut geo = geo.map(|(_, bounds)| !bounds.is_full()).peekable();
        match geo.peek() {
            Some(_) => geo.any(|bounded| bounded),
            None => !self.index.sparse || self.excludes_missing(),
        }
    }

    /// Is a document that lacks every field kept out by the bounds themselves?
    fn excludes_missing(&self) -> bool {
        let null = storage::key::class_range(Kind::Null).0;
        let by_bounds = |bounds: &Bounds| !bounds.intervals.iter().any(|interval| interval.holds(&[null]));
        self.bounds.iter().any(by_bounds) || !self.used.is_empty() && self.bounds.first().is_some_and(Bounds::is_full)
    }

    /// Can the number of documents be read off the entries?
    fn is_covering_count(&self, wanted: &Wanted<'_>) -> bool {
        wanted.rows == RowsWanted::Count && !self.used.is_empty() && self.is_exact(wanted)
    }

    /// Do the entries hold everything that is wanted?
    fn is_covering(&self, wanted: &Wanted<'_>) -> bool {
        (wanted.filter.is_all() || self.is_exact(wanted)) && Cover::of(&self.index, wanted).is_some()
    }

    fn is_exact(&self, wanted: &Wanted<'_>) -> bool {
        conjuncts(wanted.filter).len() == self.exact.len()
    }

    /// The direction in which the entries come in the wanted order.
    fn order_given(&self, wanted: &Wanted<'_>) -> Option<Scan> {
        if wanted.order.is_empty() || !self.same_collation(wanted) {
            return None;
        }
        let mut order = wanted.order.iter().peekable();
        let mut direction = None;
        for (place, (field, bounds)) in self.index.fields.iter().zip(&self.bounds).enumerate() {
            let Some(key) = order.peek() else { break };
            if is_geo(field) {
                return None;
            }
            if key.path != field.path {
                match bounds.is_point() && !self.index.is_multikey(place) {
                    true => continue,
                    false => return None,
                }
            }
            if self.index.is_multikey(place) && !bounds.is_full() {
                return None; // the least element inside the bounds need not be the least of all
            }
            let backward = key.descending != (field.order == FieldOrder::Descending);
            if !bounds.is_point() && direction.replace(backward).is_some_and(|before| before != backward) {
                return None;
            }
            order.next();
        }
        if order.peek().is_some() {
            return None;
        }
        Some(if direction == Some(true) { Scan::Backward } else { Scan::Forward })
    }

    fn same_collation(&self, wanted: &Wanted<'_>) -> bool {
        self.index.collation.as_ref().map(|collation| collation.spec())
            == wanted.collation.map(storage::Collation::spec)
    }

    /// The walk over the index.
    pub(super) fn into_access(self) -> Access {
        if self.bounds.iter().any(|bounds| bounds.intervals.is_empty()) {
            return Access::Empty;
        }
        let scan = self.ordered.unwrap_or(Scan::Forward);
        let (ranges, checks) = walk(&self.index, &self.bounds);
        // A single point of a single field meets each document once; anything else may meet it through two elements.
        let single = ranges.len() == 1 && self.bounds.iter().all(Bounds::is_point);
        let repeats = (self.index.multikey != 0 || self.index.fields.iter().any(is_geo)) && !single;
        Access::Entries(Entries { index: self.index, ranges, checks, bounds: self.bounds, scan, repeats })
    }
}

/// The ranges that bounds cut out of an index, and what is left to check on each entry.
pub(super) fn walk(index: &Index, bounds: &[Bounds]) -> (Vec<KeyRange>, Vec<(usize, Vec<Interval>)>) {
    let (ranges, bounded) = ranges(index, bounds);
    let later = bounds.iter().enumerate().skip(bounded).filter(|(_, bounds)| !bounds.is_full());
    (ranges, later.map(|(field, bounds)| (field, directed(index, field, bounds))).collect())
}

/// Is this a field of cells?
pub(super) fn is_geo(field: &IndexField) -> bool {
    matches!(field.order, FieldOrder::Sphere | FieldOrder::Plane)
}

/// The intervals of a field as its bytes stand in the index.
fn directed(index: &Index, field: usize, bounds: &Bounds) -> Vec<Interval> {
    let direction = index.fields.get(field).map_or(Direction::Ascending, |field| field.order.direction());
    match direction {
        Direction::Ascending => bounds.intervals.clone(),
        Direction::Descending => bounds.intervals.iter().rev().map(Interval::flipped).collect(),
    }
}

/// The key ranges of an index: every combination of points of the leading fields, then the intervals of the next one.
/// Also says how many fields they bound; later fields are checked entry by entry.
fn ranges(index: &Index, bounds: &[Bounds]) -> (Vec<KeyRange>, usize) {
    let mut prefixes: Vec<Vec<u8>> = vec![Vec::new()];
    for (field, of_field) in bounds.iter().enumerate() {
        let intervals = directed(index, field, of_field);
        if of_field.is_points() && prefixes.len() * intervals.len() <= RANGES_MAX {
            prefixes = combine(&prefixes, &intervals);
            continue;
        }
        if of_field.is_full() {
            return (prefixes.iter().map(|prefix| KeyRange::prefix(prefix)).collect(), field);
        }
        let below = |prefix: &Vec<u8>| intervals.iter().map(|interval| below(prefix, interval)).collect::<Vec<_>>();
        return (prefixes.iter().flat_map(below).collect(), field + 1);
    }
    (prefixes.iter().map(|prefix| KeyRange::prefix(prefix)).collect(), bounds.len())
}

fn combine(prefixes: &[Vec<u8>], points: &[Interval]) -> Vec<Vec<u8>> {
    let with =
        |prefix: &Vec<u8>| points.iter().map(|point| [prefix.as_slice(), &point.start].concat()).collect::<Vec<_>>();
    prefixes.iter().flat_map(with).collect()
}

fn below(prefix: &[u8], interval: &Interval) -> KeyRange {
    let end = match interval.end.is_empty() {
        true => successor(prefix),
        false => [prefix, &interval.end].concat(),
    };
    KeyRange { start: [prefix, &interval.start].concat(), end }
}

/// Drops candidates that another one beats on every count: it uses at least the same conditions, gives the order if
/// they do, and is no wider.
fn drop_dominated(candidates: &mut Vec<Candidate>) {
    let beats = |a: &Candidate, b: &Candidate| {
        let same = a.used.len() == b.used.len();
        b.used.iter().all(|place| a.used.contains(place))
            && a.ordered.is_some() >= b.ordered.is_some()
            && a.exact.len() >= b.exact.len()
            && (!same || (a.index.fields.len(), a.index.id) < (b.index.fields.len(), b.index.id))
    };
    let keep: Vec<bool> = candidates
        .iter()
        .map(|this| !candidates.iter().any(|other| !std::ptr::eq(other, this) && beats(other, this)))
        .collect();
    let mut keep = keep.into_iter();
    candidates.retain(|_| keep.next().unwrap_or(true));
}
