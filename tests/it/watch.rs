//! Watching over sockets: every version of every document once and in order, whatever happens to connections and to
//! the server; nothing foreign; an explicit end for whoever is too slow or may not watch any more.
//!
//! `cargo test` runs the short form, `WAFERDB_TORTURE_SECONDS` makes it long (`make torture`). What the tests of a
//! dialogue expect is what the SDKs' own recorded dialogues show.

mod crowd;
mod dialogue;
mod stream;
mod versions;

use crate::support::client::Client;
use crate::support::gateway::{Member, quoted};
use crate::support::server::{Server, credentials};
use serde_json::{Value, json};

fn client(server: &Server) -> Client {
    Client::new(&server.address, &credentials())
}

fn make(client: &mut Client, collection: &str) {
    // It may be there already, from before a restart.
    let _ = client.call("database.addCollection", &[("collectionName", Member::Text(collection))]);
}

fn insert(client: &mut Client, collection: &str, docs: &[Value]) {
    let texts: Vec<String> = docs.iter().map(|doc| quoted(&doc.to_string())).collect();
    let data = format!("[{}]", texts.join(","));
    let members = [("collectionName", Member::Text(collection)), ("data", Member::Raw(&data))];
    client.call("database.insertDocument", &members).expect("an answer").done();
}

/// Changes what a query finds; a change without operators replaces one document.
fn modify(client: &mut Client, collection: &str, query: &Value, change: &Value) -> std::io::Result<Value> {
    let operators = change.as_object().is_some_and(|change| change.keys().any(|name| name.starts_with('$')));
    let flag = if operators { "true" } else { "false" };
    let (query, data) = (query.to_string(), change.to_string());
    let members = [
        ("collectionName", Member::Text(collection)),
        ("query", Member::Text(&query)),
        ("data", Member::Text(&data)),
        ("multi", Member::Raw(flag)),
        ("merge", Member::Raw(flag)),
        ("upsert", Member::Raw("false")),
    ];
    Ok(match client.call("database.modifyDocument", &members)? {
        crate::support::client::Answer::Done(answer) => answer,
        crate::support::client::Answer::Refused { code, message } => json!({"code": code, "message": message}),
    })
}

fn remove(client: &mut Client, collection: &str, query: &Value) {
    let query = query.to_string();
    let members =
        [("collectionName", Member::Text(collection)), ("query", Member::Text(&query)), ("multi", Member::Raw("true"))];
    client.call("database.removeDocument", &members).expect("an answer").done();
}

/// Every document of a collection.
fn read(client: &mut Client, collection: &str, query: &Value) -> Vec<Value> {
    let query = query.to_string();
    let members =
        [("collectionName", Member::Text(collection)), ("query", Member::Text(&query)), ("limit", Member::Raw("1000"))];
    let answer = client.call("database.getDocument", &members).expect("an answer").done();
    let texts = answer["data"]["list"].as_array().expect("a list").clone();
    texts.iter().map(|text| serde_json::from_str(text.as_str().expect("a text")).expect("JSON")).collect()
}
