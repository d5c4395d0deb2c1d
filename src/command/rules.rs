//! `rules`: what clients may do with the documents of a collection.

use serde_json::{Value, json};

use super::env::{rows, tell};
use crate::cli::{InCollection, RulesVerb};
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show;

/// Modes; anything else names a file.
const MODES: [&str; 4] = ["PRIVATE", "READONLY", "ADMINWRITE", "ADMINONLY"];

/// Does a verb about rules.
///
/// # Errors
/// `CouldNot` where the file cannot be read, and what the server answers: line and column of a mistake.
pub fn run(target: &Target, verb: RulesVerb, as_json: bool) -> Result<()> {
    match verb {
        RulesVerb::Get { within } => {
            let answer = target.get(&path(&within))?;
            match as_json {
                true => show::json(&answer),
                false => show::line(answer["policy"].as_str().unwrap_or_default()),
            }
        }
        RulesVerb::Set { within, policy } => {
            let policy = text(&policy)?;
            let answer = target.put(&path(&within), &json!({"policy": policy}))?;
            tell(&answer, &format!("set the rules of {}", within.collection), as_json);
        }
        RulesVerb::Check { policy } => {
            let answer = target.post("/policies/check", &json!({"policy": text(&policy)?}))?;
            match as_json {
                true => show::json(&answer),
                false => rows(&answer, "summary").iter().filter_map(Value::as_str).for_each(show::line),
            }
        }
    }
    Ok(())
}

fn path(within: &InCollection) -> String {
    format!("/envs/{}/collections/{}/policy", part(&within.within.env), part(&within.collection))
}

/// The name of a mode as it is, or what a file holds.
fn text(policy: &str) -> Result<String> {
    if MODES.contains(&policy) {
        return Ok(policy.to_owned());
    }
    std::fs::read_to_string(policy).map_err(|fault| {
        let message = format!("{policy} is none of {} and cannot be read as a file: {fault}", MODES.join(", "));
        Failure::refused("NO_SUCH_FILE", message)
    })
}
