//! Documents that hold words: those that the index is sure of, those that changed beside it, or all of them.
//!
//! Best first, documents come by the score that the index has of each; a document is held back until none can come that
//! fits better, so only as many are fetched as are wanted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use storage::{Collection, Rid, Scan, View};

use super::Examined;
use super::fetch::Row;
use crate::cx::Cx;
use crate::error::Result;
use crate::plan::TextEntries;

/// Scores in the index are rounded to 24 binary digits.
const ROUNDING: f64 = 1e-6;

/// A search for words under way.
pub(super) struct TextSearch<'v> {
    of: &'v TextEntries,
    /// What is still to be read; `None` before the index is asked.
    places: Option<VecDeque<Place>>,
    held: BinaryHeap<Scored>,
}

/// A document that may match.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) rid: Rid,
    /// Its score, about; `None` where the document has to be asked whether it matches.
    score: Option<f32>,
}

struct Scored {
    score: f64,
    row: Row,
}

impl<'v> TextSearch<'v> {
    pub(super) fn new(of: &'v TextEntries) -> TextSearch<'v> {
        TextSearch { of, places: None, held: BinaryHeap::new() }
    }

    /// The next places to be fetched, at most so many; none at the end.
    pub(super) fn next_places(
        &mut self,
        view: &View,
        coll: &Collection,
        examined: &mut Examined,
        count: usize,
        cx: &Cx<'_>,
    ) -> Result<Vec<Place>> {
        let places = match &mut self.places {
            Some(places) => places,
            None => self.places.insert(self.of.places(view, coll, examined, cx)?.into()),
        };
        Ok(places.drain(..count.min(places.len())).collect())
    }

    /// Does the document at a place match? Its score where that is the order.
    pub(super) fn judge(&self, place: Place, row: &Row, cx: &Cx<'_>) -> Result<Option<f64>> {
        let (search, doc) = (&self.of.search, row.doc.raw());
        if place.score.is_none() || self.of.best_first {
            return search.score(doc, &mut || cx.tick());
        }
        Ok(search.confirms(doc, &mut || cx.tick())?.then_some(0.0))
    }

    /// Can the index alone say that the document matches?
    pub(super) fn is_sure(&self, place: Place) -> bool {
        place.score.is_some() && !self.of.search.needs_texts()
    }

    /// Do rows have to be held back until nothing better can come?
    pub(super) fn is_best_first(&self) -> bool {
        self.of.best_first
    }

    pub(super) fn hold(&mut self, score: f64, row: Row) {
        self.held.push(Scored { score, row });
    }

    /// The best row, if nothing that is still to be read can be better.
    pub(super) fn certain(&mut self) -> Option<Row> {
        let next = self.places.as_ref().and_then(VecDeque::front).map(rank);
        let best = self.held.peek()?.score;
        let is_certain = next.is_none_or(|next| f64::from(next) * (1.0 - ROUNDING) <= best);
        is_certain.then(|| self.held.pop().map(|scored| scored.row)).flatten()
    }
}

impl TextEntries {
    /// Every place where a document may match, in the order in which they are to be read.
    fn places(&self, view: &View, coll: &Collection, examined: &mut Examined, cx: &Cx<'_>) -> Result<Vec<Place>> {
        let hits = view.text_hits(coll, &self.index, &self.search, &mut || cx.tick())?;
        let mut places: Vec<Place> = match hits {
            None => self.scanned(view, coll, examined, cx)?,
            Some(hits) => {
                examined.keys += hits.found.len() as u64;
                let found = hits.found.into_iter().map(|(rid, score)| Place { rid, score: Some(score) });
                hits.unknown.into_iter().map(|rid| Place { rid, score: None }).chain(found).collect()
            }
        };
        match self.best_first {
            // Those whose score nobody knows come first; among equals, the older ones.
            true => places.sort_unstable_by(|a, b| rank(b).total_cmp(&rank(a)).then(a.rid.cmp(&b.rid))),
            false => places.sort_unstable_by_key(|place| place.rid),
        }
        Ok(places)
    }

    /// The same without the index, where it cannot answer at this moment.
    fn scanned(&self, view: &View, coll: &Collection, examined: &mut Examined, cx: &Cx<'_>) -> Result<Vec<Place>> {
        let (mut docs, mut places) = (view.scan(coll, None, Scan::Forward), Vec::new());
        while let Some((rid, doc)) = docs.next_doc()? {
            cx.tick()?;
            examined.docs += 1;
            if let Some(score) = self.search.score(doc, &mut || cx.tick())? {
                #[expect(clippy::cast_possible_truncation, reason = "about is enough here")]
                places.push(Place { rid, score: Some(score as f32) });
            }
        }
        Ok(places)
    }
}

/// The best score that the document at a place can have.
fn rank(place: &Place) -> f32 {
    place.score.unwrap_or(f32::INFINITY)
}

impl PartialEq for Scored {
    fn eq(&self, other: &Scored) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Scored) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scored {
    fn cmp(&self, other: &Scored) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(Reverse(self.row.rid).cmp(&Reverse(other.row.rid)))
    }
}
