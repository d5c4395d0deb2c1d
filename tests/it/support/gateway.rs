//! Requests to the server SDKs' gateway, as bytes: the envelope and its signature, computed here from the description of
//! the protocol and not by the server's own code, so that a mistake on one side is seen.
//!
//! It knows neither sockets nor answers; tests and the load driver bring those.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Who asks, and for which environment.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub env: String,
    pub secret_id: String,
    pub secret_key: String,
}

/// A member of the request's body: text is signed as it reads, anything else as its JSON text.
pub enum Member<'a> {
    Text(&'a str),
    Raw(&'a str),
}

/// The whole HTTP request for one action. `host` is the address as the client knows it; `members` are what the action
/// takes, beside `action` and `envName`, which are added here. `now` is in seconds since 1970.
pub fn request(who: &Credentials, host: &str, action: &str, members: &[(&str, Member<'_>)], now: u64) -> Vec<u8> {
    let mut all: Vec<(&str, &Member<'_>)> = members.iter().map(|(name, member)| (*name, member)).collect();
    let (action, env) = (Member::Text(action), Member::Text(&who.env));
    all.push(("action", &action));
    all.push(("envName", &env));
    let body = body(&all);
    let signed = Signed::new(who, host, &mut all, now);
    let mut head = String::with_capacity(900 + body.len());
    let _ = write!(
        head,
        "POST /admin?{QUERY} HTTP/1.1\r\nHost: {host}\r\ncontent-type: application/json\r\nUser-Agent: {AGENT}\r\n\
         X-TCB-Source: {SOURCE}\r\nX-Client-Timestamp: {now}000\r\nX-SDK-Version: {AGENT}\r\n\
         Authorization: TC3-HMAC-SHA256 Credential={}/{}/tcb/tc3_request, SignedParams={}, SignedHeaders={HEADERS}, \
         Signature={}\r\nX-Signature-Expires: 600\r\nX-Timestamp: {now}\r\nContent-Length: {}\r\n\r\n{body}",
        who.secret_id,
        signed.date,
        signed.params,
        signed.signature,
        body.len(),
    );
    head.into_bytes()
}

const QUERY: &str = "env=&seqId=1_1";
const AGENT: &str = "tcb-node-sdk/3.18.3";
const SOURCE: &str = ",unknown";
const HEADERS: &str = "content-type;host;user-agent;x-client-timestamp;x-sdk-version;x-tcb-source";

/// The body with the common members that every SDK sends empty.
fn body(members: &[(&str, &Member<'_>)]) -> String {
    let mut body = String::from("{");
    for (name, member) in members {
        let _ = match member {
            Member::Text(text) => write!(body, "\"{name}\":{},", quoted(text)),
            Member::Raw(raw) => write!(body, "\"{name}\":{raw},"),
        };
    }
    body.push_str(r#""wxCloudApiToken":"","tcb_sessionToken":"","crossAuthorizationToken":""}"#);
    body
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

struct Signed {
    date: String,
    params: String,
    signature: String,
}

impl Signed {
    fn new(who: &Credentials, host: &str, members: &mut [(&str, &Member<'_>)], now: u64) -> Signed {
        members.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        let mut payload = Sha256::new();
        let mut params = String::new();
        for (name, member) in members.iter() {
            let value = match member {
                Member::Text(text) => text.trim(),
                Member::Raw(raw) => raw,
            };
            let key = name.to_ascii_lowercase();
            payload.update(format!("&{key}={value}\r\n"));
            params.push_str(if params.is_empty() { "" } else { ";" });
            params.push_str(&key);
        }
        let canonical = format!(
            "post\n//{host}/admin\n{QUERY}\ncontent-type:application/json\nhost:{host}\nuser-agent:{AGENT}\n\
             x-client-timestamp:{now}000\nx-sdk-version:{AGENT}\nx-tcb-source:{SOURCE}\n\n{HEADERS}\n{}",
            hex(&payload.finalize())
        );
        let date = date(now);
        let to_sign =
            format!("TC3-HMAC-SHA256\n{now}\n{date}/tcb/tc3_request\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let key = mac(format!("TC3{}", who.secret_key).as_bytes(), &date);
        let key = mac(&mac(&key, "tcb"), "tc3_request");
        Signed { date, params, signature: hex(&mac(&key, &to_sign)) }
    }
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The UTC date of a moment as `2026-11-23`, by the civil calendar's 400-year cycle counted from 1 March 0000.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
