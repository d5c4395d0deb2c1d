//! `changes`: what happens to documents, as it happens.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::env::rows;
use crate::cli::Changes;
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show;

/// Prints changes until there are no more, or for ever.
///
/// # Errors
/// What the server answers; `LOG_TRIMMED` where the log does not reach back to the token.
pub fn run(target: &Target, changes: &Changes, as_json: bool) -> Result<()> {
    if changes.follow && matches!(target, Target::Local { .. }) {
        return Err(Failure::refused("NOT_SERVED", "nobody serves this folder, so nothing will happen in it"));
    }
    let mut query = vec![format!("follow={}", changes.follow)];
    query.extend(changes.collection.as_ref().map(|name| format!("collection={}", part(name))));
    query.extend(changes.from.as_ref().map(|token| format!("from={}", part(token))));
    let path = format!("/envs/{}/changes?{}", part(&changes.within.env), query.join("&"));
    let lines = BufReader::new(target.download(&path)?).lines();
    let mut kind = String::new();
    for line in lines {
        let line = line.map_err(|fault| Failure::CouldNot(format!("the stream broke off: {fault}")))?;
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        } else if let Some(data) = line.strip_prefix("data: ") {
            tell(&kind, data, as_json)?;
        }
    }
    Ok(())
}

fn tell(kind: &str, data: &str, as_json: bool) -> Result<()> {
    let message: Value = serde_json::from_str(data)
        .map_err(|fault| Failure::CouldNot(format!("the server sent what is no JSON: {fault}")))?;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if kind == "error" {
        return Err(Failure::refused(&text(&message["code"]), text(&message["message"])));
    }
    if as_json {
        show::line(data);
        return Ok(());
    }
    let (token, at) = (text(&message["token"]), show::instant(message["at"].as_i64().unwrap_or(0)));
    for change in rows(&message, "changes") {
        let [collection, what] = ["collection", "change"].map(|name| text(&change[name]));
        let document = if change["document"].is_null() { &change["id"] } else { &change["document"] };
        show::line(&format!("{token}  {at}  {what:<7}  {collection}  {document}"));
    }
    Ok(())
}
