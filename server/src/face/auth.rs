//! The face where newer client SDKs sign in: `/auth/v1` and `/auth/v2`.
//!
//! Browsers send JSON as plain text, to get by without asking beforehand. Calls of nobody name the environment as
//! `client_id`; calls of users carry the access token. Every answer is a JSON object; an error has `error`,
//! `error_code` and `error_description`, and a success must have none of these and no `code`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, request};
use percent_encoding::percent_decode_str;
use query::{Caller, Session, User};
use serde_json::{Map, Value, json};

use super::{body, json as reply, unless_panicking};
use crate::app::App;
use crate::client::{Claims, bearer, env_of, session_of};
use crate::identity::Identity;
use crate::identity::login::{Credentials, Exchange};
use crate::identity::record::UserRecord;
use crate::identity::refusal::{Refused, Why};

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A call that was taken off its request.
struct Asked {
    session: Session,
    device: String,
    token: Option<String>,
    body: Map<String, Value>,
    query: Vec<(String, String)>,
}

type Work = fn(&Identity, &Asked) -> Result<Value, Refused>;

/// Method, path behind the version, and what it does.
const CALLS: &[(&str, &str, Work)] = &[
    ("POST", "signin/anonymously", anonymously),
    ("POST", "signin", with_password),
    ("POST", "signin/username", with_password),
    ("POST", "signin/custom", with_ticket),
    ("POST", "token", refreshed),
    ("POST", "revoke", revoked),
    ("GET", "user/me", me),
    ("POST", "user/basic/edit", said),
    ("PATCH", "user/profile", said),
    ("GET", "user/provider", identities),
    ("PATCH", "user/password", new_password),
    ("POST", "user/sudo", sudo),
    ("GET", "checkIfUserExist", exists),
];

/// Answers a call, whatever it is.
pub async fn call(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let request_id = app.request_id();
    let (head, body) = request.into_parts();
    let answered = unless_panicking(&request_id, async { Ok(carry_out(&app, &head, body).await) }).await;
    match answered.unwrap_or_else(|error| Err(error.into())) {
        Ok(value) => reply(StatusCode::OK, value.to_string().into_bytes()),
        Err(refused) => refuse(&request_id, &refused),
    }
}

fn refuse(request_id: &str, refused: &Refused) -> Response<Body> {
    let said = refused.why.said();
    if matches!(refused.why, Why::Fault(_)) {
        tracing::error!(request_id, message = refused.message, "a request about identity failed");
    }
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = json!({"error": said.auth, "error_code": said.number, "error_description": refused.message});
    reply(status, error.to_string().into_bytes())
}

async fn carry_out(app: &App, head: &request::Parts, body: Body) -> Result<Value, Refused> {
    let method = match head.headers.get("x-http-method-override").and_then(|value| value.to_str().ok()) {
        Some(real) if head.method == "POST" => real.to_ascii_uppercase(),
        _ => head.method.as_str().to_owned(),
    };
    let path = head.uri.path().trim_start_matches("/auth/");
    let path = path.strip_prefix("v1/").or_else(|| path.strip_prefix("v2/")).unwrap_or_default();
    let found = CALLS.iter().find(|(known, place, _)| *known == method && *place == path);
    let Some((.., work)) = found else {
        let message = format!("there is no {method} {}", head.uri.path());
        return Err(Refused::new(Why::NotOffered, message));
    };
    let held = body::read(app, &head.headers, body, BODY_BYTES_MAX).await?;
    let asked = Asked::take(app, head, &held.bytes)?;
    let (identity, work) = (app.identity.clone(), *work);
    app.run_long(move || Ok(work(&identity, &asked))).await?
}

impl Asked {
    fn take(app: &App, head: &request::Parts, body: &[u8]) -> Result<Asked, Refused> {
        let malformed = |fault: serde_json::Error| Refused::new(Why::Malformed, format!("the body: {fault}"));
        let body: Map<String, Value> = match body {
            b"" => Map::new(),
            text => serde_json::from_slice(text).map_err(malformed)?,
        };
        let query = pairs(head.uri.query().unwrap_or_default());
        let token = bearer(&head.headers).map(str::to_owned);
        let named = query.iter().find(|(name, _)| name == "client_id").map(|(_, value)| value.as_str());
        let named = named.or_else(|| body.get("client_id").and_then(Value::as_str));
        let session = match token {
            Some(_) => session_of(app, &Claims::bearing(None, &head.headers))?,
            None => app.session(env_of(app, named, &head.headers)?, Caller::Guest),
        };
        let device = head.headers.get("x-device-id").and_then(|value| value.to_str().ok());
        let device = device.unwrap_or_default().to_owned();
        Ok(Asked { session, device, token, body, query })
    }

    fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn needed(&self, name: &str) -> Result<&str, Refused> {
        match self.text(name) {
            "" => {
                Err(Refused::new(Why::Malformed, format!("`{name}` is missing: expected a string that is not empty")))
            }
            text => Ok(text),
        }
    }

    fn user(&self) -> Result<&User, Refused> {
        match &self.session.caller {
            Caller::User(user) => Ok(user),
            Caller::Admin | Caller::Guest => Err(Refused::new(Why::SignedOut, "nobody is signed in; sign in first")),
        }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| -> String {
        let text: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn anonymously(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let (made, _) = identity.sign_in_anonymously(asked.session.env, "", &asked.device, asked.session.now)?;
    Ok(credentials(&made))
}

fn with_password(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    if asked.body.contains_key("verification_token") || asked.body.contains_key("params") {
        return Err(Refused::new(Why::NotOffered, "signing in takes `username` and `password` here"));
    }
    let (name, password) = (asked.needed("username")?, asked.needed("password")?);
    Ok(credentials(&identity.sign_in_with_password(
        asked.session.env,
        name,
        password,
        &asked.device,
        asked.session.now,
    )?))
}

fn with_ticket(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    Ok(credentials(&identity.sign_in_with_ticket(
        asked.session.env,
        asked.needed("ticket")?,
        &asked.device,
        asked.session.now,
    )?))
}

fn refreshed(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    match asked.text("grant_type") {
        "" | "refresh_token" => {}
        other => return Err(Refused::new(Why::NotOffered, format!("the grant type {other:?} is not offered"))),
    }
    let token = asked.needed("refresh_token")?;
    Ok(credentials(&identity.refresh(asked.session.env, token, Exchange::Rotate, asked.session.now)?))
}

fn revoked(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    for token in [asked.text("token"), asked.token.as_deref().unwrap_or_default()] {
        identity.sign_out(asked.session.env, token)?;
    }
    Ok(json!({}))
}

fn me(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let user = identity.user(asked.session.env, &asked.user()?.uid)?;
    Ok(profile(&user))
}

/// `name` and `picture` are this dialect's words for two that others have, too.
fn said(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let ours = |name: &str| match name {
        "name" | "nickname" => "nickName".to_owned(),
        "picture" | "avatar_url" => "avatarUrl".to_owned(),
        other => other.to_owned(),
    };
    let said = asked.body.iter().filter_map(|(name, value)| Some((ours(name), value.as_str()?.to_owned())));
    let uid = &asked.user()?.uid;
    identity.say(asked.session.env, uid, &said.collect::<Vec<_>>(), asked.session.now)?;
    if let Some(username) = asked.body.get("username").and_then(Value::as_str) {
        identity.set_username(asked.session.env, uid, username, asked.session.now)?;
    }
    Ok(json!({}))
}

fn identities(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let user = identity.user(asked.session.env, &asked.user()?.uid)?;
    let known = [
        ("username", user.username.is_some()),
        ("email", user.email.is_some()),
        ("phone_number", user.phone.is_some()),
        ("custom", user.custom_id.is_some()),
        ("wechat", user.openid.is_some()),
    ];
    let data: Vec<_> = known
        .into_iter()
        .filter(|(_, bound)| *bound)
        .map(|(id, bind)| json!({"id": id, "bind": bind, "provider_type": id}))
        .collect();
    Ok(json!({"total": data.len(), "data": data}))
}

fn sudo(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let token = identity.sudo(asked.session.env, &asked.user()?.uid, asked.needed("password")?, asked.session.now)?;
    Ok(json!({"sudo_token": token}))
}

fn new_password(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let old = match asked.text("old_password") {
        "" => asked.text("sudo_token"),
        old => old,
    };
    identity.set_password(
        asked.session.env,
        &asked.user()?.uid,
        old,
        asked.needed("new_password")?,
        asked.session.now,
    )?;
    Ok(json!({}))
}

fn exists(identity: &Identity, asked: &Asked) -> Result<Value, Refused> {
    let named = |name: &&(String, String)| matches!(name.0.as_str(), "username" | "email" | "phone_number");
    let asked_for = asked.query.iter().find(named);
    let (_, name) = asked_for.ok_or_else(|| Refused::new(Why::Malformed, "`username` is missing"))?;
    Ok(json!({"exist": identity.is_taken(asked.session.env, name)?}))
}

/// `scope` makes SDKs sign in anew by themselves where somebody anonymous is refused a token.
fn credentials(made: &Credentials) -> Value {
    json!({
        "token_type": "Bearer",
        "access_token": made.access,
        "refresh_token": made.refresh,
        "expires_in": made.access_ms / 1000,
        "sub": made.uid,
        "scope": if made.anonymous { "anonymous" } else { "user" },
        "groups": ["allUser"],
    })
}

/// `name` tells SDKs who is anonymous.
fn profile(user: &UserRecord) -> Value {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let instant = |ms: i64| jiff::Timestamp::from_millisecond(ms).map(|at| at.to_string()).unwrap_or_default();
    let openid = user.openid.iter().map(|openid| json!({"id": "wechat", "provider_user_id": openid, "name": ""}));
    let custom = user.custom_id.iter().map(|id| json!({"id": "custom", "provider_user_id": id, "name": ""}));
    json!({
        "sub": user.uid,
        "name": if user.anonymous { "anonymous" } else { user.said("nickName") },
        "username": text(&user.username),
        "email": text(&user.email),
        "phone_number": text(&user.phone),
        "picture": user.said("avatarUrl"),
        "gender": user.said("gender"),
        "groups": [{"id": "allUser"}],
        "providers": openid.chain(custom).collect::<Vec<_>>(),
        "created_at": instant(user.created_ms),
        "updated_at": instant(user.updated_ms),
        "internal_user_type": "external",
    })
}
