//! `collection`: collections of an environment.

use serde_json::{Value, json};

use super::check_sure;
use super::env::{rows, tell};
use super::index::show_indexes;
use crate::cli::{CollectionVerb, Explain};
use crate::client::{Target, part};
use crate::failure::{Failure, Result};
use crate::show::{self, Column, Reads};

/// Does a collection's verb.
///
/// # Errors
/// What the server answers.
pub fn run(target: &Target, verb: CollectionVerb, as_json: bool) -> Result<()> {
    match verb {
        CollectionVerb::Create { within, name } => {
            let answer = target.post(&path(&within.env), &json!({"name": name}))?;
            tell(&answer, &format!("made the collection {name}"), as_json);
        }
        CollectionVerb::List { within } => {
            let answer = target.get(&path(&within.env))?;
            if as_json { show::json(&answer) } else { table(rows(&answer, "collections")) }
        }
        CollectionVerb::Stats { within, name } => {
            let answer = target.get(&format!("{}/{}", path(&within.env), part(&name)))?;
            stats(&answer, as_json);
        }
        CollectionVerb::Explain(what) => {
            let path = format!("{}/{}/explain", path(&what.within.within.env), part(&what.within.collection));
            let answer = target.post(&path, &question(&what)?)?;
            rows(&answer, "plan").iter().for_each(show::json);
        }
        CollectionVerb::Drop { within, name, sure } => {
            check_sure(sure, "dropping a collection with all its documents")?;
            let answer = target.delete(&format!("{}/{}", path(&within.env), part(&name)))?;
            tell(&answer, &format!("dropped the collection {name}"), as_json);
        }
    }
    Ok(())
}

/// What is to be explained, as the server reads it.
fn question(what: &Explain) -> Result<Value> {
    let mut question = serde_json::Map::new();
    for (name, text) in [("filter", &what.filter), ("sort", &what.sort), ("pipeline", &what.pipeline)] {
        let Some(text) = text else { continue };
        let value = serde_json::from_str(text)
            .map_err(|fault| Failure::refused("INVALID_PARAM", format!("--{name}: {fault}")))?;
        question.insert(name.to_owned(), value);
    }
    question.extend(what.limit.map(|limit| ("limit".to_owned(), json!(limit))));
    Ok(Value::Object(question))
}

fn path(env: &str) -> String {
    format!("/envs/{}/collections", part(env))
}

fn stats(answer: &Value, as_json: bool) {
    if as_json {
        return show::json(answer);
    }
    table(std::slice::from_ref(&answer["collection"]));
    show::line("");
    show_indexes(rows(answer, "indexes"));
}

fn table(collections: &[Value]) {
    let columns = [
        Column("name", "COLLECTION", Reads::Plain),
        Column("count", "DOCUMENTS", Reads::Plain),
        Column("size", "SIZE", Reads::Bytes),
        Column("diskSize", "ON DISK", Reads::Bytes),
        Column("indexCount", "INDEXES", Reads::Plain),
        Column("indexSize", "INDEX SIZE", Reads::Bytes),
    ];
    show::table(collections, &columns, "no collections");
}
