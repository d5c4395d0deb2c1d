//! Dialogues step by step: what each kind of change is called, windows, permission, endings.

use super::{client, insert, make, modify, remove};
use crate::support::server::{self, Server, credentials};
use crate::support::watcher::{Seen, Watcher};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);

fn scene(name: &str) -> Option<(tempfile::TempDir, Server)> {
    if !server::can_serve() {
        return None;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&scratch.path().join(name), &[]).expect("it starts");
    Some((scratch, server))
}

/// What happens next, by its kind, queue and id.
fn next(watcher: &mut Watcher) -> Vec<Seen> {
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        let seen = watcher.next(Duration::from_millis(200)).expect("the watch goes on");
        if !seen.is_empty() {
            return seen;
        }
    }
    panic!("nothing happened");
}

fn said(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(|seen| format!("{}/{} {}", seen.kind, seen.queue, seen.id)).collect()
}

fn ended(watcher: &mut Watcher, within: Duration) -> Value {
    let until = Instant::now() + within;
    while Instant::now() < until && watcher.error.is_none() {
        let _ = watcher.next(Duration::from_millis(50));
    }
    watcher.error.clone().expect("an explicit end")
}

#[test]
fn each_change_is_called_by_its_name() {
    let Some((_scratch, server)) = scene("names") else { return };
    let mut client = client(&server);
    make(&mut client, "c");
    insert(&mut client, "c", &[json!({"_id": "a", "n": 1, "gone": 1}), json!({"_id": "x", "n": -1})]);
    let mut watcher = Watcher::new(
        &credentials(),
        json!({"collName": "c", "query": "\"{\\\"n\\\":{\\\"$gt\\\":{\\\"$numberInt\\\":\\\"0\\\"}}}\""}),
    );
    let first = watcher.connect(&server.address).expect("begins");
    assert_eq!(said(&first), ["init/init a"]);
    insert(&mut client, "c", &[json!({"_id": "b", "n": 2})]);
    assert_eq!(said(&next(&mut watcher)), ["add/enqueue b"]);
    modify(&mut client, "c", &json!({"_id": "a"}), &json!({"$set": {"n": 5, "o.k": 2}, "$unset": {"gone": ""}}))
        .expect("done");
    let seen = next(&mut watcher);
    assert_eq!(said(&seen), ["update/update a"]);
    assert_eq!(seen[0].updated, json!({"n": 5, "o": {"k": 2}}));
    assert_eq!(seen[0].removed, json!(["gone"]));
    assert_eq!(seen[0].doc, json!({"_id": "a", "n": 5, "o": {"k": 2}}));
    modify(&mut client, "c", &json!({"_id": "b"}), &json!({"n": 9, "whole": true})).expect("done");
    assert_eq!(said(&next(&mut watcher)), ["replace/update b"]);
    modify(&mut client, "c", &json!({"_id": "b"}), &json!({"$set": {"n": 0}})).expect("done");
    assert_eq!(said(&next(&mut watcher)), ["update/dequeue b"]);
    modify(&mut client, "c", &json!({"_id": "x"}), &json!({"$set": {"n": 1}})).expect("done");
    assert_eq!(said(&next(&mut watcher)), ["update/enqueue x"]);
    remove(&mut client, "c", &json!({"_id": "a"}));
    assert_eq!(said(&next(&mut watcher)), ["remove/dequeue a"]);
    let answer = watcher.ask("CHECK_LAST", json!({"queryID": "q", "eventID": 1})).expect("an answer");
    assert_eq!(answer["msgData"]["code"], "QUERYID_INVALID_ERROR", "another watch's name");
}

#[test]
fn a_window_tells_what_moves_across_its_limit() {
    let Some((_scratch, server)) = scene("window") else { return };
    let mut client = client(&server);
    make(&mut client, "c");
    let docs: Vec<Value> = (1..=3).map(|n| json!({"_id": format!("d{n}"), "n": n})).collect();
    insert(&mut client, "c", &docs);
    let asks = json!({"collName": "c", "query": "{}", "limit": 2, "orderBy": {"n": "desc"}});
    let mut watcher = Watcher::new(&credentials(), asks);
    assert_eq!(said(&watcher.connect(&server.address).expect("begins")), ["init/init d3", "init/init d2"]);
    remove(&mut client, "c", &json!({"_id": "d3"}));
    assert_eq!(said(&next(&mut watcher)), ["remove/dequeue d3", "limit/enqueue d1"]);
    insert(&mut client, "c", &[json!({"_id": "d9", "n": 9})]);
    assert_eq!(said(&next(&mut watcher)), ["limit/dequeue d1", "add/enqueue d9"]);
    // A connection that comes back goes on.
    watcher.cut();
    insert(&mut client, "c", &[json!({"_id": "d10", "n": 10})]);
    let seen = watcher.connect(&server.address).expect("goes on");
    let seen = if seen.is_empty() { next(&mut watcher) } else { seen };
    assert_eq!(said(&seen), ["limit/dequeue d2", "add/enqueue d10"]);
    assert_eq!(watcher.resets, 0);
}

#[test]
fn a_window_begins_anew_after_a_restart() {
    let Some((scratch, server)) = scene("anew") else { return };
    let mut writer = client(&server);
    make(&mut writer, "c");
    let docs: Vec<Value> = (1..=3).map(|n| json!({"_id": format!("d{n}"), "n": n})).collect();
    insert(&mut writer, "c", &docs);
    let asks = json!({"collName": "c", "query": "{}", "limit": 2, "orderBy": {"n": "desc"}});
    let mut window = Watcher::new(&credentials(), asks);
    window.connect(&server.address).expect("begins");
    let mut none = Watcher::new(&credentials(), json!({"collName": "c", "query": "{\"n\":77}", "limit": 2}));
    none.connect(&server.address).expect("begins");
    server.kill();
    let server = Server::start(&scratch.path().join("anew"), &[]).expect("it starts");
    remove(&mut client(&server), "c", &json!({"_id": "d2"}));
    window.cut();
    window.connect(&server.address).expect("goes on");
    assert_eq!(window.docs.keys().collect::<Vec<_>>(), ["d1", "d3"]);
    none.cut();
    none.connect(&server.address).expect("goes on");
    assert!(none.docs.is_empty(), "nothing is told apart from nothing known");
    insert(&mut client(&server), "c", &[json!({"_id": "e", "n": 77})]);
    assert_eq!(said(&next(&mut none)), ["add/enqueue e"]);
}

#[test]
fn who_may_not_watch_any_more_is_told_within_a_second() {
    let Some((_scratch, server)) = scene("revoked") else { return };
    let mut client = client(&server);
    make(&mut client, "c");
    make(&mut client, "d");
    let made = server.command_line(&["key", "create", "--env", &credentials().env, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let mut other = credentials();
    other.secret_id = text("id");
    other.secret_key = text("secret");
    let mut revoked = Watcher::new(&other, json!({"collName": "c", "query": "{}"}));
    revoked.connect(&server.address).expect("begins");
    let mut dropped = Watcher::new(&credentials(), json!({"collName": "d", "query": "{}"}));
    dropped.connect(&server.address).expect("begins");
    server.command_line(&["key", "revoke", &other.secret_id]);
    assert_eq!(ended(&mut revoked, Duration::from_secs(1))["code"], "CHECK_LOGIN_FAILED");
    insert(&mut client, "c", &[json!({"_id": "a"})]);
    assert!(revoked.next(Duration::from_millis(300)).expect("the connection stays").is_empty());
    server.command_line(&["collection", "drop", "--yes", "--env", &credentials().env, "d"]);
    assert_eq!(ended(&mut dropped, Duration::from_secs(1))["code"], "DATABASE_COLLECTION_NOT_EXIST");
}

#[test]
fn refusals_name_their_reason() {
    let Some((_scratch, server)) = scene("refusals") else { return };
    let mut watcher = Watcher::new(&credentials(), json!({"collName": "nowhere", "query": "{}"}));
    assert!(watcher.connect(&server.address).is_err_and(|error| error.contains("DATABASE_COLLECTION_NOT_EXIST")));
    let login = |watcher: &mut Watcher, env: &str, sign: &str| {
        let frame =
            json!({"requestId": "l", "msgType": "LOGIN", "msgData": {"envId": env}, "exMsgData": {"signStr": sign}});
        watcher.send(&frame).expect("sent");
        watcher.read(SOON).expect("connected").expect("an answer")["msgData"]["code"].clone()
    };
    assert_eq!(login(&mut watcher, &credentials().env, "forged.ticket"), "SIGN_INVALID_ERROR");
}

#[test]
fn slow_readers_are_told_cost_a_mebibyte_at_most_and_others_go_on() {
    const SLOW: u64 = 4;
    let Some((_scratch, server)) = scene("slow") else { return };
    let mut client = client(&server);
    make(&mut client, "c");
    let mut slow: Vec<Watcher> = (0..SLOW)
        .map(|_| {
            let mut slow = Watcher::new(&credentials(), json!({"collName": "c", "query": "{}"}));
            slow.connect(&server.address).expect("begins");
            slow
        })
        .collect();
    let mut quick = Watcher::new(&credentials(), json!({"collName": "c", "query": "{}"}));
    quick.connect(&server.address).expect("begins");
    // More than the kernel's buffers and the feeds hold together.
    let text = "x".repeat(200_000);
    let (mut seen, mut most) = (0, 0);
    for number in 0..100 {
        insert(&mut client, "c", &[json!({"_id": format!("d{number}"), "text": text})]);
        seen += quick.next(Duration::from_millis(20)).expect("goes on").len();
        most = most.max(server.state()["watchBytes"].as_u64().expect("a number"));
    }
    while seen < 100 {
        seen += next(&mut quick).len();
    }
    println!("slow: the events of {SLOW} slow readers and a quick one took {most} bytes at most");
    assert!(200_000 < most && most <= (SLOW + 1) << 20, "{most} bytes");
    for slow in &mut slow {
        assert_eq!(ended(slow, SOON)["code"], "SERVER_TIMEOUT");
        assert!(slow.current < 100, "it was not told after everything had come");
    }
    assert_eq!(server.state()["watches"], 1, "nobody follows those who are over");
}

#[test]
fn a_stopping_server_says_goodbye_and_watches_go_on_exactly() {
    let Some((scratch, server)) = scene("stop") else { return };
    let folder = scratch.path().join("stop");
    make(&mut client(&server), "c");
    let mut watcher = Watcher::new(&credentials(), json!({"collName": "c", "query": "{}"}));
    watcher.connect(&server.address).expect("begins");
    insert(&mut client(&server), "c", &[json!({"_id": "a"})]);
    assert_eq!(said(&next(&mut watcher)), ["add/enqueue a"]);
    insert(&mut client(&server), "c", &[json!({"_id": "b"})]);
    assert!(server.stop().success());
    let goodbye = (0..5).find_map(|_| watcher.next(SOON).err()).expect("a close frame");
    assert!(goodbye.contains("closed: Some") && goodbye.contains("stopping"), "{goodbye}");
    let server = restart(&folder);
    insert(&mut client(&server), "c", &[json!({"_id": "c"})]);
    watcher.cut();
    let mut seen = said(&watcher.connect(&server.address).expect("goes on"));
    while watcher.docs.len() < 3 {
        seen.extend(said(&next(&mut watcher)));
    }
    assert_eq!(watcher.resets, 0);
    assert_eq!(seen.last().map(String::as_str), Some("add/enqueue c"));
}

#[test]
fn a_long_question_goes_on_after_a_kill() {
    let Some((scratch, server)) = scene("long") else { return };
    make(&mut client(&server), "c");
    let ids: Vec<String> = (0..1000).map(|number| format!("document-number-{number}")).collect();
    let query = json!({"_id": {"$in": ids}}).to_string();
    assert!(query.len() > 16 << 10);
    let mut watcher = Watcher::new(&credentials(), json!({"collName": "c", "query": query}));
    watcher.connect(&server.address).expect("begins");
    insert(&mut client(&server), "c", &[json!({"_id": "document-number-1"})]);
    assert_eq!(said(&next(&mut watcher)), ["add/enqueue document-number-1"]);
    insert(&mut client(&server), "c", &[json!({"_id": "document-number-2"})]);
    server.kill();
    let server = restart(&scratch.path().join("long"));
    insert(&mut client(&server), "c", &[json!({"_id": "document-number-3"}), json!({"_id": "foreign"})]);
    watcher.cut();
    let mut seen = said(&watcher.connect(&server.address).expect("goes on"));
    while watcher.docs.len() < 3 {
        seen.extend(said(&next(&mut watcher)));
    }
    assert_eq!(watcher.resets, 0);
    assert_eq!(seen.last().map(String::as_str), Some("add/enqueue document-number-3"));
}

/// Counts a document's versions up, and goes on with a watch until it has the last of them.
fn follow_versions(server: &Server, watcher: &mut Watcher, count: u64, more: &Value) -> Vec<u64> {
    let mut writer = client(server);
    for _ in 0..count {
        let change = json!({"$inc": {"v": 1}, "$set": more});
        modify(&mut writer, "c", &json!({"_id": "a"}), &change).expect("done");
    }
    let last = super::read(&mut writer, "c", &json!({"_id": "a"}))[0]["v"].clone();
    watcher.cut();
    let mut seen = watcher.connect(&server.address).expect("goes on");
    while watcher.docs["a"]["v"] != last {
        seen.extend(next(watcher));
    }
    seen.iter().map(|seen| seen.doc["v"].as_u64().expect("a version")).collect()
}

#[test]
fn numbers_hold_over_kills_and_stops_in_any_order() {
    let Some((scratch, mut server)) = scene("numbers") else { return };
    make(&mut client(&server), "c");
    insert(&mut client(&server), "c", &[json!({"_id": "a", "v": 0})]);
    let mut watcher = Watcher::new(&credentials(), json!({"collName": "c", "query": "{}"}));
    watcher.connect(&server.address).expect("begins");
    let mut seen = Vec::new();
    for kills in [true, true, false, false, true, false] {
        seen.extend(follow_versions(&server, &mut watcher, 3, &json!({"w": 1})));
        match kills {
            true => server.kill(),
            false => assert!(server.stop().success()),
        }
        server = restart(&scratch.path().join("numbers"));
        seen.extend(follow_versions(&server, &mut watcher, 2, &json!({"w": 2})));
    }
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "each version once");
    assert_eq!((seen.len(), watcher.resets), (30, 0));
}

#[test]
fn who_missed_more_than_is_repeated_begins_anew_and_goes_on_from_there() {
    let Some((scratch, mut server)) = scene("missed") else { return };
    let folder = scratch.path().join("missed");
    make(&mut client(&server), "c");
    insert(&mut client(&server), "c", &[json!({"_id": "a", "v": 0})]);
    let mut watcher = Watcher::new(&credentials(), json!({"collName": "c", "query": "{}"}));
    watcher.connect(&server.address).expect("begins");
    follow_versions(&server, &mut watcher, 3, &json!({"w": 1}));
    let mut resets = 0;
    for _ in 0..2 {
        server.kill();
        server = restart(&folder);
        // More than a mebibyte of events while it is away.
        let seen = follow_versions(&server, &mut watcher, 30, &json!({"text": "x".repeat(60_000)}));
        resets += 1;
        assert_eq!((seen.len(), watcher.resets), (1, resets), "one event that holds everything");
        for stops in [false, true, false] {
            match stops {
                true => assert!(server.stop().success()),
                false => server.kill(),
            }
            server = restart(&folder);
            let before = watcher.docs["a"]["v"].as_u64().expect("a version");
            let seen = follow_versions(&server, &mut watcher, 3, &json!({"text": "short"}));
            assert_eq!(seen, [before + 1, before + 2, before + 3], "goes on from there");
        }
    }
    assert_eq!(watcher.resets, resets);
}

fn restart(folder: &Path) -> Server {
    Server::start(folder, &[]).expect("it starts")
}
