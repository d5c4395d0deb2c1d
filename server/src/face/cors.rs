//! Web pages of other origins: which may call the client faces, and what browsers are told about it.
//!
//! No cookie plays a part in who a caller is, so an origin by itself gives nobody anything; a list of allowed origins is
//! there for administrators who want one all the same.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;

use super::json;
use crate::app::App;

const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-tcb-trace,x-request-id,etag");
/// How long a browser may remember the answer: Chromium's own maximum.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Answers what browsers ask beforehand, and marks every other answer as readable for the page that called.
pub async fn allow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    if !is_allowed(&app.config.origins, &origin) {
        let refusal = br#"{"code":"PERMISSION_DENIED","message":"pages of this origin may not call; `--allow-origin` names those that may"}"#;
        return json(StatusCode::FORBIDDEN, refusal.to_vec());
    }
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks {
        true => permission(request.headers()),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    response
}

/// SDKs send headers of their own, and more with each release: whatever is asked for is allowed.
fn permission(asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut put = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
    put(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HeaderValue::from_static("*")));
    put(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    put(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

fn is_allowed(allowed: &[String], origin: &HeaderValue) -> bool {
    allowed.is_empty() || allowed.iter().any(|known| known.trim_end_matches('/').as_bytes() == origin.as_bytes())
}
