//! Striped locks: one writer at a time per document and per unique key, without a lock object for each.
//!
//! Held for microseconds, between reading a document and handing the commit in; never across a wait for the disk.
//! Order: first the stripes of documents, ascending; then the stripes of unique keys, ascending. Whoever keeps to it
//! cannot deadlock.

use std::hash::{BuildHasher, RandomState};

use crate::key::Rid;
use crate::sync::{Mutex, MutexGuard};

const STRIPES: usize = 1024;

/// The lock stripes of a store.
pub(crate) struct Locks {
    docs: Box<[Mutex<()>]>,
    keys: Box<[Mutex<()>]>,
    hasher: RandomState,
}

/// Locks that are held until this is dropped.
pub(crate) type Held<'l> = Vec<MutexGuard<'l, ()>>;

impl Default for Locks {
    fn default() -> Locks {
        let stripes = || (0..STRIPES).map(|_| Mutex::new(())).collect();
        Locks { docs: stripes(), keys: stripes(), hasher: RandomState::new() }
    }
}

impl Locks {
    /// Locks documents.
    pub(crate) fn docs(&self, rids: impl Iterator<Item = Rid>) -> Held<'_> {
        // STRIPES is far below 2^32, so the low bits decide on every platform.
        hold(&self.docs, rids.map(|rid| rid.0 as usize % STRIPES))
    }

    /// Locks unique keys; documents must be locked before.
    pub(crate) fn keys<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Held<'_> {
        hold(&self.keys, keys.map(|key| self.hasher.hash_one(key) as usize % STRIPES))
    }
}

fn hold(stripes: &[Mutex<()>], places: impl Iterator<Item = usize>) -> Held<'_> {
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places.dedup();
    places.into_iter().filter_map(|place| stripes.get(place)).map(Mutex::lock).collect()
}
