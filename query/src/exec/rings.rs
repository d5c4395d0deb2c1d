//! Nearest first: documents of ever wider rings, held back until nothing nearer can come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use storage::geo::Rings;
use storage::{Collection, Rid, View};

use super::Examined;
use super::fetch::{Row, Walk};
use crate::cx::Cx;
use crate::error::Result;
use crate::filter::nearest;
use crate::plan::NearEntries;

/// A search under way.
pub(super) struct NearSearch<'v> {
    of: &'v NearEntries,
    rings: Rings,
    found_last: usize,
    /// Every geometry up to this distance has been seen.
    complete_to: f64,
    held: BinaryHeap<Reverse<Measured>>,
}

struct Measured {
    distance: f64,
    row: Row,
}

impl<'v> NearSearch<'v> {
    pub(super) fn new(of: &'v NearEntries) -> NearSearch<'v> {
        NearSearch { of, rings: of.rings.clone(), found_last: 0, complete_to: -1.0, held: BinaryHeap::new() }
    }

    /// The nearest document, if nothing that is still to be read can be nearer.
    pub(super) fn certain(&mut self) -> Option<Row> {
        let is_certain = self.held.peek()?.0.distance <= self.complete_to;
        is_certain.then(|| self.held.pop().map(|measured| measured.0.row)).flatten()
    }

    /// The places of the next ring; `None` when everything has been read and returned.
    pub(super) fn next_ring(
        &mut self,
        view: &View,
        coll: &Collection,
        examined: &mut Examined,
        cx: &Cx<'_>,
    ) -> Result<Option<Vec<Rid>>> {
        let Some(ring) = self.rings.next(self.found_last) else {
            self.complete_to = f64::INFINITY;
            return Ok((!self.held.is_empty()).then(Vec::new));
        };
        self.complete_to = ring.complete_to;
        let entries = self.of.ring(&ring);
        let mut walk = Walk::new(&entries);
        let mut rids = Vec::new();
        while let Some(rid) = walk.next_place(view, coll, examined)? {
            cx.tick()?;
            rids.push(rid);
        }
        self.found_last = rids.len();
        Ok(Some(rids))
    }

    /// Holds a document back until its turn comes.
    pub(super) fn add(&mut self, row: Row) {
        let found = nearest(&self.of.path, &self.of.near, row.doc.raw());
        if let Some(distance) = found.map(|found| found.distance) {
            self.held.push(Reverse(Measured { distance, row }));
        }
    }
}

impl PartialEq for Measured {
    fn eq(&self, other: &Measured) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Measured {}

impl PartialOrd for Measured {
    fn partial_cmp(&self, other: &Measured) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Measured {
    fn cmp(&self, other: &Measured) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.rid.cmp(&other.row.rid))
    }
}
