//! Exact counts of collections, kept by the commit thread and never by scanning.
//!
//! Counts change with each commit in memory and are stored now and then with the number of the commit that they belong
//! to; a start brings them up to date from the change log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Collection, codec};
use crate::changes::Change;
use crate::error::Result;
use crate::key::{CollId, Seq};

/// Exact counts of a collection, as of the last commit.
#[derive(Debug, Default)]
pub struct CollectionStats {
    docs: AtomicI64,
    bytes: AtomicI64,
}

impl CollectionStats {
    /// How many documents.
    pub fn docs(&self) -> u64 {
        u64::try_from(self.docs.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// How many bytes of BSON.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.bytes.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn add(&self, docs: i64, bytes: i64) {
        self.docs.fetch_add(docs, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// What one change does to the counts of its collection.
pub(crate) struct Tally {
    stats: Arc<CollectionStats>,
    docs: i64,
    bytes: i64,
}

impl Tally {
    pub(crate) fn of(coll: &Collection, change: &Change) -> Tally {
        let (docs, bytes) = difference(change);
        Tally { stats: coll.stats.clone(), docs, bytes }
    }

    pub(crate) fn apply(&self) {
        self.stats.add(self.docs, self.bytes);
    }
}

/// How many documents and bytes a change adds.
pub(crate) fn difference(change: &Change) -> (i64, i64) {
    let of = |doc: &Option<crate::Doc>| match doc {
        Some(doc) => (1, i64::try_from(doc.as_bytes().len()).unwrap_or(0)),
        None => (0, 0),
    };
    let ((docs_before, bytes_before), (docs, bytes)) = (of(&change.before), of(&change.after));
    (docs - docs_before, bytes - bytes_before)
}

#[derive(Serialize, Deserialize)]
struct Record {
    seq: Seq,
    counts: Vec<(CollId, u64, u64)>,
}

/// The stored form of all counts as of a commit.
pub(crate) fn record(seq: Seq, catalog: &Catalog) -> Vec<u8> {
    let collections = catalog.envs.values().flat_map(|env| env.collections.values());
    let counts = collections.map(|coll| (coll.id, coll.stats.docs(), coll.stats.bytes())).collect();
    codec::encode(&Record { seq, counts })
}

/// Fills the counts of a catalog that was just read; returns the commit that they belong to.
///
/// # Errors
/// `Corrupt` where the record cannot be read.
pub(crate) fn restore(record: &[u8], catalog: &Catalog) -> Result<Seq> {
    let record: Record = codec::decode(record)?;
    let by_id = by_id(catalog);
    for (id, docs, bytes) in record.counts {
        if let Some(coll) = by_id.get(&id) {
            coll.stats.add(i64::try_from(docs).unwrap_or(0), i64::try_from(bytes).unwrap_or(0));
        }
    }
    Ok(record.seq)
}

/// The commit that a stored record belongs to.
///
/// # Errors
/// `Corrupt` where the record cannot be read.
pub(crate) fn seq_of(record: &[u8]) -> Result<Seq> {
    codec::decode::<Record>(record).map(|record| record.seq)
}

/// The collections of a catalog by number.
pub(crate) fn by_id(catalog: &Catalog) -> HashMap<CollId, Arc<Collection>> {
    let collections = catalog.envs.values().flat_map(|env| env.collections.values());
    collections.map(|coll| (coll.id, coll.clone())).collect()
}
