//! Whatever arrives, the answer is an answer: status 200, JSON, a code that says whose fault it is – and never ours.

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ID, SECRET, Served};
use crate::action::ACTIONS;
use crate::config::Config;

/// Values where none of their kind belongs.
const ODD: &[&str] = &[
    "null",
    "true",
    "-1",
    "1e400",
    "1.5",
    "99999999999999999999",
    r#""""#,
    r#""x""#,
    r#""{""#,
    r#""{}""#,
    r#""[]""#,
    r#""5""#,
    "{}",
    "[]",
    "[null]",
    r#"[""]"#,
    r#"{"a":1}"#,
    r#"[{"field":"a"}]"#,
    r#"{"$gt":{"$gt":{}}}"#,
    r#""\ud800""#,
    r#""\u0000""#,
    r#""{\"$or\":[]}""#,
    r#""{\"_id\":{\"$oid\":\"x\"}}""#,
    r#"[{"stageKey":"$match","stageValue":"{"}]"#,
];
const MEMBERS: &[&str] = &[
    "collectionName",
    "data",
    "query",
    "queryType",
    "order",
    "offset",
    "limit",
    "projection",
    "multi",
    "merge",
    "upsert",
    "transactionId",
    "stages",
    "_id",
    "envName",
];

#[test]
fn odd_members_get_an_answer_that_blames_the_caller() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    for row in ACTIONS {
        for member in MEMBERS {
            for odd in ODD {
                let others = r#""collectionName":"c","query":"{}","data":["{}"],"merge":true,"#;
                let others: String =
                    others.split_inclusive(',').filter(|part| !part.contains(&format!("\"{member}\""))).collect();
                let body = format!(r#"{{"action":"{}",{others}"{member}":{odd}}}"#, row.name);
                let answer = served.call_with(body.clone());
                assert_ne!(answer["code"], "SYS_ERR", "{body}: {answer}");
                assert!(answer["requestId"].is_string(), "{body}: {answer}");
            }
        }
    }
}

#[test]
fn rubbish_is_refused_before_it_is_believed() {
    let served = Served::start();
    let bodies: [&[u8]; 9] =
        [b"", b"{", b"[]", b"null", b"\xFF\xFE", b"{\"a\":1,\"a\":2}", b"{}", b"{\"action\":5}", &[b'['; 100_000]];
    for body in bodies {
        let request = Request::post("/admin").body(Body::from(body.to_vec())).expect("a request");
        let (status, answer) = served.send(request);
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(status, 200);
        assert!(
            ["INVALID_PARAM", "SIGN_PARAM_INVALID"].contains(&answer["code"].as_str().unwrap_or_default()),
            "{answer}"
        );
    }
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri("/admin").body(Body::empty()).expect("a request");
        assert_eq!(served.send(request).0, 405);
    }
    let request = Request::post("/nowhere").body(Body::empty()).expect("a request");
    assert_eq!(served.send(request).0, 404);
}

#[test]
fn a_body_beyond_the_bound_is_refused_with_or_without_a_stated_length() {
    let served = Served::with(Config { call_bytes_max: 1000, ..Config::default() });
    let large = vec![b' '; 1001];
    let stated = Request::post("/admin").header("content-length", "1001").body(Body::from(large.clone()));
    let stream = futures_util::stream::iter(
        large.chunks(100).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect::<Vec<_>>(),
    );
    let unstated = Request::post("/admin").body(Body::from_stream(stream));
    for request in [stated, unstated] {
        let (status, answer) = served.send(request.expect("a request"));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!((status, answer["code"].as_str()), (200, Some("EXCEED_REQUEST_SIZE_LIMIT")));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(50_000), "}".repeat(50_000));
    for action in ["database.getDocument", "database.queryDocument"] {
        let answer = served.call(action, json!({"collectionName": "c", "query": deep}));
        assert_eq!(answer["code"], "EXCEED_REQUEST_SIZE_LIMIT", "{answer}");
    }
    let raw = format!(r#"{{"action":"database.queryDocument","collectionName":"c","query":{deep}}}"#);
    assert_eq!(served.call_with(raw)["code"], "EXCEED_REQUEST_SIZE_LIMIT");
}

/// Members of `wx.cloud`'s calls.
const WX_MEMBERS: &[&str] = &[
    "collection_name",
    "data",
    "query",
    "query_type",
    "order",
    "offset",
    "limit",
    "projection",
    "_id_number",
    "stages",
    "fileid",
    "path",
];

#[test]
fn odd_members_of_client_calls_blame_the_caller() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    for row in crate::action::database::wx::CALLS {
        for member in WX_MEMBERS {
            for odd in ODD.iter().filter_map(|odd| serde_json::from_str::<Value>(odd).ok()) {
                let mut asked = json!({"collection_name": "c", "query": "{}", "data": "{}"});
                asked[*member] = odd;
                let answer = served.wx(row.name, &format!("{ID}.{SECRET}"), &asked);
                let message = answer["baseresponse"]["errmsg"].as_str().unwrap_or_default();
                assert!(!message.contains("could not complete"), "{} {asked}: {answer}", row.name);
            }
        }
    }
}

#[test]
fn odd_bodies_of_rest_calls_blame_the_caller() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    for row in crate::action::database::rest::CALLS {
        let (method, path) = row.name.split_once(' ').expect("method and path");
        let path = path.replace("{collectionName}", "c").replace("{documentId}", "a").replace("{transactionId}", "t");
        for member in ["data", "query", "multi", "upsert", "replaceMode", "pipeline", "transactionId", "collectionName"]
        {
            for odd in ODD.iter().filter_map(|odd| serde_json::from_str::<Value>(odd).ok()) {
                let mut body = json!({"data": {"a": 1}, "query": {}});
                body[member] = odd;
                let (status, answer) = served.rest(method, &path, Some(body.clone()));
                assert!(status < 500, "{method} {path} {body}: {status} {answer}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..200), form in any::<bool>()) {
        let served = Served::start();
        let kind = if form { "multipart/form-data; boundary=x" } else { "application/json" };
        let request = Request::post("/admin").header("content-type", kind).header("authorization", format!("Bearer {ID}.{SECRET}"));
        let (status, answer) = served.send(request.body(Body::from(body)).expect("a request"));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        prop_assert_eq!(status, 200);
        prop_assert!(answer["code"] != "SYS_ERR", "{}", answer);
    }
}
