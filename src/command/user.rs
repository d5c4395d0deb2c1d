//! `user`: users of environments, tokens for testing, keys for login tickets.

use serde_json::{Value, json};

use super::env::rows;
use crate::cli::UserVerb;
use crate::client::{Target, part};
use crate::failure::Result;
use crate::show::{self, Column, Reads};

/// Does a user's verb.
///
/// # Errors
/// What the server answers.
pub fn run(target: &Target, verb: UserVerb, as_json: bool) -> Result<()> {
    match verb {
        UserVerb::Create { within, username, password, openid, email, phone } => {
            let new = json!({
                "username": username, "password": password, "openid": openid, "email": email, "phone": phone,
            });
            let answer = target.post(&format!("/envs/{}/users", part(&within.env)), &new)?;
            show_lines(&answer, as_json, &[("uid", "uid"), ("username", "username"), ("openid", "openid")]);
        }
        UserVerb::List { within, after } => {
            let answer = target.get(&format!("/envs/{}/users?after={}", part(&within.env), part(&after)))?;
            list(&answer, as_json);
        }
        UserVerb::Token { within, uid } => {
            let path = format!("/envs/{}/users/{}/token", part(&within.env), part(&uid));
            let answer = target.post(&path, &json!({}))?;
            show_lines(&answer, as_json, &[("access token", "accessToken"), ("refresh token", "refreshToken")]);
        }
        UserVerb::TicketKey { within } => {
            // A file of this very form is what SDKs read.
            show::json(&target.post(&format!("/envs/{}/ticket-keys", part(&within.env)), &json!({}))?);
        }
    }
    Ok(())
}

fn show_lines(answer: &Value, as_json: bool, names: &[(&str, &str)]) {
    if as_json {
        return show::json(answer);
    }
    for (label, name) in names {
        if let Some(text) = answer[*name].as_str() {
            show::line(&format!("{label:<14}{text}"));
        }
    }
}

fn list(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let columns = [
        Column("uid", "UID", Reads::Plain),
        Column("username", "USERNAME", Reads::Plain),
        Column("openid", "OPENID", Reads::Plain),
        Column("customId", "CUSTOM ID", Reads::Plain),
        Column("created_ms", "MADE", Reads::Instant),
    ];
    show::table(rows(answer, "users"), &columns, "no users");
}
