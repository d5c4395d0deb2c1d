//! The signature in the `Authorization` header of newer SDKs: Tencent Cloud's TC3 with a canonical request of its own.
//!
//! Signed are the method, the address as the sender wrote it, the raw query, the listed headers, and a hash over the
//! listed members. The order of every list is the sender's; nothing is sorted again.

use std::borrow::Cow;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::javascript::{encode, header_text, trim};
use super::keypair::{self, KeyPair};
use super::{ADDED_LATER, FindKey, Incoming, Refusal, SKEW_DEFAULT_S, SKEW_MAX_S, hex, key_or_decoy, same_signature};
use crate::wire::members::Raw;

/// The first word of such a header.
pub(super) const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The parts of the header.
#[derive(Debug)]
struct Claim<'h> {
    id: &'h str,
    date: &'h str,
    params: &'h str,
    headers: &'h str,
    signature: &'h str,
}

/// Checks the signature and answers whose it is.
pub(super) fn verify(
    header: &str,
    incoming: &Incoming<'_>,
    now_ms: i64,
    find: FindKey<'_>,
) -> Result<Arc<KeyPair>, Refusal> {
    let claim = Claim::parse(header).ok_or(Refusal::Malformed("the Authorization header is not complete"))?;
    let timestamp = check_clock(&claim, incoming, now_ms)?;
    let payload = payload_hash(&claim, incoming)?;
    let (pair, known) = key_or_decoy(claim.id, find);
    let key = pair.signing_key(claim.date);
    let tail = canonical_tail(&claim, incoming, &payload);
    let matches = |method: &str, address: &str| {
        let canonical = Sha256::new().chain_update(format!("{method}\n{address}\n")).chain_update(&tail).finalize();
        let text = format!("{ALGORITHM}\n{timestamp}\n{}/tcb/tc3_request\n{}", claim.date, hex(&canonical));
        same_signature(&hex(&keypair::sha256(&key, text.as_bytes())), claim.signature)
    };
    let lower = incoming.method.to_ascii_lowercase();
    let methods = [lower.as_str(), incoming.method];
    let found = methods.iter().any(|method| incoming.addresses.iter().any(|address| matches(method, address)));
    if found && known { Ok(pair) } else { Err(Refusal::Mismatch) }
}

impl<'h> Claim<'h> {
    fn parse(header: &'h str) -> Option<Claim<'h>> {
        let mut claim = Claim { id: "", date: "", params: "", headers: "", signature: "" };
        for part in header.strip_prefix(ALGORITHM)?.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            match name {
                "Credential" => (claim.id, claim.date) = credential(value)?,
                "SignedParams" => claim.params = value,
                "SignedHeaders" => claim.headers = value,
                "Signature" => claim.signature = value,
                _ => {}
            }
        }
        let complete = !claim.id.is_empty() && !claim.headers.is_empty() && claim.signature.len() == 64;
        complete.then_some(claim)
    }
}

/// `<id>/<date>/tcb/tc3_request`
fn credential(value: &str) -> Option<(&str, &str)> {
    let (id, scope) = value.split_once('/')?;
    let date = scope.strip_suffix("/tcb/tc3_request")?;
    Some((id, date))
}

/// The instant must be near ours, and the date must be the instant's own.
fn check_clock<'r>(claim: &Claim<'_>, incoming: &Incoming<'r>, now_ms: i64) -> Result<&'r str, Refusal> {
    let header = |name: &str| incoming.headers.get(name).and_then(|value| value.to_str().ok());
    let text = header("x-timestamp").ok_or(Refusal::Malformed("the header X-Timestamp is missing"))?;
    let seconds: i64 = text.parse().map_err(|_| Refusal::Malformed("X-Timestamp is not a number of seconds"))?;
    let stated = header("x-signature-expires").and_then(|text| text.parse().ok()).unwrap_or(SKEW_DEFAULT_S);
    let ahead_s = (now_ms / 1000).saturating_sub(seconds);
    // The lifetime itself is not signed, so it cannot be more than ours.
    if ahead_s.saturating_abs() > stated.clamp(0, SKEW_MAX_S) {
        return Err(Refusal::Clock { ahead_s });
    }
    let date = jiff::Timestamp::from_second(seconds).map(|instant| instant.strftime("%Y-%m-%d").to_string());
    match date.is_ok_and(|date| date == claim.date) {
        true => Ok(text),
        false => Err(Refusal::Malformed("the date in Credential is not that of X-Timestamp")),
    }
}

/// Hash over the listed members. Empty texts are listed by older SDKs but never hashed. A member with content that is
/// not listed could have been added by somebody on the way.
fn payload_hash(claim: &Claim<'_>, incoming: &Incoming<'_>) -> Result<String, Refusal> {
    let mut members: Vec<(String, Raw<'_>, bool)> = Vec::new();
    for member in incoming.members.iter() {
        let name = encode(trim(&member.name.to_lowercase())).into_owned();
        members.push((name, member.raw, false));
    }
    let mut hash = Sha256::new();
    for name in claim.params.split(';') {
        let Some((_, raw, listed)) = members.iter_mut().find(|(known, ..)| known == name) else { continue };
        if std::mem::replace(listed, true) {
            return Err(Refusal::Malformed("SignedParams names a member twice"));
        }
        if let Some(value) = signed_value(*raw) {
            hash.update(format!("&{name}="));
            hash.update(value);
            hash.update("\r\n");
        }
    }
    let uncovered = |(name, raw, listed): &(String, Raw<'_>, bool)| {
        !listed && !ADDED_LATER.contains(&name.as_str()) && signed_value(*raw).is_some()
    };
    match members.into_iter().find(uncovered) {
        Some((name, ..)) => Err(Refusal::Uncovered(name)),
        None => Ok(hex(&hash.finalize())),
    }
}

/// What is hashed of a member; `None` for what is never hashed.
fn signed_value(raw: Raw<'_>) -> Option<Cow<'_, [u8]>> {
    let text = match raw {
        Raw::Form { bytes, file: true } => return Some(bytes.into()),
        Raw::Json(json) if !json.starts_with('"') => return Some(json.as_bytes().into()),
        _ => raw.text().ok()??,
    };
    let trimmed = trim(&text);
    (!trimmed.is_empty()).then(|| trimmed.as_bytes().to_vec().into())
}

/// The canonical request behind method and address: query, headers, their list, the payload's hash.
fn canonical_tail(claim: &Claim<'_>, incoming: &Incoming<'_>, payload: &str) -> String {
    let mut tail = format!("{}\n", incoming.query);
    for name in claim.headers.split(';') {
        let bytes = incoming.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
        let text = header_text(bytes);
        tail.push_str(name);
        tail.push(':');
        tail.push_str(&header_value(name, trim(&text)));
        tail.push('\n');
    }
    tail + "\n" + claim.headers + "\n" + payload
}

fn header_value<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    match name {
        // The boundary is made after signing.
        "content-type" if value.starts_with("multipart/form-data") => "multipart/form-data".into(),
        "content-type" => value.into(),
        _ => value.to_lowercase().into(),
    }
}
