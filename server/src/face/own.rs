//! Our own admin interface, under the command line and the console: plain JSON over HTTP, one token.
//!
//! `/waferdb/v1/…`; every error is `{code, message, requestId}` with a fitting status. What it can do is what the
//! routes below say.

mod changes;
mod collections;
mod envs;
mod export;
mod functions;
mod import;
mod keys;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use query::{Caller, Code, Error, Fault, Result, Session};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{body, json};
use crate::app::App;
use crate::wire::answer::own_refusal;
use crate::wire::codes::{Dialect, spell};

/// Largest body of a call that carries no data, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The routes, for callers with a token.
pub fn guarded(app: Arc<App>) -> Router<Arc<App>> {
    routes().layer(from_fn_with_state(app, identify))
}

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/server", get(envs::server))
        .route("/doctor", get(envs::doctor))
        .route("/envs", get(envs::list).post(envs::create))
        .route("/envs/{env}", delete(envs::remove))
        .route("/envs/{env}/limits", get(envs::limits).patch(envs::set_limits))
        .route("/envs/{env}/keys", post(keys::create))
        .route("/envs/{env}/users", get(users::list).post(users::create))
        .route("/envs/{env}/users/{uid}/token", post(users::token))
        .route("/envs/{env}/ticket-keys", post(users::create_ticket_key))
        .route("/envs/{env}/ticket-keys/{id}", delete(users::remove_ticket_key))
        .route("/keys", get(keys::list))
        .route("/keys/{id}", delete(keys::revoke))
        .route("/keys/{id}/rotate", post(keys::rotate))
        .route("/envs/{env}/collections", get(collections::list).post(collections::create))
        .route("/envs/{env}/collections/{name}", get(collections::stats).delete(collections::remove))
        .route("/envs/{env}/collections/{name}/indexes", get(collections::indexes).post(collections::create_index))
        .route("/envs/{env}/collections/{name}/indexes/{index}", delete(collections::drop_index))
        .route("/envs/{env}/collections/{name}/explain", post(collections::explain))
        .route("/envs/{env}/collections/{name}/policy", get(collections::policy).put(collections::set_policy))
        .route("/policies/check", post(collections::check_policy))
        .route("/envs/{env}/collections/{name}/import", post(import::take_in))
        .route("/envs/{env}/functions", get(functions::list))
        .route("/envs/{env}/functions/{name}", post(functions::deploy).delete(functions::remove))
        .route("/envs/{env}/functions/{name}/call", post(functions::call))
        .route("/envs/{env}/logs", get(functions::logs))
        .route("/envs/{env}/changes", get(changes::send_out))
        .route("/envs/{env}/collections/{name}/export", get(export::send_out))
}

/// Lets administrators through.
async fn identify(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = header.strip_prefix("Bearer ").unwrap_or_default();
    if app.tenants.is_token(token) {
        return next.run(request).await;
    }
    let message = "the admin token is missing or wrong: it was shown at the first start; pass it as \
                   `--admin-token` or in WAFERDB_ADMIN_TOKEN";
    Refused(Error::new(Code::Unauthenticated, message)).into_response()
}

/// What a handler answers.
type Answered = Result<Response<Body>, Refused>;

/// An error as this face writes it.
struct Refused(Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let Refused(error) = self;
        if error.code.fault() == Fault::Server {
            tracing::error!(code = ?error.code, message = error.message, cause = ?error.cause, "an admin request failed");
        }
        let spelling = spell(error.code, Dialect::Own);
        let status = StatusCode::from_u16(spelling.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json(status, own_refusal(spelling, &error))
    }
}

/// A value as the answer.
fn shown<T: Serialize>(value: &T) -> Answered {
    let body = serde_json::to_vec(value).map_err(|fault| Error::new(Code::Internal, fault.to_string()))?;
    Ok(json(StatusCode::OK, body))
}

/// Reads a small JSON body.
async fn asked<T: DeserializeOwned>(app: &App, request: Request) -> Result<T> {
    let (head, body) = request.into_parts();
    let held = body::read(app, &head.headers, body, BODY_BYTES_MAX).await?;
    let text: &[u8] = if held.bytes.is_empty() { b"{}" } else { &held.bytes };
    serde_json::from_slice(text).map_err(|fault| Error::new(Code::InvalidParam, format!("the body: {fault}")))
}

/// Does work that waits for the disk on a thread of its own.
async fn waiting<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T> + Send + 'static,
) -> Result<T> {
    let app = app.clone();
    let done = tokio::task::spawn_blocking(move || work(&app)).await;
    done.map_err(|fault| Error::new(Code::Internal, format!("an operation ended abnormally: {fault}")))?
}

/// The administrator's session in an environment.
fn session(app: &App, env: &str) -> Result<Session> {
    Ok(app.session(app.tenants.env(env)?, Caller::Admin))
}
