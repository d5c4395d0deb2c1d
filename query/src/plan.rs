//! From a granted query to a road to the data.
//!
//! `bounds` turns predicates into intervals of index keys, `choose` weighs the indexes by counting, `explain` prints
//! what was chosen. A plan says where rows come from, what is left to check on each, and whether they come in order.
//! Nothing here knows requests or rules; an unchecked query cannot be planned, because only `rules` makes `Granted`.

mod bounds;
mod candidate;
mod choose;
mod cover;
mod explain;
mod implied;
mod near;
mod text;

use std::sync::Arc;

use storage::geo::{Near, Ring, Rings};
use storage::{Collation, FieldOrder, Index, KeyRange, Path, Scan, Value};

use crate::filter::Filter;

pub use bounds::{Bounds, Interval};
pub use choose::choose;
pub use cover::{Cover, CoverPart};
pub use explain::explain;
pub use text::TextEntries;

/// What is wanted of a collection.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Which documents.
    pub filter: &'w Filter,
    /// In which order; empty means any.
    pub order: &'w [Order],
    /// In what sense rows without such an order come first.
    pub rank: Rank,
    /// How texts compare.
    pub collation: Option<&'w Collation>,
    /// How many rows are needed from the start of the order, if that is known.
    pub need: Option<u64>,
    /// The index to use, by name or by key pattern.
    pub hint: Option<&'w Value>,
    /// Is any index to be preferred to looking at every document?
    pub avoid_scan: bool,
    /// What is made of the rows.
    pub rows: RowsWanted<'w>,
}

/// What the order of rows comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// They come as the road has them.
    Natural,
    /// Those that a search for words fits best come first.
    BestFirst,
    /// Values of the documents, or more than one thing.
    Sorted,
}

/// What is made of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsWanted<'w> {
    /// The documents.
    Documents,
    /// Only the values at these paths, read as expressions read them; the order of fields does not matter.
    Values(&'w [Path]),
    /// Only their number.
    Count,
}

/// One key of a sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By which field.
    pub path: Path,
    /// Greatest first?
    pub descending: bool,
}

/// A road to the rows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where they come from.
    pub access: Access,
    /// What has to be checked on each document.
    pub residual: Filter,
    /// How documents are made of entries alone, where those hold all that is wanted.
    pub cover: Option<Cover>,
    /// Do they come in the wanted order?
    pub ordered: bool,
    /// About how many places have to be looked at; decides where the work runs.
    pub weight: u64,
    /// Roads that were not taken, for explain.
    pub rejected: Vec<Access>,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum Access {
    /// Nowhere: nothing can match.
    Empty,
    /// Documents by `_id`.
    Ids(Vec<Value>),
    /// Entries of an index.
    Entries(Entries),
    /// All documents in insertion order.
    Scan(Scan),
    /// Entries of a geo index, nearest first.
    Near(Box<NearEntries>),
    /// Words of a text index.
    Text(Box<TextEntries>),
    /// Several roads, each document once.
    Union(Vec<Access>),
}

/// A search in ever wider rings around a point.
#[derive(Clone, Debug)]
pub struct NearEntries {
    /// The index and the bounds of its other fields; the geo field's own bounds change from ring to ring.
    pub entries: Entries,
    /// Which field of the index is searched.
    pub field: usize,
    /// The path of that field.
    pub path: Path,
    /// Where from and how far.
    pub near: Near,
    /// The rings, from the first.
    pub rings: Rings,
}

impl Plan {
    /// Do the documents that a search for words fits best come first?
    pub fn is_best_first(&self) -> bool {
        matches!(&self.access, Access::Text(text) if text.best_first)
    }
}

impl NearEntries {
    /// No geometry of an entry with these fields is nearer than this.
    pub fn least_distance(&self, fields: &[u8]) -> f64 {
        let mut rest = fields;
        for field in self.entries.index.fields.iter().take(self.field) {
            let size = storage::key::skip(rest, field.order.direction());
            rest = size.and_then(|size| rest.get(size..)).unwrap_or_default();
        }
        let on_globe =
            matches!(self.entries.index.fields.get(self.field), Some(field) if field.order == FieldOrder::Sphere);
        storage::cell_of(rest).filter(|_| on_globe).map_or(0.0, |cell| self.near.least_distance(cell))
    }

    /// The walk over one ring.
    pub fn ring(&self, ring: &Ring) -> Entries {
        let mut entries = self.entries.clone();
        if let Some(bounds) = entries.bounds.get_mut(self.field) {
            *bounds = Bounds::of_cells(&ring.ranges);
        }
        let (ranges, checks) = candidate::walk(&entries.index, &entries.bounds);
        Entries { ranges, checks, ..entries }
    }
}

/// A walk over parts of an index.
#[derive(Clone, Debug)]
pub struct Entries {
    /// The index.
    pub index: Arc<Index>,
    /// The parts, in the index's own order.
    pub ranges: Vec<KeyRange>,
    /// Intervals that later fields of an entry must lie in: field number, then intervals in the field's direction.
    pub checks: Vec<(usize, Vec<Interval>)>,
    /// The bounds of each field, for explain.
    pub bounds: Vec<Bounds>,
    /// From the front or from the back.
    pub scan: Scan,
    /// Can a document turn up more than once?
    pub repeats: bool,
}
