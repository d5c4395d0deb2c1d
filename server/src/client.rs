//! Who sends a client's request, and from which environment: the one place where the client faces ask for it.
//!
//! The faces know where their dialect keeps the environment's name and the token; this module knows what these mean.
//! Three kinds of senders come out: a key pair (`Admin`), a signed-in user, and a guest without a token.

use axum::http::HeaderMap;
use query::{Caller, Code, Error, Result, Session};
use storage::EnvId;

use crate::app::App;
use crate::auth;
use crate::identity::token;

/// What a client's request says about its sender.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'r> {
    /// The environment that it names; REST calls name none.
    pub env: Option<&'r str>,
    /// The access token: from the body, or behind `Bearer`.
    pub token: Option<&'r str>,
    /// The headers: the host may name the environment.
    pub headers: &'r HeaderMap,
}

impl<'r> Claims<'r> {
    /// The claims of a request whose token, if any, stands behind `Bearer`.
    pub fn bearing(env: Option<&'r str>, headers: &'r HeaderMap) -> Claims<'r> {
        Claims { env: filled(env), token: bearer(headers), headers }
    }

    /// The same request with the token of its body, which goes before that of a header.
    #[must_use]
    pub fn or_token(self, token: Option<&'r str>) -> Claims<'r> {
        Claims { token: filled(token).or(self.token), ..self }
    }

    /// The id of the key pair that opened the session, if one did: what ends with the key must know it.
    pub fn key_id(&self, session: &Session) -> Option<&'r str> {
        let key = self.token.filter(|_| session.caller == Caller::Admin)?;
        key.split_once('.').map(|(id, _)| id)
    }
}

/// The session of a client's request.
///
/// # Errors
/// `EnvMissing` where no environment can be told or the token belongs to another; `Unauthenticated` for a token that
/// does not verify.
pub fn session_of(app: &App, claims: &Claims<'_>) -> Result<Session> {
    let named = claims.env.map(|name| app.tenants.env(name)).transpose()?;
    let (env, caller) = match claims.token {
        Some(token) if token::is_access(token) => {
            let (env, user) = app.identity.caller(token, app.now_ms())?;
            (env, Caller::User(user))
        }
        Some(token) => {
            let pair = auth::bare_key(token, app.now_ms(), &|id| app.tenants.find_key(id))?;
            (pair.env, Caller::Admin)
        }
        None => (named.map_or_else(|| of_host(app, claims.headers), Ok)?, Caller::Guest),
    };
    match named {
        Some(named) if named != env => {
            Err(Error::new(Code::EnvMissing, "the token belongs to another environment than the call names"))
        }
        _ => Ok(app.session(env, caller)),
    }
}

/// The environment that a request names, or that its host's first label names, or the only one there is.
///
/// # Errors
/// `EnvMissing`.
pub fn env_of(app: &App, named: Option<&str>, headers: &HeaderMap) -> Result<EnvId> {
    filled(named).map_or_else(|| of_host(app, headers), |name| app.tenants.env(name))
}

/// The environment that the host's first label names, or the only one there is.
fn of_host(app: &App, headers: &HeaderMap) -> Result<EnvId> {
    let host = headers.get("host").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let label = host.split(['.', ':']).next().unwrap_or_default();
    if let Ok(env) = app.tenants.env(label) {
        return Ok(env);
    }
    app.tenants.only_env().ok_or_else(|| {
        let message = "the call names no environment: sign in first, or call a host whose first label is its name";
        Error::new(Code::EnvMissing, message)
    })
}

/// What stands behind `Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get("authorization")?.to_str().ok()?;
    filled(header.strip_prefix("Bearer "))
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}
