//! Actions of client SDKs about identity: signing in and out, tokens, the caller's own account.
//!
//! Refresh tokens stay valid here when they are used: these SDKs never look for another.

use query::{Caller, Code, Error, Result};
use serde_json::{Map, Value, json};
use storage::EnvId;

use super::Call;
use crate::identity::Identity;
use crate::identity::account::PROFILE;
use crate::identity::login::{ANONYMOUS, Credentials, Exchange};
use crate::identity::record::UserRecord;
use crate::identity::refusal::{Refused, Why};

/// A call, taken off the request, so that it can wait where waiting does no harm.
struct Asked {
    env: EnvId,
    env_name: String,
    now_ms: i64,
    members: Map<String, Value>,
    uid: Option<String>,
    login_type: String,
}

type Work = fn(&Identity, &Asked) -> Result<Value, Refused>;

/// `auth.signInAnonymously`
pub async fn anonymous(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let (made, pass) = identity.sign_in_anonymously(asked.env, asked.text("anonymous_uuid"), "", asked.now_ms)?;
        Ok(json!({"uuid": pass, "refresh_token": made.refresh}))
    })
    .await
}

/// `auth.signIn`
pub async fn sign_in(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let name = match asked.text("loginType") {
            "USERNAME" => asked.needed("username")?,
            "EMAIL" => asked.needed("email")?,
            "PHONE" if !asked.text("password").is_empty() => asked.needed("phoneNumber")?,
            other => {
                let message =
                    format!("signing in by {other:?} is not offered: USERNAME, EMAIL and PHONE with a password are");
                return Err(Refused::new(Why::NotOffered, message));
            }
        };
        let made = identity.sign_in_with_password(asked.env, name, asked.text("password"), "", asked.now_ms)?;
        Ok(json!({"refresh_token": made.refresh}))
    })
    .await
}

/// `auth.signInWithTicket`
pub async fn ticket(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let made = identity.sign_in_with_ticket(asked.env, asked.needed("ticket")?, "", asked.now_ms)?;
        Ok(json!({"refresh_token": made.refresh}))
    })
    .await
}

/// `auth.fetchAccessTokenWithRefreshToken`
pub async fn access_token(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let made = identity.refresh(asked.env, asked.text("refresh_token"), Exchange::Keep, asked.now_ms)?;
        let Credentials { access, access_ms, .. } = made;
        Ok(json!({"access_token": access, "access_token_expire": access_ms}))
    })
    .await
}

/// `auth.logout`
pub async fn sign_out(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        identity.sign_out(asked.env, asked.text("refresh_token"))?;
        Ok(json!({"data": {}}))
    })
    .await
}

/// `auth.getUserInfo`
pub async fn user_info(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let user = identity.user(asked.env, asked.uid()?)?;
        Ok(json!({"data": shown(&user, &asked.login_type, &asked.env_name)}))
    })
    .await
}

/// `auth.getUserInfoForAdmin`
pub async fn user_info_for_admin(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let user = identity.user(asked.env, asked.needed("uuid")?)?;
        let login_type = if user.anonymous { ANONYMOUS } else { "" };
        let mut data = shown(&user, login_type, &asked.env_name);
        let openid = user.openid.as_deref().unwrap_or_default();
        data.insert("openId".to_owned(), openid.into());
        data.insert("isAnonymous".to_owned(), user.anonymous.into());
        Ok(json!({"data": data}))
    })
    .await
}

/// `auth.updateUserInfo`
pub async fn update_info(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let said = PROFILE
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), asked.members.get(*name)?.as_str()?.to_owned())));
        identity.say(asked.env, asked.uid()?, &said.collect::<Vec<_>>(), asked.now_ms)?;
        Ok(json!({"data": {}}))
    })
    .await
}

/// `auth.isUsernameRegistered`
pub async fn is_registered(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let taken = identity.is_taken(asked.env, asked.needed("username")?)?;
        Ok(json!({"data": {"isRegistered": taken}}))
    })
    .await
}

/// `auth.updateUsername`
pub async fn update_username(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        identity.set_username(asked.env, asked.uid()?, asked.needed("username")?, asked.now_ms)?;
        Ok(json!({"data": {}}))
    })
    .await
}

/// `auth.updatePassword`
pub async fn update_password(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let (old, new) = (asked.text("oldPassword"), asked.needed("newPassword")?);
        identity.set_password(asked.env, asked.uid()?, old, new, asked.now_ms)?;
        Ok(json!({"data": {}}))
    })
    .await
}

/// `auth.linkWithTicket`
pub async fn link_ticket(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        identity.link_ticket(asked.env, asked.uid()?, asked.needed("ticket")?, asked.now_ms)?;
        Ok(json!({"data": {}}))
    })
    .await
}

/// `auth.getLinkedUidList`
pub async fn linked(call: &Call<'_>) -> Result<Vec<u8>> {
    answered(call, |identity, asked| {
        let user = identity.user(asked.env, asked.uid()?)?;
        Ok(json!({"data": {"users": [shown(&user, &asked.login_type, &asked.env_name)]}}))
    })
    .await
}

async fn answered(call: &Call<'_>, work: Work) -> Result<Vec<u8>> {
    let asked = Asked::take(call)?;
    let identity = call.app.identity.clone();
    let done = call.app.run_long(move || Ok(work(&identity, &asked))).await?;
    let mut answer = call.answer();
    match done {
        Ok(Value::Object(fields)) => fields.iter().for_each(|(name, value)| answer.json(name, &value.to_string())),
        Ok(_) => {}
        Err(Refused { why: Why::Fault(code), message }) => return Err(Error::new(code, message)),
        Err(Refused { why, message }) => {
            answer.text("code", why.said().web);
            answer.text("message", &message);
        }
    }
    Ok(answer.finish())
}

impl Asked {
    fn take(call: &Call<'_>) -> Result<Asked> {
        let mut members = Map::new();
        for member in call.members.iter() {
            if let Some(text) = call.members.text(&member.name).ok().flatten() {
                members.insert(member.name.to_string(), Value::String(text.into_owned()));
            }
        }
        let (uid, login_type) = match &call.session.caller {
            Caller::User(user) => (Some(user.uid.clone()), user.login_type.clone()),
            Caller::Admin | Caller::Guest => (None, String::new()),
        };
        let env = call.session.env;
        let gone = || Error::new(Code::EnvMissing, "the environment does not exist");
        let env_name = call.app.tenants.env_name(env).ok_or_else(gone)?;
        Ok(Asked { env, env_name, now_ms: call.session.now, members, uid, login_type })
    }

    fn text(&self, name: &str) -> &str {
        self.members.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn needed(&self, name: &str) -> Result<&str, Refused> {
        match self.text(name) {
            "" => {
                Err(Refused::new(Why::Malformed, format!("`{name}` is missing: expected a string that is not empty")))
            }
            text => Ok(text),
        }
    }

    fn uid(&self) -> Result<&str, Refused> {
        self.uid.as_deref().ok_or_else(|| Refused::new(Why::SignedOut, "nobody is signed in; sign in first"))
    }
}

/// An account as these SDKs read it: every field a text, be it empty.
fn shown(user: &UserRecord, login_type: &str, env: &str) -> Map<String, Value> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let known = json!({
        "uid": user.uid,
        "loginType": login_type.replace('_', "-"),
        "envName": env,
        "hasPassword": user.password.is_some(),
        "customUserId": text(&user.custom_id),
        "email": text(&user.email),
        "phone": text(&user.phone),
        "username": text(&user.username),
        "wxOpenId": text(&user.openid),
        "wxPublicId": "",
        "wxUnionId": text(&user.unionid),
        "qqMiniOpenId": "",
    });
    let Value::Object(mut data) = known else { return Map::new() };
    data.extend(PROFILE.iter().map(|name| ((*name).to_owned(), Value::from(user.said(name)))));
    data
}
