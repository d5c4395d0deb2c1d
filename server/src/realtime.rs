//! Watching over sockets: tickets, the dialect, the hub that follows the change log, and the feeds between them.
//!
//! A signed request fetches a [`Pass`]; the socket shows it when it logs in ([`talk`]); a watch is a feed of numbered
//! events ([`feed`]) that the [`hub`] fills from the change log and the [`socket`] empties. What a commit means to a
//! watch is decided in `query::watch`; what may be seen is decided there too, again for every commit.

pub mod feed;
pub mod frames;
pub mod hub;
pub mod interest;
pub mod kept;
mod marks;
pub mod query_id;
pub mod questions;
mod replay;
pub mod socket;
pub mod stream;
pub mod talk;
pub mod ticket;

use std::collections::HashMap;

use parking_lot::Mutex;
use query::{Caller, Code, EnvId, Error, Result};
use tokio::sync::watch;

use crate::action::Call;
use crate::app::App;
use hub::Hub;
use ticket::{Credential, LIFE_MS, Signer, Ticket};

/// Sockets and what they watch.
pub struct Realtime {
    /// Follows the change log.
    pub hub: Hub,
    signer: Signer,
    sockets: Mutex<HashMap<EnvId, u64>>,
    open: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
}

/// What opens a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The environment's name.
    pub env: String,
    /// The ticket.
    pub sign: String,
    /// Where to connect.
    pub url: String,
}

impl Realtime {
    /// Signs tickets with a key; the feeds hold at most so many bytes together.
    pub fn new(key: [u8; 32], feeds_bytes_max: u64) -> Realtime {
        Realtime {
            hub: Hub::new(feeds_bytes_max),
            signer: Signer::new(key),
            sockets: Mutex::default(),
            open: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }
    }

    /// Says goodbye on every socket and waits until they are closed; new ones are refused.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        let mut open = self.open.subscribe();
        // The sender is ours and lives.
        let _ = open.wait_for(|count| *count == 0).await;
    }

    /// Waits until the server is told to stop.
    pub async fn stopping(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender is ours and lives.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// How many sockets are open.
    pub fn sockets(&self) -> usize {
        *self.open.borrow()
    }

    /// Counts a socket of an environment.
    fn enter(&self, env: EnvId, sockets_max: u64) -> Result<()> {
        let mut sockets = self.sockets.lock();
        let count = sockets.entry(env).or_insert(0);
        if *count >= sockets_max {
            let message = format!("the environment has {sockets_max} sockets open, as many as it may (`sockets_max`)");
            return Err(Error::new(Code::ConcurrencyLimited, message));
        }
        *count += 1;
        Ok(())
    }

    fn leave(&self, env: EnvId) {
        let mut sockets = self.sockets.lock();
        if let Some(count) = sockets.get_mut(&env) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(&env);
            }
        }
    }
}

/// A pass for the caller of an action.
///
/// # Errors
/// `EnvMissing`.
pub fn pass(call: &Call<'_>) -> Result<Pass> {
    let credential = match &call.session.caller {
        Caller::Admin => Credential::Key(call.key.unwrap_or_default().to_owned()),
        Caller::User(user) => {
            Credential::User { uid: user.uid.clone(), openid: user.openid.clone(), login_type: user.login_type.clone() }
        }
        Caller::Guest => Credential::Guest,
    };
    pass_for(call.app, call.session.env, credential, &call.base_url)
}

/// A pass for a caller who is known by other means; `base_url` is how he writes our address, without a path.
///
/// # Errors
/// `EnvMissing`.
pub fn pass_for(app: &App, env: EnvId, credential: Credential, base_url: &str) -> Result<Pass> {
    let name = app.tenants.env_name(env);
    let env = name.ok_or_else(|| Error::new(Code::EnvMissing, "the environment does not exist any more"))?;
    let ticket = Ticket { env: env.clone(), credential, ends: app.now_ms() + LIFE_MS };
    let sign = app.realtime.signer.sign(&ticket);
    Ok(Pass { url: address(base_url, &env, &sign), sign, env })
}

/// Is the login still what it was? A revoked key pair or an ended session must not go on receiving.
pub fn is_still_valid(app: &App, env: EnvId, credential: &Credential) -> bool {
    match credential {
        Credential::Key(id) => {
            app.tenants.find_key(id).is_some_and(|pair| pair.env == env && !pair.is_expired(app.now_ms()))
        }
        Credential::User { .. } | Credential::Guest => true,
    }
}

/// Where this server's sockets are. The address holds the ticket too: SDKs that close one socket and open another at
/// once believe that they are logged in.
fn address(base_url: &str, env: &str, sign: &str) -> String {
    let (scheme, place) = base_url.split_once("://").unwrap_or(("http", base_url));
    let place = place.trim_end_matches('/');
    let place = place.strip_suffix("/admin").unwrap_or(place);
    format!("{}://{place}/ws?env={env}&ticket={sign}", if scheme == "https" { "wss" } else { "ws" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_where_the_caller_reaches_the_server() {
        for (base, expect) in [
            ("http://127.0.0.1:8787", "ws://127.0.0.1:8787/ws?env=e&ticket=t"),
            ("https://db.example.com/wafer", "wss://db.example.com/wafer/ws?env=e&ticket=t"),
            ("https://db.example.com/wafer/admin", "wss://db.example.com/wafer/ws?env=e&ticket=t"),
            ("http://b.example/", "ws://b.example/ws?env=e&ticket=t"),
        ] {
            assert_eq!(address(base, "e", "t"), expect);
        }
    }
}
