//! Who the users of an environment are, how they sign in, and what their tokens are worth.
//!
//! Users, logins and keys are records of the store beside documents: no request for documents reaches them, and they
//! share their commits, crashes and backups. Knows nothing of HTTP; what a request looks like is the faces' matter.
//! Calls wait for the disk or hash passwords, so they are made where waiting does no harm; only
//! [`Identity::caller`] is for every request, and answers from memory.

pub mod account;
pub mod login;
pub mod password;
pub mod record;
pub mod refusal;
#[cfg(test)]
mod tests;
pub mod ticket;
pub mod token;
mod verified;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use query::{Code, Error, Result, User};
use serde::Serialize;
use storage::{EnvId, RecordChange, Store, View};

use crate::chance;
use crate::tenants::codec;
use crate::tenants::seal::Seal;
use record::{SigningKeyRecord, TicketKeyRecord, kind};
use refusal::{Refused, Why};
use token::Secret;
use verified::Verified;

const SIGNING_KEY_NAME: &[u8] = b"tokens";
/// Keys for tickets of one environment.
const TICKET_KEYS_MAX: usize = 20;

/// Users, logins and their tokens, of every environment.
pub struct Identity {
    store: Store,
    seal: Arc<Seal>,
    secrets: RwLock<HashMap<EnvId, Secret>>,
    verified: Verified,
    /// Held while a change of names or logins is decided and made: two requests never see the same state and both win.
    changing: Mutex<()>,
}

/// A key for tickets, as the environment's own server wants it; shown once.
#[derive(Clone, Debug, Serialize)]
pub struct NewTicketKey {
    /// The id that tickets name.
    pub private_key_id: String,
    /// The private key, in PEM.
    pub private_key: String,
    /// The environment's name.
    pub env_id: String,
}

impl Identity {
    /// Identity over a store; secrets are sealed.
    pub fn new(store: Store, seal: Arc<Seal>) -> Identity {
        Identity { store, seal, secrets: RwLock::default(), verified: Verified::default(), changing: Mutex::new(()) }
    }

    /// The environment and user that an access token stands for. Costs a hash where the token was seen before.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is forged, over, or whose login has ended.
    pub fn caller(&self, access: &str, now_ms: i64) -> Result<(EnvId, User)> {
        let known = self.verified.find(access, now_ms);
        let (env, user) = match known {
            Some(known) => known,
            None => self.verify(access, now_ms)?,
        };
        // A dropped environment takes its users along.
        match self.store.view().catalog().env_by_id(env) {
            Some(_) => Ok((env, user)),
            None => Err(refused_token()),
        }
    }

    fn verify(&self, access: &str, now_ms: i64) -> Result<(EnvId, User)> {
        let claims = token::unproved(access).ok_or_else(refused_token)?;
        let stamp = self.verified.stamp();
        let view = self.store.view();
        let env = view.catalog().env(&claims.aud).map(|env| env.id).ok_or_else(refused_token)?;
        let secret = self.secret(&view, env)?.ok_or_else(refused_token)?;
        if !token::is_signed(&secret, access) {
            return Err(refused_token());
        }
        let ends_ms = claims.exp.saturating_mul(1000);
        if ends_ms <= now_ms {
            return Err(Error::new(Code::Unauthenticated, "the access token has expired; fetch a new one"));
        }
        let login = record::login(&view, env, &claims.sid)?.filter(|login| login.uid == claims.sub);
        let login = login.ok_or_else(|| Error::new(Code::Unauthenticated, "the login of this token has ended"))?;
        let user = record::user(&view, env, &claims.sub)?.ok_or_else(refused_token)?.seen(&login.login_type);
        self.verified.keep(stamp, access, verified::Entry { env, user: user.clone(), login: claims.sid, ends_ms });
        Ok((env, user))
    }

    /// Makes a key for tickets. Its private half is shown this once.
    ///
    /// # Errors
    /// `EnvMissing`; `QuotaExceeded` where the environment holds too many.
    pub fn create_ticket_key(&self, env: &str, now_ms: i64) -> Result<NewTicketKey> {
        let view = self.store.view();
        let missing = || Error::new(Code::EnvMissing, format!("the environment {env:?} does not exist"));
        let id = view.catalog().env(env).map(|env| env.id).ok_or_else(missing)?;
        if view.records_after(kind::TICKET_KEY, id, b"", TICKET_KEYS_MAX)?.len() >= TICKET_KEYS_MAX {
            let message = format!("the environment holds {TICKET_KEYS_MAX} keys for tickets; remove one first");
            return Err(Error::new(Code::QuotaExceeded, message));
        }
        let key = ticket::new_key()?;
        let key_id = unique_id()?;
        let record = TicketKeyRecord { public_pem: key.public_pem, created_ms: now_ms };
        self.change(id, &[record::put(kind::TICKET_KEY, key_id.as_bytes(), &record)?])?;
        Ok(NewTicketKey { private_key_id: key_id, private_key: key.private_pem, env_id: env.to_owned() })
    }

    /// Ends a key for tickets; logins that it opened go on.
    ///
    /// # Errors
    /// What the store meets.
    pub fn remove_ticket_key(&self, env: EnvId, id: &str) -> Result<()> {
        self.change(env, &[RecordChange { kind: kind::TICKET_KEY, name: id.as_bytes().to_vec(), record: None }])
    }

    /// The secret of an environment's tokens, if it has one that can be opened.
    fn secret(&self, view: &View, env: EnvId) -> Result<Option<Secret>> {
        if let Some(secret) = self.secrets.read().get(&env) {
            return Ok(Some(*secret));
        }
        let record: Option<SigningKeyRecord> = record::read(view, kind::SIGNING_KEY, env, SIGNING_KEY_NAME)?;
        let opened = record.and_then(|record| self.seal.open_secret(&sealed_name(env), &record.sealed));
        let Some(secret) = opened.as_deref().and_then(from_hex) else { return Ok(None) };
        self.secrets.write().insert(env, secret);
        Ok(Some(secret))
    }

    /// The secret of an environment's tokens; made where there is none.
    fn needed_secret(&self, env: EnvId) -> Result<Secret> {
        if let Some(secret) = self.secret(&self.store.view(), env)? {
            return Ok(secret);
        }
        let _changing = self.changing.lock();
        if let Some(secret) = self.secret(&self.store.view(), env)? {
            return Ok(secret);
        }
        let secret: Secret = chance::bytes()?;
        let sealed = self.seal.seal(&sealed_name(env), &hex(&secret))?;
        let record = SigningKeyRecord { sealed };
        self.change(env, &[record::put(kind::SIGNING_KEY, SIGNING_KEY_NAME, &record)?])?;
        self.secrets.write().insert(env, secret);
        Ok(secret)
    }

    /// Makes changes and waits until they are durable and seen by every view.
    fn change(&self, env: EnvId, changes: &[RecordChange]) -> Result<()> {
        Ok(self.store.change_records(env, changes)?.wait().map(drop)?)
    }

    fn env_name(&self, env: EnvId) -> Result<String, Refused> {
        let view = self.store.view();
        let name = view.catalog().env_by_id(env).map(|env| env.name.clone());
        name.ok_or_else(|| Refused::new(Why::Malformed, "the environment does not exist"))
    }
}

/// One answer for every token that is not ours, so that forgers learn nothing.
fn refused_token() -> Error {
    Error::new(Code::Unauthenticated, "the access token is not valid; sign in again")
}

/// A new id: 32 hexadecimal digits of chance.
fn unique_id() -> Result<String> {
    Ok(hex(&chance::bytes::<16>()?))
}

/// Binds the sealed secret to its environment.
fn sealed_name(env: EnvId) -> String {
    format!("tokens of environment {}", env.0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Secret> {
    let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    digits.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Records read from a list.
fn decoded<R: serde::de::DeserializeOwned>(records: Vec<(Vec<u8>, bytes::Bytes)>) -> Result<Vec<R>> {
    records.into_iter().map(|(_, bytes)| codec::decode(&bytes)).collect()
}
