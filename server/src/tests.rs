//! The faces from outside: requests go in as bytes, answers come out as bytes; no socket in between.

mod hostile;
mod identity;
mod own;
mod replay;
mod rest;
mod rules;
mod sdk;
mod transport;
mod watch;
mod web;
mod wx;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use base64::Engine;
use http_body_util::BodyExt;
use query::{Db, IdStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use storage::{Options, Store};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::app::App;
use crate::config::Config;
use crate::tenants::Tenants;
use crate::tenants::seal::Seal;

const ID: &str = "AKIDwaferdbTEST";
const SECRET: &str = "waferdbSecretKey0123456789";
const TOKEN: &str = "an-admin-token-for-tests";

thread_local! {
    /// The instant that the server under test sees.
    static NOW: Cell<i64> = const { Cell::new(1_700_000_000_000) };
}

/// A server in memory with the environment `env1`.
struct Served {
    app: Arc<App>,
    router: Router,
    runtime: Runtime,
}

impl Served {
    fn start() -> Served {
        Served::with(Config::default())
    }

    fn with(config: Config) -> Served {
        let options = Options { compile_partial: query::compile_partial, ..Options::default() };
        let store = Store::in_memory(options).expect("a store");
        let tenants = Tenants::open(store.clone(), Seal::open(None).expect("a seal")).expect("tenants");
        tenants.create_env("env1").expect("an environment");
        tenants.add_key("env1", ID, SECRET, "", 0).expect("a key");
        tenants.add_token(TOKEN, "", 0).expect("a token");
        let app = App::new(config, Db::new(store, IdStyle::Hex), tenants, || NOW.get()).expect("a server");
        let app = Arc::new(app);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Served { router: crate::face::router(app.clone()), app, runtime }
    }

    /// Sends a request; the status and the body that came back.
    fn send(&self, request: Request<Body>) -> (u16, Vec<u8>) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = response.status().as_u16();
            (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
        })
    }

    /// Calls an action with a bare key.
    fn call(&self, action: &str, members: Value) -> Value {
        let mut body = members;
        body["action"] = json!(action);
        self.call_with(body.to_string())
    }

    fn call_with(&self, body: impl Into<Body>) -> Value {
        let request = Request::post("/admin").header("authorization", format!("Bearer {ID}.{SECRET}"));
        let (status, answer) = self.send(request.body(body.into()).expect("a request"));
        assert_eq!(status, 200);
        serde_json::from_slice(&answer).unwrap_or_else(|fault| panic!("{}: {fault}", String::from_utf8_lossy(&answer)))
    }

    /// Calls an action that must succeed.
    fn done(&self, action: &str, members: Value) -> Value {
        let answer = self.call(action, members.clone());
        assert!(answer.get("code").is_none(), "{action} {members}: {answer}");
        answer
    }

    /// Calls the admin interface.
    fn own(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("/waferdb/v1{path}"));
        let request = request.header("authorization", format!("Bearer {TOKEN}")).body(Body::from(body.to_owned()));
        let (status, answer) = self.send(request.expect("a request"));
        let text = String::from_utf8_lossy(&answer).into_owned();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// A recorded call of an SDK.
#[derive(Deserialize)]
struct Recording {
    call: String,
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    request: Recorded,
    reply: Option<Value>,
}

#[derive(Deserialize)]
struct Recorded {
    path: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    bytes: Option<String>,
}

impl Recorded {
    fn body(&self) -> Vec<u8> {
        match &self.bytes {
            Some(text) => base64::engine::general_purpose::STANDARD.decode(text).expect("base64"),
            None => self.body.clone().into_bytes(),
        }
    }

    /// The members of a JSON body.
    fn members(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap_or_default()
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::post(&self.path).body(Body::from(self.body())).expect("a request");
        for (name, value) in &self.headers {
            let bytes: Vec<u8> = value.chars().map(|character| u8::try_from(character).expect("latin-1")).collect();
            let name: axum::http::HeaderName = name.parse().expect("a name");
            request.headers_mut().insert(name, HeaderValue::from_bytes(&bytes).expect("a value"));
        }
        request
    }

    /// The instant at which it was signed, in milliseconds; `None` if it was not.
    fn signed_ms(&self) -> Option<i64> {
        let seconds = match self.headers.get("x-timestamp") {
            Some(text) => text.parse::<i64>().ok(),
            None => {
                let body = String::from_utf8_lossy(&self.body()).into_owned();
                body.split_once("q-sign-time=").and_then(|(_, after)| after.split(';').next()?.parse().ok())
            }
        };
        seconds.map(|seconds| seconds * 1000)
    }
}

fn recordings() -> Vec<(String, Recording)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/exchanges"));
    let files = std::fs::read_dir(folder).expect("the folder of recordings").flatten();
    let mut recordings: Vec<_> = files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).expect("a file");
            let name = file.file_name().to_string_lossy().trim_end_matches(".json").to_owned();
            (name, serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{file:?}: {fault}")))
        })
        .collect();
    recordings.sort_by(|(a, _), (b, _)| a.cmp(b));
    recordings
}
