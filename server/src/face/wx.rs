//! The face of `wx.cloud` itself: calls wrapped in WeChat's envelope, documents as texts inside of texts.
//!
//! The environment stands in the call's options; the access token is what the mini program's adapter puts behind
//! `Bearer`, or what a web page has in the body. Every answer has status 200, an error is a number inside.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use query::{Code, Error, Result};

use super::admin::base_url;
use super::{body, json, report, unless_panicking};
use crate::action::{Call, Origin};
use crate::app::App;
use crate::client::{Claims, session_of};
use crate::wire::answer::{wx_envelope, wx_refusal};
use crate::wire::codes::{Dialect, spell};
use crate::wire::members::Members;

/// Answers a call, whatever it is.
pub async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    if request.method() != Method::POST {
        return json(StatusCode::METHOD_NOT_ALLOWED, b"{\"base_resp\":{\"ret\":-1,\"err_msg\":\"use POST\"}}".to_vec());
    }
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    let mut collection = None;
    let work = carry_out(&app, &request_id, &head.headers, body, &mut collection);
    let inner = unless_panicking(&request_id, work).await.unwrap_or_else(|error| {
        report(&request_id, &error);
        wx_refusal(spell(error.code, Dialect::Wx), &error, collection.as_deref())
    });
    json(StatusCode::OK, wx_envelope(&inner))
}

/// `collection` is filled in as soon as it is known: some messages name it.
async fn carry_out(
    app: &App,
    request_id: &str,
    headers: &HeaderMap,
    body: Body,
    collection: &mut Option<String>,
) -> Result<Vec<u8>> {
    let held = body::read(app, headers, body, app.config.call_bytes_max).await?;
    let outer = Members::from_json(&held.bytes)?;
    let data = object(&outer, "data")?.ok_or_else(|| Error::new(Code::InvalidParam, "`data` is missing"))?;
    let data = Members::from_json(data.as_bytes())?;
    let options = object(&data, "qbase_options")?.unwrap_or(Cow::Borrowed("{}"));
    let options = Members::from_json(options.as_bytes())?;
    let request = object(&data, "qbase_req")?.unwrap_or(Cow::Borrowed("{}"));
    let members = Members::from_json(request.as_bytes())?;
    *collection = members.text("collection_name")?.map(Cow::into_owned);
    let env = match options.text("env")? {
        Some(env) => Some(env),
        None => options.text("resourceEnv")?,
    };
    let token = match outer.text("access_token")? {
        Some(token) => Some(token),
        None => data.text("access_token")?,
    };
    let claims = Claims::bearing(env.as_deref(), headers).or_token(token.as_deref());
    let session = session_of(app, &claims)?;
    let name = data.needed_text("qbase_api_name")?;
    let base_url = base_url(&app.config.public_urls, headers);
    let origin = Origin { request_id, dialect: Dialect::Wx, base_url, key: claims.key_id(&session) };
    Call::new(app, session, &members, origin).perform(&name).await
}

/// An object, or a text that holds one.
fn object<'m>(members: &'m Members<'_>, name: &str) -> Result<Option<Cow<'m, str>>> {
    members.inner_json(name)
}
