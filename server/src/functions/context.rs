//! What a function finds around itself: the variables that the unmodified SDKs read, and who called.

use std::collections::BTreeMap;

use query::{Caller, Limits};
use serde_json::{Value, json};
use storage::EnvId;

use super::record::FunctionRecord;

/// A call of a function.
pub struct Invocation<'i> {
    /// The environment.
    pub env: EnvId,
    /// Its name.
    pub env_name: &'i str,
    /// The function's name.
    pub function: &'i str,
    /// JSON text.
    pub event: &'i str,
    /// Who calls.
    pub caller: &'i Caller,
    /// Where from, as `getWXContext().SOURCE` tells: `wx_client`, `wx_http`, `scf`, `wx_trigger`.
    pub source: &'i str,
    /// The id of the request.
    pub request_id: &'i str,
    /// The key pair that the function calls the server with: id and secret.
    pub key: (&'i str, &'i str),
    /// What the environment may use.
    pub limits: &'i Limits,
    /// The instant, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Names that SDKs look up only where these lists name them.
const TCB_KEYS: &str = "TCB_ENV,TCB_SEQID,TCB_SOURCE,TCB_UUID,TCB_CUSTOM_USER_ID,TCB_ISANONYMOUS_USER,LOGINTYPE";
const WX_KEYS: &str = "WX_OPENID,WX_APPID,WX_CLIENTIP";

/// Variables that hold for the life of a process.
pub(super) fn lasting(invocation: &Invocation<'_>, record: &FunctionRecord, url: &str) -> Vec<(String, String)> {
    let (id, secret) = invocation.key;
    let ours = [
        ("TCB_CONTEXT_CNFG", json!({"URL": format!("{url}/admin")}).to_string()),
        ("TENCENTCLOUD", "true".to_owned()),
        ("TENCENTCLOUD_SECRETID", id.to_owned()),
        ("TENCENTCLOUD_SECRETKEY", secret.to_owned()),
        ("SCF_NAMESPACE", invocation.env_name.to_owned()),
        ("SCF_FUNCTIONNAME", invocation.function.to_owned()),
        ("TCB_ENV", invocation.env_name.to_owned()),
        ("TCB_CONTEXT_KEYS", TCB_KEYS.to_owned()),
        ("WX_CONTEXT_KEYS", WX_KEYS.to_owned()),
        ("WAFERDB_URL", url.to_owned()),
        ("WAFERDB_FUNCTION_HANDLER", record.settings.handler.clone()),
        ("WAFERDB_FUNCTION_RESULT_MAX", invocation.limits.function_result_bytes_max.to_string()),
        ("NODE_ENV", "production".to_owned()),
    ];
    let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
    record.settings.variables.iter().cloned().chain(ours).collect()
}

/// What goes to the process for one call.
pub(super) fn frame(invocation: &Invocation<'_>, record: &FunctionRecord) -> String {
    let timeout_ms = u64::from(record.settings.timeout) * 1000;
    let context = json!({
        "request_id": invocation.request_id,
        "function_name": invocation.function,
        "function_version": record.number.to_string(),
        "namespace": invocation.env_name,
        "memory_limit_in_mb": record.settings.memory_size,
        "time_limit_in_ms": timeout_ms,
        "deadline_ms": invocation.now_ms.saturating_add_unsigned(timeout_ms),
    });
    let variables = json!(variables(invocation));
    format!(r#"{{"variables":{variables},"context":{context},"event":{}}}"#, event(invocation))
}

/// The event; one from a user says who that is, whatever it said itself.
fn event(invocation: &Invocation<'_>) -> String {
    let text = if invocation.event.trim().is_empty() { "{}" } else { invocation.event };
    let Caller::User(user) = invocation.caller else { return text.to_owned() };
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(mut members)) => {
            members.insert("userInfo".to_owned(), json!({"appId": "", "openId": user.openid}));
            Value::Object(members).to_string()
        }
        _ => text.to_owned(),
    }
}

fn variables<'i>(invocation: &'i Invocation<'_>) -> BTreeMap<&'static str, &'i str> {
    let mut found = BTreeMap::from([
        ("TCB_ENV", invocation.env_name),
        ("TCB_SOURCE", invocation.source),
        ("TCB_SEQID", invocation.request_id),
        ("WX_OPENID", ""),
        ("WX_APPID", ""),
    ]);
    if let Caller::User(user) = invocation.caller {
        found.insert("WX_OPENID", &user.openid);
        found.insert("TCB_UUID", &user.uid);
        found.insert("LOGINTYPE", &user.login_type);
        found.insert("TCB_ISANONYMOUS_USER", if user.login_type == "ANONYMOUS" { "true" } else { "false" });
    }
    found
}
