//! The signature in the body of older SDKs: that of Tencent's object storage, over members and headers, with SHA-1.
//!
//! SHA-1 is used in an HMAC only, where its collisions do not matter. The host is not signed, and the path is always
//! `/admin`, whatever the sender called.

use std::borrow::Cow;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

use super::javascript::{encode, header_text};
use super::keypair::KeyPair;
use super::{ADDED_LATER, FindKey, Incoming, Refusal, SKEW_MAX_S, hex, key_or_decoy, same_signature};
use crate::wire::members::{Member, Raw};

/// Members that these SDKs leave out on purpose.
const UNSIGNED: [&str; 2] = ["sessiontoken", "requestdata"];
/// Texts that look like dates are tried as the empty object that an SDK signs for them, up to so many.
const DATES_MAX: usize = 4;

/// The parts of the member `authorization`.
#[derive(Debug, Default)]
struct Claim<'h> {
    id: &'h str,
    sign_time: &'h str,
    key_time: &'h str,
    headers: &'h str,
    params: &'h str,
    signature: &'h str,
}

/// Checks the signature and answers whose it is.
pub(super) fn verify(
    authorization: &str,
    incoming: &Incoming<'_>,
    now_ms: i64,
    find: FindKey<'_>,
) -> Result<Arc<KeyPair>, Refusal> {
    let claim = Claim::parse(authorization).ok_or(Refusal::Malformed("the member `authorization` is not complete"))?;
    check_clock(claim.sign_time, now_ms)?;
    check_clock(claim.key_time, now_ms)?;
    check_covered(&claim, incoming)?;
    let (pair, known) = key_or_decoy(claim.id, find);
    let sign_key = hex(&hmac(pair.secret.as_bytes(), claim.key_time.as_bytes()));
    let headers = signed_headers(&claim, incoming);
    let matches = |data: Option<&str>| {
        let format = format!("post\n/admin\n{}\n{headers}\n", signed_members(&claim, incoming, data));
        let text = format!("sha1\n{}\n{}\n", claim.sign_time, hex(&Sha1::digest(format.as_bytes())));
        same_signature(&hex(&hmac(sign_key.as_bytes(), text.as_bytes())), claim.signature)
    };
    let found = matches(None) || dates_as_objects(incoming).iter().any(|data| matches(Some(data)));
    if found && known { Ok(pair) } else { Err(Refusal::Mismatch) }
}

impl<'h> Claim<'h> {
    fn parse(text: &'h str) -> Option<Claim<'h>> {
        let mut claim = Claim::default();
        for part in text.split('&') {
            let (name, value) = part.split_once('=')?;
            match name {
                "q-ak" => claim.id = value,
                "q-sign-time" => claim.sign_time = value,
                "q-key-time" => claim.key_time = value,
                "q-header-list" => claim.headers = value,
                "q-url-param-list" => claim.params = value,
                "q-signature" => claim.signature = value,
                _ => {}
            }
        }
        (!claim.id.is_empty() && claim.signature.len() == 40).then_some(claim)
    }
}

/// `<start>;<end>` in seconds: we must be between, give or take the allowed skew.
fn check_clock(window: &str, now_ms: i64) -> Result<(), Refusal> {
    let seconds = |text: &str| text.parse::<i64>().ok();
    let parts = window.split_once(';').and_then(|(start, end)| Some((seconds(start)?, seconds(end)?)));
    let (start, end) = parts.ok_or(Refusal::Malformed("a time is not two numbers of seconds"))?;
    let now = now_ms / 1000;
    // The sender states the end itself; it may not be later than ours.
    let end = end.min(start.saturating_add(SKEW_MAX_S));
    if now > end {
        return Err(Refusal::Clock { ahead_s: now.saturating_sub(end) });
    }
    if now < start.saturating_sub(SKEW_MAX_S) {
        return Err(Refusal::Clock { ahead_s: now.saturating_sub(start) });
    }
    Ok(())
}

/// A member with content that the signature does not list could have been added by somebody on the way.
fn check_covered(claim: &Claim<'_>, incoming: &Incoming<'_>) -> Result<(), Refusal> {
    let mut listed: Vec<&str> = claim.params.split(';').collect();
    listed.sort_unstable();
    for member in incoming.members.iter() {
        let name = member.name.to_lowercase();
        let empty = matches!(member.raw, Raw::Json("\"\"" | "null"));
        let left_out = ADDED_LATER.contains(&name.as_str()) || UNSIGNED.contains(&name.as_str());
        if !empty && !left_out && listed.binary_search(&name.as_str()).is_err() {
            return Err(Refusal::Uncovered(name));
        }
    }
    Ok(())
}

fn signed_members(claim: &Claim<'_>, incoming: &Incoming<'_>, data: Option<&str>) -> String {
    let named = |name: &str| incoming.members.iter().find(|member| member.name.to_lowercase() == name);
    let value = |name: &str| match data {
        Some(data) if name == "data" => data.into(),
        _ => named(name).map_or(Cow::Borrowed(""), signed_value),
    };
    let pairs: Vec<_> =
        claim.params.split(';').map(|name| format!("{}={}", encode(name), encode(&value(name)))).collect();
    pairs.join("&")
}

fn signed_value<'b>(member: &Member<'b>) -> Cow<'b, str> {
    match (member.raw.text(), member.raw) {
        (Ok(text), _) => text.unwrap_or_default(),
        (Err(_), Raw::Json(json)) => json.into(),
        (Err(_), Raw::Form { .. }) => "".into(),
    }
}

fn signed_headers(claim: &Claim<'_>, incoming: &Incoming<'_>) -> String {
    let value = |name: &str| incoming.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    let names = claim.headers.split(';').filter(|name| !name.is_empty());
    let pairs: Vec<_> = names.map(|name| format!("{}={}", encode(name), encode(&header_text(value(name))))).collect();
    pairs.join("&")
}

/// The member `data` as an SDK may have signed it: a date inside `_.set({…})` is signed as `{}` and sent as text.
/// Which of the texts were dates cannot be told, so every choice among the first few is a candidate.
fn dates_as_objects(incoming: &Incoming<'_>) -> Vec<String> {
    let Some(Raw::Json(data)) = incoming.members.raw("data") else { return Vec::new() };
    if data.starts_with('"') {
        return Vec::new();
    }
    let dates: Vec<usize> =
        data.match_indices('"').map(|(at, _)| at).filter(|at| is_date(data, *at)).take(DATES_MAX).collect();
    (1..1usize << dates.len()).map(|choice| with_objects(data, &dates, choice)).collect()
}

/// `"2023-11-14T22:13:20.123Z"`: what a date becomes in JSON, quotation marks included.
const DATE_FORM: &[u8; 26] = b"\"0000-00-00T00:00:00.000Z\"";

fn is_date(data: &str, at: usize) -> bool {
    let Some(text) = data.as_bytes().get(at..at + DATE_FORM.len()) else { return false };
    text.iter().zip(DATE_FORM).all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

fn with_objects(data: &str, dates: &[usize], choice: usize) -> String {
    let mut changed = String::with_capacity(data.len());
    let mut kept = 0;
    for (_, at) in dates.iter().enumerate().filter(|(index, _)| choice >> index & 1 == 1) {
        changed.push_str(data.get(kept..*at).unwrap_or_default());
        changed.push_str("{}");
        kept = at + DATE_FORM.len();
    }
    changed + data.get(kept..).unwrap_or_default()
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 20] {
    // A key of any length is accepted; the error cannot occur.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return [0; 20] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}
