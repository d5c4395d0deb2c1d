//! The admin interface: tokens, environments, keys, collections, indexes, import and export.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use super::Served;

#[test]
fn only_a_token_opens_it() {
    let served = Served::start();
    for header in ["", "Bearer ", "Bearer wrong", "Basic x"] {
        let request = Request::get("/waferdb/v1/envs").header("authorization", header).body(Body::empty());
        assert_eq!(served.send(request.expect("a request")).0, 401, "{header}");
    }
    assert_eq!(served.own("GET", "/envs", "").0, 200);
    assert_eq!(served.own("GET", "/server", "").1["environments"], 1);
    assert_eq!(served.own("GET", "/nowhere", "").0, 404);
}

#[test]
fn an_environment_lives_and_ends_with_its_keys() {
    let served = Served::start();
    assert_eq!(served.own("POST", "/envs", r#"{"name":"shop"}"#).0, 200);
    let (status, again) = served.own("POST", "/envs", r#"{"name":"shop"}"#);
    assert_eq!((status, again["code"].as_str()), (409, Some("ENV_EXISTS")));
    let (_, key) = served.own("POST", "/envs/shop/keys", r#"{"note":"till"}"#);
    let id = key["id"].as_str().expect("an id").to_owned();
    assert!(served.app.tenants.find_key(&id).is_some());
    let (_, list) = served.own("GET", "/keys?env=shop", "");
    assert_eq!(list["keys"][0]["note"], "till");
    assert!(!list.to_string().contains(key["secret"].as_str().expect("a secret")), "secrets are shown once");
    let (_, rotated) = served.own("POST", &format!("/keys/{id}/rotate"), r#"{"graceMs":1000}"#);
    assert_ne!(rotated["id"], key["id"]);
    assert_eq!(served.own("DELETE", &format!("/keys/{id}"), "").0, 200);
    assert_eq!(served.own("DELETE", &format!("/keys/{id}"), "").0, 400);
    let (_, limits) = served.own("PATCH", "/envs/shop/limits", r#"{"deadline_ms":77}"#);
    let deadline = limits["limits"].as_array().and_then(|rows| rows.iter().find(|row| row["name"] == "deadline_ms"));
    assert_eq!(deadline.map(|row| row["value"].clone()), Some(json!(77)));
    assert_eq!(served.own("PATCH", "/envs/shop/limits", r#"{"nonsense":1}"#).0, 400);
    assert_eq!(served.own("DELETE", "/envs/shop", "").0, 200);
    assert_eq!(served.own("GET", "/envs/shop/limits", "").0, 404);
    assert!(served.app.tenants.find_key(rotated["id"].as_str().expect("an id")).is_none());
}

#[test]
fn collections_and_indexes_come_and_go() {
    let served = Served::start();
    let collections = "/envs/env1/collections";
    assert_eq!(served.own("POST", collections, r#"{"name":"todos"}"#).0, 200);
    assert_eq!(served.own("POST", collections, r#"{"name":"todos"}"#).0, 409);
    let indexes = format!("{collections}/todos/indexes");
    let index = r#"{"key":{"due":-1,"done":1},"name":"by_due","unique":false}"#;
    assert_eq!(served.own("POST", &indexes, index).0, 200);
    assert_eq!(served.own("POST", &indexes, r#"{"key":{"due":"sideways"}}"#).0, 400);
    let (_, list) = served.own("GET", &indexes, "");
    assert_eq!(list["indexes"][1]["key"], json!({"due": -1, "done": 1}));
    let (_, stats) = served.own("GET", &format!("{collections}/todos"), "");
    assert_eq!((&stats["collection"]["name"], stats["indexes"].as_array().map(Vec::len)), (&json!("todos"), Some(2)));
    assert_eq!(served.own("DELETE", &format!("{indexes}/by_due"), "").0, 200);
    assert_eq!(served.own("DELETE", &format!("{indexes}/by_due"), "").0, 404);
    assert_eq!(served.own("GET", &format!("{collections}/nope"), "").0, 404);
    assert_eq!(served.own("DELETE", &format!("{collections}/todos"), "").0, 200);
    assert_eq!(served.own("GET", collections, "").1, json!({"collections": []}));
}

fn with_todos() -> Served {
    let served = Served::start();
    served.own("POST", "/envs/env1/collections", r#"{"name":"todos"}"#);
    served
}

#[test]
fn plans_are_shown() {
    let served = with_todos();
    let explain = |body: &str| served.own("POST", "/envs/env1/collections/todos/explain", body);
    let (status, answer) = explain(r#"{"filter":{"_id":"a"},"sort":{"due":-1},"limit":5}"#);
    assert_eq!(
        (status, &answer["plan"][0]["queryPlanner"]["winningPlan"]["stage"]),
        (200, &json!("IDHACK")),
        "{answer}"
    );
    let (status, answer) = explain(r#"{"pipeline":[{"$group":{"_id":"$due"}}]}"#);
    assert_eq!(
        (status, &answer["plan"][0]["stages"]),
        (200, &json!([{"stage": "$group", "nReturned": 0}])),
        "{answer}"
    );
    for refused in [
        "",
        "[]",
        r#"{"filter":1}"#,
        r#"{"limit":-1}"#,
        r#"{"pipeline":1}"#,
        r#"{"pipeline":[1]}"#,
        r#"{"pipeline":[{"$nope":1}]}"#,
        r#"{"pipeline":[{"$out":"x"}]}"#,
        r#"{"filter":{"$nope":1}}"#,
    ] {
        assert_eq!(explain(refused).0, 400, "{refused}");
    }
    assert_eq!(served.own("POST", "/envs/env1/collections/nope/explain", "{}").0, 404);
}

const IMPORT: &str = "/envs/env1/collections/todos/import";
const EXPORT: &str = "/envs/env1/collections/todos/export";

#[test]
fn what_is_imported_is_exported() {
    let served = with_todos();
    // Ids of every class, so that pages go on from one class to the next.
    let ids = [
        r#"{"$minKey":1}"#,
        "null",
        r#"{"$numberDouble":"NaN"}"#,
        "-5",
        "1",
        "2.5",
        r#""""#,
        r#""a""#,
        r#"{"k":1}"#,
        r#"{"$binary":{"base64":"AQ==","subType":"00"}}"#,
        r#"{"$oid":"507f1f77bcf86cd799439011"}"#,
        "false",
        "true",
        r#"{"$date":"2024-01-01T00:00:00.000Z"}"#,
        r#"{"$timestamp":{"t":1,"i":1}}"#,
        r#"{"$maxKey":1}"#,
    ];
    let lines: Vec<String> = ids.iter().map(|id| format!(r#"{{"_id":{id},"n":1}}"#)).collect();
    let (_, report) = served.own("POST", IMPORT, &lines.join("\n"));
    assert_eq!((report["inserted"].as_u64(), report["failed"].as_u64()), (Some(ids.len() as u64), Some(0)), "{report}");
    let (status, text) = served.own("GET", EXPORT, "");
    assert_eq!(
        (status, text.as_str().map(|text| text.trim_end().split('\n').map(str::to_owned).collect())),
        (200, Some(lines))
    );
    let (_, some) = served.own("GET", &format!("{EXPORT}?query=%7B%22_id%22%3A%7B%22%24gt%22%3A0%7D%7D"), "");
    assert_eq!(some.as_str().map(|text| text.lines().count()), Some(2));
    assert_eq!(served.own("GET", "/envs/env1/collections/nope/export", "").0, 404);
    assert_eq!(served.own("GET", &format!("{EXPORT}?query=x"), "").0, 400);
}

#[test]
fn an_export_goes_on_over_many_pages() {
    let served = with_todos();
    let lines: String = (0..2500).map(|n| format!("{{\"_id\":{n}}}\n")).collect();
    assert_eq!(served.own("POST", IMPORT, &lines).1["inserted"], 2500);
    let (_, text) = served.own("GET", EXPORT, "");
    assert_eq!(text.as_str(), Some(lines.as_str()));
}

#[test]
fn faults_are_told_with_their_record() {
    let served = with_todos();
    let file = "{\"_id\":1}\n{\"_id\":1}\n{\"$bad\":1}\n{\"_id\":{\"$oid\":\"x\"}}\n{\"_id\":2}\n";
    let (_, report) = served.own("POST", IMPORT, file);
    assert_eq!(report["inserted"], 2);
    assert_eq!((&report["read"], &report["failed"]), (&json!(5), &json!(3)));
    let faults = report["faults"].as_array().expect("faults");
    let records: Vec<_> = faults.iter().filter_map(|fault| fault["record"].as_u64()).collect();
    assert_eq!(records, [2, 3, 4]);
    let (_, stopped) =
        served.own("POST", &format!("{IMPORT}?stopOnError=true"), "{\"_id\":7}\n{\"_id\":1}\n{\"_id\":8}\n");
    assert_eq!((&stopped["inserted"], &stopped["failed"], &stopped["stopped"]), (&json!(1), &json!(1), &json!(true)));
    let (_, upserted) =
        served.own("POST", &format!("{IMPORT}?mode=upsert"), "{\"_id\":1,\"a\":1}\n{\"_id\":9}\n{\"b\":1}\n");
    assert_eq!((&upserted["inserted"], &upserted["updated"]), (&json!(2), &json!(1)));
    let (_, broken) = served.own("POST", IMPORT, "{\"_id\":20}\n5\n");
    assert_eq!((&broken["inserted"], &broken["failed"]), (&json!(1), &json!(1)));
    let (_, cut) = served.own("POST", IMPORT, "{\"_id\":21}\n{\"_id\":");
    assert_eq!((&cut["inserted"], &cut["failed"]), (&json!(1), &json!(1)));
    let (status, missing) = served.own("POST", "/envs/env1/collections/nope/import", "{}");
    assert_eq!((status, missing["code"].as_str()), (404, Some("COLLECTION_MISSING")));
}

#[test]
fn a_sound_store_has_no_findings() {
    let served = with_todos();
    served.own("POST", IMPORT, "{}\n{}\n");
    let (_, report) = served.own("GET", "/doctor", "");
    assert_eq!((&report["documents"], &report["findings"]), (&json!(2), &json!([])));
}
