//! Tickets: what a signed request is given to open a socket with, because sockets carry no signature of their own.
//!
//! A ticket names the environment and the credential, lasts two minutes, and is signed with a key that lives as long as
//! the process: after a restart SDKs fetch a new one by themselves. What the credential may do is not in it; that is
//! decided again whenever it matters.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use query::{Caller, User};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How long a ticket opens a socket, in milliseconds. SDKs use one for a minute.
pub const LIFE_MS: i64 = 120_000;

/// By what a caller was let in; looked at again while a socket is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// A key pair, by its id.
    Key(String),
    /// A signed-in user.
    User {
        /// Stable id inside the environment.
        uid: String,
        /// What `_openid` is filled with.
        openid: String,
        /// How the user signed in.
        login_type: String,
    },
    /// Nobody.
    Guest,
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The environment's name.
    pub env: String,
    /// Who holds it.
    pub credential: Credential,
    /// When it ends, in milliseconds since 1970.
    pub ends: i64,
}

/// Why a ticket opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none of ours, or was changed.
    Forged,
    /// Its time is over.
    Expired,
}

/// The key that signs tickets.
pub struct Signer([u8; 32]);

impl Credential {
    /// Who asks, as the database sees it.
    pub fn caller(&self) -> Caller {
        match self.clone() {
            Credential::Key(_) => Caller::Admin,
            Credential::User { uid, openid, login_type } => Caller::User(User { uid, openid, login_type }),
            Credential::Guest => Caller::Guest,
        }
    }
}

impl Signer {
    /// Signs with a key.
    pub const fn new(key: [u8; 32]) -> Signer {
        Signer(key)
    }

    /// A ticket as text.
    pub fn sign(&self, ticket: &Ticket) -> String {
        let content = serde_json::to_vec(ticket).unwrap_or_default();
        let content = URL_SAFE_NO_PAD.encode(content);
        let mark = URL_SAFE_NO_PAD.encode(self.mark(&content));
        format!("{content}.{mark}")
    }

    /// Reads a ticket that was handed out.
    ///
    /// # Errors
    /// Why it opens nothing.
    pub fn open(&self, text: &str, now_ms: i64) -> Result<Ticket, Fault> {
        let (content, mark) = text.split_once('.').ok_or(Fault::Forged)?;
        let mark = URL_SAFE_NO_PAD.decode(mark).map_err(|_| Fault::Forged)?;
        if !bool::from(self.mark(content).ct_eq(&mark)) {
            return Err(Fault::Forged);
        }
        let content = URL_SAFE_NO_PAD.decode(content).map_err(|_| Fault::Forged)?;
        let ticket: Ticket = serde_json::from_slice(&content).map_err(|_| Fault::Forged)?;
        if now_ms < ticket.ends { Ok(ticket) } else { Err(Fault::Expired) }
    }

    fn mark(&self, content: &str) -> [u8; 32] {
        // A key of any length is accepted; the error cannot occur, and nobody knows what it would answer.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return self.0 };
        mac.update(content.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_opens() {
        let signer = Signer::new([7; 32]);
        let ticket = Ticket { env: "e".into(), credential: Credential::Key("k".into()), ends: 100 };
        let text = signer.sign(&ticket);
        assert_eq!(signer.open(&text, 99), Ok(ticket));
        assert_eq!(signer.open(&text, 100), Err(Fault::Expired));
        assert_eq!(Signer::new([8; 32]).open(&text, 99), Err(Fault::Forged));
        for forged in ["", ".", "a.b", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
            assert_eq!(signer.open(forged, 99), Err(Fault::Forged), "{forged}");
        }
        let (_, mark) = text.split_once('.').expect("two parts");
        let other = Signer::new([9; 32]).sign(&Ticket { env: "f".into(), credential: Credential::Guest, ends: 100 });
        let (content, _) = other.split_once('.').expect("two parts");
        assert_eq!(signer.open(&format!("{content}.{mark}"), 99), Err(Fault::Forged));
    }
}
