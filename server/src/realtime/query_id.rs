//! The name of a watch, which SDKs send back after a lost connection. It holds what is needed to go on even if the
//! server knows nothing of the watch any more: where it began and what it asks, or the digest of a longer question that
//! is kept elsewhere.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use storage::Seq;

use super::questions::Digest;

const MARK: &str = "w1.";
/// What stands before a digest. A question begins with its limit, which is never so large.
const DIGEST: [u8; 8] = [0xFF; 8];

/// The random part: finds a watch that the server remembers.
pub type Key = [u8; 12];

/// What the name of a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryId {
    /// Tells watches apart; nobody can guess it.
    pub key: Key,
    /// The commit that its first documents belong to.
    pub base: Seq,
    /// What it asks, without the collection.
    pub question: Question,
}

/// What a watch asks, as its name says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The question itself.
    Told(Bytes),
    /// It is kept under this digest.
    Kept(Digest),
    /// Nothing: such a watch goes on as long as the server remembers it.
    Untold,
}

impl QueryId {
    /// The name as text.
    pub fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(&self.base.0.to_le_bytes());
        match &self.question {
            Question::Told(question) => bytes.extend_from_slice(question),
            Question::Kept(digest) => {
                bytes.extend_from_slice(&DIGEST);
                bytes.extend_from_slice(digest);
            }
            Question::Untold => {}
        }
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a name; `None` for a text that is none.
    pub fn read(text: &str) -> Option<QueryId> {
        let bytes = Bytes::from(URL_SAFE_NO_PAD.decode(text.strip_prefix(MARK)?).ok()?);
        let key = *bytes.first_chunk::<12>()?;
        let base = Seq(u64::from_le_bytes(*bytes.get(12..)?.first_chunk()?));
        let rest = bytes.slice(20..);
        let question = match rest.strip_prefix(&DIGEST) {
            Some(digest) => Question::Kept(Digest::try_from(digest).ok()?),
            None if rest.is_empty() => Question::Untold,
            None => Question::Told(rest),
        };
        Some(QueryId { key, base, question })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_it_was_given() {
        for question in [Question::Told(Bytes::from_static(b"what it asks")), Question::Kept([7; 16]), Question::Untold]
        {
            let id = QueryId { key: [3; 12], base: Seq(77), question };
            let text = id.text();
            assert_eq!(QueryId::read(&text), Some(id));
            for cut in 0..text.len() {
                drop(QueryId::read(&text[..cut]));
            }
        }
        assert_eq!(QueryId::read("w1.!"), None);
        assert_eq!(QueryId::read("foreign"), None);
    }
}
