//! Sorting with bounded memory: all rows, or the first few of them.

use std::collections::BinaryHeap;

use storage::{Doc, RawDoc, Rid, Value, ValueRef};

use super::fetch::{Fetch, Row};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::filter::Filter;
use crate::sort::Sort;

/// What one held row costs beside its key and document, in bytes.
const ROW_BYTES: usize = 96;

/// The rows in the order of a sort, the first `keep` of them. Rows that compare equal stay in insertion order.
///
/// # Errors
/// 292 where the rows need more memory than a stage may use; faults of the rows.
pub fn sorted(fetch: &mut Fetch<'_>, sort: &Sort, filter: &Filter, keep: Option<u64>, cx: &Cx<'_>) -> Result<Vec<Row>> {
    let keep = keep.and_then(|keep| usize::try_from(keep).ok()).unwrap_or(usize::MAX);
    if keep == 0 {
        return Ok(Vec::new());
    }
    let metas = sort.metas();
    let mut held = Held { rows: BinaryHeap::new(), bytes: 0, keep };
    let mut key = Vec::with_capacity(32);
    loop {
        let worst = held.worst();
        let mut keeps = |doc: RawDoc<'_>| {
            key.clear();
            let found = if metas.is_empty() { None } else { filter.found(doc, &metas, cx)? };
            let meta = |kind| found.as_ref().and_then(|found| found.get(kind)).map_or(Value::Null, ValueRef::to_value);
            sort.key_with(doc, cx, meta, &mut key)?;
            Ok(worst.is_none_or(|worst| key.as_slice() <= worst))
        };
        let Some(row) = fetch.next_kept(cx, &mut keeps)? else { break };
        held.add(Keyed { key: key.clone(), rid: row.rid, doc: row.doc });
        held.check(cx)?;
    }
    Ok(held.rows.into_sorted_vec().into_iter().map(|row| Row { rid: row.rid, doc: row.doc }).collect())
}

/// The best rows so far; the worst of them on top.
struct Held {
    rows: BinaryHeap<Keyed>,
    bytes: usize,
    keep: usize,
}

struct Keyed {
    key: Vec<u8>,
    rid: Rid,
    doc: Doc,
}

impl Held {
    /// The key that a row must not exceed to be held; `None` while there is room.
    fn worst(&self) -> Option<&[u8]> {
        self.rows.peek().filter(|_| self.rows.len() >= self.keep).map(|row| row.key.as_slice())
    }

    fn add(&mut self, row: Keyed) {
        if self.rows.len() >= self.keep {
            if self.rows.peek().is_some_and(|worst| *worst <= row) {
                return;
            }
            if let Some(worst) = self.rows.pop() {
                self.bytes -= worst.bytes();
            }
        }
        self.bytes += row.bytes();
        self.rows.push(row);
    }

    fn check(&self, cx: &Cx<'_>) -> Result<()> {
        if self.bytes as u64 <= cx.limits.stage_bytes_max {
            return Ok(());
        }
        Err(Error {
            code: Code::MemoryLimit,
            number: number::MEMORY_LIMIT,
            message: format!(
                "the sort needs more than {} bytes of memory; add an index that gives the order, or a limit",
                cx.limits.stage_bytes_max
            ),
            cause: None,
        })
    }
}

impl Keyed {
    fn bytes(&self) -> usize {
        self.key.len() + self.doc.as_bytes().len() + ROW_BYTES
    }
}

impl PartialEq for Keyed {
    fn eq(&self, other: &Keyed) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Keyed {}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Keyed) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyed {
    fn cmp(&self, other: &Keyed) -> std::cmp::Ordering {
        self.key.cmp(&other.key).then(self.rid.cmp(&other.rid))
    }
}
