//! Who sends a request: signatures and keys of server SDKs, checked against the key pairs of the environments.
//!
//! Three schemes: TC3 in a header (`tc3`), the older q-sign in the body (`qsign`), and a bare key (`Bearer`). A wrong
//! id and a wrong secret get the same answer after the same work. Nothing is acted on that the signature does not
//! cover. This module knows no environment's content and grants nothing: what a caller may do is decided elsewhere.

mod javascript;
pub mod keypair;
mod qsign;
mod tc3;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::HeaderMap;
use query::{Code, Error, Result};
use subtle::ConstantTimeEq;

use crate::wire::members::Members;
use keypair::KeyPair;

/// A request as its signature sees it.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'r> {
    /// The method, as sent.
    pub method: &'r str,
    /// How the sender may have written the address, without the scheme and the query: `//host:port/path`, likeliest
    /// first. A proxy may have changed what arrived here.
    pub addresses: &'r [String],
    /// The query, byte for byte.
    pub query: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The body.
    pub members: &'r Members<'r>,
}

/// Finds a key pair by its id.
pub type FindKey<'k> = &'k dyn Fn(&str) -> Option<Arc<KeyPair>>;

/// How far a sender's clock may be off when a signature does not say how long it lasts, and the most that it may say,
/// in seconds.
const SKEW_DEFAULT_S: i64 = 600;
const SKEW_MAX_S: i64 = 900;

/// Members that an SDK adds when it has signed; nothing is done with them but checking the signature.
const ADDED_LATER: [&str; 2] = ["authorization", "sdk_version"];

/// Finds out who sent a request.
///
/// # Errors
/// `Unauthenticated`, with a message that tells a developer what to set right but not whether an id exists.
pub fn authenticate(incoming: &Incoming<'_>, now_ms: i64, find: FindKey<'_>) -> Result<Arc<KeyPair>> {
    let header = incoming.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = match header.split_once(' ') {
        Some(("Bearer", key)) => bearer(key.trim(), find),
        Some((tc3::ALGORITHM, _)) => tc3::verify(header, incoming, now_ms, find),
        _ => match incoming.members.text("authorization")? {
            Some(text) if text.starts_with("q-sign-algorithm=") => qsign::verify(&text, incoming, now_ms, find),
            _ => Err(Refusal::Unsigned),
        },
    };
    let key = key.map_err(Error::from)?;
    match key.is_expired(now_ms) {
        true => Err(Refusal::Mismatch.into()),
        false => Ok(key),
    }
}

/// The key pair of a bare key: its id and secret with a dot between.
///
/// # Errors
/// `Unauthenticated` where the key is not known, wrong or over.
pub fn bare_key(key: &str, now_ms: i64, find: FindKey<'_>) -> Result<Arc<KeyPair>> {
    let pair = bearer(key, find)?;
    if pair.is_expired(now_ms) { Err(Refusal::BadKey.into()) } else { Ok(pair) }
}

/// A bare key is a key pair's id and secret with a dot between.
fn bearer(key: &str, find: FindKey<'_>) -> Result<Arc<KeyPair>, Refusal> {
    let (id, secret) = key.split_once('.').unwrap_or((key, ""));
    let found = find(id);
    let pair = found.clone().unwrap_or_else(KeyPair::decoy);
    match (bool::from(pair.secret.as_bytes().ct_eq(secret.as_bytes())), found) {
        (true, Some(found)) => Ok(found),
        _ => Err(Refusal::BadKey),
    }
}

/// Why a request is not believed.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Unsigned,
    Malformed(&'static str),
    Uncovered(String),
    Clock { ahead_s: i64 },
    Mismatch,
    BadKey,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let message = match refusal {
            Refusal::Unsigned => "the request is not signed: give the SDK a `secretId` and `secretKey` of this server \
                                  (`waferdb key create --env NAME`)"
                .to_owned(),
            Refusal::Malformed(what) => format!("the signature is malformed: {what}"),
            Refusal::Uncovered(name) => format!("the signature does not cover the member `{name}`"),
            Refusal::Clock { ahead_s: 0.. } => {
                "the signature is not valid any more, or the clock of the sender is behind: set it right and try again"
                    .to_owned()
            }
            Refusal::Clock { .. } => {
                "the signature is not valid yet: the clock of the sender is ahead; set it right and try again"
                    .to_owned()
            }
            Refusal::Mismatch => {
                "the signature does not match: check `secretId` and `secretKey`; where a proxy stands \
                                  before this server, start it with `--public-url` and the address that the SDK calls"
                    .to_owned()
            }
            Refusal::BadKey => "the access key is not known: it is a key pair's id and secret with a dot between, as \
                                `waferdb key create` shows it"
                .to_owned(),
        };
        Error::new(Code::Unauthenticated, message)
    }
}

/// The key pair of an id. An unknown id gets one that nobody has, so that it costs the same work to refuse.
fn key_or_decoy(id: &str, find: FindKey<'_>) -> (Arc<KeyPair>, bool) {
    match find(id) {
        Some(pair) => (pair, true),
        None => (KeyPair::decoy(), false),
    }
}

/// Compares two signatures in hexadecimal text without telling where they differ.
fn same_signature(computed: &str, claimed: &str) -> bool {
    computed.as_bytes().ct_eq(claimed.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
