//! The server itself and its environments.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use query::Limits;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, asked, shown, waiting};
use crate::app::App;
use crate::report;

/// Version and state.
pub(super) async fn server(State(app): State<Arc<App>>) -> Answered {
    shown(&report::state(&app))
}

/// Checks the whole store.
pub(super) async fn doctor(State(app): State<Arc<App>>) -> Answered {
    let examined = waiting(&app, |app| Ok(report::examine(app))).await?;
    shown(&examined)
}

/// Every environment with its counts.
pub(super) async fn list(State(app): State<Arc<App>>) -> Answered {
    shown(&json!({"environments": report::environments(&app)}))
}

#[derive(Deserialize)]
struct NewEnv {
    name: String,
}

/// Makes an environment.
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Answered {
    let NewEnv { name } = asked(&app, request).await?;
    let made = name.clone();
    waiting(&app, move |app| app.tenants.create_env(&made)).await?;
    shown(&json!({"name": name}))
}

/// Drops an environment with everything in it.
pub(super) async fn remove(State(app): State<Arc<App>>, Path(env): Path<String>) -> Answered {
    let id = app.tenants.env(&env)?;
    waiting(&app, move |app| {
        app.tenants.drop_env(&env)?;
        app.functions.remove_all(id);
        Ok(())
    })
    .await?;
    // Bytes without a record are nobody's any more: what fails here costs space only.
    if let Err(fault) = app.files.remove_all(id).await {
        tracing::warn!(fault = fault.message, "bytes of a dropped environment's files are left");
    }
    shown(&json!({}))
}

/// What an environment may use.
pub(super) async fn limits(State(app): State<Arc<App>>, Path(env): Path<String>) -> Answered {
    let limits = app.tenants.limits(app.tenants.env(&env)?);
    shown(&json!({"limits": limit_rows(&limits)}))
}

/// Sets limits: `{name: value}`, null for the default.
pub(super) async fn set_limits(State(app): State<Arc<App>>, Path(env): Path<String>, request: Request) -> Answered {
    let changes: BTreeMap<String, Option<u64>> = asked(&app, request).await?;
    let changes: Vec<_> = changes.into_iter().collect();
    let limits = waiting(&app, move |app| app.tenants.set_limits(&env, &changes)).await?;
    shown(&json!({"limits": limit_rows(&limits)}))
}

fn limit_rows(limits: &Limits) -> Vec<Value> {
    let row = |(name, default, help): &(&str, u64, &str)| json!({"name": name, "value": limits.get(name), "default": default, "help": help.trim()});
    Limits::TABLE.iter().map(row).collect()
}
