//! Pipelines that outgrow their memory go on through files, of which nothing is left.

use super::support::gateway::Member;
use super::support::server::{Server, can_serve, credentials};
use serde_json::{Value, json};
use std::fs;

const COLLECTION: (&str, Member<'_>) = ("collectionName", Member::Text("orders"));
const DOCUMENTS: u64 = 3000;

#[test]
fn pipelines_go_on_where_their_memory_ends() {
    if !can_serve() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let folder = scratch.path().join("data");
    fs::create_dir(&folder).expect("a folder");
    let server = Server::start(&folder, &[]).expect("it starts");
    let mut client = server.client();
    client.call("database.addCollection", &[COLLECTION]).expect("an answer").done();
    let list: Vec<Value> = (0..DOCUMENTS)
        .map(|number| json!({ "_id": format!("o{number:04}"), "key": number * 7919 % DOCUMENTS, "note": "n".repeat(50) }))
        .map(|document| Value::from(document.to_string()))
        .collect();
    let data = Value::from(list).to_string();
    client.call("database.insertDocument", &[COLLECTION, ("data", Member::Raw(&data))]).expect("it").done();
    server.command_line(&["env", "limits", &credentials().env, "stage_bytes_max=100000"]);
    let before = names(&folder);
    for (stages, expected) in [
        (json!([{ "$group": { "_id": "$key" } }, { "$count": "n" }]), json!({ "n": DOCUMENTS })),
        (
            json!([{ "$sort": { "key": 1 } }, { "$group": { "_id": null, "a": { "$first": "$key" }, "z": { "$last": "$key" } } }]),
            json!({ "_id": null, "a": 0, "z": DOCUMENTS - 1 }),
        ),
        (
            json!([
                { "$lookup": { "from": "orders", "localField": "key", "foreignField": "key", "as": "same" } },
                { "$unwind": "$same" },
                { "$count": "n" },
            ]),
            json!({ "n": DOCUMENTS }),
        ),
    ] {
        let steps = stages.as_array().expect("stages").iter().filter_map(|stage| stage.as_object()?.iter().next());
        let steps: Vec<Value> =
            steps.map(|(name, argument)| json!({ "stageKey": name, "stageValue": argument.to_string() })).collect();
        let steps = Value::from(steps).to_string();
        let answer = client.call("database.aggregateDocuments", &[COLLECTION, ("stages", Member::Raw(&steps))]);
        let answer = answer.expect("an answer").done();
        let row = answer["data"]["list"][0].as_str().expect("a document as text");
        assert_eq!(plain(&serde_json::from_str(row).expect("JSON")), expected, "{stages}");
    }
    assert_eq!(names(&folder), before, "nothing is left");
    assert!(server.stop().success());
}

/// A document with its numbers as numbers.
fn plain(document: &Value) -> Value {
    let number = |value: &Value| {
        let text = value.get("$numberInt").or(value.get("$numberLong")).and_then(Value::as_str);
        text.and_then(|text| text.parse::<i64>().ok()).map_or_else(|| value.clone(), Value::from)
    };
    let members = document.as_object().expect("a document").iter();
    Value::Object(members.map(|(name, value)| (name.clone(), number(value))).collect())
}

fn names(folder: &std::path::Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    names
}
