//! Text indexes from outside: whatever happens to the server and to the files of the index, a search finds what the
//! documents hold.

use super::support::gateway::Member;
use super::support::random::Random;
use super::support::server::{Server, can_serve, credentials};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const COLLECTION: (&str, Member<'_>) = ("collectionName", Member::Text("articles"));
/// Words that no other of them holds, so that it is plain what a search must find.
const WORDS: [&str; 12] =
    ["amber", "birch", "cobalt", "delta", "ember", "fjord", "咖啡", "电影", "医院", "火车", "熊猫", "银行"];
const DOCUMENTS: u64 = 400;
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What happens to the files of the index while the server is down.
type Damage = fn(&Path);

/// The words of every document, as they were acknowledged.
type Held = BTreeMap<String, BTreeSet<&'static str>>;

#[test]
fn searches_find_what_the_documents_hold_after_kills_and_damage() {
    if !can_serve() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let (folder, mut random) = (scratch.path().join("data"), Random::new(7));
    fs::create_dir(&folder).expect("a folder");
    let mut held = Held::new();
    let server = Server::start(&folder, &[]).expect("it starts");
    prepare(&server);
    fill(&server, &mut held, &mut random);
    check(&server, &held, "loaded");
    wait_until_ready(&server);
    server.kill();
    let damages: [(&str, Damage); 5] = [
        ("killed behind its log", |_| {}),
        ("files cut short", |path| each_file(path, |bytes| bytes.truncate(bytes.len() / 2))),
        ("files with other bytes", |path| {
            each_file(path, |bytes| bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x55))
        }),
        ("files emptied", |path| each_file(path, Vec::clear)),
        ("folder gone", |path| fs::remove_dir_all(path).expect("removed")),
    ];
    for (what, damage) in damages {
        damage(&text_folder(&folder));
        let server = Server::start(&folder, &[]).unwrap_or_else(|fault| panic!("{what}: {fault}"));
        check(&server, &held, what);
        let began = Instant::now();
        wait_until_ready(&server);
        println!("{what}: ready after {:?}", began.elapsed());
        check(&server, &held, &format!("{what}, ready"));
        change(&server, &mut held, &mut random); // the index has no time to follow
        server.kill();
    }
    let server = Server::start(&folder, &[]).expect("it starts");
    check(&server, &held, "at the end");
    assert!(server.stop().success());
}

fn text_folder(folder: &Path) -> PathBuf {
    folder.join("text")
}

/// Changes the bytes of every file below a folder.
fn each_file(path: &Path, change: impl Fn(&mut Vec<u8>) + Copy) {
    for entry in fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            each_file(&entry, change);
            continue;
        }
        let mut bytes = fs::read(&entry).expect("readable");
        change(&mut bytes);
        fs::write(&entry, bytes).expect("writable");
    }
}

fn prepare(server: &Server) {
    server.client().call("database.addCollection", &[COLLECTION]).expect("an answer").done();
    let env = credentials().env;
    let words = ["index", "create", "--env", &env, "--collection", "articles", "title:text", "body:text"];
    server.command_line(&[&words[..], &["--weight", "title=10", "--language", "none"]].concat());
}

/// The words of a document, and its fields.
fn document(random: &mut Random) -> (BTreeSet<&'static str>, Value) {
    let count = WORDS.len() as u64;
    let mut some = |most: u64| -> Vec<&'static str> {
        (0..random.below(most)).map(|_| WORDS[random.below(count) as usize]).collect()
    };
    let (title, body) = (some(3), some(6));
    let words = title.iter().chain(&body).copied().collect();
    (words, json!({ "title": title.join(" "), "body": body.join(" ") }))
}

fn fill(server: &Server, held: &mut Held, random: &mut Random) {
    let mut list = Vec::new();
    for number in 0..DOCUMENTS {
        let (words, mut fields) = document(random);
        let id = format!("a{number:04}");
        fields["_id"] = json!(id);
        list.push(Value::from(fields.to_string()));
        held.insert(id, words);
    }
    let data = Value::from(list).to_string();
    server.client().call("database.insertDocument", &[COLLECTION, ("data", Member::Raw(&data))]).expect("it").done();
}

/// Replaces some documents and removes others.
fn change(server: &Server, held: &mut Held, random: &mut Random) {
    let mut client = server.client();
    for _ in 0..30 {
        let id = format!("a{:04}", random.below(DOCUMENTS));
        let query = json!({ "_id": id }).to_string();
        let which = [
            COLLECTION,
            ("queryType", Member::Text("DOC")),
            ("query", Member::Text(&query)),
            ("multi", Member::Raw("false")),
        ];
        if random.below(3) == 0 {
            client.call("database.removeDocument", &which).expect("an answer").done();
            held.remove(&id);
            continue;
        }
        let (words, fields) = document(random);
        let data = fields.to_string();
        let how = [("merge", Member::Raw("false")), ("upsert", Member::Raw("true")), ("data", Member::Text(&data))];
        client
            .call("database.modifyDocument", &which.into_iter().chain(how).collect::<Vec<_>>())
            .expect("an answer")
            .done();
        held.insert(id, words);
    }
}

fn check(server: &Server, held: &Held, what: &str) {
    for word in WORDS {
        let expected: BTreeSet<&str> =
            held.iter().filter(|(_, words)| words.contains(word)).map(|(id, _)| id.as_str()).collect();
        let found = search(server, word);
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "{what}: {word}");
    }
}

fn search(server: &Server, word: &str) -> Vec<String> {
    let filter = json!({ "$text": { "$search": word } }).to_string();
    let shown = json!({ "_id": 1 }).to_string();
    let stages = json!([
        { "stageKey": "$match", "stageValue": filter },
        { "stageKey": "$project", "stageValue": shown },
    ]);
    let stages = stages.to_string();
    let members = [COLLECTION, ("stages", Member::Raw(&stages))];
    let answer = server.client().call("database.aggregateDocuments", &members).expect("an answer").done();
    let rows = answer["data"]["list"].as_array().expect("a list").iter();
    let row = |row: &Value| serde_json::from_str::<Value>(row.as_str().expect("a text")).expect("JSON");
    rows.map(|text| row(text)["_id"].as_str().expect("an id").to_owned()).collect()
}

fn wait_until_ready(server: &Server) {
    let until = Instant::now() + READY_WITHIN;
    let env = credentials().env;
    loop {
        let list = server.command_line(&["index", "list", "--env", &env, "-c", "articles", "--json"]);
        if !String::from_utf8_lossy(&list.stdout).contains("building") {
            return;
        }
        assert!(Instant::now() < until, "the index is not ready in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}
