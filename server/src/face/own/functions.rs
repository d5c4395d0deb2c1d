//! Cloud functions: deploying, listing, calling, reading what they said, removing.

use std::io::{Seek, Write};
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use http_body_util::BodyExt;
use query::{Caller, Code, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, BODY_BYTES_MAX, body, shown, waiting};
use crate::action::functions::{Asked, run};
use crate::app::App;
use crate::functions::Order;
use crate::functions::record::{FunctionRecord, Settings};

/// Every function of an environment.
pub(super) async fn list(State(app): State<Arc<App>>, Path(env): Path<String>) -> Answered {
    let listed = app.functions.list(app.tenants.env(&env)?)?;
    let rows: Vec<Value> = listed.iter().map(|(name, record)| row(name, record)).collect();
    let confinement = waiting(&app, |app| app.functions.confinement()).await;
    shown(&json!({"functions": rows, "confinement": confinement.ok()}))
}

#[derive(Deserialize)]
pub(super) struct Deployment {
    #[serde(default)]
    settings: String,
}

/// Deploys the archive that the body holds; how it is run stands in the query as JSON text.
pub(super) async fn deploy(
    State(app): State<Arc<App>>,
    Path((env, name)): Path<(String, String)>,
    Query(deployment): Query<Deployment>,
    request: Request,
) -> Answered {
    let env = app.tenants.env(&env)?;
    let text = if deployment.settings.is_empty() { "{}" } else { &deployment.settings };
    let settings: Settings = serde_json::from_str(text)
        .map_err(|fault| Error::new(Code::InvalidParam, format!("the function's settings: {fault}")))?;
    let limits = app.tenants.limits(env);
    let mut archive = app.functions.spool()?;
    receive(request, &mut archive, limits.function_code_bytes_max).await?;
    let shown_name = name.clone();
    let deployed = waiting(&app, move |app| {
        let order = Order { env, name: &name, archive, settings, limits: &limits, now_ms: app.now_ms() };
        app.functions.deploy(order)
    });
    shown(&row(&shown_name, &deployed.await?))
}

/// Writes a body into a file, and turns to the file's beginning.
async fn receive(request: Request, file: &mut std::fs::File, bytes_max: u64) -> Result<()> {
    let mut body = request.into_body();
    let mut length = 0_u64;
    let full = |fault: std::io::Error| Error::new(Code::StorageFull, format!("the code could not be stored: {fault}"));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|fault| Error::new(Code::Cancelled, format!("the code broke off: {fault}")))?;
        let Some(bytes) = frame.data_ref() else { continue };
        length += bytes.len() as u64;
        // Heads and padding of an archive come on top of what its files have.
        if length > bytes_max.saturating_mul(2) {
            return Err(Error::new(Code::TooLarge, format!("the code is larger than {bytes_max} bytes")));
        }
        file.write_all(bytes).map_err(full)?;
    }
    file.rewind().map_err(full)
}

/// Calls a function with the body as its event.
pub(super) async fn call(
    State(app): State<Arc<App>>,
    Path((env, name)): Path<(String, String)>,
    request: Request,
) -> Answered {
    let env = app.tenants.env(&env)?;
    let (head, body) = request.into_parts();
    let held = body::read(&app, &head.headers, body, BODY_BYTES_MAX.saturating_mul(8)).await?;
    let event =
        std::str::from_utf8(&held.bytes).map_err(|_| Error::new(Code::InvalidParam, "the event is not UTF-8"))?;
    let request_id = app.request_id();
    let session = app.session(env, Caller::Admin);
    let asked = Asked { name: &name, event, source: "scf" };
    let result = run(&app, &session, asked, &request_id).await?;
    let result: Value = serde_json::from_str(&result).unwrap_or(Value::String(result));
    shown(&json!({"result": result, "requestId": request_id}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    function: Option<String>,
    request_id: Option<String>,
    limit: Option<usize>,
}

/// What functions said, the newest last.
pub(super) async fn logs(
    State(app): State<Arc<App>>,
    Path(env): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Answered {
    let env = app.tenants.env(&env)?;
    let limit = wanted.limit.unwrap_or(100).min(10_000);
    let entries = app.functions.logs.newest(env, wanted.function.as_deref(), wanted.request_id.as_deref(), limit);
    shown(&json!({"entries": entries}))
}

/// Removes a function.
pub(super) async fn remove(State(app): State<Arc<App>>, Path((env, name)): Path<(String, String)>) -> Answered {
    let env = app.tenants.env(&env)?;
    waiting(&app, move |app| app.functions.remove(env, &name)).await?;
    shown(&json!({}))
}

/// Variables may be secrets: their names are shown only.
fn row(name: &str, record: &FunctionRecord) -> Value {
    let settings = &record.settings;
    let variables: Vec<&String> = settings.variables.iter().map(|(name, _)| name).collect();
    json!({
        "name": name, "version": record.number, "deployedMs": record.deployed_ms, "bytes": record.bytes,
        "handler": settings.handler, "timeout": settings.timeout, "memorySize": settings.memory_size,
        "concurrency": settings.concurrency, "variables": variables,
    })
}
