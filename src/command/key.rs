//! `key`: key pairs of environments.

use serde_json::{Value, json};

use super::env::{rows, tell};
use crate::cli::KeyVerb;
use crate::client::{Target, part};
use crate::failure::Result;
use crate::show::{self, Column, Reads};

/// Does a key's verb.
///
/// # Errors
/// What the server answers.
pub fn run(target: &Target, verb: KeyVerb, as_json: bool) -> Result<()> {
    match verb {
        KeyVerb::Create { within, note } => {
            let answer = target.post(&format!("/envs/{}/keys", part(&within.env)), &json!({"note": note}))?;
            show_new(&answer, as_json);
        }
        KeyVerb::List { env } => {
            let query = env.map(|env| format!("?env={}", part(&env))).unwrap_or_default();
            list(&target.get(&format!("/keys{query}"))?, as_json);
        }
        KeyVerb::Rotate { id, grace_hours } => {
            let grace_ms = u64::from(grace_hours) * 60 * 60 * 1000;
            let answer = target.post(&format!("/keys/{}/rotate", part(&id)), &json!({"graceMs": grace_ms}))?;
            show_new(&answer, as_json);
            if !as_json {
                show::line(&format!("the old key pair {id} ends in {grace_hours} hours"));
            }
        }
        KeyVerb::Revoke { id } => {
            let answer = target.delete(&format!("/keys/{}", part(&id)))?;
            tell(&answer, &format!("the key pair {id} opens nothing any more"), as_json);
        }
    }
    Ok(())
}

fn show_new(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    show::line(&format!("environment  {}", text("env")));
    show::line(&format!("secretId     {}", text("id")));
    show::line(&format!("secretKey    {}   (shown once)", text("secret")));
    show::line(&format!("access key   {}.{}   (for SDKs that take one key)", text("id"), text("secret")));
}

fn list(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let columns = [
        Column("id", "SECRET ID", Reads::Plain),
        Column("env", "ENVIRONMENT", Reads::Plain),
        Column("created_ms", "MADE", Reads::Instant),
        Column("expires_ms", "ENDS", Reads::Instant),
        Column("note", "NOTE", Reads::Plain),
    ];
    show::table(rows(answer, "keys"), &columns, "no key pairs");
}
