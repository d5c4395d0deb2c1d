//! Key pairs: making, listing, rotating, revoking.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use serde::Deserialize;
use serde_json::json;

use super::{Answered, asked, shown, waiting};
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct Of {
    env: Option<String>,
}

/// Key pairs of one environment or of all, without their secrets.
pub(super) async fn list(State(app): State<Arc<App>>, Query(of): Query<Of>) -> Answered {
    let env = of.env.map(|name| app.tenants.env(&name)).transpose()?;
    shown(&json!({"keys": app.tenants.keys(env)}))
}

#[derive(Deserialize)]
struct NewKey {
    #[serde(default)]
    note: String,
}

/// Makes a key pair.
pub(super) async fn create(State(app): State<Arc<App>>, Path(env): Path<String>, request: Request) -> Answered {
    let NewKey { note } = asked(&app, request).await?;
    let key = waiting(&app, move |app| app.tenants.create_key(&env, &note, app.now_ms())).await?;
    shown(&key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rotation {
    #[serde(default = "a_day")]
    grace_ms: u32,
}

const fn a_day() -> u32 {
    24 * 60 * 60 * 1000
}

/// Makes a new key pair; the old one ends after a while.
pub(super) async fn rotate(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request) -> Answered {
    let Rotation { grace_ms } = asked(&app, request).await?;
    let key = waiting(&app, move |app| app.tenants.rotate_key(&id, i64::from(grace_ms), app.now_ms())).await?;
    shown(&key)
}

/// Ends a key pair now.
pub(super) async fn revoke(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answered {
    waiting(&app, move |app| app.tenants.revoke_key(&id)).await?;
    shown(&json!({}))
}
