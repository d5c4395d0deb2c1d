//! Calls of real SDKs, replayed with the signature and at the instant of their recording: the answers must have the
//! shape that those SDKs were seen to accept.

use serde_json::Value;

use super::{Exchange, NOW, Recording, Served, recordings};

/// What this server answers differently, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("node-sdk-3__createCollection.error", "DATABASE_COLLECTION_ALREADY_EXIST"),
    ("node-sdk-3__add.error-duplicate", "DATABASE_REQUEST_FAILED"),
    ("node-sdk-3__err.coll-not-exist", "DATABASE_COLLECTION_NOT_EXIST"),
    // The user of the recording cannot be made here: uids are the server's own.
    ("node-sdk-3__auth.queryUserInfo", "USER_NOT_EXIST"),
];

/// Calls that may be refused with this code, because MongoDB refuses a projection that includes and excludes.
const MAY_BE_REFUSED: &[(&str, &str)] = &[
    ("node-sdk-3__get.order-skip-limit-field", "DATABASE_REQUEST_FAILED"),
    ("tcb-admin-node__get.where", "DATABASE_REQUEST_FAILED"),
];

/// A list of documents in the first generation: the SDK hands `_id` on as it is, so it may be a list, too.
const LIST_OF_IDS: &str = "tcb-admin-node__add.array";

/// Codes of calls that are not offered yet, or that name a cloud function, which nobody deployed here.
const NOT_OFFERED: &[&str] = &["INVALID_ACTION", "FUNCTION_NOT_FOUND", "STORAGE_REQUEST_FAIL"];

#[test]
fn every_recorded_call_gets_an_answer_of_its_shape() {
    let (mut answered, mut not_offered, mut faults) = (0, 0, Vec::new());
    for (name, recording) in recordings() {
        for outcome in replay(&name, &recording) {
            match outcome {
                Outcome::Same => answered += 1,
                Outcome::NotOffered => not_offered += 1,
                Outcome::Different(what) => faults.push(format!("{name}: {}: {what}", recording.call)),
            }
        }
    }
    assert!(faults.is_empty(), "{answered} same, {not_offered} not offered\n{}", faults.join("\n"));
    assert!(answered > 90, "only {answered} answers, {not_offered} not offered");
}

enum Outcome {
    Same,
    NotOffered,
    Different(String),
}

fn replay(name: &str, recording: &Recording) -> Vec<Outcome> {
    let served = Served::start();
    prepare(&served, name, recording);
    let signed = recording
        .exchanges
        .iter()
        .filter(|exchange| exchange.request.path.starts_with("/admin") || exchange.request.path.starts_with("/?"));
    let signed = signed.filter(|exchange| exchange.request.signed_ms().is_some());
    let mut transaction = None;
    signed.map(|exchange| compare(&served, name, exchange, &mut transaction)).collect()
}

/// The collections that the calls name, and what makes those fail that are recorded as failing.
fn prepare(served: &Served, name: &str, recording: &Recording) {
    let absent = name.ends_with("err.coll-not-exist") || name.ends_with("createCollection");
    for exchange in recording.exchanges.iter().filter(|_| !absent) {
        if let Some(collection) = exchange.request.members()["collectionName"].as_str() {
            // A name with blanks around it was made up to test signatures.
            served.call("database.addCollection", serde_json::json!({"collectionName": collection.trim()}));
            if name.ends_with("aggregate.geonear") {
                let path = format!("/envs/env1/collections/{collection}/indexes");
                served.own("POST", &path, r#"{"name": "loc", "key": {"loc": "2dsphere"}}"#);
                while served.own("GET", &path, "").1.to_string().contains("building") {
                    std::thread::yield_now();
                }
            }
        }
    }
    if name.ends_with("add.error-duplicate") {
        served.done(
            "database.insertDocument",
            serde_json::json!({"collectionName": "todos", "data": ["{\"_id\":\"x\"}"]}),
        );
    }
}

fn compare(served: &Served, name: &str, exchange: &Exchange, transaction: &mut Option<String>) -> Outcome {
    // A transaction's id is the server's own, and what names another's is signed: such calls cannot be replayed.
    if exchange.request.members().get("transactionId").is_some() && transaction.is_some() {
        return Outcome::NotOffered;
    }
    NOW.set(exchange.request.signed_ms().unwrap_or_default());
    let (status, answer) = served.send(exchange.request.request());
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    *transaction = transaction.take().or_else(|| answer["transactionId"].as_str().map(str::to_owned));
    if status != 200 {
        return Outcome::Different(format!("status {status}"));
    }
    if !answer["requestId"].is_string() {
        return Outcome::Different("no requestId".to_owned());
    }
    match (answer["code"].as_str(), DIFFERENT.iter().find(|(known, _)| *known == name)) {
        (Some(code), Some((_, expected))) if code == *expected => Outcome::Same,
        (Some(code), _) if MAY_BE_REFUSED.contains(&(name, code)) => Outcome::Same,
        (Some(code), _) if NOT_OFFERED.contains(&code) => Outcome::NotOffered,
        (Some("DATABASE_TRANSACTION_FAIL"), _) if exchange.request.body.contains("transactionId") => {
            Outcome::NotOffered
        }
        (Some(_), _) if name.ends_with("sig.collection-spaces") => Outcome::Same,
        (Some(code), _) => Outcome::Different(format!("{code} {}", answer["message"])),
        (None, Some((_, expected))) => Outcome::Different(format!("expected {expected}, found {answer}")),
        (None, None) if name == LIST_OF_IDS && answer["data"]["_id"].is_array() => Outcome::Same,
        (None, None) => match shape_fault("", exchange.reply.as_ref().unwrap_or(&Value::Null), &answer) {
            Some(fault) => Outcome::Different(fault),
            None => Outcome::Same,
        },
    }
}

/// Members that a server may leave out: SDKs copy them when they are there.
const OPTIONAL: &[&str] = &["total", "limit", "offset", "TotalCount", "Limit", "Offset", "upsert_id", "upserted_id"];
/// Members that are null where there is nothing.
const NULLABLE: &[&str] = &["upsert_id", "upserted_id", "doc"];

fn shape_fault(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(name, value)| {
            let place = format!("{path}.{name}");
            match found.get(name) {
                None if OPTIONAL.contains(&name.as_str()) => None,
                None => Some(format!("{place} is missing")),
                Some(other) if NULLABLE.contains(&name.as_str()) && (other.is_null() || value.is_null()) => None,
                Some(other) => shape_fault(&place, value, other),
            }
        }),
        (Value::Array(expected), Value::Array(found)) => {
            let item = expected.first()?;
            found.iter().find_map(|other| shape_fault(&format!("{path}[]"), item, other))
        }
        (expected, found) if std::mem::discriminant(expected) == std::mem::discriminant(found) => None,
        (expected, found) => Some(format!("{path}: expected a value like {expected}, found {found}")),
    }
}
