//! The change log: one record per commit, with the documents before and after.
//!
//! Watch, point-in-time restore and full-text search read it; nothing else tells them what happened. A record holds
//! everything that its commit did to documents, in order. Layout (all integers little-endian, lengths before bytes):
//! version:u8 at_ms:i64 next_rid:u64 count:u32, then per change: env:u32 coll:u32 rid:u64 marks:u8 [before] [after].

use bytes::Bytes;

use crate::doc::Doc;
use crate::error::{Error, Result};
use crate::key::{CollId, EnvId, Rid, Seq};

/// What one commit did.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its number.
    pub seq: Seq,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened to documents, in order.
    pub changes: Vec<Change>,
}

/// What happened to one document.
#[derive(Clone, Debug)]
pub struct Change {
    /// The environment.
    pub env: EnvId,
    /// The collection.
    pub coll: CollId,
    /// The document's place in insertion order.
    pub rid: Rid,
    /// The document before; `None` for an insert.
    pub before: Option<Doc>,
    /// The document after; `None` for a removal.
    pub after: Option<Doc>,
    /// Was it replaced as a whole rather than updated in parts? Watchers tell the two apart.
    pub replaced: bool,
}

const VERSION: u8 = 1;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;
const REPLACED: u8 = 4;

/// Encodes a commit. `next_rid` is the first number that no document has yet; a restart goes on from there.
pub(crate) fn encode(at_ms: i64, next_rid: u64, changes: &[Change]) -> Vec<u8> {
    let size = |doc: &Option<Doc>| doc.as_ref().map_or(0, |doc| doc.as_bytes().len() + 4);
    let content: usize = changes.iter().map(|change| 17 + size(&change.before) + size(&change.after)).sum();
    let mut out = Vec::with_capacity(21 + content);
    out.push(VERSION);
    out.extend_from_slice(&at_ms.to_le_bytes());
    out.extend_from_slice(&next_rid.to_le_bytes());
    out.extend_from_slice(&u32::try_from(changes.len()).unwrap_or(u32::MAX).to_le_bytes());
    changes.iter().for_each(|change| put_change(change, &mut out));
    out
}

fn put_change(change: &Change, out: &mut Vec<u8>) {
    out.extend_from_slice(&change.env.0.to_le_bytes());
    out.extend_from_slice(&change.coll.0.to_le_bytes());
    out.extend_from_slice(&change.rid.0.to_le_bytes());
    let mark = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        mark(change.before.is_some(), BEFORE) | mark(change.after.is_some(), AFTER) | mark(change.replaced, REPLACED),
    );
    for doc in [&change.before, &change.after].into_iter().flatten() {
        out.extend_from_slice(&u32::try_from(doc.as_bytes().len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(doc.as_bytes());
    }
}

/// Decodes a commit; the second part is the next free rid.
///
/// # Errors
/// `Corrupt` where the bytes are no record.
pub(crate) fn decode(seq: Seq, bytes: &Bytes) -> Result<(Commit, u64)> {
    let mut reader = Reader { bytes, at: 0 };
    read(seq, &mut reader).ok_or_else(|| Error::Corrupt { place: "change log", detail: format!("commit {}", seq.0) })
}

/// When the commit of a stored record was made.
pub(crate) fn at_ms(record: &[u8]) -> Option<i64> {
    record.get(1..)?.first_chunk::<8>().map(|bytes| i64::from_le_bytes(*bytes))
}

fn read(seq: Seq, reader: &mut Reader<'_>) -> Option<(Commit, u64)> {
    if reader.take::<1>()? != [VERSION] {
        return None;
    }
    let at_ms = i64::from_le_bytes(reader.take()?);
    let next_rid = u64::from_le_bytes(reader.take()?);
    let count = u32::from_le_bytes(reader.take()?);
    let changes: Option<Vec<Change>> = (0..count).map(|_| read_change(reader)).collect();
    Some((Commit { seq, at_ms, changes: changes? }, next_rid))
}

fn read_change(reader: &mut Reader<'_>) -> Option<Change> {
    let env = EnvId(u32::from_le_bytes(reader.take()?));
    let coll = CollId(u32::from_le_bytes(reader.take()?));
    let rid = Rid(u64::from_le_bytes(reader.take()?));
    let [marks] = reader.take()?;
    let before = if marks & BEFORE != 0 { Some(reader.doc()?) } else { None };
    let after = if marks & AFTER != 0 { Some(reader.doc()?) } else { None };
    Some(Change { env, coll, rid, before, after, replaced: marks & REPLACED != 0 })
}

struct Reader<'b> {
    bytes: &'b Bytes,
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*taken)
    }

    fn doc(&mut self) -> Option<Doc> {
        let size = u32::from_le_bytes(self.take()?) as usize;
        let end = self.at.checked_add(size)?;
        if end > self.bytes.len() {
            return None;
        }
        let doc = Doc::trusted(self.bytes.slice(self.at..end));
        self.at = end;
        Some(doc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::DocBuilder;
    use crate::value::ValueRef;

    #[test]
    fn a_record_reads_back() {
        let doc = |number| {
            let mut builder = DocBuilder::new();
            builder.put("n", ValueRef::Int32(number));
            builder.finish()
        };
        let change = |before: Option<Doc>, after: Option<Doc>| Change {
            env: EnvId(1),
            coll: CollId(2),
            rid: Rid(3),
            before,
            after,
            replaced: false,
        };
        let changes = vec![change(None, Some(doc(1))), change(Some(doc(1)), Some(doc(2))), change(Some(doc(2)), None)];
        let bytes = Bytes::from(encode(77, 99, &changes));
        let (commit, next_rid) = decode(Seq(5), &bytes).expect("decodes");
        assert_eq!((commit.at_ms, next_rid, commit.seq), (77, 99, Seq(5)));
        assert_eq!(format!("{:?}", commit.changes), format!("{changes:?}"));
        for cut in 0..bytes.len() {
            assert!(decode(Seq(5), &bytes.slice(..cut)).is_err());
        }
    }
}
