//! `env`: environments and what they may use.

use serde_json::{Map, Value, json};

use super::check_sure;
use crate::cli::EnvVerb;
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show::{self, Column, Reads};

/// Does an environment's verb.
///
/// # Errors
/// What the server answers.
pub fn run(target: &Target, verb: EnvVerb, as_json: bool) -> Result<()> {
    match verb {
        EnvVerb::Create { name } => {
            let answer = target.post("/envs", &json!({"name": name}))?;
            let text = format!("made the environment {name}; a key pair for it: waferdb key create --env {name}");
            tell(&answer, &text, as_json);
        }
        EnvVerb::List => list(&target.get("/envs")?, as_json),
        EnvVerb::Drop { name, sure } => {
            check_sure(sure, "dropping an environment with all its documents")?;
            let answer = target.delete(&format!("/envs/{}", part(&name)))?;
            tell(&answer, &format!("dropped the environment {name}"), as_json);
        }
        EnvVerb::Limits { name, changes } => limits(target, &name, &changes, as_json)?,
    }
    Ok(())
}

fn list(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    let columns = [
        Column("name", "ENVIRONMENT", Reads::Plain),
        Column("collections", "COLLECTIONS", Reads::Plain),
        Column("documents", "DOCUMENTS", Reads::Plain),
        Column("bytes", "SIZE", Reads::Bytes),
        Column("keys", "KEYS", Reads::Plain),
        Column("createdMs", "MADE", Reads::Instant),
    ];
    show::table(rows(answer, "environments"), &columns, "no environments");
}

fn limits(target: &Target, name: &str, changes: &[String], as_json: bool) -> Result<()> {
    let path = format!("/envs/{}/limits", part(name));
    let answer = match changes {
        [] => target.get(&path)?,
        changes => target.patch(&path, &read_changes(changes)?)?,
    };
    if as_json {
        show::json(&answer);
        return Ok(());
    }
    let columns = [
        Column("name", "LIMIT", Reads::Plain),
        Column("value", "VALUE", Reads::Plain),
        Column("default", "DEFAULT", Reads::Plain),
        Column("help", "MEANING", Reads::Plain),
    ];
    show::table(rows(&answer, "limits"), &columns, "no limits");
    Ok(())
}

fn read_changes(changes: &[String]) -> Result<Value> {
    let mut read = Map::new();
    for change in changes {
        let wrong =
            || Failure::refused("INVALID_PARAM", format!("{change:?}: expected name=number, or name= for the default"));
        let (name, value) = change.split_once('=').ok_or_else(wrong)?;
        let value = match value {
            "" => Value::Null,
            number => Value::from(number.parse::<u64>().map_err(|_| wrong())?),
        };
        read.insert(name.to_owned(), value);
    }
    Ok(Value::Object(read))
}

/// The rows of a list.
pub fn rows<'v>(answer: &'v Value, name: &str) -> &'v [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

/// Prints an answer or what it means.
pub fn tell(answer: &Value, text: &str, as_json: bool) {
    if as_json { show::json(answer) } else { show::line(text) }
}
