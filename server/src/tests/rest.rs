//! The REST interface: paths, statuses, documents as they are.

use axum::body::Body;
use axum::http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Served;
use super::web::admin;

impl Served {
    /// Calls the REST interface of databases; status and body.
    pub(super) fn rest(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let path = format!("/v1/database/instances/(default)/databases/(default)/{path}");
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", admin()));
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (status, answer) = self.send(request.body(body).expect("a request"));
        (status, serde_json::from_slice(&answer).expect("JSON"))
    }
}

/// A call and what comes back: method, path, body, status, and the answer.
type Row<'r> = (&'r str, &'r str, Option<Value>, u16, Value);

fn check(served: &Served, rows: &[Row<'_>]) {
    for (method, path, body, status, expect) in rows {
        let (found_status, found) = served.rest(method, path, body.clone());
        assert_eq!((found_status, &found), (*status, expect), "{method} {path} {body:?}");
    }
}

#[test]
fn documents_come_and_go() {
    let docs = "collections/c/documents";
    let query = |rest: &str| format!("{docs}?{rest}&");
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let filter = escape(r#"{"n":{"$gt":{"$numberInt":"0"}}}"#);
    let order = escape(r#"[{"field":"n","direction":"desc"}]"#);
    let filtered = query(&format!("projection={}&offset=1&limit=2&order={order}&query={filter}", escape(r#"{"n":1}"#)));
    let none = json!(null);
    let updated = |matched: u64, updated: u64| json!({"matched": matched, "updated": updated, "upsert_id": none, "upserted_id": none});
    let made = json!({"matched": 0, "updated": 0, "upsert_id": "new", "upserted_id": "new"});
    let served = Served::start();
    check(
        &served,
        &[
            ("POST", "collections", Some(json!({"collectionName": "c"})), 200, json!({})),
            (
                "POST",
                docs,
                Some(
                    json!({"data": [{"_id": "a", "n": 1, "d": {"$date": 5}}, {"_id": 7, "n": 2}, {"_id": "c", "n": 3}]}),
                ),
                200,
                json!({"insertedIds": ["a", 7, "c"]}),
            ),
            (
                "GET",
                &filtered,
                None,
                200,
                json!({"list": [{"_id": 7, "n": 2}, {"_id": "a", "n": 1}], "offset": 1, "limit": 2}),
            ),
            ("GET", &query("count=true"), None, 200, json!({"total": 3})),
            ("GET", &format!("{docs}/a"), None, 200, json!({"_id": "a", "n": 1, "d": {"$date": 5}})),
            ("GET", &format!("{docs}/7"), None, 200, json!({"_id": 7, "n": 2})),
            ("PATCH", docs, Some(json!({"query": {"_id": "a"}, "data": {"x": 1}, "multi": false})), 200, updated(1, 1)),
            ("PATCH", docs, Some(json!({"data": {"$set": {}}, "multi": true})), 200, updated(3, 0)),
            ("PATCH", docs, Some(json!({"query": {"_id": "new"}, "data": {"x": 1}, "upsert": true})), 200, made),
            ("PATCH", &format!("{docs}/7"), Some(json!({"data": {"z": 1}, "replaceMode": true})), 200, updated(1, 1)),
            ("GET", &format!("{docs}/7"), None, 200, json!({"_id": 7, "z": 1})),
            ("DELETE", &format!("{docs}/7"), None, 200, json!({"deleted": 1})),
            (
                "POST",
                &format!("{docs}/remove"),
                Some(json!({"query": {"n": {"$gt": 0}}, "multi": true})),
                200,
                json!({"deleted": 2}),
            ),
        ],
    );
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let served = Served::start();
    served.rest("POST", "collections", Some(json!({"collectionName": "c"})));
    for (end, count) in [("rollback", 0), ("commit", 1)] {
        let (_, begun) = served.rest("POST", "transactions", None);
        let id = begun["transactionId"].as_str().expect("an id").to_owned();
        let add = json!({"data": [{"_id": "a"}], "transactionId": id});
        assert_eq!(served.rest("POST", "collections/c/documents", Some(add)).0, 200);
        let seen = format!("collections/c/documents?count=true&transactionId={id}&");
        assert_eq!(served.rest("GET", &seen, None).1["total"], 1);
        assert_eq!(served.rest("POST", &format!("transactions/{id}/{end}"), None), (200, json!({})));
        assert_eq!(served.rest("GET", "collections/c/documents?count=true", None).1["total"], count);
    }
}

#[test]
fn errors_have_a_status_and_a_code() {
    let served = Served::start();
    served.rest("POST", "collections", Some(json!({"collectionName": "c"})));
    served.rest("POST", "collections/c/documents", Some(json!({"data": {"_id": "a"}})));
    let rows = [
        ("GET", "collections/none/documents", None, 404, "DATABASE_COLLECTION_NOT_EXIST"),
        ("GET", "collections/c/documents/none", None, 404, "DOCUMENT_NOT_FOUND"),
        ("GET", "collections/c/nothing", None, 404, "INVALID_ACTION"),
        ("GET", "collections/c/documents?query=%7B", None, 400, "INVALID_PARAM"),
        ("GET", "collections/c/documents?limit=x", None, 400, "INVALID_PARAM"),
        ("POST", "collections/c/documents", Some(json!({"data": {"_id": "a"}})), 409, "DATABASE_DUPLICATE_WRITE"),
        ("POST", "collections", Some(json!({"collectionName": "c"})), 409, "DATABASE_COLLECTION_ALREADY_EXIST"),
        ("POST", "collections/c/documents", Some(json!({"data": [], "collectionName": "d"})), 400, "INVALID_PARAM"),
        ("POST", "transactions/x/commit", None, 404, "DATABASE_TRANSACTION_FAIL"),
        ("POST", "commands", Some(json!({"commands": []})), 400, "INVALID_ACTION"),
    ];
    for (method, path, body, status, code) in rows {
        let (found, answer) = served.rest(method, path, body);
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{method} {path}: {answer}");
        assert!(answer["message"].is_string() && answer["requestId"].is_string(), "{answer}");
    }
    for (token, status, code) in [("", 401, "DATABASE_PERMISSION_DENIED"), ("wrong", 401, "ACCESS_TOKEN_EXPIRED")] {
        let request = Request::get("/v1/database/instances/i/databases/d/collections/c/documents");
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty());
        let (found, answer) = served.send(request.expect("a request"));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{token:?}");
    }
}

#[test]
fn a_header_may_name_the_method() {
    let served = Served::start();
    served.rest("POST", "collections", Some(json!({"collectionName": "c"})));
    served.rest("POST", "collections/c/documents", Some(json!({"data": {"_id": "a"}})));
    let request = Request::post("/v1/database/instances/i/databases/d/collections/c/documents/a")
        .header("authorization", format!("Bearer {}", admin()))
        .header("x-http-method-override", "PATCH")
        .body(Body::from(r#"{"data":{"n":1}}"#));
    let (status, answer) = served.send(request.expect("a request"));
    assert_eq!((status, serde_json::from_slice::<Value>(&answer).expect("JSON")["updated"].clone()), (200, json!(1)));
}
