//! What watches ask, as bytes: short questions stand in the name of a watch, longer ones are kept under their digests,
//! once for everybody in an environment who asks the same.

use bytes::Bytes;
use query::watch::WatchSpec;
use query::{Doc, EnvId, Result};
use sha2::{Digest as _, Sha256};

use super::kept::{Kept, Place};
use super::query_id::{QueryId, Question};
use crate::app::App;

/// Longest question that stands in a name itself, in bytes: the name stands in every frame.
const TOLD_BYTES_MAX: usize = 1024;
/// Kind of the records that hold kept questions.
const KIND: u8 = 41;

/// The name of a kept question.
pub type Digest = [u8; 16];

/// The kept questions of a server.
pub struct Questions(pub Kept);

impl Default for Questions {
    fn default() -> Questions {
        Questions(Kept::new(KIND))
    }
}

impl Questions {
    /// How the name of a watch says what it asks. What is kept is on disk when this returns.
    ///
    /// # Errors
    /// What the store meets.
    pub fn told(&self, app: &App, env: EnvId, spec: &WatchSpec) -> Result<Question> {
        let question = written(spec);
        if question.len() <= TOLD_BYTES_MAX {
            return Ok(Question::Told(question.into()));
        }
        let sum = Sha256::digest(&question);
        let Some(digest) = sum.first_chunk::<16>().copied() else { return Ok(Question::Untold) };
        let place = (env, digest.to_vec());
        let kept = self.0.renew(app, &place)? || self.0.keep(app, place, &question)?;
        Ok(if kept { Question::Kept(digest) } else { Question::Untold })
    }

    /// What a watch asks, if its name tells.
    ///
    /// # Errors
    /// What the store meets.
    pub fn find(&self, app: &App, env: EnvId, id: &QueryId, collection: &str) -> Result<Option<WatchSpec>> {
        let question = match &id.question {
            Question::Told(question) => Some(question.clone()),
            Question::Kept(digest) => self.0.find(app, &(env, digest.to_vec()))?,
            Question::Untold => None,
        };
        Ok(question.and_then(|question| read(&question, collection)))
    }
}

/// Where a question is kept, if it is.
pub fn place(env: EnvId, id: &QueryId) -> Option<Place> {
    match &id.question {
        Question::Kept(digest) => Some((env, digest.to_vec())),
        Question::Told(_) | Question::Untold => None,
    }
}

/// A question as bytes; the collection is not part of it.
fn written(spec: &WatchSpec) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + spec.filter.as_bytes().len());
    bytes.extend_from_slice(&spec.limit.map_or(0, |limit| limit.saturating_add(1)).to_le_bytes());
    bytes.extend_from_slice(spec.filter.as_bytes());
    bytes.extend_from_slice(spec.sort.as_ref().map_or(&[], Doc::as_bytes));
    bytes
}

/// Reads a question; `None` for bytes that are none.
fn read(bytes: &Bytes, collection: &str) -> Option<WatchSpec> {
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
