//! The change log as a stream: every commit once and in order, across interruptions, by the token of the last one.

use super::{client, insert, make, modify, remove};
use crate::support::server::{self, Server, credentials};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Output;

fn scene() -> Option<(tempfile::TempDir, Server)> {
    if !server::can_serve() {
        return None;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&scratch.path().join("stream"), &[]).expect("it starts");
    make(&mut client(&server), "c");
    make(&mut client(&server), "other");
    Some((scratch, server))
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn said(message: &Value) -> String {
    let changes = message["changes"].as_array().expect("changes").iter();
    let texts: Vec<String> = changes
        .map(|change| {
            format!("{} {} {}", change["change"].as_str().expect("a text"), change["id"], change["document"]["n"])
        })
        .collect();
    texts.join(", ")
}

#[test]
fn a_follower_hears_of_everything_and_goes_on_where_it_was() {
    let Some((_scratch, server)) = scene() else { return };
    let mut writer = client(&server);
    let env = credentials().env;
    let follow = ["changes", "--env", &env, "--collection", "c", "--from", "0", "--follow", "--json"];
    let mut child = server.command_line_under_way(&follow);
    let mut follower = BufReader::new(child.stdout.take().expect("output")).lines();
    insert(&mut writer, "other", &[json!({"_id": "foreign", "n": 1})]);
    insert(&mut writer, "c", &[json!({"_id": "a", "n": 1})]);
    modify(&mut writer, "c", &json!({"_id": "a"}), &json!({"$inc": {"n": 1}})).expect("done");
    modify(&mut writer, "c", &json!({"_id": "a"}), &json!({"n": 9})).expect("done");
    remove(&mut writer, "c", &json!({"_id": "a"}));
    let mut messages: Vec<Value> = Vec::new();
    while messages.last().is_none_or(|last: &Value| !said(last).starts_with("remove")) {
        let line = follower.next().expect("a line").expect("readable");
        messages.push(serde_json::from_str(&line).expect("JSON"));
    }
    let told: Vec<String> = messages.iter().map(said).collect();
    assert_eq!(told, [r#"add "a" 1"#, r#"update "a" 2"#, r#"replace "a" 9"#, r#"remove "a" null"#]);
    child.kill().expect("it can be killed");
    child.wait().expect("it ended");

    let token = messages.last().expect("one")["token"].as_str().expect("a token");
    insert(&mut writer, "c", &[json!({"_id": "b", "n": 1}), json!({"_id": "d", "n": 2})]);
    let rest = server.command_line(&["changes", "--env", &env, "--collection", "c", "--from", token, "--json"]);
    let told: Vec<String> = lines(&rest).iter().map(said).collect();
    assert_eq!(told.join(", "), r#"add "b" 1, add "d" 2"#);
    let again = messages[0]["token"].as_str().expect("a token");
    let all = server.command_line(&["changes", "--env", &env, "--from", again, "--json"]);
    let tokens: Vec<u64> =
        lines(&all).iter().map(|m| m["token"].as_str().and_then(|t| t.parse().ok()).expect("a token")).collect();
    assert!(tokens.is_sorted() && tokens.len() >= 5, "{tokens:?}");
    assert!(server.command_line(&["changes", "--env", &env, "--json"]).stdout.is_empty(), "from now on");
}

#[test]
fn a_token_of_another_server_is_refused() {
    let Some((_scratch, server)) = scene() else { return };
    let env = credentials().env;
    for token in ["99999999", "yesterday"] {
        let child = server.command_line_under_way(&["changes", "--env", &env, "--from", token]);
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(1), "{token}");
    }
}
