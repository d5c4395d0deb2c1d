//! A key pair: the id that travels, the secret that does not, and the environment that it opens.

use std::fmt;
use std::sync::{Arc, LazyLock};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use storage::EnvId;

/// A key pair of an environment.
pub struct KeyPair {
    /// The id (`secretId`).
    pub id: String,
    /// The secret (`secretKey`).
    pub secret: String,
    /// The environment that it opens.
    pub env: EnvId,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends, if it does, in milliseconds since 1970.
    pub expires_ms: Option<i64>,
    /// The signing key of the last date, because deriving it costs more than checking with it.
    signing: Mutex<Option<(String, [u8; 32])>>,
}

impl KeyPair {
    /// A key pair that does not end.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, env: EnvId, created_ms: i64) -> KeyPair {
        KeyPair { id: id.into(), secret: secret.into(), env, created_ms, expires_ms: None, signing: Mutex::new(None) }
    }

    /// The same key pair with an end.
    #[must_use]
    pub fn until(mut self, expires_ms: Option<i64>) -> KeyPair {
        self.expires_ms = expires_ms;
        self
    }

    /// Has it ended?
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|end| end <= now_ms)
    }

    /// A key pair whose secret nobody knows, to compare with when an id is unknown.
    pub(super) fn decoy() -> Arc<KeyPair> {
        static DECOY: LazyLock<Arc<KeyPair>> = LazyLock::new(|| {
            let mut secret = [0; 16];
            // Without randomness the secret is zeros; the pair is refused in any case.
            let _ = getrandom::fill(&mut secret);
            Arc::new(KeyPair::new("", super::hex(&secret), EnvId(0), 0))
        });
        DECOY.clone()
    }

    /// The TC3 signing key of a date (`2026-11-23`) for the service `tcb`.
    pub(super) fn signing_key(&self, date: &str) -> [u8; 32] {
        let mut cached = self.signing.lock();
        if let Some((_, key)) = cached.as_ref().filter(|(cached, _)| cached == date) {
            return *key;
        }
        let start = [b"TC3", self.secret.as_bytes()].concat();
        let key = [date.as_bytes(), b"tcb", b"tc3_request"].iter().fold(start, |key, part| sha256(&key, part).to_vec());
        let key = <[u8; 32]>::try_from(key).unwrap_or_default();
        *cached = Some((date.to_owned(), key));
        key
    }
}

/// HMAC-SHA256.
pub(super) fn sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // A key of any length is accepted; the error cannot occur.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Without the secret.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("id", &self.id).field("env", &self.env).finish_non_exhaustive()
    }
}
