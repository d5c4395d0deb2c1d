//! Faces: who may speak to the server in which way. Each turns HTTP into calls and answers into HTTP.

pub mod admin;
pub mod auth;
pub mod body;
mod cors;
pub mod functions;
pub mod objects;
pub mod own;
pub mod rest;
pub mod web;
pub mod wx;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use futures_util::FutureExt;
use query::{Code, Error, Fault, Result};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::decompression::RequestDecompressionLayer;

use crate::app::App;
use crate::realtime::socket;

/// Answers shorter than this travel as they are, in bytes: packing them would cost more than it saves.
const PACKED_BYTES_MIN: u64 = 4096;

/// Every face, mounted.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        // An SDK whose service address has no path calls the root.
        .route("/admin", any(admin::call))
        .route("/", any(admin::call))
        .nest("/files", objects::routes())
        .route("/ws", any(socket::connect))
        .merge(clients(app.clone()))
        .nest("/waferdb/v1", own::guarded(app.clone()))
        .with_state(app)
        .fallback(nothing)
}

/// The faces that browsers and apps call: pages of other origins are let in, long texts travel packed.
fn clients(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/web", any(web::call))
        .route("/__wx__/jsoperatewxdata", any(wx::call))
        .route("/wxa-qbase/jsoperatewxdata", any(wx::call))
        .route("/v1/functions/{name}", any(functions::call))
        .route("/v1/{*path}", any(rest::call))
        .route("/auth/{*path}", any(auth::call))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(PACKED_BYTES_MIN)))
        .layer(RequestDecompressionLayer::new())
        .layer(from_fn_with_state(app, cors::allow))
}

/// The admin interface alone and without its token: for a process that holds the data folder itself.
pub fn local_router(app: Arc<App>) -> Router {
    Router::new().nest("/waferdb/v1", own::routes()).with_state(app)
}

async fn nothing() -> Response<Body> {
    let text = r#"{"code":"NOT_FOUND","message":"nothing is here; SDKs call /admin, administrators /waferdb/v1"}"#;
    json(StatusCode::NOT_FOUND, text.as_bytes().to_vec())
}

/// What a request comes to; a panic becomes an answer as well.
pub(crate) async fn unless_panicking<T>(request_id: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let answered = AssertUnwindSafe(work).catch_unwind().await;
    answered.unwrap_or_else(|panic| Err(panicked(request_id, panic.as_ref())))
}

fn panicked(request_id: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(request_id, panic = text.unwrap_or("of unknown kind"), "a request panicked");
    Error::new(Code::Internal, "the server could not complete the request; its log names the cause")
}

/// Logs an error that is ours.
pub(crate) fn report(request_id: &str, error: &Error) {
    if error.code.fault() == Fault::Server {
        tracing::error!(request_id, code = ?error.code, message = error.message, cause = ?error.cause, "a request failed");
    }
}

/// A JSON answer. Some SDKs compare the content type to the letter.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
