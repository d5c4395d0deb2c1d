//! What is stored of users and logins, and under which names. How it is written is `tenants::codec`'s matter.

use query::{Error, Result, User};
use serde::{Deserialize, Serialize};
use storage::{EnvId, RecordChange, View};

use crate::tenants::codec;

/// Kinds of records in the store; never reused for something else.
pub(super) mod kind {
    pub(in crate::identity) const USER: u8 = 10;
    pub(in crate::identity) const LINK: u8 = 11;
    pub(in crate::identity) const LOGIN: u8 = 12;
    pub(in crate::identity) const SIGNING_KEY: u8 = 13;
    pub(in crate::identity) const TICKET_KEY: u8 = 14;
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRecord {
    /// Stable id inside the environment.
    pub uid: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was last changed, in milliseconds since 1970.
    pub updated_ms: i64,
    /// Did nobody ever say who this is?
    pub anonymous: bool,
    /// The name to sign in with.
    pub username: Option<String>,
    /// What is kept of the password.
    pub password: Option<PasswordRecord>,
    /// The address to sign in with.
    pub email: Option<String>,
    /// The number to sign in with, with its country and without blanks.
    pub phone: Option<String>,
    /// The id under which the environment's own server knows the user.
    pub custom_id: Option<String>,
    /// The WeChat openid.
    pub openid: Option<String>,
    /// The WeChat unionid.
    pub unionid: Option<String>,
    /// What users say about themselves: `nickName`, `avatarUrl` and the like.
    pub profile: Vec<(String, String)>,
}

/// What is kept of a password: argon2id over a salt of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordRecord {
    /// Random bytes.
    pub salt: [u8; 16],
    /// The hash.
    pub hash: [u8; 32],
    /// Memory that hashing takes, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

/// A login: what its refresh tokens stand for. Without the record every token of it is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// Whose it is.
    pub uid: String,
    /// How the user signed in, as rules see it.
    pub login_type: String,
    /// The device, as it names itself.
    pub device: String,
    /// When it began, in milliseconds since 1970.
    pub created_ms: i64,
    /// When its refresh token ends, in milliseconds since 1970.
    pub expires_ms: i64,
    /// How long its access tokens last, in milliseconds.
    pub access_ms: i64,
    /// Which refresh token of the series is valid.
    pub generation: u32,
    /// When the refresh token was last exchanged for its successor, in milliseconds since 1970.
    pub rotated_ms: i64,
}

/// The public half of a key that signs login tickets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketKeyRecord {
    /// SubjectPublicKeyInfo, in PEM.
    pub public_pem: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The secret that signs an environment's tokens, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
}

impl UserRecord {
    /// The user as rules see it.
    pub fn seen(&self, login_type: &str) -> User {
        User {
            uid: self.uid.clone(),
            openid: self.openid.as_ref().unwrap_or(&self.uid).clone(),
            login_type: login_type.to_owned(),
        }
    }

    /// The names under which the user is found; each belongs to one user only.
    pub fn links(&self) -> Vec<Link> {
        let link = |prefix: &str, name: &Option<String>| name.as_ref().map(|name| Link::new(prefix, name));
        let links = [
            link(USERNAME, &self.username),
            link(EMAIL, &self.email),
            link(PHONE, &self.phone),
            link(CUSTOM, &self.custom_id),
            link(OPENID, &self.openid),
        ];
        links.into_iter().flatten().collect()
    }

    /// What the user says about itself under a name.
    pub fn said(&self, name: &str) -> &str {
        self.profile.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A name under which one user is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

const USERNAME: &str = "username";
const EMAIL: &str = "email";
const PHONE: &str = "phone";
const CUSTOM: &str = "custom";
const OPENID: &str = "openid";

impl Link {
    fn new(prefix: &str, name: &str) -> Link {
        Link(format!("{prefix}:{name}"))
    }

    /// The id that the environment's own server gave.
    pub fn custom(id: &str) -> Link {
        Link::new(CUSTOM, id)
    }

    /// What somebody typed to sign in: a name, an address or a number.
    pub fn typed(text: &str) -> Link {
        match text {
            _ if text.contains('@') => Link::new(EMAIL, &text.to_lowercase()),
            _ if text.starts_with('+') => Link::new(PHONE, &text.replace(' ', "")),
            _ => Link::new(USERNAME, text),
        }
    }

    /// The name of its record.
    pub fn name(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// What kind of name it is, and the name.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or(("", &self.0))
    }
}

/// A user of an environment.
///
/// # Errors
/// `Corrupt`, or what the store meets.
pub fn user(view: &View, env: EnvId, uid: &str) -> Result<Option<UserRecord>> {
    read(view, kind::USER, env, uid.as_bytes())
}

/// The user that a name belongs to.
///
/// # Errors
/// As for [`user`].
pub fn linked(view: &View, env: EnvId, link: &Link) -> Result<Option<UserRecord>> {
    let Some(uid) = view.record(kind::LINK, env, link.name())? else { return Ok(None) };
    user(view, env, &String::from_utf8_lossy(&uid))
}

/// A login.
///
/// # Errors
/// As for [`user`].
pub fn login(view: &View, env: EnvId, id: &str) -> Result<Option<LoginRecord>> {
    read(view, kind::LOGIN, env, id.as_bytes())
}

/// A record of a kind.
///
/// # Errors
/// As for [`user`].
pub fn read<R: serde::de::DeserializeOwned>(view: &View, kind: u8, env: EnvId, name: &[u8]) -> Result<Option<R>> {
    let bytes = view.record(kind, env, name).map_err(Error::from)?;
    bytes.map(|bytes| codec::decode(&bytes)).transpose()
}

/// The change that stores a record.
///
/// # Errors
/// As for [`codec::encode`].
pub fn put<R: Serialize>(kind: u8, name: &[u8], record: &R) -> Result<RecordChange> {
    Ok(RecordChange { kind, name: name.to_vec(), record: Some(codec::encode(record)?) })
}
