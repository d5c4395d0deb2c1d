//! Users of an environment: making, listing, tokens for testing, keys for login tickets.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use query::Result;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, asked, shown, waiting};
use crate::app::App;
use crate::identity::account::NewUser;
use crate::identity::record::UserRecord;

/// Users of one page.
const PAGE_MAX: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

/// Users by uid, beginning behind a uid.
pub(super) async fn list(State(app): State<Arc<App>>, Path(env): Path<String>, Query(page): Query<Page>) -> Answered {
    let count = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let users = waiting(&app, move |app| app.identity.users(app.tenants.env(&env)?, &page.after, count)).await?;
    shown(&json!({"users": users.iter().map(account).collect::<Vec<_>>()}))
}

/// Makes a user.
pub(super) async fn create(State(app): State<Arc<App>>, Path(env): Path<String>, request: Request) -> Answered {
    let new: NewUser = asked(&app, request).await?;
    let user = waiting(&app, move |app| -> Result<UserRecord> {
        Ok(app.identity.create_user(app.tenants.env(&env)?, new, app.now_ms())?)
    });
    shown(&account(&user.await?))
}

/// An access token of a user, for testing.
pub(super) async fn token(State(app): State<Arc<App>>, Path((env, uid)): Path<(String, String)>) -> Answered {
    let made = waiting(&app, move |app| Ok(app.identity.sign_in_by_uid(app.tenants.env(&env)?, &uid, app.now_ms())?));
    let made = made.await?;
    shown(&json!({
        "uid": made.uid,
        "accessToken": made.access,
        "refreshToken": made.refresh,
        "expiresInMs": made.access_ms,
    }))
}

/// Makes a key that the environment's own server signs login tickets with.
pub(super) async fn create_ticket_key(State(app): State<Arc<App>>, Path(env): Path<String>) -> Answered {
    shown(&waiting(&app, move |app| app.identity.create_ticket_key(&env, app.now_ms())).await?)
}

/// Ends such a key.
pub(super) async fn remove_ticket_key(
    State(app): State<Arc<App>>,
    Path((env, id)): Path<(String, String)>,
) -> Answered {
    waiting(&app, move |app| app.identity.remove_ticket_key(app.tenants.env(&env)?, &id)).await?;
    shown(&json!({}))
}

/// An account without anything of its password.
fn account(user: &UserRecord) -> Value {
    json!({
        "uid": user.uid,
        "username": user.username,
        "email": user.email,
        "phone": user.phone,
        "customId": user.custom_id,
        "openid": user.openid,
        "unionid": user.unionid,
        "anonymous": user.anonymous,
        "hasPassword": user.password.is_some(),
        "created_ms": user.created_ms,
    })
}
