//! Calls of cloud functions, as each family of SDKs makes them and reads their results.

use std::borrow::Cow;

use query::{Caller, Code, Error, Result, Session};

use super::Call;
use crate::app::App;
use crate::functions::context::Invocation;

/// `functions.invokeFunction`
pub async fn invoke(call: &Call<'_>) -> Result<Vec<u8>> {
    let name = call.members.needed_text("function_name")?;
    let event = call.members.inner_json("request_data")?.unwrap_or(Cow::Borrowed("{}"));
    let source = if call.session.caller == Caller::Admin { "scf" } else { "wx_http" };
    let result = run(call.app, &call.session, Asked { name: &name, event: &event, source }, call.request_id).await?;
    let mut answer = call.answer();
    let parsed = call.members.flag("parse").unwrap_or(false);
    answer.object("data", |data| match parsed {
        true => data.json("response_data", &result),
        false => data.text("response_data", &result),
    });
    Ok(answer.finish())
}

/// `tcbapi_slowcallfunction_v2`
pub async fn invoke_wx(call: &Call<'_>) -> Result<Vec<u8>> {
    let name = call.members.needed_text("function_name")?;
    let event = call.members.inner_json("data")?.unwrap_or(Cow::Borrowed("{}"));
    let asked = Asked { name: &name, event: &event, source: "wx_client" };
    let outcome = run(call.app, &call.session, asked, call.request_id).await;
    let (number, message, data) = match outcome {
        Ok(result) => (0, String::new(), result),
        Err(error) if error.code == Code::FunctionFailed => (-504_002, error.message, String::new()),
        Err(error) => return Err(error),
    };
    let mut answer = call.answer();
    answer.number("status", 1);
    answer.integer("service_errcode", number);
    answer.text("service_errmsg", &message);
    answer.text("data", &data);
    answer.text("func_request_id", call.request_id);
    answer.text("event_id", call.request_id);
    answer.text("poll_url", "");
    Ok(answer.finish())
}

/// What a caller asks for.
pub struct Asked<'a> {
    /// The function's name.
    pub name: &'a str,
    /// JSON text.
    pub event: &'a str,
    /// Where the call comes from, as functions are told.
    pub source: &'a str,
}

/// Calls a function for whoever the session belongs to. The rule is the original's default: who is signed in may call.
///
/// # Errors
/// `PermissionDenied` for guests, and as for [`crate::functions::Functions::invoke`].
pub async fn run(app: &App, session: &Session, asked: Asked<'_>, request_id: &str) -> Result<String> {
    if session.caller == Caller::Guest {
        return Err(Error::new(Code::PermissionDenied, "only who is signed in may call functions"));
    }
    serde_json::from_str::<&serde_json::value::RawValue>(if asked.event.is_empty() { "{}" } else { asked.event })
        .map_err(|fault| Error::new(Code::InvalidParam, format!("the function's data is not JSON: {fault}")))?;
    let missing = || Error::new(Code::EnvMissing, "the environment does not exist");
    let env_name = app.tenants.env_name(session.env).ok_or_else(missing)?;
    let key = app.tenants.functions_key(session.env)?;
    let invocation = Invocation {
        env: session.env,
        env_name: &env_name,
        function: asked.name,
        event: asked.event,
        caller: &session.caller,
        source: asked.source,
        request_id,
        key: (&key.id, &key.secret),
        limits: &session.limits,
        now_ms: session.now,
    };
    app.functions.invoke(invocation).await
}
