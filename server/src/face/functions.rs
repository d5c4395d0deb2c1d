//! Cloud functions over REST: the body is the event, the answer is the result as it is.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use query::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{body, json, report, unless_panicking};
use crate::action::functions::{Asked, run};
use crate::app::App;
use crate::client::{Claims, session_of};
use crate::wire::answer::rest_refusal;
use crate::wire::codes::{Dialect, spell};

/// Calls the function that the path names.
pub async fn call(State(app): State<Arc<App>>, Path(name): Path<String>, request: Request<Body>) -> Response<Body> {
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    match unless_panicking(&request_id, carry_out(&app, &request_id, &head, body, &name)).await {
        Ok(result) => json(StatusCode::OK, result.into_bytes()),
        Err(error) => {
            report(&request_id, &error);
            let spelling = spell(error.code, Dialect::Rest);
            let status = StatusCode::from_u16(spelling.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json(status, rest_refusal(&request_id, spelling.text, &error.message))
        }
    }
}

async fn carry_out(app: &App, request_id: &str, head: &request::Parts, body: Body, name: &str) -> Result<String> {
    let held = body::read(app, &head.headers, body, app.config.call_bytes_max).await?;
    let session = session_of(app, &Claims::bearing(None, &head.headers))?;
    let event = match std::str::from_utf8(&held.bytes) {
        Ok("") => Cow::Owned(asked_in(head.uri.query().unwrap_or_default())),
        Ok(text) => Cow::Borrowed(text),
        Err(_) => return Err(Error::new(Code::InvalidParam, "the body is not UTF-8")),
    };
    run(app, &session, Asked { name, event: &event, source: "wx_http" }, request_id).await
}

/// What a query holds, as an event.
fn asked_in(query: &str) -> String {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let members: Map<String, Value> =
        pairs.map(|(name, value)| (decoded(name), Value::String(decoded(value)))).collect();
    Value::Object(members).to_string()
}
