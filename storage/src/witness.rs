//! The second witness of the last acknowledged commit.
//!
//! A write-ahead log that lost its end at a record border looks complete. So the number of the last synced commit is
//! also kept in a small file of its own, in two slots written in turn. It is written after each group is synced and is
//! itself synced about once a second: it may lag behind the log, it must never be ahead of it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::key::Seq;

const SLOT_BYTES: usize = 20;
const MAGIC: u64 = 0x5741_4645_5257_4954;

/// The open witness file of a store.
pub(crate) struct Witness {
    file: File,
    turn: u64,
}

impl Witness {
    /// Opens or makes the file and reads the last number in it.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn open(path: &Path) -> Result<(Witness, Seq)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let seq = [0, 1].into_iter().filter_map(|slot| read_slot(&file, slot)).max().unwrap_or_default();
        Ok((Witness { file, turn: 0 }, seq))
    }

    /// Notes that everything up to this commit is on disk. A fault here loses no data, only the second opinion.
    pub(crate) fn note(&mut self, seq: Seq) -> Result<()> {
        self.turn ^= 1;
        let mut slot = [0; SLOT_BYTES];
        let (head, sum) = slot.split_at_mut(16);
        head.copy_from_slice(&[MAGIC.to_le_bytes(), seq.0.to_le_bytes()].concat());
        sum.copy_from_slice(&crc32fast::hash(head).to_le_bytes());
        self.file.write_all_at(&slot, self.turn * SLOT_BYTES as u64).map_err(io)
    }

    /// Makes the last note survive power loss.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(io)
    }

    /// Forgets all notes: the operator accepted the loss.
    pub(crate) fn reset(&mut self, seq: Seq) -> Result<()> {
        self.file.set_len(0).map_err(io)?;
        self.note(seq)?;
        self.sync()
    }
}

fn read_slot(file: &File, slot: u64) -> Option<Seq> {
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64).ok()?;
    let (head, sum) = bytes.split_at(16);
    let (magic, seq) = head.split_at(8);
    let whole = crc32fast::hash(head).to_le_bytes() == sum && magic == MAGIC.to_le_bytes();
    whole.then(|| seq.first_chunk::<8>().map(|bytes| Seq(u64::from_le_bytes(*bytes))))?
}

fn io(error: std::io::Error) -> Error {
    Error::Io(format!("witness file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_greatest_whole_slot() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("witness");
        let (mut witness, first) = Witness::open(&path).expect("opens");
        assert_eq!(first, Seq(0));
        for seq in 1..=7 {
            witness.note(Seq(seq)).expect("writes");
        }
        assert_eq!(Witness::open(&path).expect("opens").1, Seq(7));
        let mut bytes = std::fs::read(&path).expect("reads");
        let newest = if bytes[8] == 7 { 8 } else { SLOT_BYTES + 8 };
        bytes[newest] ^= 1;
        std::fs::write(&path, bytes).expect("writes");
        assert_eq!(Witness::open(&path).expect("opens").1, Seq(6), "a torn slot leaves the one before");
    }
}
