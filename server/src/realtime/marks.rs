//! How far watches have come, noted now and then in the store, so that a server that was started anew can count their
//! events on: `[version:u8, at_ms:i64]`, then per watch `[key:12, event:u64, commit:u64]`, little-endian.
//!
//! A mark lies behind the events of the last half minute: whoever comes back has at least those before.
//!
//! Where a watch began is in its name. One that had to begin anew under a later number leaves that beginning in the store
//! before its client hears of it: counting from the old one would give the wrong numbers from then on.

use query::{Code, Error, Result};
use storage::{EnvId, Seq};

use super::kept::Kept;
use super::query_id::Key;
use crate::app::App;

/// Events are taken for received so long after they were made, in milliseconds.
pub const SETTLED_MS: i64 = 30_000;

const KIND: u8 = 40;
const BEGINNINGS: u8 = 42;
const SERVER: EnvId = EnvId(0);
const NAME: &[u8] = b"watches";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 9;
const MARK_BYTES: usize = 28;

/// Notes the last event of watches, and a commit up to which it is the last one.
///
/// # Errors
/// What the store meets.
pub fn leave(app: &App, marks: &[(Key, u64, Seq)]) -> Result<()> {
    let store = app.db.store();
    if marks.is_empty() && store.view().record(KIND, SERVER, NAME)?.is_none() {
        return Ok(());
    }
    let mut record = Vec::with_capacity(HEAD_BYTES + marks.len() * MARK_BYTES);
    record.push(VERSION);
    record.extend_from_slice(&app.now_ms().to_le_bytes());
    for (key, event, seq) in marks {
        record.extend_from_slice(key);
        record.extend_from_slice(&event.to_le_bytes());
        record.extend_from_slice(&seq.0.to_le_bytes());
    }
    // Nobody waits for it: a mark that is lost makes a watch count from an earlier one.
    drop(store.put_record(KIND, SERVER, NAME, &record)?);
    Ok(())
}

/// The mark of a watch.
///
/// # Errors
/// What the store meets.
pub fn find(app: &App, key: &Key) -> Result<Option<(u64, Seq)>> {
    let Some(record) = app.db.store().view().record(KIND, SERVER, NAME)? else { return Ok(None) };
    let marks = record.get(HEAD_BYTES..).filter(|_| record.first() == Some(&VERSION)).unwrap_or_default();
    let found = marks.chunks_exact(MARK_BYTES).find(|mark| mark.starts_with(key));
    Ok(found.and_then(|mark| Some((number(mark, 12)?, Seq(number(mark, 20)?)))))
}

/// Where watches began anew: `[event:u64, commit:u64]`, little-endian, under their keys.
pub struct Beginnings(pub Kept);

impl Default for Beginnings {
    fn default() -> Beginnings {
        Beginnings(Kept::new(BEGINNINGS))
    }
}

impl Beginnings {
    /// Notes that this event of a watch holds everything at a commit; on disk when this returns.
    ///
    /// # Errors
    /// What the store meets; `QuotaExceeded` where too many are noted.
    pub fn note(&self, app: &App, env: EnvId, key: &Key, (event, seq): (u64, Seq)) -> Result<()> {
        let record = [event.to_le_bytes(), seq.0.to_le_bytes()].concat();
        match self.0.keep(app, (env, key.to_vec()), &record)? {
            true => Ok(()),
            false => Err(Error::new(Code::QuotaExceeded, "too many watches had to begin anew: watch again")),
        }
    }

    /// The last beginning of a watch after its first.
    ///
    /// # Errors
    /// What the store meets.
    pub fn find(&self, app: &App, env: EnvId, key: &Key) -> Result<Option<(u64, Seq)>> {
        let record = self.0.find(app, &(env, key.to_vec()))?;
        Ok(record.and_then(|record| Some((number(&record, 0)?, Seq(number(&record, 8)?)))))
    }
}

fn number(record: &[u8], at: usize) -> Option<u64> {
    record.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
