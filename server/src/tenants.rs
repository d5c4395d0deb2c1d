//! Environments and what belongs to them at the edge: key pairs, limits; and the administrators' tokens.
//!
//! Everything lies in the store's opaque records and, because each request needs it, in memory. Secrets are sealed
//! (`seal`), tokens are kept as hashes only. Calls that write wait until the write is durable, so they are made where
//! waiting does no harm.

pub mod codec;
pub mod seal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use query::{Code, Error, Limits, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use storage::{EnvId, Store, Ticket, View};
use subtle::ConstantTimeEq;

use crate::auth::keypair::KeyPair;
use crate::chance;
use codec::{KeyRecord, LimitsRecord, TokenRecord};
use seal::Seal;

/// Kinds of records in the store; never reused for something else.
mod kind {
    pub(super) const LIMITS: u8 = 1;
    pub(super) const KEY: u8 = 2;
    pub(super) const TOKEN: u8 = 3;
    // 4: functions
}

/// Records that belong to no environment.
const SERVER: EnvId = EnvId(0);
const LIMITS_NAME: &[u8] = b"limits";
const ENV_NAME_MAX: usize = 40;
/// Key pairs of one environment.
const KEYS_MAX: usize = 100;

/// Environments, key pairs, limits and tokens of a server.
pub struct Tenants {
    store: Store,
    seal: Arc<Seal>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    keys: HashMap<String, Held>,
    /// Key pairs of running functions: made when first needed, gone with the process, in no list.
    functions: HashMap<EnvId, Arc<KeyPair>>,
    limits: HashMap<EnvId, Arc<Limits>>,
    tokens: Vec<[u8; 32]>,
    /// Key pairs whose secret cannot be opened: the key file is missing or another one.
    unreadable: Vec<String>,
    defaults: Arc<Limits>,
}

struct Held {
    pair: Arc<KeyPair>,
    note: String,
}

/// A key pair as lists show it: without its secret.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct KeyInfo {
    /// The id (`secretId`).
    pub id: String,
    /// The environment's name.
    pub env: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends, if it does.
    pub expires_ms: Option<i64>,
    /// The administrator's own words.
    pub note: String,
}

/// A key pair with its secret, shown once.
#[derive(Clone, Debug, Serialize)]
pub struct NewKey {
    /// The id (`secretId`).
    pub id: String,
    /// The secret (`secretKey`).
    pub secret: String,
    /// The environment's name.
    pub env: String,
}

impl Tenants {
    /// Reads everything from the store.
    ///
    /// # Errors
    /// `Corrupt`, or what the store meets.
    pub fn open(store: Store, seal: Seal) -> Result<Tenants> {
        let state = State::read(&store.view(), &seal)?;
        Ok(Tenants { store, seal: Arc::new(seal), state: RwLock::new(state) })
    }

    /// A key for signing something of the server's own, bound to its data folder.
    pub fn derived_key(&self, purpose: &str) -> [u8; 32] {
        self.seal.derive(purpose)
    }

    /// The store that everything lies in.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// What seals secrets at rest.
    pub fn seal(&self) -> Arc<Seal> {
        self.seal.clone()
    }

    /// The key pair of an id.
    pub fn find_key(&self, id: &str) -> Option<Arc<KeyPair>> {
        let state = self.state.read();
        let stored = state.keys.get(id).map(|held| held.pair.clone());
        stored.or_else(|| state.functions.values().find(|pair| pair.id == id).cloned())
    }

    /// The key pair with which the functions of an environment call the server. It lives as long as the process.
    ///
    /// # Errors
    /// `Internal` where there is no randomness.
    pub fn functions_key(&self, env: EnvId) -> Result<Arc<KeyPair>> {
        if let Some(pair) = self.state.read().functions.get(&env) {
            return Ok(pair.clone());
        }
        let (id, secret) = (format!("AKIDfn{}", chance::letters(30)?), chance::letters(40)?);
        let made = Arc::new(KeyPair::new(&id, secret, env, 0));
        Ok(self.state.write().functions.entry(env).or_insert(made).clone())
    }

    /// Key pairs that cannot be used because their secrets cannot be opened.
    pub fn unreadable_keys(&self) -> Vec<String> {
        self.state.read().unreadable.clone()
    }

    /// What an environment may use.
    pub fn limits(&self, env: EnvId) -> Arc<Limits> {
        let state = self.state.read();
        state.limits.get(&env).unwrap_or(&state.defaults).clone()
    }

    /// The environment of a name.
    ///
    /// # Errors
    /// `EnvMissing`.
    pub fn env(&self, name: &str) -> Result<EnvId> {
        let view = self.store.view();
        view.catalog().env(name).map(|env| env.id).ok_or_else(|| missing_env(name))
    }

    /// The name of an environment.
    pub fn env_name(&self, env: EnvId) -> Option<String> {
        self.store.view().catalog().env_by_id(env).map(|env| env.name.clone())
    }

    /// The environment of a server that has one only.
    pub fn only_env(&self) -> Option<EnvId> {
        match self.store.view().catalog().envs().as_slice() {
            [env] => Some(env.id),
            _ => None,
        }
    }

    /// Makes an environment.
    ///
    /// # Errors
    /// `InvalidParam` for a name that is not allowed, `EnvExists`.
    pub fn create_env(&self, name: &str) -> Result<EnvId> {
        check_env_name(name)?;
        let (env, ticket) = self.store.create_env(name).map_err(|error| match error {
            storage::Error::Exists(_) => {
                Error::new(Code::EnvExists, format!("the environment {name:?} exists already"))
            }
            other => other.into(),
        })?;
        wait(&ticket)?;
        Ok(env)
    }

    /// Drops an environment with everything in it.
    ///
    /// # Errors
    /// `EnvMissing`.
    pub fn drop_env(&self, name: &str) -> Result<()> {
        let env = self.env(name)?;
        wait(&self.store.drop_env(env)?)?;
        let mut state = self.state.write();
        state.keys.retain(|_, held| held.pair.env != env);
        state.limits.remove(&env);
        state.functions.remove(&env);
        Ok(())
    }

    /// Sets limits of an environment; `None` as value goes back to the default. Answers what holds now.
    ///
    /// # Errors
    /// `EnvMissing`; `InvalidParam` for a limit that does not exist.
    pub fn set_limits(&self, name: &str, changes: &[(String, Option<u64>)]) -> Result<Arc<Limits>> {
        let env = self.env(name)?;
        let mut limits = (*self.limits(env)).clone();
        let defaults = Limits::default();
        for (limit, value) in changes {
            let value = value.or_else(|| defaults.get(limit)).unwrap_or_default();
            if !limits.set(limit, value) {
                return Err(Error::new(Code::InvalidParam, format!("there is no limit named {limit:?}")));
            }
        }
        let record = LimitsRecord { values: differing(&limits, &defaults) };
        wait(&self.store.put_record(kind::LIMITS, env, LIMITS_NAME, &codec::encode(&record)?)?)?;
        let limits = Arc::new(limits);
        self.state.write().limits.insert(env, limits.clone());
        Ok(limits)
    }

    /// Makes a key pair; the secret is shown this once.
    ///
    /// # Errors
    /// `EnvMissing`; `QuotaExceeded` where the environment holds too many.
    pub fn create_key(&self, env: &str, note: &str, now_ms: i64) -> Result<NewKey> {
        let (id, secret) = (format!("AKID{}", chance::letters(32)?), chance::letters(40)?);
        self.add_key(env, &id, &secret, note, now_ms)
    }

    /// Adds a key pair whose id and secret are given.
    ///
    /// # Errors
    /// As for [`Tenants::create_key`]; `InvalidParam` for an id or secret that cannot be one or an id that is taken.
    pub fn add_key(&self, env: &str, id: &str, secret: &str, note: &str, now_ms: i64) -> Result<NewKey> {
        check_key(id, secret)?;
        let env_id = self.env(env)?;
        self.check_room(env_id, id)?;
        let record = KeyRecord {
            sealed: self.seal.seal(id, secret)?,
            created_ms: now_ms,
            expires_ms: None,
            note: note.to_owned(),
        };
        wait(&self.store.put_record(kind::KEY, env_id, id.as_bytes(), &codec::encode(&record)?)?)?;
        let pair = Arc::new(KeyPair::new(id, secret, env_id, now_ms));
        self.state.write().keys.insert(id.to_owned(), Held { pair, note: note.to_owned() });
        Ok(NewKey { id: id.to_owned(), secret: secret.to_owned(), env: env.to_owned() })
    }

    /// Key pairs of one environment or of all, oldest first.
    pub fn keys(&self, env: Option<EnvId>) -> Vec<KeyInfo> {
        let state = self.state.read();
        let wanted = state.keys.values().filter(|held| env.is_none_or(|env| held.pair.env == env));
        let mut keys: Vec<_> = wanted.map(|held| self.info(held)).collect();
        keys.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        keys
    }

    /// Makes a new key pair beside an old one, which ends after `grace_ms`.
    ///
    /// # Errors
    /// `InvalidParam` for an id that does not exist.
    pub fn rotate_key(&self, id: &str, grace_ms: i64, now_ms: i64) -> Result<NewKey> {
        let (pair, note) = self.held(id)?;
        let env = self.env_name(pair.env).ok_or_else(|| missing_env(""))?;
        let new = self.create_key(&env, &note, now_ms)?;
        let end = now_ms.saturating_add(grace_ms).min(pair.expires_ms.unwrap_or(i64::MAX));
        let record = KeyRecord {
            sealed: self.seal.seal(id, &pair.secret)?,
            created_ms: pair.created_ms,
            expires_ms: Some(end),
            note: note.clone(),
        };
        wait(&self.store.put_record(kind::KEY, pair.env, id.as_bytes(), &codec::encode(&record)?)?)?;
        let ending = KeyPair::new(id, pair.secret.clone(), pair.env, pair.created_ms).until(Some(end));
        self.state.write().keys.insert(id.to_owned(), Held { pair: Arc::new(ending), note });
        Ok(new)
    }

    /// Ends a key pair now.
    ///
    /// # Errors
    /// `InvalidParam` for an id that does not exist.
    pub fn revoke_key(&self, id: &str) -> Result<()> {
        let (pair, _) = self.held(id)?;
        // Forgotten before the disk knows: from here on nobody gets in with it.
        self.state.write().keys.remove(id);
        wait(&self.store.delete_record(kind::KEY, pair.env, id.as_bytes())?)
    }

    /// Makes a token for the admin interface; it is shown this once.
    ///
    /// # Errors
    /// What the store meets.
    pub fn create_token(&self, note: &str, now_ms: i64) -> Result<String> {
        let token = format!("wat_{}", chance::letters(43)?);
        self.add_token(&token, note, now_ms)?;
        Ok(token)
    }

    /// Adds a token that is given; nothing happens where it exists.
    ///
    /// # Errors
    /// `InvalidParam` for a token that is too short to be safe; what the store meets.
    pub fn add_token(&self, token: &str, note: &str, now_ms: i64) -> Result<()> {
        if token.len() < 16 {
            return Err(Error::new(Code::InvalidParam, "an admin token must have at least 16 characters"));
        }
        if self.is_token(token) {
            return Ok(());
        }
        let hash = hash(token);
        let record = TokenRecord { hash, created_ms: now_ms, note: note.to_owned() };
        wait(&self.store.put_record(kind::TOKEN, SERVER, &hash, &codec::encode(&record)?)?)?;
        self.state.write().tokens.push(hash);
        Ok(())
    }

    /// Is this an administrator's token?
    pub fn is_token(&self, token: &str) -> bool {
        let hash = hash(token);
        let known = self.state.read();
        known.tokens.iter().fold(false, |found, known| found | bool::from(known.ct_eq(&hash)))
    }

    /// Is there any token yet?
    pub fn has_tokens(&self) -> bool {
        !self.state.read().tokens.is_empty()
    }

    fn held(&self, id: &str) -> Result<(Arc<KeyPair>, String)> {
        let state = self.state.read();
        let held = state.keys.get(id).map(|held| (held.pair.clone(), held.note.clone()));
        held.ok_or_else(|| Error::new(Code::InvalidParam, format!("there is no key pair with the id {id:?}")))
    }

    fn check_room(&self, env: EnvId, id: &str) -> Result<()> {
        let state = self.state.read();
        if state.keys.contains_key(id) {
            return Err(Error::new(Code::InvalidParam, format!("the key id {id:?} is taken")));
        }
        match state.keys.values().filter(|held| held.pair.env == env).count() < KEYS_MAX {
            true => Ok(()),
            false => Err(Error::new(
                Code::QuotaExceeded,
                format!("the environment holds {KEYS_MAX} key pairs; revoke those that nobody uses"),
            )),
        }
    }

    fn info(&self, held: &Held) -> KeyInfo {
        let KeyPair { id, env, created_ms, expires_ms, .. } = held.pair.as_ref();
        let env = self.env_name(*env).unwrap_or_default();
        KeyInfo { id: id.clone(), env, created_ms: *created_ms, expires_ms: *expires_ms, note: held.note.clone() }
    }
}

impl State {
    fn read(view: &View, seal: &Seal) -> Result<State> {
        let mut state = State::default();
        for (_, bytes) in view.records(kind::TOKEN, SERVER)? {
            state.tokens.push(codec::decode::<TokenRecord>(&bytes)?.hash);
        }
        for env in view.catalog().envs() {
            state.read_env(view, env.id, seal)?;
        }
        Ok(state)
    }

    fn read_env(&mut self, view: &View, env: EnvId, seal: &Seal) -> Result<()> {
        if let Some(bytes) = view.record(kind::LIMITS, env, LIMITS_NAME)? {
            let mut limits = Limits::default();
            for (name, value) in codec::decode::<LimitsRecord>(&bytes)?.values {
                // A limit that a later version dropped is no longer asked for.
                limits.set(&name, value);
            }
            self.limits.insert(env, Arc::new(limits));
        }
        for (name, bytes) in view.records(kind::KEY, env)? {
            let id = String::from_utf8_lossy(&name).into_owned();
            let record: KeyRecord = codec::decode(&bytes)?;
            let Some(secret) = seal.open_secret(&id, &record.sealed) else {
                self.unreadable.push(id);
                continue;
            };
            let pair = KeyPair::new(&id, secret, env, record.created_ms).until(record.expires_ms);
            self.keys.insert(id, Held { pair: Arc::new(pair), note: record.note });
        }
        Ok(())
    }
}

fn differing(limits: &Limits, defaults: &Limits) -> Vec<(String, u64)> {
    let names = Limits::TABLE.iter().map(|(name, ..)| *name);
    let changed = names.filter(|name| limits.get(name) != defaults.get(name));
    changed.filter_map(|name| Some((name.to_owned(), limits.get(name)?))).collect()
}

/// Names that SDKs accept, too: they put the name before a host's.
fn check_env_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let shaped = name.bytes().all(allowed) && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if shaped && name.len() <= ENV_NAME_MAX {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidParam,
        format!(
            "{name:?} cannot name an environment: use 1 to {ENV_NAME_MAX} small letters, digits, `-` and `_`, \
             beginning with a letter or digit"
        ),
    ))
}

/// Ids stand in headers between marks, so they must not hold any.
fn check_key(id: &str, secret: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let good_id = (4..=128).contains(&id.len()) && id.bytes().all(plain);
    let good_secret = (8..=256).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
    match (good_id, good_secret) {
        (true, true) => Ok(()),
        (false, _) => Err(Error::new(Code::InvalidParam, "a key id is 4 to 128 letters, digits, `-` and `_`")),
        (_, false) => Err(Error::new(Code::InvalidParam, "a secret is 8 to 256 printable ASCII characters")),
    }
}

fn missing_env(name: &str) -> Error {
    Error::new(Code::EnvMissing, format!("the environment {name:?} does not exist"))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn wait(ticket: &Ticket) -> Result<()> {
    ticket.wait().map(drop).map_err(Error::from)
}
