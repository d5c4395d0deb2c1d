//! Accounts: making and changing users, and the names under which they are found.

use query::Result;
use storage::{EnvId, RecordChange};

use super::record::{self, Link, UserRecord, kind};
use super::refusal::{Refused, Why};
use super::{Identity, decoded, password, token, unique_id};

/// Characters of a username.
const USERNAME_MAX: usize = 64;
/// What users may say about themselves, in bytes each.
const PROFILE_BYTES_MAX: usize = 1024;
/// How long a shown password counts, in milliseconds.
const SUDO_MS: i64 = 10 * 60_000;
/// Names under which users say something about themselves.
pub const PROFILE: &[&str] = &["nickName", "gender", "avatarUrl", "country", "province", "city"];

/// A user to be made by an administrator.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct NewUser {
    /// The name to sign in with.
    pub username: Option<String>,
    /// The password to sign in with.
    pub password: Option<String>,
    /// The WeChat openid.
    pub openid: Option<String>,
    /// The address to sign in with.
    pub email: Option<String>,
    /// The number to sign in with, with its country.
    pub phone: Option<String>,
}

impl Identity {
    /// Makes a user.
    ///
    /// # Errors
    /// `Malformed` for a name or password that cannot be one; `Taken`.
    pub fn create_user(&self, env: EnvId, new: NewUser, now_ms: i64) -> Result<UserRecord, Refused> {
        new.username.as_deref().map_or(Ok(()), check_username)?;
        let user = UserRecord {
            uid: unique_id()?,
            created_ms: now_ms,
            updated_ms: now_ms,
            username: new.username,
            password: new.password.map(|text| kept(&text)).transpose()?,
            email: new.email.map(|email| email.to_lowercase()),
            phone: new.phone.map(|phone| phone.replace(' ', "")),
            openid: new.openid,
            ..UserRecord::default()
        };
        let _changing = self.changing.lock();
        self.replace(env, None, &user)?;
        Ok(user)
    }

    /// Users by uid, beginning behind a uid.
    ///
    /// # Errors
    /// `Corrupt`, or what the store meets.
    pub fn users(&self, env: EnvId, after: &str, count: usize) -> Result<Vec<UserRecord>> {
        decoded(self.store.view().records_after(kind::USER, env, after.as_bytes(), count)?)
    }

    /// A user, found by uid or by a name.
    ///
    /// # Errors
    /// `NoUser`.
    pub fn user(&self, env: EnvId, uid: &str) -> Result<UserRecord, Refused> {
        self.needed_user(env, uid)
    }

    /// Is somebody found under what was typed?
    ///
    /// # Errors
    /// What the store meets.
    pub fn is_taken(&self, env: EnvId, typed: &str) -> Result<bool> {
        Ok(record::linked(&self.store.view(), env, &Link::typed(typed))?.is_some())
    }

    /// Gives a user another name to sign in with.
    ///
    /// # Errors
    /// `Malformed`, `Taken`, `NoUser`.
    pub fn set_username(&self, env: EnvId, uid: &str, username: &str, now_ms: i64) -> Result<(), Refused> {
        check_username(username)?;
        self.edit(env, uid, now_ms, |user| {
            user.username = Some(username.to_owned());
            user.anonymous = false;
        })
    }

    /// What a user may show for some minutes instead of the password.
    ///
    /// # Errors
    /// `Password` where it is not the user's; `NoUser`.
    pub fn sudo(&self, env: EnvId, uid: &str, text: &str, now_ms: i64) -> Result<String, Refused> {
        self.check_password(env, uid, text)?;
        Ok(token::sudo(&self.needed_secret(env)?, uid, now_ms + SUDO_MS))
    }

    /// Gives a user another password. Who has one must show it, or what [`Identity::sudo`] gave for it.
    ///
    /// # Errors
    /// `Password`, `Malformed`, `NoUser`.
    pub fn set_password(&self, env: EnvId, uid: &str, old: &str, new: &str, now_ms: i64) -> Result<(), Refused> {
        let secret = self.needed_secret(env)?;
        if self.needed_user(env, uid)?.password.is_some() && !token::is_sudo(&secret, old, uid, now_ms) {
            self.check_password(env, uid, old)?;
        }
        let kept = kept(new)?;
        self.edit(env, uid, now_ms, |user| user.password = Some(kept.clone()))
    }

    /// Is this the user's password?
    ///
    /// # Errors
    /// `Password` where it is not; `NoUser`.
    pub fn check_password(&self, env: EnvId, uid: &str, text: &str) -> Result<(), Refused> {
        let user = self.needed_user(env, uid)?;
        match text.len() <= *password::LENGTH.end() && password::check(text, user.password.as_ref())? {
            true => Ok(()),
            false => Err(Refused::new(Why::Password, "the password is wrong")),
        }
    }

    /// Notes what a user says about itself; names that nobody knows are passed over.
    ///
    /// # Errors
    /// `Malformed` where it is too long; `NoUser`.
    pub fn say(&self, env: EnvId, uid: &str, said: &[(String, String)], now_ms: i64) -> Result<(), Refused> {
        let said: Vec<_> = said.iter().filter(|(name, _)| PROFILE.contains(&name.as_str())).collect();
        if let Some((name, _)) = said.iter().find(|(_, value)| value.len() > PROFILE_BYTES_MAX) {
            return Err(Refused::new(Why::Malformed, format!("`{name}` is longer than {PROFILE_BYTES_MAX} bytes")));
        }
        self.edit(env, uid, now_ms, |user| {
            user.profile.retain(|(known, _)| said.iter().all(|(name, _)| name != known));
            user.profile.extend(said.iter().map(|pair| (*pair).clone()));
        })
    }

    /// Joins the account of the environment's own server to a user.
    ///
    /// # Errors
    /// `Ticket`, `Taken`, `NoUser`.
    pub fn link_ticket(&self, env: EnvId, uid: &str, ticket: &str, now_ms: i64) -> Result<(), Refused> {
        let claims = self.read_ticket(env, ticket, now_ms)?;
        self.edit(env, uid, now_ms, |user| {
            user.custom_id = Some(claims.uid.clone());
            user.anonymous = false;
        })
    }

    /// The user whom the environment's own server knows under an id; made at the first time.
    pub(super) fn custom_user(&self, env: EnvId, id: &str, now_ms: i64) -> Result<UserRecord, Refused> {
        let link = Link::custom(id);
        if let Some(user) = record::linked(&self.store.view(), env, &link)? {
            return Ok(user);
        }
        let _changing = self.changing.lock();
        if let Some(user) = record::linked(&self.store.view(), env, &link)? {
            return Ok(user);
        }
        let custom_id = Some(id.to_owned());
        let uid = unique_id()?;
        let user = UserRecord { uid, created_ms: now_ms, updated_ms: now_ms, custom_id, ..UserRecord::default() };
        self.replace(env, None, &user)?;
        Ok(user)
    }

    fn edit(&self, env: EnvId, uid: &str, now_ms: i64, change: impl Fn(&mut UserRecord)) -> Result<(), Refused> {
        let _changing = self.changing.lock();
        let old = self.needed_user(env, uid)?;
        let mut new = old.clone();
        change(&mut new);
        new.updated_ms = now_ms;
        self.replace(env, Some(&old), &new)?;
        self.verified.forget_user(env, uid);
        Ok(())
    }

    /// Stores a user with all names, or nothing. `changing` is held.
    fn replace(&self, env: EnvId, old: Option<&UserRecord>, new: &UserRecord) -> Result<(), Refused> {
        let before = old.map(UserRecord::links).unwrap_or_default();
        let after = new.links();
        let view = self.store.view();
        let mut changes = vec![record::put(kind::USER, new.uid.as_bytes(), new)?];
        for link in after.iter().filter(|link| !before.contains(link)) {
            if record::linked(&view, env, link)?.is_some() {
                let (of, _) = link.parts();
                return Err(Refused::new(Why::Taken, format!("another user has this {of} already")));
            }
            let record = Some(new.uid.clone().into_bytes());
            changes.push(RecordChange { kind: kind::LINK, name: link.name().to_vec(), record });
        }
        for link in before.iter().filter(|link| !after.contains(link)) {
            changes.push(RecordChange { kind: kind::LINK, name: link.name().to_vec(), record: None });
        }
        Ok(self.change(env, &changes)?)
    }
}

fn kept(text: &str) -> Result<record::PasswordRecord, Refused> {
    let length = &password::LENGTH;
    if !length.contains(&text.len()) {
        let message = format!("a password has {} to {} bytes", length.start(), length.end());
        return Err(Refused::new(Why::Malformed, message));
    }
    Ok(password::keep(text)?)
}

/// A username must not read like an address or a number: those are looked up elsewhere.
fn check_username(name: &str) -> Result<(), Refused> {
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '@';
    let good = (1..=USERNAME_MAX).contains(&name.chars().count()) && name.chars().all(plain) && !name.starts_with('+');
    match good {
        true => Ok(()),
        false => {
            let message = format!(
                "a username has 1 to {USERNAME_MAX} characters without blanks and `@`, and does not begin with `+`"
            );
            Err(Refused::new(Why::Malformed, message))
        }
    }
}
