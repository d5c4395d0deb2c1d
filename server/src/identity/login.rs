//! Signing in and out: logins, and the tokens they give.
//!
//! A login's refresh tokens form a series. Exchanging the valid one makes the next valid; for a minute the one before
//! still answers with that next one, because two tabs of a browser ask at once. Any older one was copied by somebody, so
//! the login ends.

use query::{Code, Error, Result, User};
use storage::{EnvId, RecordChange};

use super::record::{self, Link, LoginRecord, TicketKeyRecord, UserRecord, kind};
use super::refusal::{Refused, Why};
use super::token::{self, Claims};
use super::{Identity, password, ticket, unique_id};

/// How long access tokens last, in milliseconds.
pub const ACCESS_MS: i64 = 2 * 60 * 60 * 1000;
/// How long a login lasts that is not used, in milliseconds.
pub const LOGIN_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long the refresh token before the valid one still answers, in milliseconds.
const GRACE_MS: i64 = 60_000;
const ACCESS_MS_MIN: i64 = 60_000;
/// Bytes of a device's name for itself.
const DEVICE_BYTES_MAX: usize = 64;

/// How a user signed in without saying who it is.
pub const ANONYMOUS: &str = "ANONYMOUS";
/// Vouched for by the environment's own server.
pub const CUSTOM: &str = "CUSTOM";

/// What signing in gives.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// For requests.
    pub access: String,
    /// For the next access token.
    pub refresh: String,
    /// How long the access token lasts, in milliseconds.
    pub access_ms: i64,
    /// Whose they are.
    pub uid: String,
    /// Did nobody say who this is?
    pub anonymous: bool,
}

/// What happens to a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It stays valid: older SDKs never look for another.
    Keep,
    /// Its successor takes its place.
    Rotate,
}

impl Identity {
    /// Signs in somebody who does not say who it is; the `pass` of an earlier login takes up the same user again.
    /// Answers the user's pass as well.
    ///
    /// # Errors
    /// What the store meets.
    pub fn sign_in_anonymously(
        &self,
        env: EnvId,
        pass: &str,
        device: &str,
        now_ms: i64,
    ) -> Result<(Credentials, String), Refused> {
        let secret = self.needed_secret(env)?;
        let uid = token::read_pass(&secret, pass);
        let known = uid.map(|uid| record::user(&self.store.view(), env, uid)).transpose()?.flatten();
        let user = match known.filter(|user| user.anonymous) {
            Some(user) => user,
            None => self.new_anonymous(env, now_ms)?,
        };
        let pass = token::pass(&secret, &user.uid);
        Ok((self.begin(env, &user, ANONYMOUS, device, now_ms)?, pass))
    }

    fn new_anonymous(&self, env: EnvId, now_ms: i64) -> Result<UserRecord> {
        let uid = unique_id()?;
        let user = UserRecord { uid, created_ms: now_ms, updated_ms: now_ms, anonymous: true, ..UserRecord::default() };
        self.change(env, &[record::put(kind::USER, user.uid.as_bytes(), &user)?])?;
        Ok(user)
    }

    /// Signs in with a name, address or number and a password.
    ///
    /// # Errors
    /// `Password` for whatever is wrong with either.
    pub fn sign_in_with_password(
        &self,
        env: EnvId,
        name: &str,
        password: &str,
        device: &str,
        now_ms: i64,
    ) -> Result<Credentials, Refused> {
        let link = Link::typed(name);
        let user = record::linked(&self.store.view(), env, &link)?;
        let kept = user.as_ref().and_then(|user| user.password.as_ref());
        let right = password.len() <= *password::LENGTH.end() && password::check(password, kept)?;
        match user {
            Some(user) if right => self.begin(env, &user, &link.parts().0.to_uppercase(), device, now_ms),
            _ => Err(Refused::new(Why::Password, "name and password do not belong together")),
        }
    }

    /// Signs in a user for whom the environment's own server vouches; makes the user at the first time.
    ///
    /// # Errors
    /// `Ticket` where it does not verify.
    pub fn sign_in_with_ticket(
        &self,
        env: EnvId,
        text: &str,
        device: &str,
        now_ms: i64,
    ) -> Result<Credentials, Refused> {
        let claims = self.read_ticket(env, text, now_ms)?;
        let user = self.custom_user(env, &claims.uid, now_ms)?;
        let expires_ms = claims.expire.filter(|end| *end > now_ms);
        let login = LoginRecord {
            expires_ms: expires_ms.unwrap_or(now_ms + LOGIN_MS),
            access_ms: claims.refresh.unwrap_or(ACCESS_MS).clamp(ACCESS_MS_MIN, ACCESS_MS),
            ..fresh(&user, CUSTOM, device, now_ms)
        };
        self.keep_login(env, &user, login, now_ms)
    }

    /// What a ticket says, if a key of the environment signed it.
    ///
    /// # Errors
    /// `Ticket`.
    pub fn read_ticket(&self, env: EnvId, text: &str, now_ms: i64) -> Result<ticket::Claims, Refused> {
        let bad = |what: &str| Refused::new(Why::Ticket, format!("the ticket is refused: {what}"));
        let (key, jwt) = ticket::parts(text).ok_or_else(|| bad("expected KEY-ID/@@/JWT"))?;
        let record: Option<TicketKeyRecord> = record::read(&self.store.view(), kind::TICKET_KEY, env, key.as_bytes())?;
        let record = record.ok_or_else(|| bad("the environment has no such key; make one with `user ticket-key`"))?;
        ticket::read(jwt, &record.public_pem, &self.env_name(env)?, now_ms).map_err(bad)
    }

    /// Signs in a user whom an administrator names.
    ///
    /// # Errors
    /// `NoUser`.
    pub fn sign_in_by_uid(&self, env: EnvId, uid: &str, now_ms: i64) -> Result<Credentials, Refused> {
        let user = self.needed_user(env, uid)?;
        let login_type = match () {
            () if user.anonymous => ANONYMOUS,
            () if user.openid.is_some() => "WECHAT_OPEN",
            () if user.custom_id.is_some() => CUSTOM,
            () => "USERNAME",
        };
        self.begin(env, &user, login_type, "", now_ms)
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// `Refresh` where it is forged, used or revoked; `RefreshOver` where its time is over.
    pub fn refresh(&self, env: EnvId, text: &str, exchange: Exchange, now_ms: i64) -> Result<Credentials, Refused> {
        let refused = || Refused::new(Why::Refresh, "the refresh token is not valid; sign in again");
        let secret = self.secret(&self.store.view(), env)?.ok_or_else(refused)?;
        let (id, generation) = token::read_refresh(&secret, text).ok_or_else(refused)?;
        let _changing = self.changing.lock();
        let view = self.store.view();
        let mut login = record::login(&view, env, id)?.ok_or_else(refused)?;
        let user = record::user(&view, env, &login.uid)?.ok_or_else(refused)?;
        if login.expires_ms <= now_ms && !user.anonymous {
            return Err(Refused::new(Why::RefreshOver, "the login is over; sign in again"));
        }
        let late = login.generation.checked_sub(generation);
        match late {
            Some(0) => self.renew(env, id, &mut login, exchange, now_ms)?,
            Some(1) if now_ms - login.rotated_ms < GRACE_MS => {}
            _ => {
                self.end_login(env, id)?;
                return Err(refused());
            }
        }
        self.credentials(env, &user, id, &login, now_ms)
    }

    fn renew(&self, env: EnvId, id: &str, login: &mut LoginRecord, exchange: Exchange, now_ms: i64) -> Result<()> {
        let worn = login.login_type != CUSTOM && login.expires_ms - now_ms < LOGIN_MS / 2;
        if worn {
            login.expires_ms = now_ms + LOGIN_MS;
        }
        if exchange == Exchange::Rotate {
            login.generation += 1;
            login.rotated_ms = now_ms;
        }
        match worn || exchange == Exchange::Rotate {
            true => self.change(env, &[record::put(kind::LOGIN, id.as_bytes(), login)?]),
            false => Ok(()),
        }
    }

    /// Ends the login that a refresh or access token belongs to. Nothing happens where it is none.
    ///
    /// # Errors
    /// What the store meets.
    pub fn sign_out(&self, env: EnvId, text: &str) -> Result<()> {
        let Some(secret) = self.secret(&self.store.view(), env)? else { return Ok(()) };
        let of_access = || token::unproved(text).filter(|_| token::is_signed(&secret, text)).map(|claims| claims.sid);
        let of_refresh = token::read_refresh(&secret, text).map(|(login, _)| login.to_owned());
        match of_refresh.or_else(of_access) {
            Some(login) => {
                let _changing = self.changing.lock();
                self.end_login(env, &login)
            }
            None => Ok(()),
        }
    }

    fn end_login(&self, env: EnvId, id: &str) -> Result<()> {
        self.change(env, &[RecordChange { kind: kind::LOGIN, name: id.as_bytes().to_vec(), record: None }])?;
        self.verified.forget_login(env, id);
        Ok(())
    }

    /// Begins a login of a user.
    ///
    /// # Errors
    /// What the store meets.
    pub(super) fn begin(
        &self,
        env: EnvId,
        user: &UserRecord,
        login_type: &str,
        device: &str,
        now_ms: i64,
    ) -> Result<Credentials, Refused> {
        self.keep_login(env, user, fresh(user, login_type, device, now_ms), now_ms)
    }

    fn keep_login(
        &self,
        env: EnvId,
        user: &UserRecord,
        login: LoginRecord,
        now_ms: i64,
    ) -> Result<Credentials, Refused> {
        let id = unique_id()?;
        let made = self.credentials(env, user, &id, &login, now_ms)?;
        self.change(env, &[record::put(kind::LOGIN, id.as_bytes(), &login)?])?;
        Ok(made)
    }

    fn credentials(
        &self,
        env: EnvId,
        user: &UserRecord,
        id: &str,
        login: &LoginRecord,
        now_ms: i64,
    ) -> Result<Credentials, Refused> {
        let secret = self.needed_or_known_secret(env)?;
        let name = self.env_name(env)?;
        let User { uid, login_type, .. } = user.seen(&login.login_type);
        let claims = Claims {
            iss: "waferdb".to_owned(),
            sub: uid.clone(),
            aud: name.clone(),
            exp: now_ms.saturating_add(login.access_ms) / 1000,
            iat: now_ms / 1000,
            scope: if user.anonymous { "anonymous" } else { "user" }.to_owned(),
            project_id: name,
            provider_type: login_type,
            user_id: uid.clone(),
            sid: id.to_owned(),
        };
        Ok(Credentials {
            access: token::access(&secret, &claims),
            refresh: token::refresh(&secret, id, login.generation),
            access_ms: login.access_ms,
            uid,
            anonymous: user.anonymous,
        })
    }

    /// Where a refresh token was just read the secret is known, and making one would wait for a lock that is held.
    fn needed_or_known_secret(&self, env: EnvId) -> Result<token::Secret> {
        // Let go of before a secret is made, which wants the lock for itself.
        let known = self.secrets.read().get(&env).copied();
        known.map_or_else(|| self.needed_secret(env), Ok)
    }

    pub(super) fn needed_user(&self, env: EnvId, uid: &str) -> Result<UserRecord, Refused> {
        let user = record::user(&self.store.view(), env, uid)?;
        user.ok_or_else(|| Refused::new(Why::NoUser, format!("there is no user with the uid {uid:?}")))
    }
}

fn fresh(user: &UserRecord, login_type: &str, device: &str, now_ms: i64) -> LoginRecord {
    LoginRecord {
        uid: user.uid.clone(),
        login_type: login_type.to_owned(),
        device: device.chars().take(DEVICE_BYTES_MAX).collect(),
        created_ms: now_ms,
        expires_ms: now_ms + LOGIN_MS,
        access_ms: ACCESS_MS,
        generation: 0,
        rotated_ms: 0,
    }
}

/// For callers that only ever see the database's errors.
impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        let code = match refused.why {
            Why::Fault(code) => code,
            Why::SignedOut => Code::Unauthenticated,
            _ => Code::InvalidParam,
        };
        Error::new(code, refused.message)
    }
}
