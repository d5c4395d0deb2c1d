//! `$sort`: all documents in order, or the first few where a `$limit` follows. Large sorts go through temporary files.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use storage::{Value, ValueRef, key};

use super::Stage;
use super::operator::{BATCH, Blocking, Feed, ITEM_BYTES, Item, Memory, Operator, each};
use super::spill::{Reader, Writer};
use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::expr::Reading;
use crate::sort::{Meta, Sort, SortBy, SortField};

#[derive(Clone, Debug)]
pub(crate) struct Sorting {
    pub order: Sort,
    /// Only so many are needed.
    pub limit: Option<u64>,
}

pub(super) fn read(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value.as_doc().ok_or_else(|| Error::mongo(15973, "$sort takes a document of fields"))?;
    if doc.is_empty() {
        return Err(Error::mongo(15976, "$sort names at least one field"));
    }
    if doc.get("$natural").is_some() {
        return Err(Error::mongo(16410, "$natural is no field to sort by in a pipeline"));
    }
    Ok(vec![Stage::Sort(Sorting { order: Sort::parse(doc)?, limit: None })])
}

/// Tells sorts how many documents the paging behind them needs.
pub(super) fn take_limits(stages: &mut [Stage]) {
    for place in 0..stages.len() {
        let Some((Stage::Sort(sorting), rest)) = stages.get_mut(place..).and_then(<[Stage]>::split_first_mut) else {
            continue;
        };
        let mut skipped = 0u64;
        for stage in rest {
            match stage {
                Stage::Skip(count) => skipped = skipped.saturating_add(*count),
                Stage::Limit(count) => {
                    sorting.limit = Some(count.saturating_add(skipped));
                    break;
                }
                _ => break,
            }
        }
    }
}

/// A document with the bytes it is ordered by. Equal keys keep their order of arrival.
struct Keyed {
    key: Vec<u8>,
    arrival: u64,
    item: Item,
}

impl Keyed {
    fn bytes(&self) -> usize {
        ITEM_BYTES + self.key.len() + self.item.doc.as_bytes().len()
    }
}

impl Ord for Keyed {
    fn cmp(&self, other: &Keyed) -> Ordering {
        self.key.cmp(&other.key).then(self.arrival.cmp(&other.arrival))
    }
}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Keyed) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Keyed {
    fn eq(&self, other: &Keyed) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Keyed {}

impl Sorting {
    pub fn build<'a>(&'a self, input: Box<dyn Operator + 'a>) -> Box<dyn Operator + 'a> {
        let mut input = input;
        Box::new(Blocking::new(move |cx: &Cx<'_>| match self.limit {
            Some(limit) => self.first(&mut *input, limit, cx),
            None => self.all(&mut *input, cx),
        }))
    }

    /// Calls `used` with what must have been found out about each document.
    pub fn metas(&self, used: &mut dyn FnMut(Meta)) {
        for field in &self.order.fields {
            if let SortBy::Meta(meta) = field.by {
                used(meta);
            }
        }
    }

    /// Does it look at nothing but fields?
    pub fn is_by_fields(&self) -> bool {
        self.order.fields.iter().all(|field| matches!(field.by, SortBy::Path(_)))
    }

    fn keyed(&self, item: Item, arrival: u64, cx: &Cx<'_>) -> Result<Keyed> {
        let mut key = Vec::with_capacity(16);
        self.append_key(&item, cx, &mut key)?;
        Ok(Keyed { key, arrival, item })
    }

    /// Appends the bytes that a document is ordered by.
    pub fn append_key(&self, item: &Item, cx: &Cx<'_>, key: &mut Vec<u8>) -> Result<()> {
        let found = item.found.as_deref();
        let meta = |meta: Meta| match meta {
            Meta::RandomValue => Value::Double(cx.random.next_unit()),
            other => found.and_then(|found| found.get(other)).map_or(Value::Null, ValueRef::to_value),
        };
        // An id is compared as a whole, even where a stage has made it an array.
        if let [SortField { by: SortBy::Path(path), direction }] = self.order.fields.as_slice()
            && path.as_str() == "_id"
        {
            let id = item.doc.get("_id").unwrap_or(ValueRef::Null);
            key::encode(id, *direction, cx.collation, key);
            return Ok(());
        }
        self.order.key_with(item.doc.raw(), cx, meta, key)
    }

    /// The first `limit` documents; only so many are held.
    fn first<'a>(&self, input: &mut dyn Operator, limit: u64, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut kept: BinaryHeap<Keyed> = BinaryHeap::new();
        let mut memory = Memory::of("$sort");
        let mut arrival = 0;
        each(input, cx, |item| {
            arrival += 1;
            let keyed = self.keyed(item, arrival, cx)?;
            if kept.len() < limit {
                memory.take(keyed.bytes(), cx)?;
                kept.push(keyed);
            } else if kept.peek().is_some_and(|worst| keyed < *worst) {
                kept.pop();
                kept.push(keyed);
            }
            Ok(())
        })?;
        Ok(Box::new(Feed::new(kept.into_sorted_vec().into_iter().map(|keyed| keyed.item).collect())))
    }

    fn all<'a>(&self, input: &mut dyn Operator, cx: &Cx<'_>) -> Result<Box<dyn Operator + 'a>> {
        let mut sorter = Sorter::new("$sort");
        each(input, cx, |item| {
            let Keyed { key, item, .. } = self.keyed(item, 0, cx)?;
            sorter.push(key, item, cx)
        })?;
        sorter.finish()
    }
}

/// Puts documents in the order of their keys, through files where they outgrow the memory.
pub(super) struct Sorter {
    held: Vec<Keyed>,
    runs: Vec<Reader>,
    memory: Memory,
    arrival: u64,
}

impl Sorter {
    /// A sorter for a stage of this name.
    pub const fn new(stage: &'static str) -> Sorter {
        Sorter { held: Vec::new(), runs: Vec::new(), memory: Memory::of(stage), arrival: 0 }
    }

    pub fn push(&mut self, key: Vec<u8>, item: Item, cx: &Cx<'_>) -> Result<()> {
        self.arrival += 1;
        let keyed = Keyed { key, arrival: self.arrival, item };
        if !self.memory.grow(keyed.bytes(), cx) {
            self.runs.push(spilled(&mut self.held, &self.memory, cx)?);
            self.memory.clear();
            self.memory.take(keyed.bytes(), cx)?;
        }
        self.held.push(keyed);
        Ok(())
    }

    /// How many documents were pushed.
    pub const fn len(&self) -> u64 {
        self.arrival
    }

    /// The documents in order.
    pub fn finish<'a>(mut self) -> Result<Box<dyn Operator + 'a>> {
        self.held.sort_unstable();
        let rest = self.held.into_iter().map(|keyed| (keyed.key, keyed.item));
        if self.runs.is_empty() {
            return Ok(Box::new(Feed::new(rest.map(|(_, item)| item).collect())));
        }
        Ok(Box::new(Merged::new(self.runs, rest.collect())?))
    }
}

/// Writes what is held to a file, in order. What searches found out is lost on the way, and no stage behind asks for it.
fn spilled(held: &mut Vec<Keyed>, memory: &Memory, cx: &Cx<'_>) -> Result<Reader> {
    let mut run = Writer::new(cx.spill.ok_or_else(|| memory.full(cx))?)?;
    held.sort_unstable();
    for keyed in held.drain(..) {
        cx.tick()?;
        run.put(&keyed.key, &keyed.item.doc)?;
    }
    run.read()
}

/// Sorted runs merged into one. The run that began earlier comes first among equal keys.
struct Merged {
    runs: Vec<Reader>,
    rest: std::vec::IntoIter<(Vec<u8>, Item)>,
    heads: BinaryHeap<std::cmp::Reverse<(Vec<u8>, usize, HeadItem)>>,
}

/// The document at the head of a run; it takes no part in comparing.
struct HeadItem(Item);

impl Ord for HeadItem {
    fn cmp(&self, _: &HeadItem) -> Ordering {
        Ordering::Equal
    }
}

impl PartialOrd for HeadItem {
    fn partial_cmp(&self, other: &HeadItem) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for HeadItem {
    fn eq(&self, _: &HeadItem) -> bool {
        true
    }
}

impl Eq for HeadItem {}

impl Merged {
    fn new(runs: Vec<Reader>, rest: Vec<(Vec<u8>, Item)>) -> Result<Merged> {
        let count = runs.len();
        let mut merged = Merged { runs, rest: rest.into_iter(), heads: BinaryHeap::new() };
        for place in 0..=count {
            merged.advance(place)?;
        }
        Ok(merged)
    }

    /// Brings the next document of a run to its head.
    fn advance(&mut self, place: usize) -> Result<()> {
        let next = match self.runs.get_mut(place) {
            Some(run) => run.next_record()?.map(|(key, doc)| (key, Item::plain(doc))),
            None => self.rest.next(),
        };
        if let Some((key, item)) = next {
            self.heads.push(std::cmp::Reverse((key, place, HeadItem(item))));
        }
        Ok(())
    }
}

impl Operator for Merged {
    fn next_batch(&mut self, cx: &Cx<'_>, out: &mut Vec<Item>) -> Result<bool> {
        for _ in 0..BATCH {
            cx.tick()?;
            let Some(std::cmp::Reverse((_, place, HeadItem(item)))) = self.heads.pop() else { return Ok(false) };
            out.push(item);
            self.advance(place)?;
        }
        Ok(true)
    }
}
