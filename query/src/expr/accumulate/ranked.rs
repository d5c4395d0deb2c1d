//! Accumulators that keep the first or last few values by an order, and percentiles.

use std::collections::BinaryHeap;

use storage::{ArrayBuilder, RawDoc, Value, ValueRef};

use super::super::read::Reading;
use super::super::{Computed, bounded};
use super::tally::size_of_value;
use super::{Accumulator, Kind};
use crate::error::number::BAD_VALUE;
use crate::error::{Error, Result};
use crate::sort::Sort;

/// Reads `{n, input}`.
pub(super) fn read_n(
    accumulator: &mut Accumulator,
    value: ValueRef<'_>,
    not_document: i32,
    reading: &Reading<'_>,
) -> Result<()> {
    let name = accumulator.name;
    let doc =
        value.as_doc().ok_or_else(|| Error::mongo(not_document, format!("{name} takes a document of n and input")))?;
    for (field, value) in doc.iter() {
        match field {
            "n" => accumulator.count = reading.expr(value)?,
            "input" => accumulator.input = reading.expr(value)?,
            other => return Err(Error::mongo(5_787_901, format!("{name} knows no argument '{other}'"))),
        }
    }
    if accumulator.count.is_absent() {
        return Err(Error::mongo(5_787_906, format!("{name} needs 'n'")));
    }
    if accumulator.input.is_absent() {
        return Err(Error::mongo(5_787_907, format!("{name} needs 'input'")));
    }
    Ok(())
}

/// Reads `{sortBy, output}`, with `n` for those that keep several.
pub(super) fn read_ranked(accumulator: &mut Accumulator, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<()> {
    let name = accumulator.name;
    let several = matches!(accumulator.kind, Kind::TopN | Kind::BottomN);
    let doc = value
        .as_doc()
        .ok_or_else(|| Error::mongo(5_788_001, format!("{name} takes a document of sortBy and output")))?;
    let mut order = None;
    for (field, value) in doc.iter() {
        match field {
            "n" if several => accumulator.count = reading.expr(value)?,
            "output" => accumulator.input = reading.expr(value)?,
            "sortBy" => {
                let wrong = || Error::mongo(10065, format!("'sortBy' of {name} must be a document"));
                order = Some(Sort::parse(value.as_doc().ok_or_else(wrong)?)?);
            }
            other => return Err(Error::mongo(5_788_002, format!("{name} knows no argument '{other}'"))),
        }
    }
    if several && accumulator.count.is_absent() {
        return Err(Error::mongo(5_788_003, format!("{name} needs 'n'")));
    }
    if accumulator.input.is_absent() {
        return Err(Error::mongo(5_788_004, format!("{name} needs 'output'")));
    }
    accumulator.order = order.ok_or_else(|| Error::mongo(5_788_005, format!("{name} needs 'sortBy'")))?;
    Ok(())
}

/// Reads `{input, method}`, with `p` for `$percentile`.
pub(super) fn read_percentile(accumulator: &mut Accumulator, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<()> {
    let name = accumulator.name;
    let missing = |field: &str| Error::mongo(MISSING_FIELD, format!("{name} needs '{field}'"));
    let doc: RawDoc<'_> =
        value.as_doc().ok_or_else(|| Error::mongo(NOT_A_DOCUMENT, format!("{name} takes a document")))?;
    for (field, _) in doc.iter() {
        let known = matches!(field, "input" | "method") || field == "p" && accumulator.kind == Kind::Percentile;
        if !known {
            return Err(Error::mongo(UNKNOWN_FIELD, format!("{name} knows no argument '{field}'")));
        }
    }
    accumulator.input = reading.expr(doc.get("input").ok_or_else(|| missing("input"))?)?;
    if accumulator.kind == Kind::Percentile {
        accumulator.count = reading.expr(doc.get("p").ok_or_else(|| missing("p"))?)?;
    }
    match doc.get("method").ok_or_else(|| missing("method"))?.as_str() {
        Some("approximate") => Ok(()),
        _ => Err(Error::mongo(BAD_VALUE, format!("'method' of {name} must be 'approximate'"))),
    }
}

const MISSING_FIELD: i32 = 40414;
const UNKNOWN_FIELD: i32 = 40415;
const NOT_A_DOCUMENT: i32 = 7_436_100;
const NOT_A_SHARE: i32 = 7_750_300;

/// The shares that `p` gives: an array of numbers from 0 to 1.
pub(super) fn shares(value: &Computed<'_>) -> Result<Vec<f64>> {
    let wrong = || Error::mongo(NOT_A_SHARE, "'p' of $percentile must be an array of numbers from 0 to 1");
    let list = value.as_ref().and_then(ValueRef::as_array).filter(|list| !list.is_empty()).ok_or_else(wrong)?;
    let share = |value: ValueRef<'_>| value.as_f64().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(wrong);
    list.iter().map(share).collect()
}

/// For each share the least number that at least that share of the numbers does not exceed; null where there is none.
pub(super) fn percentiles(numbers: &[f64], shares: &[f64], single: bool) -> Value {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let number = |share: &f64| {
        let count = ValueRef::Int64(i64::try_from(sorted.len()).unwrap_or(0)).as_f64().unwrap_or(0.0);
        let rank =
            ValueRef::Double((share * count).ceil().max(1.0)).as_i64().and_then(|rank| usize::try_from(rank - 1).ok());
        rank.and_then(|rank| sorted.get(rank)).map_or(ValueRef::Null, |number| ValueRef::Double(*number))
    };
    match (single, shares) {
        (true, [share, ..]) => number(share).to_value(),
        _ => {
            let mut list = ArrayBuilder::new();
            shares.iter().for_each(|share| list.push(number(share)));
            Value::Array(list.finish())
        }
    }
}

/// The best few of many values. Of equal ones the first to come stays.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    /// The worst that is kept is on top.
    kept: BinaryHeap<Entry>,
    count: usize,
    arrived: u64,
    descending: bool,
    single: bool,
    turned: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Vec<u8>,
    arrival: u64,
    descending: bool,
    value: Value,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        let order = self.key.cmp(&other.key);
        // Among equals an ascending order keeps the first arrivals, a descending one the last.
        let order = order.then(self.arrival.cmp(&other.arrival));
        if self.descending { order.reverse() } else { order }
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Ranked {
    /// Keeps `count` values: the least keys, or the greatest if `descending`. A `single` one is no array.
    pub fn new(count: usize, descending: bool, single: bool) -> Ranked {
        Ranked { kept: BinaryHeap::new(), count, arrived: 0, descending, single, turned: false }
    }

    /// Lists what was kept in rising order although the greatest are kept.
    pub fn turned(self) -> Ranked {
        Ranked { turned: true, ..self }
    }

    /// Takes in a value; answers by how many bytes the memory grew.
    pub fn add(&mut self, key: Vec<u8>, value: ValueRef<'_>) -> usize {
        self.arrived += 1;
        let full = self.kept.len() >= self.count;
        let entry = Entry { key, arrival: self.arrived, descending: self.descending, value: Value::Null };
        if full && self.kept.peek().is_none_or(|worst| entry.cmp(worst).is_ge()) {
            return 0;
        }
        let freed = if full { self.kept.pop().map_or(0, |worst| worst.bytes()) } else { 0 };
        let entry = Entry { value: value.to_value(), ..entry };
        let grown = entry.bytes();
        self.kept.push(entry);
        grown.saturating_sub(freed)
    }

    /// The values, best first.
    pub fn finish(&self) -> Result<Value> {
        let mut kept: Vec<&Entry> = self.kept.iter().collect();
        kept.sort_by(|a, b| if self.turned { b.cmp(a) } else { a.cmp(b) });
        if self.single {
            return Ok(kept.first().map_or(Value::Null, |entry| entry.value.clone()));
        }
        let mut list = ArrayBuilder::new();
        for entry in kept {
            list.push(entry.value.as_ref());
            bounded(list.size())?;
        }
        Ok(Value::Array(list.finish()))
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        size_of::<Entry>() + self.key.len() + size_of_value(self.value.as_ref())
    }
}
