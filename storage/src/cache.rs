//! Newest versions of documents in memory, shared by all views without ever showing one a version that is not its own.
//!
//! An entry may be used by a view if no write of its slot has *started* since the entry was filled, and the version is
//! not younger than the view. The commit thread announces a write before the engine sees it and fills in the new
//! version after; a reader fills in what it read from its own snapshot. Whoever loses a race leaves an entry behind
//! that fails the check: nothing has to be removed in time. Slots are shared by many documents, so a check can fail
//! needlessly; it can never pass wrongly.

use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::doc::Doc;
use crate::key::{CollId, Rid, Seq};

const SLOTS: usize = 1 << 18;

/// Bounded cache of documents by rid, and of rids by `_id`.
pub(crate) struct DocCache {
    docs: Cache<u64, Cached, DocWeight>,
    rids: Cache<u64, u64>,
    started: Box<[AtomicU64]>,
    hasher: std::hash::RandomState,
}

#[derive(Clone)]
struct Cached {
    coll: CollId,
    version: Seq,
    filled_at: Seq,
    doc: Doc,
}

#[derive(Clone)]
struct DocWeight;

impl Weighter<u64, Cached> for DocWeight {
    fn weight(&self, _: &u64, cached: &Cached) -> u64 {
        cached.doc.as_bytes().len() as u64 + 96
    }
}

impl DocCache {
    /// A cache of so many bytes; 0 turns it off.
    pub(crate) fn new(bytes: usize) -> DocCache {
        let docs = (bytes / 512).max(1);
        DocCache {
            docs: Cache::with_weighter(docs, bytes as u64, DocWeight),
            rids: Cache::new((bytes / 128).max(1)),
            started: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: std::hash::RandomState::new(),
        }
    }

    /// The version that a view at `at` sees, if it is here. `None` says nothing about the document.
    pub(crate) fn get(&self, coll: CollId, rid: Rid, at: Seq) -> Option<(Seq, Doc)> {
        let cached = self.docs.get(&rid.0).filter(|cached| cached.coll == coll)?;
        let untouched = self.started_at(rid) <= cached.filled_at.0;
        (untouched && cached.version <= at).then_some((cached.version, cached.doc))
    }

    /// Keeps what a view at `at` read from its snapshot.
    pub(crate) fn fill(&self, coll: CollId, rid: Rid, at: Seq, version: Seq, doc: &Doc) {
        if self.started_at(rid) <= at.0 {
            self.docs.insert(rid.0, Cached { coll, version, filled_at: at, doc: doc.clone() });
        }
    }

    /// A commit that writes this document is about to reach the engine.
    pub(crate) fn write_starts(&self, rid: Rid, seq: Seq) {
        if let Some(slot) = self.slot(rid) {
            slot.fetch_max(seq.0, Ordering::SeqCst);
        }
    }

    /// The engine has the commits up to `at`, of which the one numbered `version` wrote this.
    pub(crate) fn write_done(&self, coll: CollId, rid: Rid, version: Seq, at: Seq, doc: Option<&Doc>) {
        match doc {
            Some(doc) => self.docs.insert(rid.0, Cached { coll, version, filled_at: at, doc: doc.clone() }),
            None => drop(self.docs.remove(&rid.0)),
        }
    }

    /// Where the document with this encoded `_id` may be. The caller must compare the document's own `_id`.
    pub(crate) fn rid_hint(&self, coll: CollId, id: &[u8]) -> Option<Rid> {
        self.rids.get(&self.hash(coll, id)).map(Rid)
    }

    /// Remembers where the document with this encoded `_id` is.
    pub(crate) fn fill_rid(&self, coll: CollId, id: &[u8], rid: Rid) {
        self.rids.insert(self.hash(coll, id), rid.0);
    }

    /// Bytes of documents held.
    pub(crate) fn bytes(&self) -> u64 {
        self.docs.weight()
    }

    fn hash(&self, coll: CollId, id: &[u8]) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one((coll, id))
    }

    fn slot(&self, rid: Rid) -> Option<&AtomicU64> {
        // SLOTS is far below 2^32, so the low bits decide on every platform.
        self.started.get(rid.0 as usize & (SLOTS - 1))
    }

    fn started_at(&self, rid: Rid) -> u64 {
        self.slot(rid).map_or(u64::MAX, |slot| slot.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_never_gets_a_foreign_version() {
        let cache = DocCache::new(1 << 20);
        let (coll, rid, old, new) = (CollId(9), Rid(1), Doc::empty(), Doc::empty());
        cache.fill(coll, rid, Seq(5), Seq(3), &old);
        assert_eq!(cache.get(coll, rid, Seq(5)).map(|(version, _)| version), Some(Seq(3)));
        assert!(cache.get(CollId(8), rid, Seq(5)).is_none(), "another collection cannot name it");
        assert!(cache.get(coll, rid, Seq(2)).is_none(), "the version is younger than the view");
        cache.write_starts(rid, Seq(6));
        assert!(cache.get(coll, rid, Seq(5)).is_none(), "a write is under way");
        cache.fill(coll, rid, Seq(5), Seq(3), &old);
        assert!(cache.get(coll, rid, Seq(6)).is_none(), "a late reader cannot bring the old version back");
        cache.write_done(coll, rid, Seq(6), Seq(7), Some(&new));
        assert_eq!(cache.get(coll, rid, Seq(7)).map(|(version, _)| version), Some(Seq(6)));
        assert!(cache.get(coll, rid, Seq(5)).is_none());
        cache.write_starts(Rid(1 + SLOTS as u64), Seq(8));
        assert!(cache.get(coll, rid, Seq(8)).is_none(), "a neighbour in the slot makes it a needless miss");
        cache.write_done(coll, rid, Seq(9), Seq(9), None);
        assert!(cache.get(coll, rid, Seq(9)).is_none());
    }
}
