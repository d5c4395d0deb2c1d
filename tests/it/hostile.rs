//! Requests made to hurt, against the real server: each has the right answer or a refusal that names the fault, soon, and
//! the server goes on as if nothing had been.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::support::client::{Answer, Client};
use super::support::gateway::Member::{Raw, Text};
use super::support::gateway::quoted;
use super::support::server::{Server, can_serve};

/// What a request may take; far above what it does take, far below what it would take without a bound.
const SOON: Duration = Duration::from_secs(4);

/// One request and what must come of it.
struct Case {
    name: &'static str,
    action: &'static str,
    members: Vec<(&'static str, String)>,
    /// A code, or a part of the answer's text.
    wanted: Wanted,
}

enum Wanted {
    Refused(&'static str),
    Holds(&'static str),
}

use Wanted::{Holds, Refused};

#[test]
fn requests_made_to_hurt_are_answered_soon() {
    if !can_serve() {
        return;
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let server = Server::start(&scratch.path().join("data"), &[]).expect("it serves");
    let mut client = server.client();
    prepare(&mut client);
    let mut slowest = Duration::ZERO;
    for case in cases() {
        let took = put(&mut client, &case);
        println!("{:>7.1} ms  {}", took.as_secs_f64() * 1e3, case.name);
        slowest = slowest.max(took);
    }
    println!("slowest: {:.1} ms; {} MiB resident", slowest.as_secs_f64() * 1e3, server.resident_bytes() >> 20);
    let counted = call(&mut client, "database.countDocument", &[("query", "{}".to_owned())]);
    assert!(matches!(&counted, Answer::Done(answer) if answer["data"]["total"] == 4), "{counted:?}");
}

fn prepare(client: &mut Client) {
    client.call("database.addCollection", &[("collectionName", Text("c"))]).expect("an answer").done();
    let victim = "a".repeat(50_000);
    for doc in [
        r#"{"_id":"small","list":[1],"n":1}"#.to_owned(),
        format!(r#"{{"_id":"text","s":"{victim}!"}}"#),
        format!(r#"{{"_id":"many","list":[{}]}}"#, vec!["7"; 20_000].join(",")),
        format!(r#"{{"_id":"deep","d":{}}}"#, nested(95, "1")),
    ] {
        let data = format!("[{}]", quoted(&doc));
        call(client, "database.insertDocument", &[("data", data)]).done();
    }
}

fn put(client: &mut Client, case: &Case) -> Duration {
    let began = Instant::now();
    let answer = call(client, case.action, &case.members);
    let took = began.elapsed();
    match (&answer, &case.wanted) {
        (Answer::Refused { code, message }, Refused(wanted)) => {
            assert_eq!(code, wanted, "{}: {message}", case.name);
            assert!(message.len() < 2_000, "{}: a message of {} bytes", case.name, message.len());
        }
        (Answer::Done(answer), Holds(part)) => {
            assert!(answer.to_string().contains(part), "{}: {:.500}", case.name, answer.to_string());
        }
        _ => panic!("{}: {:.500}", case.name, format!("{answer:?}")),
    }
    assert!(took < SOON, "{} took {took:?}", case.name);
    took
}

fn call(client: &mut Client, action: &str, members: &[(&'static str, String)]) -> Answer {
    let mut all = vec![("collectionName", Text("c")), ("queryType", Text("WHERE"))];
    for (name, value) in members {
        all.push((
            name,
            if value.starts_with('[') || ["true", "false"].contains(&value.as_str()) {
                Raw(value)
            } else {
                Text(value)
            },
        ));
    }
    client.call(action, &all).expect("an answer")
}

fn cases() -> Vec<Case> {
    let ask = |name, query: String, wanted| Case {
        name,
        action: "database.getDocument",
        members: vec![("query", query)],
        wanted,
    };
    let change = |name, data: &str, wanted| Case {
        name,
        action: "database.updateDocument",
        members: vec![
            ("query", r#"{"_id":"small"}"#.to_owned()),
            ("data", data.to_owned()),
            ("multi", "false".to_owned()),
            ("merge", "true".to_owned()),
        ],
        wanted,
    };
    vec![
        ask("a text that is no JSON", r#"{"a":"#.to_owned(), Refused("INVALID_PARAM")),
        ask("a name twice in a filter", r#"{"a":1,"a":2}"#.to_owned(), Refused("INVALID_PARAM")),
        ask("a name twice, deep in a filter", r#"{"a":{"$gt":1,"$gt":2}}"#.to_owned(), Refused("INVALID_PARAM")),
        ask("100 levels", nested(100, "1"), Holds(r#""list":[]"#)),
        ask("181 levels", nested(181, "1"), Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        ask("101 levels of conditions", conditions(101), Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        ask("a million levels", nested(1_000_000, "1"), Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        ask("a path of 5,000 parts", format!(r#"{{"{}":1}}"#, vec!["a"; 5_000].join(".")), Holds(r#""list":[]"#)),
        ask("100,000 values", in_values(100_000), Holds("small")),
        ask("100,001 values", in_values(100_001), Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        ask("100,000 alternatives", listed("$or", 100_000), Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        ask("4,900 alternatives", listed("$or", 4_900), Holds("small")),
        ask("a search that explodes by backtracking", pattern("^(a+)+$"), Holds(r#""list":[]"#)),
        ask("a search with many ways", pattern("(a|a)*(a|a)*(a|a)*b"), Holds(r#""list":[]"#)),
        ask(
            "a search that grows when compiled",
            pattern("((a{1,100}){1,100}){1,100}"),
            Refused("DATABASE_REQUEST_FAILED"),
        ),
        ask("a search of 100,000 letters", pattern(&"a".repeat(100_000)), Refused("DATABASE_REQUEST_FAILED")),
        ask("a search with 10,000 brackets", pattern(&"(".repeat(10_000)), Refused("DATABASE_REQUEST_FAILED")),
        change("an element far away", r#"{"$set":{"list.1000000000":1}}"#, Refused("EXCEED_REQUEST_SIZE_LIMIT")),
        change(
            "an element farther away",
            r#"{"$set":{"list.99999999999999999999":1}}"#,
            Refused("DATABASE_REQUEST_FAILED"),
        ),
        change("a change beside the refused ones", r#"{"$push":{"list":{"$each":[1],"$slice":1}}}"#, Holds("1")),
        insert("a document of 17 MB", format!(r#"{{"s":"{}"}}"#, "x".repeat(17 << 20)), "EXCEED_REQUEST_SIZE_LIMIT"),
        insert("a document with 200 levels", nested(200, "1"), "EXCEED_REQUEST_SIZE_LIMIT"),
        insert("a name twice in a document", r#"{"a":1,"a":2}"#.to_owned(), "INVALID_PARAM"),
    ]
}

fn insert(name: &'static str, doc: String, code: &'static str) -> Case {
    let data = format!("[{}]", quoted(&doc));
    Case { name, action: "database.insertDocument", members: vec![("data", data)], wanted: Refused(code) }
}

fn nested(levels: usize, inner: &str) -> String {
    format!("{}{inner}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

fn in_values(count: usize) -> String {
    let mut text = String::from(r#"{"n":{"$in":[0"#);
    (1..count).for_each(|value| {
        let _ = write!(text, ",{value}");
    });
    text + "]}}"
}

fn listed(operator: &str, count: usize) -> String {
    let members: Vec<String> = (0..count).map(|value| format!(r#"{{"n":{value}}}"#)).collect();
    format!(r#"{{"{operator}":[{}]}}"#, members.join(","))
}

fn pattern(pattern: &str) -> String {
    format!(r#"{{"s":{{"$regex":"{pattern}"}}}}"#)
}

fn conditions(levels: usize) -> String {
    format!("{}{}{}", r#"{"$and":["#.repeat(levels), r#"{"n":1}"#, "]}".repeat(levels))
}
