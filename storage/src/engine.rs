//! The contract between the store and whatever keeps its bytes: ordered keys, snapshots, atomic batches.
//!
//! An engine keeps bytes in order, answers from frozen moments and makes a batch visible all at once or not at all.
//! It knows no document, index or environment. Two engines exist: `rocks` on disk and `memory`, its twin without a
//! disk, which tests can make fail at the n-th call. Both pass the same contract tests (`engine/tests.rs`). Above this
//! module an [`Engine`] is a closed enum, so nothing is generic over engines.

mod memory;
mod rocks;

use std::path::Path;

use bytes::Bytes;

use crate::error::Result;
use crate::key::{KeyRange, Space};

pub use memory::{FaultKind, Memory};
pub use rocks::{Rocks, RocksOptions};

/// Which way a cursor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scan {
    Forward,
    Backward,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the disk has it: survives power loss.
    Synced,
    /// After the operating system has it: survives the end of the process; synced within a second.
    Buffered,
}

/// What every engine can do. Writes come from one thread at a time: ordering is decided above.
pub trait Kv: Send + Sync + 'static {
    /// A frozen moment.
    type Snap: Snap;

    /// Freezes this moment.
    fn snapshot(&self) -> Self::Snap;

    /// Makes a batch visible, all or nothing.
    ///
    /// # Errors
    /// `Full`: nothing was written, later calls may succeed. Anything else: the outcome is unknown and the caller must
    /// stop writing.
    fn write(&self, batch: &Batch, durability: Durability) -> Result<()>;

    /// Makes everything that was written survive power loss.
    ///
    /// # Errors
    /// `Io`: the caller must stop writing.
    fn sync(&self) -> Result<()>;

    /// Moves buffered writes into their final files, so that reads and the next start are quick.
    ///
    /// # Errors
    /// `Io` or `Full`.
    fn flush(&self) -> Result<()>;

    /// About how many bytes of writes are buffered and not yet in their final files.
    fn buffered(&self) -> u64;

    /// Makes a consistent copy of everything in a new folder, sharing files where it can.
    ///
    /// # Errors
    /// `Io`, or where the engine has no files.
    fn checkpoint(&self, into: &Path) -> Result<()>;

    /// Gives back the space of deleted keys in a range. Slow; safe to repeat.
    fn reclaim(&self, space: Space, range: &KeyRange);

    /// About how many bytes a range takes on disk.
    fn size(&self, space: Space, range: &KeyRange) -> u64;
}

/// A frozen moment of an engine. Cloning is cheap.
pub trait Snap: Clone + Send + Sync {
    /// Runs over a range.
    type Cursor<'s>: Cursor
    where
        Self: 's;

    /// The value of a key.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>>;

    /// The values of several keys, in their order.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>>;

    /// Runs over a range from one of its ends.
    fn scan(&self, space: Space, range: &KeyRange, scan: Scan) -> Self::Cursor<'_>;
}

/// A key and its value, borrowed from a cursor until its next step.
pub type Pair<'c> = (&'c [u8], &'c [u8]);

/// A place in a range of keys.
pub trait Cursor {
    /// Steps to the next key and returns it with its value; `None` at the end of the range.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    fn next(&mut self) -> Result<Option<Pair<'_>>>;

    /// Moves on so that the next step returns the first key at or beyond this one (in the direction of the scan).
    fn seek(&mut self, key: &[u8]);
}

/// Changes that become visible together. Later changes of a key win over earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    data: Vec<u8>,
    changes: Vec<Head>,
}

/// One change of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BatchChange<'b> {
    Put { space: Space, key: &'b [u8], value: &'b [u8] },
    Delete { space: Space, key: &'b [u8] },
    DeleteRange { space: Space, start: &'b [u8], end: &'b [u8] },
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Put,
    Delete,
    DeleteRange,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    verb: Verb,
    space: Space,
    first: usize,
    second: usize,
}

impl Batch {
    /// Stores a value under a key.
    pub fn put(&mut self, space: Space, key: &[u8], value: &[u8]) {
        self.push(Verb::Put, space, key, &[value]);
    }

    /// Stores a value that comes in parts under a key.
    pub fn put_parts(&mut self, space: Space, key: &[u8], value: &[&[u8]]) {
        self.push(Verb::Put, space, key, value);
    }

    /// Removes a key.
    pub fn delete(&mut self, space: Space, key: &[u8]) {
        self.push(Verb::Delete, space, key, &[]);
    }

    /// Removes all keys of a bounded range.
    pub fn delete_range(&mut self, space: Space, range: &KeyRange) {
        self.push(Verb::DeleteRange, space, &range.start, &[&range.end]);
    }

    /// Adds the changes of another batch after these.
    pub fn append(&mut self, other: &Batch) {
        self.data.extend_from_slice(&other.data);
        self.changes.extend_from_slice(&other.changes);
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl Iterator<Item = BatchChange<'_>> {
        let mut rest = self.data.as_slice();
        self.changes.iter().map(move |head| {
            let (first, after) = rest.split_at(head.first.min(rest.len()));
            let (second, after) = after.split_at(head.second.min(after.len()));
            rest = after;
            match head.verb {
                Verb::Put => BatchChange::Put { space: head.space, key: first, value: second },
                Verb::Delete => BatchChange::Delete { space: head.space, key: first },
                Verb::DeleteRange => BatchChange::DeleteRange { space: head.space, start: first, end: second },
            }
        })
    }

    /// Is there nothing to change?
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Forgets the changes, keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.changes.clear();
    }

    fn push(&mut self, verb: Verb, space: Space, first: &[u8], second: &[&[u8]]) {
        self.data.extend_from_slice(first);
        let start = self.data.len();
        second.iter().for_each(|part| self.data.extend_from_slice(part));
        self.changes.push(Head { verb, space, first: first.len(), second: self.data.len() - start });
    }
}

/// The engine of a store.
#[expect(missing_docs, reason = "the names say it")]
pub enum Engine {
    Rocks(Rocks),
    Memory(Memory),
}

/// A frozen moment of a store's engine.
#[derive(Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Snapshot {
    Rocks(<Rocks as Kv>::Snap),
    Memory(<Memory as Kv>::Snap),
}

/// A cursor over a store's engine.
#[expect(missing_docs, reason = "the names say it")]
pub enum EngineCursor<'s> {
    Rocks(<<Rocks as Kv>::Snap as Snap>::Cursor<'s>),
    Memory(<<Memory as Kv>::Snap as Snap>::Cursor<'s>),
}

macro_rules! each {
    ($enum:ident, $value:expr, $engine:ident => $body:expr) => {
        match $value {
            $enum::Rocks($engine) => $body,
            $enum::Memory($engine) => $body,
        }
    };
}

impl Kv for Engine {
    type Snap = Snapshot;

    fn snapshot(&self) -> Snapshot {
        match self {
            Engine::Rocks(rocks) => Snapshot::Rocks(rocks.snapshot()),
            Engine::Memory(memory) => Snapshot::Memory(memory.snapshot()),
        }
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<()> {
        each!(Engine, self, engine => engine.write(batch, durability))
    }

    fn sync(&self) -> Result<()> {
        each!(Engine, self, engine => engine.sync())
    }

    fn flush(&self) -> Result<()> {
        each!(Engine, self, engine => engine.flush())
    }

    fn buffered(&self) -> u64 {
        each!(Engine, self, engine => engine.buffered())
    }

    fn checkpoint(&self, into: &Path) -> Result<()> {
        each!(Engine, self, engine => engine.checkpoint(into))
    }

    fn reclaim(&self, space: Space, range: &KeyRange) {
        each!(Engine, self, engine => engine.reclaim(space, range));
    }

    fn size(&self, space: Space, range: &KeyRange) -> u64 {
        each!(Engine, self, engine => engine.size(space, range))
    }
}

impl Snap for Snapshot {
    type Cursor<'s> = EngineCursor<'s>;

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        each!(Snapshot, self, snap => snap.get(space, key))
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        each!(Snapshot, self, snap => snap.get_many(space, keys))
    }

    fn scan(&self, space: Space, range: &KeyRange, scan: Scan) -> EngineCursor<'_> {
        match self {
            Snapshot::Rocks(snap) => EngineCursor::Rocks(snap.scan(space, range, scan)),
            Snapshot::Memory(snap) => EngineCursor::Memory(snap.scan(space, range, scan)),
        }
    }
}

impl Cursor for EngineCursor<'_> {
    fn next(&mut self) -> Result<Option<Pair<'_>>> {
        each!(EngineCursor, self, cursor => cursor.next())
    }

    fn seek(&mut self, key: &[u8]) {
        each!(EngineCursor, self, cursor => cursor.seek(key));
    }
}

#[cfg(test)]
mod tests;
