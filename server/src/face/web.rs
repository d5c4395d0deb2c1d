//! The face of the client SDKs that name actions: web pages, apps and mini programs, on `/web`.
//!
//! The envelope is that of the server SDKs' first generation, the sender is a user with an access token in the body, or
//! nobody. Every answer has status 200: these SDKs turn anything else into "network request error".

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode, request};
use query::{Error, Result};

use super::admin::base_url;
use super::{body, json, report, unless_panicking};
use crate::action::{Call, Origin};
use crate::app::App;
use crate::client::{Claims, session_of};
use crate::wire::answer::sdk_refusal;
use crate::wire::codes::{Dialect, spell};
use crate::wire::members::Members;

/// Answers a call, whatever it is.
pub async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    if request.method() != Method::POST {
        let refusal = b"{\"code\":\"INVALID_ACTION\",\"message\":\"use POST\"}";
        return json(StatusCode::METHOD_NOT_ALLOWED, refusal.to_vec());
    }
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    let mut collection = None;
    let answered = unless_panicking(&request_id, carry_out(&app, &request_id, &head, body, &mut collection)).await;
    let refuse = |error: Error| {
        report(&request_id, &error);
        sdk_refusal(&request_id, spell(error.code, Dialect::Web), &error, collection.as_deref())
    };
    json(StatusCode::OK, answered.unwrap_or_else(refuse))
}

/// `collection` is filled in as soon as it is known: some messages name it.
async fn carry_out(
    app: &App,
    request_id: &str,
    head: &request::Parts,
    body: Body,
    collection: &mut Option<String>,
) -> Result<Vec<u8>> {
    let held = body::read(app, &head.headers, body, app.config.call_bytes_max).await?;
    let members = Members::from_json(&held.bytes)?;
    *collection = members.text("collectionName")?.map(Cow::into_owned);
    let env = match members.text("env")? {
        Some(env) => Some(env),
        None => named_in_query(head.uri.query().unwrap_or_default()),
    };
    let token = members.text("access_token")?;
    let claims = Claims::bearing(env.as_deref(), &head.headers).or_token(token.as_deref());
    let session = session_of(app, &claims)?;
    let action = members.needed_text("action")?;
    let base_url = base_url(&app.config.public_urls, &head.headers);
    let origin = Origin { request_id, dialect: Dialect::Web, base_url, key: claims.key_id(&session) };
    Call::new(app, session, &members, origin).perform(&action).await
}

/// `env` of `?env=…`: names of environments need no decoding.
fn named_in_query(query: &str) -> Option<Cow<'_, str>> {
    query.split('&').find_map(|pair| pair.strip_prefix("env=")).map(Cow::Borrowed)
}
