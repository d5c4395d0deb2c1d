//! Signatures that real SDKs made, recorded from the wire, checked from the recorded bytes alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use query::Code;
use serde::Deserialize;
use storage::EnvId;

use super::keypair::KeyPair;
use super::{FindKey, Incoming, authenticate};
use crate::wire::form;
use crate::wire::members::Members;

const ID: &str = "AKIDwaferdbTEST";
const SECRET: &str = "waferdbSecretKey0123456789";

#[derive(Deserialize)]
struct Recording {
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: Request,
}

#[derive(Clone, Deserialize)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// Base64, for bodies that are no text.
    bytes: Option<String>,
}

impl Request {
    fn body(&self) -> Vec<u8> {
        match &self.bytes {
            Some(text) => base64::engine::general_purpose::STANDARD.decode(text).expect("base64"),
            None => self.body.clone().into_bytes(),
        }
    }

    fn header_map(&self) -> HeaderMap {
        let header = |(name, value): (&String, &String)| {
            let bytes: Vec<u8> = value.chars().map(|character| u8::try_from(character).expect("latin-1")).collect();
            (HeaderName::try_from(name).expect("a name"), HeaderValue::from_bytes(&bytes).expect("a value"))
        };
        self.headers.iter().map(header).collect()
    }

    fn is_signed(&self) -> bool {
        let header = self.headers.get("authorization").is_some_and(|text| text.contains("SignedParams="));
        header || self.body.contains("q-sign-algorithm") || self.bytes.is_some()
    }

    /// The instant at which the request was signed.
    fn now_ms(&self) -> i64 {
        let seconds = match self.headers.get("x-timestamp") {
            Some(text) => text.parse::<i64>().expect("seconds"),
            None => {
                let body = String::from_utf8_lossy(&self.body()).into_owned();
                let (_, after) = body.split_once("q-sign-time=").expect("a time");
                after.split(';').next().and_then(|text| text.parse().ok()).expect("seconds")
            }
        };
        seconds * 1000
    }

    fn check(&self, find: FindKey<'_>, now_ms: i64) -> Result<Arc<KeyPair>, query::Error> {
        let headers = self.header_map();
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let host = self.headers.get("host").map(String::as_str).unwrap_or_default();
        let addresses = [format!("//{host}{path}"), format!("//{host}{}", path.trim_end_matches('/'))];
        let body = self.body();
        let content_type = self.headers.get("content-type").map(String::as_str).unwrap_or_default();
        let members = match form::boundary(content_type) {
            Some(boundary) => Members::from_form(form::fields(&body, boundary)?)?,
            None => Members::from_json(&body)?,
        };
        let incoming = Incoming { method: "POST", addresses: &addresses, query, headers: &headers, members: &members };
        authenticate(&incoming, now_ms, find)
    }
}

fn pair() -> Arc<KeyPair> {
    Arc::new(KeyPair::new(ID, SECRET, EnvId(7), 0))
}

fn find(id: &str) -> Option<Arc<KeyPair>> {
    (id == ID).then(pair)
}

/// The recordings; `WAFERDB_EXCHANGES` names another folder of the same form.
fn recordings() -> Vec<(String, Request)> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/exchanges");
    let folder = std::env::var_os("WAFERDB_EXCHANGES").map_or_else(|| PathBuf::from(own), PathBuf::from);
    let mut requests = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder of recordings").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("a file");
        let recording: Recording = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{file:?}: {fault}"));
        let name = file.file_name().to_string_lossy().into_owned();
        requests.extend(recording.exchanges.into_iter().map(|exchange| (name.clone(), exchange.request)));
    }
    requests
}

fn signed() -> Vec<(String, Request)> {
    let signed: Vec<_> = recordings().into_iter().filter(|(_, request)| request.is_signed()).collect();
    assert!(signed.len() > 50, "only {} signed recordings", signed.len());
    signed
}

#[test]
fn every_recorded_signature_matches() {
    let mut faults = Vec::new();
    let signed = signed();
    for (name, request) in &signed {
        if let Err(fault) = request.check(&find, request.now_ms()) {
            faults.push(format!("{name}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), signed.len(), faults.join("\n"));
}

#[test]
fn another_secret_and_another_id_get_the_same_answer() {
    for (name, request) in signed() {
        let wrong_secret = |_: &str| Some(Arc::new(KeyPair::new(ID, "another", EnvId(7), 0)));
        let secret = request.check(&wrong_secret, request.now_ms()).expect_err(&name);
        let id = request.check(&|_| None, request.now_ms()).expect_err(&name);
        assert_eq!(secret.code, Code::Unauthenticated);
        assert_eq!(secret.message, id.message, "{name}");
    }
}

#[test]
fn a_signature_ends_with_its_time() {
    for (name, request) in signed() {
        for hours in [-1, 1] {
            let fault = request.check(&find, request.now_ms() + hours * 3_600_000).expect_err(&name);
            assert!(fault.message.contains("clock"), "{name}: {fault}");
        }
    }
}

#[test]
fn an_expired_key_pair_opens_nothing() {
    for (name, request) in signed() {
        let now = request.now_ms();
        let ended = |_: &str| Some(Arc::new(KeyPair::new(ID, SECRET, EnvId(7), 0).until(Some(now))));
        assert!(request.check(&ended, now).is_err(), "{name}");
        let lasting = |_: &str| Some(Arc::new(KeyPair::new(ID, SECRET, EnvId(7), 0).until(Some(now + 1))));
        assert!(request.check(&lasting, now).is_ok(), "{name}");
    }
}

/// Whatever is changed on the way, or added, must not be believed.
#[test]
fn a_changed_request_is_refused() {
    let changes: [(&str, &str); 4] = [
        ("{\"", "{\"transactionId\":\"t\",\""),
        ("{\"", "{\"multi2\":true,\""),
        ("\"envName\":\"env1\"", "\"envName\":\"env2\""),
        ("\"action\":\"database.", "\"action\":\"database.x"),
    ];
    let mut tried = 0;
    for (name, request) in signed().into_iter().filter(|(_, request)| request.body.starts_with('{')) {
        for (from, to) in changes {
            let changed = Request { body: request.body.replacen(from, to, 1), ..request.clone() };
            if changed.body == request.body || request.body.contains("transactionId") {
                continue;
            }
            tried += 1;
            assert!(changed.check(&find, request.now_ms()).is_err(), "{name}: {to}");
        }
    }
    assert!(tried > 100, "only {tried} changes");
}

#[test]
fn a_bare_key_is_id_and_secret() {
    let check = |value: &str| {
        let headers = BTreeMap::from([("authorization".to_owned(), format!("Bearer {value}"))]);
        Request { path: "/admin".to_owned(), headers, body: "{}".to_owned(), bytes: None }.check(&find, 0)
    };
    assert!(check(&format!("{ID}.{SECRET}")).is_ok());
    for wrong in [ID, SECRET, "", ".", "x.y", &format!("{ID}."), &format!("{ID}.{SECRET}x"), &format!(".{SECRET}")] {
        assert_eq!(check(wrong).expect_err(wrong).code, Code::Unauthenticated);
    }
}

#[test]
fn an_unsigned_request_is_told_what_to_do() {
    let request = Request { path: "/admin".to_owned(), headers: BTreeMap::new(), body: "{}".to_owned(), bytes: None };
    let fault = request.check(&find, 0).expect_err("unsigned");
    assert!(fault.message.contains("waferdb key create"), "{fault}");
}

#[test]
fn malformed_signatures_are_refused() {
    let headers = [
        "TC3-HMAC-SHA256 ",
        "TC3-HMAC-SHA256 Credential=a/2026-11-23/tcb/tc3_request",
        "TC3-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=",
        "TC3-HMAC-SHA256 ,,,",
        "Basic x",
    ];
    for header in headers {
        let map = BTreeMap::from([("authorization".to_owned(), header.to_owned())]);
        let request = Request { path: "/".to_owned(), headers: map, body: "{}".to_owned(), bytes: None };
        assert_eq!(request.check(&find, 0).expect_err(header).code, Code::Unauthenticated);
    }
    for text in ["q-sign-algorithm=", "q-sign-algorithm=sha1&q-ak=x", "q-sign-algorithm=sha1&x"] {
        let body = format!(r#"{{"authorization":"{text}"}}"#);
        let request = Request { path: "/".to_owned(), headers: BTreeMap::new(), body, bytes: None };
        assert_eq!(request.check(&find, 0).expect_err(text).code, Code::Unauthenticated);
    }
}
