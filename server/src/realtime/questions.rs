//! What watches ask, as bytes, and the keeping of questions that are too long for the name of a watch: in the store,
//! under their digests, so that such watches too go on after a restart.
//!
//! A kept question serves everybody in its environment who asks the same. It is forgotten when nobody has watched it
//! for as long as a watch may stay away. Knows nothing of sockets and feeds.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use parking_lot::Mutex;
use query::watch::WatchSpec;
use query::{Doc, EnvId, Result};
use sha2::{Digest as _, Sha256};

use crate::app::App;

/// How long a question is kept that nobody watches, in milliseconds: as long as the change log reaches back, and longer.
const KEPT_MS: i64 = 30 * 60 * 1000;
/// Bytes that the kept questions of one environment may take. Watches beyond go on as long as the server remembers them.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Kind of the records that hold kept questions.
const KIND: u8 = 41;

/// The name of a kept question.
pub type Digest = [u8; 16];
/// Where a kept question is.
pub type Place = (EnvId, Digest);

/// The kept questions of a server.
#[derive(Default)]
pub struct Questions(Mutex<Option<HashMap<Place, Known>>>);

struct Known {
    bytes: usize,
    /// Since when nobody watches it, in milliseconds since 1970.
    unused_ms: Option<i64>,
}

/// A question as bytes; the collection is not part of it.
pub fn written(spec: &WatchSpec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + spec.filter.as_bytes().len());
    bytes.extend_from_slice(&spec.limit.map_or(0, |limit| limit.saturating_add(1)).to_le_bytes());
    bytes.extend_from_slice(spec.filter.as_bytes());
    bytes.extend_from_slice(spec.sort.as_ref().map_or(&[], Doc::as_bytes));
    bytes
}

/// Reads a question; `None` for bytes that are none.
pub fn read(bytes: &Bytes, collection: &str) -> Option<WatchSpec> {
    let limit = u64::from_le_bytes(*bytes.first_chunk()?).checked_sub(1);
    let rest = bytes.slice(8..);
    let length = usize::try_from(i32::from_le_bytes(*rest.first_chunk()?)).ok()?;
    if rest.len() < length {
        return None;
    }
    let filter = Doc::from_bytes(rest.slice(..length)).ok()?;
    let sort = rest.slice(length..);
    let sort = if sort.is_empty() { None } else { Some(Doc::from_bytes(sort).ok()?) };
    Some(WatchSpec { collection: collection.to_owned(), filter, sort, limit })
}

impl Questions {
    /// Keeps a question, on disk when this returns; `None` where the environment keeps too many already.
    ///
    /// # Errors
    /// What the store meets.
    pub fn keep(&self, app: &App, env: EnvId, question: &[u8]) -> Result<Option<Digest>> {
        let sum = Sha256::digest(question);
        let Some(digest) = sum.first_chunk().copied() else { return Ok(None) };
        let ticket = {
            let mut known = self.0.lock();
            let known = loaded(&mut known, app)?;
            let held: usize = known.iter().filter(|((of, _), _)| *of == env).map(|(_, known)| known.bytes).sum();
            if let Some(kept) = known.get_mut(&(env, digest)) {
                kept.unused_ms = None;
                return Ok(Some(digest));
            }
            if held + question.len() > KEPT_BYTES_MAX {
                return Ok(None);
            }
            known.insert((env, digest), Known { bytes: question.len(), unused_ms: None });
            app.db.store().put_record(KIND, env, &digest, question)?
        };
        ticket.wait()?;
        Ok(Some(digest))
    }

    /// A kept question.
    ///
    /// # Errors
    /// What the store meets.
    pub fn find(&self, app: &App, env: EnvId, digest: &Digest) -> Result<Option<Bytes>> {
        Ok(app.db.store().view().record(KIND, env, digest)?)
    }

    /// Forgets what nobody has watched for long; `used` is what is watched now.
    ///
    /// # Errors
    /// What the store meets.
    pub fn forget_unused(&self, app: &App, used: &HashSet<Place>) -> Result<()> {
        let now = app.now_ms();
        let mut known = self.0.lock();
        let known = loaded(&mut known, app)?;
        let mut over = Vec::new();
        for (place, kept) in known.iter_mut() {
            match used.contains(place) {
                true => kept.unused_ms = None,
                false if now - *kept.unused_ms.get_or_insert(now) > KEPT_MS => over.push(*place),
                false => {}
            }
        }
        for (env, digest) in over {
            known.remove(&(env, digest));
            // Nobody waits for it: what is left over after a crash is forgotten later.
            drop(app.db.store().delete_record(KIND, env, &digest)?);
        }
        Ok(())
    }
}

/// Those of the last server count as unused from now on.
fn loaded<'k>(known: &'k mut Option<HashMap<Place, Known>>, app: &App) -> Result<&'k mut HashMap<Place, Known>> {
    if known.is_none() {
        let mut found = HashMap::new();
        let view = app.db.store().view();
        for env in view.catalog().envs() {
            for (name, question) in view.records(KIND, env.id)? {
                if let Ok(digest) = Digest::try_from(name.as_slice()) {
                    found.insert((env.id, digest), Known { bytes: question.len(), unused_ms: None });
                }
            }
        }
        *known = Some(found);
    }
    Ok(known.get_or_insert_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ejson::Reader;

    #[test]
    fn a_question_reads_back_and_no_part_of_it_panics() {
        let doc = |text: &str| Reader::new(0).document(text).expect("a document");
        for (sort, limit) in [(None, None), (Some(doc(r#"{"n":-1}"#)), Some(5)), (Some(Doc::empty()), Some(0))] {
            let spec = WatchSpec { collection: "c".into(), filter: doc(r#"{"a":{"$gt":1}}"#), sort, limit };
            let bytes = Bytes::from(written(&spec));
            assert_eq!(format!("{:?}", read(&bytes, "c")), format!("{:?}", Some(spec)));
            for cut in 0..bytes.len() {
                drop(read(&bytes.slice(..cut), "c"));
            }
        }
    }
}
