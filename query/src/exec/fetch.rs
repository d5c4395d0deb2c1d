//! Rows along a road: entries, then documents in batches, then the rest of the filter.

use std::collections::{HashSet, VecDeque};

use storage::key::skip;
use storage::{Collection, Direction, Doc, IndexEntry, KeyRange, RawDoc, Rid, Scan, Value, View};

use super::Examined;
use super::assemble::assemble;
use crate::cx::Cx;
use crate::error::Result;
use crate::exec::rings::{NearSearch, Step};
use crate::exec::text::{Place, TextSearch};
use crate::filter::Filter;
use crate::plan::{Access, Cover, Entries, Interval, Plan};

/// Documents fetched together.
const BATCH: usize = 64;
/// Documents of the first batch: most queries want few.
const FIRST_BATCH: usize = 20;

/// A document that matches, with its place.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place in insertion order.
    pub rid: Rid,
    /// The document.
    pub doc: Doc,
}

/// Walks the road of a plan.
pub struct Fetch<'v> {
    view: &'v View,
    coll: &'v Collection,
    residual: &'v Filter,
    cover: Option<&'v Cover>,
    source: Source<'v>,
    /// Documents that were met already, where the road can meet one twice.
    met: Option<HashSet<Rid>>,
    ready: VecDeque<Row>,
    batch: usize,
    /// Documents that an open transaction has changed: hidden on the road, added at its end if they match.
    staged: Staged<'v>,
    /// What it took so far.
    pub examined: Examined,
}

#[derive(Default)]
struct Staged<'v> {
    hidden: HashSet<Rid>,
    added: VecDeque<Row>,
    filter: Option<&'v Filter>,
}

/// Places still to come.
enum Source<'v> {
    Done,
    Ids(std::slice::Iter<'v, Value>),
    Scan(storage::Docs<'v>),
    Entries(Walk<'v>),
    Near(Box<NearSearch<'v>>),
    Text(Box<TextSearch<'v>>),
    Union(VecDeque<Source<'v>>),
}

/// A walk over the ranges of an index.
pub(super) struct Walk<'v> {
    entries: &'v Entries,
    ranges: VecDeque<&'v KeyRange>,
    cursor: Option<storage::Entries<'v>>,
    /// Does the cursor run over gaps between ranges?
    has_gaps: bool,
}

impl<'v> Fetch<'v> {
    /// Starts at the beginning of the road.
    pub fn new(view: &'v View, coll: &'v Collection, plan: &'v Plan) -> Fetch<'v> {
        Fetch {
            view,
            coll,
            residual: &plan.residual,
            cover: plan.cover.as_ref(),
            source: Source::new(view, coll, &plan.access),
            met: repeats(&plan.access).then(HashSet::new),
            ready: VecDeque::new(),
            batch: FIRST_BATCH,
            staged: Staged::default(),
            examined: Examined::default(),
        }
    }

    /// Puts a transaction's own changes in the place of what the view holds. They come at the end of the road, so the
    /// rows are in no order then.
    #[must_use]
    pub fn with_staged(mut self, staged: Vec<(Rid, Option<Doc>)>, filter: &'v Filter) -> Fetch<'v> {
        self.staged.hidden = staged.iter().map(|(rid, _)| *rid).collect();
        let rows = staged.into_iter().filter_map(|(rid, doc)| doc.map(|doc| Row { rid, doc }));
        self.staged.added = rows.collect();
        self.staged.filter = Some(filter);
        self
    }

    /// Are there changes of a transaction among the rows?
    pub fn is_mixed(&self) -> bool {
        !self.staged.hidden.is_empty()
    }

    /// The next row.
    ///
    /// # Errors
    /// `Timeout`, `Cancelled`, faults of evaluation or storage.
    pub fn next_row(&mut self, cx: &Cx<'_>) -> Result<Option<Row>> {
        while self.ready.is_empty() {
            if !self.fill(cx)? {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// The next row that `keeps` says yes to. Where rows are read one behind the other, the others are not even copied.
    ///
    /// # Errors
    /// As for [`Fetch::next_row`], and those of `keeps`.
    pub fn next_kept(&mut self, cx: &Cx<'_>, keeps: &mut dyn FnMut(RawDoc<'_>) -> Result<bool>) -> Result<Option<Row>> {
        loop {
            if self.ready.is_empty() && matches!(self.source, Source::Scan(_)) {
                match self.scan_on(cx, keeps)? {
                    None => self.source = Source::Done,
                    row => return Ok(row),
                }
            }
            match self.next_row(cx)? {
                None => return Ok(None),
                Some(row) if keeps(row.doc.raw())? => return Ok(Some(row)),
                Some(_) => {}
            }
        }
    }

    /// The next document of a scan that matches and is kept; `None` at its end.
    fn scan_on(&mut self, cx: &Cx<'_>, keeps: &mut dyn FnMut(RawDoc<'_>) -> Result<bool>) -> Result<Option<Row>> {
        let Source::Scan(docs) = &mut self.source else { return Ok(None) };
        loop {
            cx.tick()?;
            let Some((rid, doc)) = docs.next_doc()? else { return Ok(None) };
            self.examined.docs += 1;
            let hidden = self.staged.hidden.contains(&rid);
            if !hidden && self.residual.matches(doc, cx)? && keeps(doc)? {
                return Ok(Some(Row { rid, doc: doc.to_doc() }));
            }
        }
    }

    /// How many rows are left, without fetching documents where the index alone decides.
    ///
    /// # Errors
    /// As for [`Fetch::next_row`].
    pub fn count(mut self, cx: &Cx<'_>, limit: u64) -> Result<(u64, Examined)> {
        if matches!(self.source, Source::Text(_)) && self.residual.is_all() && !self.is_mixed() {
            return self.count_words(cx, limit);
        }
        let mut count = 0;
        if !self.residual.is_all()
            || matches!(self.source, Source::Ids(_) | Source::Near(_) | Source::Text(_))
            || self.is_mixed()
        {
            while count < limit && self.next_row(cx)?.is_some() {
                count += 1;
            }
            return Ok((count, self.examined));
        }
        while count < limit {
            cx.tick()?;
            match self.source.next_place(self.view, self.coll, &mut self.examined)? {
                None => break,
                Some(rid) if self.is_new(rid) => count += 1,
                Some(_) => {}
            }
        }
        Ok((count, self.examined))
    }

    /// Reads a batch; false at the end of the road.
    fn fill(&mut self, cx: &Cx<'_>) -> Result<bool> {
        match &mut self.source {
            Source::Done => self.fill_by_staged(cx),
            Source::Scan(_) => self.fill_by_scan(cx),
            Source::Near(_) => self.fill_by_rings(cx),
            Source::Text(_) => self.fill_by_words(cx),
            Source::Entries(_) if self.cover.is_some() => self.fill_by_entries(cx),
            _ => self.fill_by_places(cx),
        }
    }

    /// Documents stand in the road itself: they are checked where they lie and copied only if they match.
    fn fill_by_scan(&mut self, cx: &Cx<'_>) -> Result<bool> {
        match self.scan_on(cx, &mut |_| Ok(true))? {
            Some(row) => self.ready.push_back(row),
            None => self.source = Source::Done,
        }
        Ok(true)
    }

    fn fill_by_places(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let mut rids = Vec::with_capacity(self.batch);
        while rids.len() < self.batch {
            cx.tick()?;
            match self.source.next_place(self.view, self.coll, &mut self.examined)? {
                None => {
                    self.source = Source::Done;
                    break;
                }
                Some(rid) if self.is_new(rid) => rids.push(rid),
                Some(_) => {}
            }
        }
        self.batch = BATCH;
        let docs = self.view.docs(self.coll, &rids)?;
        self.examined.docs += rids.len() as u64;
        for (rid, doc) in rids.into_iter().zip(docs) {
            if let Some(doc) = doc
                && self.residual.matches(doc.raw(), cx)?
            {
                self.ready.push_back(Row { rid, doc });
            }
        }
        Ok(true)
    }

    /// Documents made of entries alone; one that an entry cannot make is fetched.
    fn fill_by_entries(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let (Some(cover), Source::Entries(walk)) = (self.cover, &mut self.source) else { return Ok(false) };
        while self.ready.len() < BATCH {
            cx.tick()?;
            let made = |entry: &IndexEntry<'_>| (entry.rid, assemble(cover, entry));
            let Some((rid, doc)) = walk.next_with(self.view, self.coll, &mut self.examined, made)? else {
                self.source = Source::Done;
                break;
            };
            if self.staged.hidden.contains(&rid) {
                continue;
            }
            if let Some(doc) = doc {
                self.ready.push_back(Row { rid, doc });
                continue;
            }
            self.examined.docs += 1;
            self.ready.extend(self.view.doc(self.coll, rid)?.map(|doc| Row { rid, doc }));
        }
        Ok(true)
    }

    /// Emits what is certainly nearest, reading ring after ring.
    fn fill_by_rings(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let Source::Near(mut search) = std::mem::replace(&mut self.source, Source::Done) else { return Ok(false) };
        loop {
            cx.tick()?;
            match search.step() {
                Step::Row(row) => {
                    self.ready.push_back(row);
                    self.source = Source::Near(search);
                    return Ok(true);
                }
                Step::Fetch(rid) => self.fetch(rid, cx)?.into_iter().for_each(|row| search.add(row)),
                Step::Read => {
                    let (staged, met) = (&self.staged, &mut self.met);
                    let is_new = |rid| !staged.hidden.contains(&rid) && met.as_mut().is_none_or(|met| met.insert(rid));
                    if !search.next_ring(self.view, self.coll, &mut self.examined, is_new, cx)? {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Counts documents that hold the words, fetching only those of which the index is not sure.
    fn count_words(mut self, cx: &Cx<'_>, limit: u64) -> Result<(u64, Examined)> {
        let Source::Text(mut search) = std::mem::replace(&mut self.source, Source::Done) else {
            return Ok((0, self.examined));
        };
        let mut count = 0;
        loop {
            let places = search.next_places(self.view, self.coll, &mut self.examined, BATCH, cx)?;
            for place in &places {
                cx.tick()?;
                count += u64::from(search.is_sure(*place) || self.holds_words(&search, *place, cx)?);
                if count >= limit {
                    return Ok((count, self.examined));
                }
            }
            if places.is_empty() {
                return Ok((count, self.examined));
            }
        }
    }

    fn holds_words(&mut self, search: &TextSearch<'_>, place: Place, cx: &Cx<'_>) -> Result<bool> {
        self.examined.docs += 1;
        let Some(doc) = self.view.doc(self.coll, place.rid)? else { return Ok(false) };
        Ok(search.judge(place, &Row { rid: place.rid, doc }, cx)?.is_some())
    }

    /// Documents that hold the words; best first, they are held back until nothing better can come.
    fn fill_by_words(&mut self, cx: &Cx<'_>) -> Result<bool> {
        let Source::Text(mut search) = std::mem::replace(&mut self.source, Source::Done) else { return Ok(false) };
        let places = search.next_places(self.view, self.coll, &mut self.examined, self.batch, cx)?;
        self.batch = BATCH;
        let rids: Vec<Rid> = places.iter().map(|place| place.rid).collect();
        let docs = self.view.docs(self.coll, &rids)?;
        self.examined.docs += rids.len() as u64;
        for (place, doc) in places.iter().zip(docs) {
            let Some(doc) = doc.filter(|_| !self.staged.hidden.contains(&place.rid)) else { continue };
            let row = Row { rid: place.rid, doc };
            if self.residual.matches(row.doc.raw(), cx)?
                && let Some(score) = search.judge(*place, &row, cx)?
            {
                match search.is_best_first() {
                    true => search.hold(score, row),
                    false => self.ready.push_back(row),
                }
            }
        }
        while let Some(row) = search.certain() {
            self.ready.push_back(row);
        }
        if !places.is_empty() {
            self.source = Source::Text(search);
        }
        Ok(true)
    }

    fn fetch(&mut self, rid: Rid, cx: &Cx<'_>) -> Result<Option<Row>> {
        self.examined.docs += 1;
        let Some(doc) = self.view.doc(self.coll, rid)? else { return Ok(None) };
        Ok(self.residual.matches(doc.raw(), cx)?.then_some(Row { rid, doc }))
    }

    /// The end of the road: what a transaction changed, if it matches now.
    fn fill_by_staged(&mut self, cx: &Cx<'_>) -> Result<bool> {
        while let Some(row) = self.staged.added.pop_front() {
            cx.tick()?;
            if self.staged.filter.map_or(Ok(true), |filter| filter.matches(row.doc.raw(), cx))? {
                self.ready.push_back(row);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_new(&mut self, rid: Rid) -> bool {
        !self.staged.hidden.contains(&rid) && self.met.as_mut().is_none_or(|met| met.insert(rid))
    }
}

impl<'v> Source<'v> {
    fn new(view: &'v View, coll: &'v Collection, access: &'v Access) -> Source<'v> {
        match access {
            Access::Empty => Source::Done,
            Access::Ids(ids) => Source::Ids(ids.iter()),
            Access::Scan(scan) => Source::Scan(view.scan(coll, None, *scan)),
            Access::Entries(entries) => Source::Entries(Walk::new(entries)),
            Access::Near(near) => Source::Near(Box::new(NearSearch::new(near))),
            Access::Text(text) => Source::Text(Box::new(TextSearch::new(text))),
            Access::Union(roads) => Source::Union(roads.iter().map(|road| Source::new(view, coll, road)).collect()),
        }
    }

    fn next_place(&mut self, view: &'v View, coll: &'v Collection, examined: &mut Examined) -> Result<Option<Rid>> {
        match self {
            // These are read by `fill_by_rings` and `fill_by_words`.
            Source::Done | Source::Near(_) | Source::Text(_) => Ok(None),
            Source::Ids(ids) => {
                for id in ids {
                    examined.keys += 1;
                    if let Some((rid, _)) = view.doc_by_id(coll, id.as_ref())? {
                        return Ok(Some(rid));
                    }
                }
                Ok(None)
            }
            Source::Scan(docs) => {
                examined.docs += 1;
                Ok(docs.next_doc()?.map(|(rid, _)| rid))
            }
            Source::Entries(walk) => walk.next_place(view, coll, examined),
            Source::Union(roads) => loop {
                let Some(road) = roads.front_mut() else { return Ok(None) };
                if let Some(rid) = road.next_place(view, coll, examined)? {
                    return Ok(Some(rid));
                }
                roads.pop_front();
            },
        }
    }
}

impl<'v> Walk<'v> {
    pub(super) fn new(entries: &'v Entries) -> Walk<'v> {
        let ranges: VecDeque<_> = match entries.scan {
            Scan::Forward => entries.ranges.iter().collect(),
            Scan::Backward => entries.ranges.iter().rev().collect(),
        };
        let has_gaps = entries.scan == Scan::Forward && ranges.len() > 1;
        Walk { entries, ranges, cursor: None, has_gaps }
    }

    pub(super) fn next_place(
        &mut self,
        view: &'v View,
        coll: &'v Collection,
        examined: &mut Examined,
    ) -> Result<Option<Rid>> {
        self.next_with(view, coll, examined, |entry| entry.rid)
    }

    /// What `take` makes of the next entry.
    pub(super) fn next_with<T>(
        &mut self,
        view: &'v View,
        coll: &'v Collection,
        examined: &mut Examined,
        take: impl Fn(&IndexEntry<'_>) -> T,
    ) -> Result<Option<T>> {
        loop {
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                None => {
                    let Some(range) = next_stretch(&mut self.ranges, self.entries.scan) else { return Ok(None) };
                    self.cursor.insert(view.entries(coll, &self.entries.index, &range, self.entries.scan))
                }
            };
            let Some(entry) = cursor.next_entry()? else {
                self.cursor = None;
                self.ranges.retain(|_| self.entries.scan == Scan::Backward);
                continue;
            };
            examined.keys += 1;
            match if self.has_gaps { gap(&mut self.ranges, &entry) } else { Gap::None } {
                Gap::None if passes(self.entries, &entry) => return Ok(Some(take(&entry))),
                Gap::None => {}
                Gap::Until(start) => cursor.seek(start),
                Gap::Endless => return Ok(None),
            }
        }
    }
}

/// What one cursor runs over: forward everything from the first range to the last, for a cursor costs more than a step
/// over a gap; backward one range.
fn next_stretch(ranges: &mut VecDeque<&KeyRange>, scan: Scan) -> Option<KeyRange> {
    match scan {
        Scan::Backward => ranges.pop_front().cloned(),
        Scan::Forward => {
            let (first, last) = (ranges.front()?, ranges.back()?);
            Some(KeyRange { start: first.start.clone(), end: last.end.clone() })
        }
    }
}

/// Whether a cursor has left the ranges.
enum Gap<'v> {
    None,
    /// The next range begins here.
    Until(&'v [u8]),
    /// There is no further range.
    Endless,
}

/// Drops the ranges that a forward cursor has left behind, and says where it stands.
fn gap<'v>(ranges: &mut VecDeque<&'v KeyRange>, entry: &IndexEntry<'_>) -> Gap<'v> {
    while ranges.pop_front_if(|range| !range.end.is_empty() && entry.fields >= range.end.as_slice()).is_some() {}
    match ranges.front() {
        None => Gap::Endless,
        Some(range) if entry.fields >= range.start.as_slice() => Gap::None,
        Some(range) => Gap::Until(&range.start),
    }
}

/// Do the later fields of an entry lie inside their bounds?
fn passes(entries: &Entries, entry: &IndexEntry<'_>) -> bool {
    let (mut rest, mut at) = (entry.fields, 0);
    entries.checks.iter().all(|(field, intervals)| {
        while at < *field {
            let direction = entries.index.fields.get(at).map_or(Direction::Ascending, |field| field.order.direction());
            rest = skip(rest, direction).and_then(|size| rest.get(size..)).unwrap_or_default();
            at += 1;
        }
        intervals.iter().any(|interval: &Interval| interval.holds(rest))
    })
}

fn repeats(access: &Access) -> bool {
    match access {
        Access::Entries(entries) => entries.repeats,
        Access::Union(_) | Access::Near(_) => true,
        Access::Ids(ids) => ids.len() > 1,
        Access::Empty | Access::Scan(_) | Access::Text(_) => false,
    }
}
