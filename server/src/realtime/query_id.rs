//! The name of a watch, which SDKs send back after a lost connection. It holds what is needed to go on even if the
//! server knows nothing of the watch any more: where it began and what it asks. What is too long for a name is left
//! out; such a watch goes on as long as the server remembers it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use query::Doc;
use query::watch::WatchSpec;
use storage::Seq;

/// Longest question that is kept in a name, in bytes: the name stands in every frame.
const SPEC_BYTES_MAX: usize = 1024;
const MARK: &str = "w1.";

/// The random part: finds a watch that the server remembers.
pub type Key = [u8; 12];

/// What the name of a watch says.
#[derive(Clone, Debug)]
pub struct QueryId {
    /// Tells watches apart; nobody can guess it.
    pub key: Key,
    /// The commit that its first documents belong to.
    pub base: Seq,
    /// What it asks, without the collection; `None` where that was too long.
    pub asks: Option<(Doc, Option<Doc>, Option<u64>)>,
}

impl QueryId {
    /// The name of a watch.
    pub fn text(key: Key, base: Seq, spec: &WatchSpec) -> String {
        let mut bytes = Vec::with_capacity(64 + spec.filter.as_bytes().len());
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&base.0.to_le_bytes());
        let sort = spec.sort.as_ref().map_or(0, |sort| sort.as_bytes().len());
        if spec.filter.as_bytes().len() + sort <= SPEC_BYTES_MAX {
            bytes.extend_from_slice(&spec.limit.map_or(0, |limit| limit.saturating_add(1)).to_le_bytes());
            bytes.extend_from_slice(spec.filter.as_bytes());
            bytes.extend_from_slice(spec.sort.as_ref().map_or(&[], Doc::as_bytes));
        }
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a name; `None` for a text that is none.
    pub fn read(text: &str) -> Option<QueryId> {
        let bytes = Bytes::from(URL_SAFE_NO_PAD.decode(text.strip_prefix(MARK)?).ok()?);
        let key = *bytes.first_chunk::<12>()?;
        let base = Seq(u64::from_le_bytes(*bytes.get(12..)?.first_chunk()?));
        Some(QueryId { key, base, asks: asks(&bytes.slice(20..)) })
    }

    /// What is watched, if the name tells.
    pub fn spec(&self, collection: &str) -> Option<WatchSpec> {
        let (filter, sort, limit) = self.asks.clone()?;
        Some(WatchSpec { collection: collection.to_owned(), filter, sort, limit })
    }
}

fn asks(bytes: &Bytes) -> Option<(Doc, Option<Doc>, Option<u64>)> {
    let limit = u64::from_le_bytes(*bytes.first_chunk()?).checked_sub(1);
    let rest = bytes.slice(8..);
    let length = usize::try_from(i32::from_le_bytes(*rest.first_chunk()?)).ok()?;
    if rest.len() < length {
        return None;
    }
    let filter = Doc::from_bytes(rest.slice(..length)).ok()?;
    let sort = rest.slice(length..);
    let sort = if sort.is_empty() { None } else { Some(Doc::from_bytes(sort).ok()?) };
    Some((filter, sort, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ejson::Reader;

    fn doc(text: &str) -> Doc {
        Reader::new(0).document(text).expect("a document")
    }

    #[test]
    fn a_name_tells_what_is_watched() {
        for (sort, limit) in [(None, None), (Some(doc(r#"{"n":-1}"#)), Some(5)), (Some(Doc::empty()), Some(0))] {
            let spec = WatchSpec { collection: "c".into(), filter: doc(r#"{"a":{"$gt":1}}"#), sort, limit };
            let text = QueryId::text([3; 12], Seq(77), &spec);
            let read = QueryId::read(&text).expect("a name");
            assert_eq!((read.key, read.base), ([3; 12], Seq(77)));
            assert_eq!(format!("{:?}", read.spec("c")), format!("{:?}", Some(spec)));
            for cut in 0..text.len() {
                drop(QueryId::read(&text[..cut]));
            }
        }
    }

    #[test]
    fn a_long_question_is_left_out() {
        let filter = doc(&format!(r#"{{"a":"{}"}}"#, "x".repeat(2000)));
        let spec = WatchSpec { collection: "c".into(), filter, sort: None, limit: None };
        let read = QueryId::read(&QueryId::text([3; 12], Seq(77), &spec)).expect("a name");
        assert_eq!(read.base, Seq(77));
        assert!(read.spec("c").is_none());
    }
}
