//! Nearest first: documents of ever wider rings, held back until nothing nearer can come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use storage::geo::Rings;
use storage::{Collection, Doc, IndexEntry, Rid, View};

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
    held: BinaryHeap<Reverse<Held>>,
}

/// A document at its distance, or a place with a bound below its distance: most are never fetched.
struct Held {
    distance: f64,
    rid: Rid,
    doc: Option<Doc>,
}

/// What a search needs next.
pub(super) enum Step {
    /// The nearest document: nothing that is still to be read can be nearer.
    Row(Row),
    /// The document at this place, to be measured.
    Fetch(Rid),
    /// The next ring.
    Read,
}

impl<'v> NearSearch<'v> {
    pub(super) fn new(of: &'v NearEntries) -> NearSearch<'v> {
        NearSearch { of, rings: of.rings.clone(), found_last: 0, complete_to: -1.0, held: BinaryHeap::new() }
    }

    /// What to do next.
    pub(super) fn step(&mut self) -> Step {
        let is_near = self.held.peek().is_some_and(|held| held.0.distance <= self.complete_to);
        match is_near.then(|| self.held.pop()).flatten() {
            Some(Reverse(Held { rid, doc: Some(doc), .. })) => Step::Row(Row { rid, doc }),
            Some(Reverse(Held { rid, doc: None, .. })) => Step::Fetch(rid),
            None => Step::Read,
        }
    }

    /// Notes the places of the next ring that `is_new`; false when everything has been read.
    pub(super) fn next_ring(
        &mut self,
        view: &View,
        coll: &Collection,
        examined: &mut Examined,
        mut is_new: impl FnMut(Rid) -> bool,
        cx: &Cx<'_>,
    ) -> Result<bool> {
        let Some(ring) = self.rings.next(self.found_last) else {
            self.complete_to = f64::INFINITY;
            return Ok(!self.held.is_empty());
        };
        self.complete_to = ring.complete_to;
        let entries = self.of.ring(&ring);
        let mut walk = Walk::new(&entries);
        self.found_last = 0;
        let bounded = |entry: &IndexEntry<'_>| (entry.rid, self.of.least_distance(entry.fields));
        while let Some((rid, distance)) = walk.next_with(view, coll, examined, bounded)? {
            cx.tick()?;
            self.found_last += 1;
            if is_new(rid) {
                self.held.push(Reverse(Held { distance, rid, doc: None }));
            }
        }
        Ok(true)
    }

    /// Holds a document back until its turn comes.
    pub(super) fn add(&mut self, row: Row) {
        let found = nearest(&self.of.path, &self.of.near, row.doc.raw());
        if let Some(distance) = found.map(|found| found.distance) {
            self.held.push(Reverse(Held { distance, rid: row.rid, doc: Some(row.doc) }));
        }
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.rid.cmp(&other.rid))
    }
}
