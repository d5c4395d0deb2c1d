//! The engine without a disk: for `serve --memory` and for tests, where it can fail or freeze at the n-th call.
//!
//! Each space is a persistent ordered map, so a snapshot is a copied pointer. Beside the live maps it keeps what a
//! disk would hold: the state at the last sync. A test takes that with [`Memory::after_power_loss`].

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rpds::RedBlackTreeMapSync;

use super::{Batch, BatchChange, Cursor, Durability, Kv, Pair, Scan, Snap};
use crate::error::{Error, Result};
use crate::key::{KeyRange, Space};
use crate::sync::RwLock;

type Map = RedBlackTreeMapSync<Bytes, Bytes>;

/// Ordered maps in memory.
#[derive(Default)]
pub struct Memory(RwLock<State>);

#[derive(Default)]
struct State {
    live: Spaces,
    durable: Spaces,
    fault: Option<Fault>,
}

#[derive(Clone)]
struct Spaces([Map; 4]);

struct Fault {
    kind: FaultKind,
    calls_left: u64,
}

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// That write or sync fails before anything is written; later calls work.
    Full,
    /// That write or sync fails, and nothing written from then on is durable: a lost disk.
    Io,
    /// That write reports a failure though it was written: the unknown outcome.
    Torn,
    /// From that call on, writes are answered as done but are never durable: what a power cut takes away.
    Frozen,
}

impl Default for Spaces {
    fn default() -> Spaces {
        Spaces([Map::new_sync(), Map::new_sync(), Map::new_sync(), Map::new_sync()])
    }
}

impl Spaces {
    fn of(&self, space: Space) -> &Map {
        let [meta, doc, index, log] = &self.0;
        match space {
            Space::Meta => meta,
            Space::Doc => doc,
            Space::Index => index,
            Space::Log => log,
        }
    }

    fn of_mut(&mut self, space: Space) -> &mut Map {
        let [meta, doc, index, log] = &mut self.0;
        match space {
            Space::Meta => meta,
            Space::Doc => doc,
            Space::Index => index,
            Space::Log => log,
        }
    }

    fn apply(&mut self, change: BatchChange<'_>) {
        match change {
            BatchChange::Put { space, key, value } => {
                self.of_mut(space).insert_mut(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
            }
            BatchChange::Delete { space, key } => {
                self.of_mut(space).remove_mut(key);
            }
            BatchChange::DeleteRange { space, start, end } => {
                let range = KeyRange { start: start.to_vec(), end: end.to_vec() };
                let keys: Vec<Bytes> = bounded(self.of(space), &range).map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| {
                    self.of_mut(space).remove_mut(key);
                });
            }
        }
    }
}

impl Memory {
    /// Makes the n-th write or sync from now (counted from 1) go wrong.
    pub fn fail_at(&self, call: u64, kind: FaultKind) {
        self.0.write().fault = Some(Fault { kind, calls_left: call });
    }

    /// What a disk would hold after the power was cut now.
    pub fn after_power_loss(&self) -> Memory {
        let durable = self.0.read().durable.clone();
        Memory(RwLock::new(State { live: durable.clone(), durable, fault: None }))
    }
}

impl State {
    /// The fault of this call, if its time has come.
    fn due(&mut self) -> Option<FaultKind> {
        let fault = self.fault.as_mut()?;
        fault.calls_left = fault.calls_left.saturating_sub(1);
        if fault.calls_left > 0 {
            return None;
        }
        let kind = fault.kind;
        if matches!(kind, FaultKind::Full | FaultKind::Torn) {
            self.fault = None;
        }
        Some(kind)
    }
}

impl Kv for Memory {
    type Snap = MemorySnap;

    fn snapshot(&self) -> MemorySnap {
        MemorySnap(Arc::new(self.0.read().live.clone()))
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<()> {
        let state = &mut *self.0.write();
        let fault = state.due();
        match fault {
            Some(FaultKind::Full) => return Err(Error::Full),
            Some(FaultKind::Io) => return Err(Error::Io("injected fault".to_owned())),
            _ => batch.iter().for_each(|change| state.live.apply(change)),
        }
        if durability == Durability::Synced && fault != Some(FaultKind::Frozen) {
            state.durable = state.live.clone();
        }
        match fault {
            Some(FaultKind::Torn) => Err(Error::Io("injected fault after the write".to_owned())),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> Result<()> {
        let state = &mut *self.0.write();
        match state.due() {
            Some(FaultKind::Full) => Err(Error::Full),
            Some(FaultKind::Io | FaultKind::Torn) => Err(Error::Io("injected fault".to_owned())),
            Some(FaultKind::Frozen) => Ok(()),
            None => {
                state.durable = state.live.clone();
                Ok(())
            }
        }
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn buffered(&self) -> u64 {
        0
    }

    fn checkpoint(&self, _into: &Path) -> Result<()> {
        Err(Error::Io("the memory engine has no files to copy".to_owned()))
    }

    fn reclaim(&self, _space: Space, _range: &KeyRange) {}

    fn size(&self, space: Space, range: &KeyRange) -> u64 {
        let state = self.0.read();
        bounded(state.live.of(space), range).map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }
}

/// A frozen moment of the maps.
#[derive(Clone)]
pub struct MemorySnap(Arc<Spaces>);

impl Snap for MemorySnap {
    type Cursor<'s> = MemoryCursor<'s>;

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.of(space).get(key).cloned())
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        keys.iter().map(|key| self.get(space, key)).collect()
    }

    fn scan(&self, space: Space, range: &KeyRange, scan: Scan) -> MemoryCursor<'_> {
        MemoryCursor { map: self.0.of(space), range: range.clone(), scan }
    }
}

/// A place in a map: the part of the range that is still to come.
pub struct MemoryCursor<'s> {
    map: &'s Map,
    range: KeyRange,
    scan: Scan,
}

impl Cursor for MemoryCursor<'_> {
    fn next(&mut self) -> Result<Option<Pair<'_>>> {
        let mut left = bounded(self.map, &self.range);
        let found = match self.scan {
            Scan::Forward => left.next(),
            Scan::Backward => left.next_back(),
        };
        let Some((key, value)) = found else { return Ok(None) };
        match self.scan {
            Scan::Forward => self.range.start = [key.as_ref(), &[0]].concat(),
            Scan::Backward => self.range.end = key.to_vec(),
        }
        Ok(Some((key, value)))
    }

    fn seek(&mut self, key: &[u8]) {
        match self.scan {
            Scan::Forward if key > self.range.start.as_slice() => self.range.start = key.to_vec(),
            Scan::Backward => {
                let end = [key, &[0]].concat();
                if self.range.end.is_empty() || end < self.range.end {
                    self.range.end = end;
                }
            }
            Scan::Forward => {}
        }
    }
}

fn bounded<'m>(map: &'m Map, range: &KeyRange) -> impl DoubleEndedIterator<Item = (&'m Bytes, &'m Bytes)> + use<'m> {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let start = Bytes::copy_from_slice(&range.start);
    let end = if range.end.is_empty() { Unbounded } else { Excluded(Bytes::copy_from_slice(&range.end)) };
    let empty = range.is_empty();
    (!empty).then(|| map.range((Included(start), end))).into_iter().flatten()
}
