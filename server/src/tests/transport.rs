//! What client faces have in common below their dialects: origins, compression, bodies of any content type.

use std::io::Write;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Served;
use super::web::admin;
use crate::config::Config;

impl Served {
    /// Sends a request; status, headers and body.
    fn exchange(&self, request: Request<Body>) -> (u16, HeaderMap, Vec<u8>) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let (head, body) = response.into_parts();
            (head.status.as_u16(), head.headers, body.collect().await.expect("a body").to_bytes().to_vec())
        })
    }
}

const PAGE: &str = "http://page.example:3000";

#[test]
fn browsers_may_ask_beforehand() {
    let served = Served::start();
    for path in ["/web?env=env1", "/v1/database/instances/i/databases/d/transactions", "/__wx__/jsoperatewxdata"] {
        let request = Request::options(path)
            .header("origin", PAGE)
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "x-seqid,x-new-one");
        let (status, headers, body) = served.exchange(request.body(Body::empty()).expect("a request"));
        assert_eq!((status, body.len()), (204, 0), "{path}");
        assert_eq!(headers["access-control-allow-origin"], PAGE);
        assert_eq!(headers["access-control-allow-headers"], "x-seqid,x-new-one");
        assert!(headers["access-control-allow-methods"].to_str().is_ok_and(|methods| methods.contains("PATCH")));
        let request = Request::post(path).header("origin", PAGE).body(Body::from("{}")).expect("a request");
        let (_, headers, _) = served.exchange(request);
        assert_eq!(headers["access-control-allow-origin"], PAGE, "{path}: errors must be readable as well");
        assert!(headers["access-control-expose-headers"].to_str().is_ok_and(|names| names.contains("x-request-id")));
    }
    let request = Request::options("/admin").header("origin", PAGE).header("access-control-request-method", "POST");
    let (status, headers, _) = served.exchange(request.body(Body::empty()).expect("a request"));
    assert_eq!((status, headers.get("access-control-allow-origin")), (405, None), "key pairs are not for pages");
}

#[test]
fn other_origins_can_be_kept_out() {
    let served = Served::with(Config { origins: vec![format!("{PAGE}/")], ..Config::default() });
    for (origin, status) in [(PAGE, 200), ("http://page.example", 403), ("null", 403)] {
        let request = Request::post("/web?env=env1").header("origin", origin).body(Body::from("{}"));
        assert_eq!(served.exchange(request.expect("a request")).0, status, "{origin}");
    }
    let request = Request::post("/web?env=env1").body(Body::from("{}")).expect("a request");
    assert_eq!(served.exchange(request).0, 200, "what is no browser names no origin");
}

#[test]
fn bodies_may_be_compressed_in_both_directions() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    let long = "x".repeat(20_000);
    let body = json!({"action": "database.addDocument", "env": "env1", "access_token": admin(), "collectionName": "c",
                      "data": {"_id": "a", "text": long}});
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body.to_string().as_bytes()).expect("packed");
    let request =
        Request::post("/web").header("content-encoding", "gzip").body(Body::from(packed.finish().expect("packed")));
    let (status, _, answer) = served.exchange(request.expect("a request"));
    assert_eq!((status, answer.windows(9).any(|part| part == b"\"_id\":\"a\"")), (200, true));
    let query =
        json!({"action": "database.queryDocument", "env": "env1", "access_token": admin(), "collectionName": "c"});
    for (accepted, encoding) in [("gzip, deflate", Some("gzip")), ("identity", None)] {
        let request = Request::post("/web").header("accept-encoding", accepted).body(Body::from(query.to_string()));
        let (_, headers, answer) = served.exchange(request.expect("a request"));
        assert_eq!(headers.get("content-encoding").and_then(|value| value.to_str().ok()), encoding);
        assert_eq!(answer.len() < 2000, encoding.is_some(), "{} bytes", answer.len());
    }
}

#[test]
fn a_packed_bomb_is_bounded() {
    let served = Served::with(Config { call_bytes_max: 1 << 20, ..Config::default() });
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&vec![b' '; 64 << 20]).expect("packed");
    let request =
        Request::post("/web").header("content-encoding", "gzip").body(Body::from(packed.finish().expect("packed")));
    let (status, _, answer) = served.exchange(request.expect("a request"));
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!((status, answer["code"].as_str()), (200, Some("EXCEED_REQUEST_SIZE_LIMIT")));
}
