//! `index`: indexes of a collection.

use std::thread::sleep;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::env::{rows, tell};
use crate::cli::{InCollection, IndexVerb, NewIndex};
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show::{self, Column, Reads};

/// How often the building of an index is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Does an index's verb.
///
/// # Errors
/// What the server answers.
pub fn run(target: &Target, verb: IndexVerb, as_json: bool) -> Result<()> {
    match verb {
        IndexVerb::Create(new) => create(target, &new, as_json),
        IndexVerb::List { within } | IndexVerb::Status { within } => {
            let answer = target.get(&path(&within))?;
            if as_json {
                show::json(&answer)
            } else {
                show_indexes(rows(&answer, "indexes"))
            }
            Ok(())
        }
        IndexVerb::Drop { within, name } => {
            let answer = target.delete(&format!("{}/{}", path(&within), part(&name)))?;
            tell(&answer, &format!("dropped the index {name}"), as_json);
            Ok(())
        }
    }
}

fn path(within: &InCollection) -> String {
    format!("/envs/{}/collections/{}/indexes", part(&within.within.env), part(&within.collection))
}

fn create(target: &Target, new: &NewIndex, as_json: bool) -> Result<()> {
    let fields: Vec<(&str, Value)> = new.fields.iter().map(|field| read_field(field)).collect();
    let name = new.name.clone().unwrap_or_else(|| default_name(&fields));
    target.post(&path(&new.within), &description(new, &fields, &name)?)?;
    let index = match new.no_wait {
        true => json!({"name": name, "state": "building"}),
        false => wait(target, &new.within, &name, as_json)?,
    };
    let state = index["state"].as_str().unwrap_or_default();
    if state == "failed" {
        let reason = index["reason"].as_str().unwrap_or_default();
        let message =
            format!("the index {name} could not be built: {reason}; drop it, mend the documents, make it again");
        return Err(Failure::refused("INDEX_CONFLICT", message));
    }
    tell(&index, &format!("made the index {name}: {state}"), as_json);
    Ok(())
}

/// `name`, `due:-1`, `place:2dsphere`
fn read_field(field: &str) -> (&str, Value) {
    match field.rsplit_once(':') {
        Some((path, kind)) => (path, kind.parse::<i64>().map_or_else(|_| json!(kind), |direction| json!(direction))),
        None => (field, json!(1)),
    }
}

/// `title=10`
fn read_weight(text: &str) -> Result<(String, Value)> {
    let weight = text.rsplit_once('=').and_then(|(field, weight)| Some((field, weight.parse::<u32>().ok()?)));
    let (field, weight) = weight.ok_or_else(|| {
        Failure::refused("INVALID_PARAM", format!("--weight: expected FIELD=WEIGHT such as title=10, found {text:?}"))
    })?;
    Ok((field.to_owned(), json!(weight)))
}

/// The name that the server would give, too.
fn default_name(fields: &[(&str, Value)]) -> String {
    let parts =
        fields.iter().map(|(path, kind)| format!("{path}_{}", kind.as_str().map_or(kind.to_string(), str::to_owned)));
    parts.collect::<Vec<_>>().join("_")
}

fn description(new: &NewIndex, fields: &[(&str, Value)], name: &str) -> Result<Value> {
    let key: Map<String, Value> = fields.iter().map(|(path, kind)| ((*path).to_owned(), kind.clone())).collect();
    let mut index = Map::from_iter([("key".to_owned(), Value::Object(key)), ("name".to_owned(), json!(name))]);
    if new.unique {
        index.insert("unique".to_owned(), json!(true));
    }
    if new.sparse {
        index.insert("sparse".to_owned(), json!(true));
    }
    if let Some(seconds) = new.expire_after {
        index.insert("expireAfterSeconds".to_owned(), json!(seconds));
    }
    if let Some(filter) = &new.partial {
        let filter: Value = serde_json::from_str(filter)
            .map_err(|fault| Failure::refused("INVALID_PARAM", format!("--partial: {fault}")))?;
        index.insert("partialFilterExpression".to_owned(), filter);
    }
    if !new.weight.is_empty() {
        let weights = new.weight.iter().map(|weight| read_weight(weight)).collect::<Result<Map<_, _>>>()?;
        index.insert("weights".to_owned(), Value::Object(weights));
    }
    let languages = [("default_language", &new.language), ("language_override", &new.language_field)];
    for (name, language) in languages {
        index.extend(language.as_ref().map(|language| (name.to_owned(), json!(language))));
    }
    Ok(Value::Object(index))
}

/// Waits until the index is built, or building it failed.
fn wait(target: &Target, within: &InCollection, name: &str, as_json: bool) -> Result<Value> {
    let bar = if as_json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("building {bar:40} {pos}/{len} documents {eta}") {
        bar.set_style(style);
    }
    loop {
        let answer = target.get(&path(within))?;
        let index = rows(&answer, "indexes").iter().find(|index| index["name"] == name);
        let Some(index) = index else {
            return Err(Failure::refused("INDEX_MISSING", format!("the index {name} was dropped meanwhile")));
        };
        if index["state"] != "building" {
            bar.finish_and_clear();
            return Ok(index.clone());
        }
        bar.set_length(index["docsTotal"].as_u64().unwrap_or(0));
        bar.set_position(index["docsDone"].as_u64().unwrap_or(0));
        sleep(LOOK_EVERY);
    }
}

/// Prints indexes as a table.
pub fn show_indexes(indexes: &[Value]) {
    let columns = [
        Column("name", "INDEX", Reads::Plain),
        Column("key", "FIELDS", Reads::Plain),
        Column("unique", "UNIQUE", Reads::Plain),
        Column("sparse", "SPARSE", Reads::Plain),
        Column("state", "STATE", Reads::Plain),
        Column("docsDone", "DONE", Reads::Plain),
        Column("docsTotal", "OF", Reads::Plain),
    ];
    show::table(indexes, &columns, "no indexes");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_written() {
        let fields: Vec<_> = ["a", "due:-1", "place:2dsphere", "x:y:1"].into_iter().map(read_field).collect();
        assert_eq!(default_name(&fields), "a_1_due_-1_place_2dsphere_x:y_1");
        assert_eq!(fields[1], ("due", json!(-1)));
    }
}
