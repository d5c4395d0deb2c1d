//! What can go wrong below the waist: a closed list, without texts for users.
//!
//! Layers above translate these into codes and sentences; nothing here names a protocol or a caller.

use std::fmt;

/// Result of every fallible storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A storage fault. `Unknown` is the honest answer once a write passed the commit point: it may be on disk.
#[derive(Debug, Clone)]
pub enum Error {
    /// Bytes on disk are not what was written. `place` names the part, `detail` the key or file.
    Corrupt {
        /// Which structure is damaged, e.g. `"document"`.
        place: &'static str,
        /// Key, file or number that helps to find it.
        detail: String,
    },
    /// The operating system refused a read or an open; the text is the engine's own.
    Io(String),
    /// The disk is full: nothing was written, reads go on, writes resume by themselves when there is space.
    Full,
    /// A unique index already holds this key.
    Duplicate {
        /// Name of the unique index.
        index: String,
        /// The document id that holds the key now, for messages.
        key: String,
    },
    /// Somebody else committed a change to the same key after this writer's snapshot.
    Conflict,
    /// A transaction lost: a document that it changed has a newer version than its snapshot saw.
    Overtaken {
        /// The collection's name.
        collection: String,
        /// The document's `_id`, as text.
        id: String,
        /// The commit that holds the document now; `None` if it was removed.
        by: Option<u64>,
        /// The commit that the snapshot follows.
        snapshot: u64,
    },
    /// A value is larger than the format allows.
    TooLarge {
        /// What is too large, e.g. `"document"`.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// A document has arrays under two fields of one compound index.
    ParallelArrays {
        /// First array path.
        first: String,
        /// Second array path.
        second: String,
    },
    /// A value cannot be indexed in this kind of index (e.g. no geometry under a 2dsphere field).
    Unindexable {
        /// Name of the index.
        index: String,
        /// Why, in words that a developer can act on.
        reason: String,
        /// MongoDB's number for the fault.
        number: i32,
    },
    /// A sync failed earlier: the store refuses all writes until it is opened again.
    Halted,
    /// The commit failed after its commit point: it may or may not survive a restart.
    Unknown(String),
    /// The store is closing.
    Closed,
    /// The folder was written by a newer program.
    NewerFormat {
        /// Format number found in the folder.
        found: u32,
        /// Newest format number that this program reads.
        supported: u32,
    },
    /// The folder lost commits that had been acknowledged: the log ends before the witness.
    LostCommits {
        /// Last commit number found in the log.
        found: u64,
        /// Last commit number that is known to have been acknowledged.
        acknowledged: u64,
    },
    /// The named environment, collection or index changed or vanished while the call was under way.
    Gone(&'static str),
    /// A name is taken already.
    Exists(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Corrupt { place, detail } => write!(f, "corrupt {place}: {detail}"),
            Error::Io(text) => write!(f, "input/output error: {text}"),
            Error::Full => f.write_str("no space left on the disk"),
            Error::Duplicate { index, key } => write!(f, "duplicate key in unique index {index}: {key}"),
            Error::Conflict => f.write_str("write conflict"),
            Error::Overtaken { collection, id, by, snapshot } => {
                write!(f, "document {id} of {collection} was ")?;
                match by {
                    Some(by) => write!(f, "changed by commit {by}")?,
                    None => f.write_str("removed")?,
                }
                write!(f, " after the transaction's snapshot {snapshot}")
            }
            Error::TooLarge { what, bytes, bytes_max } => write!(f, "{what} of {bytes} bytes exceeds {bytes_max}"),
            Error::ParallelArrays { first, second } => write!(f, "cannot index parallel arrays [{first}] [{second}]"),
            Error::Unindexable { index, reason, .. } => write!(f, "cannot index in {index}: {reason}"),
            Error::Halted => f.write_str("writes are halted after a failed sync; restart the server"),
            Error::Unknown(text) => write!(f, "outcome unknown, the commit may survive: {text}"),
            Error::Closed => f.write_str("the store is closed"),
            Error::NewerFormat { found, supported } => {
                write!(f, "the data folder has format {found}, this program reads up to {supported}")
            }
            Error::LostCommits { found, acknowledged } => {
                write!(f, "the log ends at commit {found}, but commit {acknowledged} had been acknowledged")
            }
            Error::Gone(what) => write!(f, "{what} is gone"),
            Error::Exists(what) => write!(f, "{what} exists already"),
        }
    }
}

impl std::error::Error for Error {}
