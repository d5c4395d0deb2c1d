//! The meaning of the query language as data: documents, a request, and what MongoDB 6.0 answered. Every case is put to
//! the naive model and to the real database in each way that it can go: with a scan, with the case's own indexes, with
//! indexes that fit, inside a transaction, in memory and on disk.
//!
//! A file of `tests/spec` alternates between `{"given": {docs, collections, indexes}}` and the cases that begin with
//! that: `{"case": name, OPERATION: arguments, "expect": {docs, ordered, sets, values, n, value, stats, after, error}}`.
//! Where `natural` is true the answer hangs on the order in which documents are met, which an index changes.

use std::path::Path;

use super::support::adapter::{Judge, NOW, answer};
use super::support::engine::{Engine, Indexing};
use super::support::json::Json;

/// How far computed numbers may be apart, relative to their size: libraries round sines and logarithms differently.
const ROUNDING: f64 = 1e-12;

#[test]
fn the_model_answers_as_mongodb() {
    check(&mut Judge::Model, |_| false);
}

/// Two arrays in one document are a fault only where an index would have to combine them.
#[test]
fn scans_answer_as_mongodb() {
    check(&mut engine(Indexing::None), |case| {
        let code = case.get("expect").and_then(|expected| expected.get("error")).and_then(|error| error.get("code"));
        matches!(code, Some(Json::Int(PARALLEL_ARRAYS)))
    });
}

#[test]
fn indexes_answer_as_mongodb() {
    check(&mut engine(Indexing::Given), |_| false);
}

#[test]
fn fitting_indexes_answer_as_mongodb() {
    check(&mut engine(Indexing::Fitting), |case| matches!(case.get("natural"), Some(Json::Bool(true))));
}

/// MongoDB, too, refuses stages that write while a transaction is open.
#[test]
fn transactions_answer_as_mongodb() {
    let mut judge = Judge::Engine(Box::new(Engine::new(false, Indexing::Given, NOW).in_transactions()));
    check(&mut judge, |case| {
        case.get("aggregate").is_some_and(|arguments| format!("{arguments:?}").contains("$merge"))
    });
}

#[test]
fn the_disk_answers_as_mongodb() {
    check(&mut Judge::Engine(Box::new(Engine::new(true, Indexing::Given, NOW))), |_| false);
}

/// Operators without a case, each for a reason.
const WITHOUT_CASE: &[(&str, &str)] = &[
    ("$changeStream", "it is refused everywhere: changes are followed through a stream of their own"),
    ("$collStats", "figures of the moment: tests of the database look at them"),
    ("$indexStats", "figures of the moment: tests of the database look at them"),
    ("$documents", "it takes no collection, which a case always has"),
    ("$function", "it would run JavaScript, which is refused; MongoDB runs it"),
    ("$where", "it would run JavaScript, which is refused; MongoDB runs it"),
    ("$percentile", "younger than the MongoDB that the cases were put to"),
];

#[test]
fn every_operator_has_a_case() {
    let cases: String = files().into_iter().map(|(_, text)| text).collect();
    let page = query::reference::operators_page();
    let operators = page.lines().filter_map(|line| line.strip_prefix("| `$")?.split_once('`'));
    let is_named = |name: &String| cases.contains(&format!("\"{name}\""));
    let excused = |name: &String| WITHOUT_CASE.iter().any(|(other, _)| other == name);
    let names = operators.map(|(name, _)| format!("${name}"));
    let missing: Vec<String> = names.filter(|name| !is_named(name) && !excused(name)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

fn engine(indexing: Indexing) -> Judge {
    Judge::Engine(Box::new(Engine::new(false, indexing, NOW)))
}

/// Puts every case but those that have no meaning here.
fn check(judge: &mut Judge, is_meaningless: impl Fn(&Json) -> bool) {
    let (mut count, mut faults) = (0, Vec::new());
    for (file, text) in files() {
        let mut given = String::new();
        for line in text.lines() {
            let case = Json::parse(line).unwrap_or_else(|why| panic!("{file}: {why}: {line}"));
            match case.get("given") {
                Some(_) => given = opened(line),
                None if is_meaningless(&case) => {}
                None => {
                    count += 1;
                    faults.extend(fault(judge, &case, line, &given).map(|why| format!("{file}: {why}\n    {line}")));
                }
            }
        }
    }
    if let Judge::Engine(engine) = judge {
        engine.assert_sound();
    }
    println!("{count} cases");
    assert!(count > 3_000, "only {count} cases were found");
    assert!(faults.is_empty(), "{} of {count} cases differ:\n{}", faults.len(), faults.join("\n"));
}

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the cases")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path).expect("readable cases");
    files.iter().map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), read(path))).collect()
}

/// The members of the `given` object, to be put in front of a request's.
fn opened(line: &str) -> String {
    let inner = line.strip_prefix(r#"{"given":{"#).and_then(|rest| rest.strip_suffix("}}"));
    inner.expect("an object named `given`").to_owned()
}

const OPERATIONS: [&str; 8] = ["find", "count", "distinct", "aggregate", "insert", "update", "findAndModify", "delete"];

/// What is wrong with the answer to a case, if anything.
fn fault(judge: &mut Judge, case: &Json, line: &str, given: &str) -> Option<String> {
    let op = OPERATIONS.into_iter().find(|op| case.get(op).is_some()).expect("an operation");
    let from = line.find(&format!("\"{op}\":")).expect("the operation") + op.len() + 3;
    let to = line.rfind(",\"expect\":").expect("what is expected");
    let arguments = &line[from..to];
    let request = format!(r#"{{{given}{}"op":"{op}","args":{arguments}}}"#, if given.is_empty() { "" } else { "," });
    let reply = answer(judge, &request);
    let found = Json::parse(&reply).expect("the reply is JSON");
    difference(case.get("expect").expect("what is expected"), &found).map(|why| format!("{why}; got {reply:.600}"))
}

fn difference(wanted: &Json, found: &Json) -> Option<&'static str> {
    let code = |json: &Json| json.get("error").and_then(|error| error.get("code")).map(number);
    if code(wanted) != code(found) {
        return Some("the error differs");
    }
    let flag = |name| matches!(wanted.get(name), Some(Json::Bool(true)));
    let rules = |ordered| Rules { ordered, sets: flag("sets") };
    let lists = [("docs", flag("ordered")), ("values", false), ("after", false)];
    for (name, ordered) in lists {
        let Some(Json::List(wanted)) = wanted.get(name) else { continue };
        match found.get(name) {
            Some(Json::List(found)) if rules(ordered).lists(wanted, found) => {}
            _ => return Some(name),
        }
    }
    for name in ["n", "value"] {
        if let Some(wanted) = wanted.get(name)
            && !rules(true).same(wanted, found.get(name).unwrap_or(&Json::Null))
        {
            return Some(name);
        }
    }
    let Some(Json::Object(stats)) = wanted.get("stats") else { return None };
    let told = |name: &str| found.get("stats").and_then(|stats| stats.get(name)).map(number);
    stats.iter().any(|(name, wanted)| told(name) != Some(number(wanted))).then_some("stats")
}

/// What counts as the same beside equality.
#[derive(Clone, Copy)]
struct Rules {
    /// Does the order of the outermost list matter?
    ordered: bool,
    /// Are arrays inside of documents sets?
    sets: bool,
}

impl Rules {
    fn lists(self, wanted: &[Json], found: &[Json]) -> bool {
        if wanted.len() != found.len() {
            return false;
        }
        if self.ordered {
            return wanted.iter().zip(found).all(|(wanted, found)| self.same(wanted, found));
        }
        let mut left: Vec<&Json> = found.iter().collect();
        wanted.iter().all(|wanted| {
            let place = left.iter().position(|found| self.same(wanted, found));
            place.map(|place| left.swap_remove(place)).is_some()
        })
    }

    fn same(self, wanted: &Json, found: &Json) -> bool {
        if let Some(kind) = wanted.get("$any").and_then(Json::as_str) {
            return is_a(kind, found);
        }
        if is_number(wanted) || is_number(found) {
            return is_number(wanted) && is_number(found) && close(number(wanted), number(found));
        }
        match (wanted, found) {
            (Json::Object(wanted), Json::Object(found)) => {
                let member = |(a, b): (&(String, Json), &(String, Json))| a.0 == b.0 && self.same(&a.1, &b.1);
                wanted.len() == found.len() && wanted.iter().zip(found).all(member)
            }
            (Json::List(wanted), Json::List(found)) => Rules { ordered: !self.sets, ..self }.lists(wanted, found),
            _ => wanted.to_value().ok() == found.to_value().ok(),
        }
    }
}

fn is_a(kind: &str, found: &Json) -> bool {
    let name = match kind {
        "objectId" => "$oid",
        "date" => "$date",
        "timestamp" => "$timestamp",
        _ => return true,
    };
    found.get(name).is_some()
}

/// MongoDB's number for them.
const PARALLEL_ARRAYS: i64 = 171;

const NUMBERS: [&str; 4] = ["$numberInt", "$numberLong", "$numberDouble", "$numberDecimal"];

fn is_number(json: &Json) -> bool {
    match json {
        Json::Int(_) | Json::Double(_) => true,
        Json::Object(members) => matches!(members.as_slice(), [(name, _)] if NUMBERS.contains(&name.as_str())),
        _ => false,
    }
}

/// A number's exact text where it has one, so that large integers and decimals are not rounded together.
fn number(json: &Json) -> Number {
    let text = match json {
        Json::Int(number) => number.to_string(),
        Json::Double(number) => return Number::Double(*number),
        other => NUMBERS.iter().find_map(|name| other.get(name)).and_then(Json::as_str).unwrap_or("NaN").to_owned(),
    };
    let is_double = json.get("$numberDouble").is_some();
    match (is_double, storage::Decimal128::parse(&text)) {
        (false, Some(decimal)) => Number::Exact(decimal),
        _ => Number::Double(text.replace("Infinity", "inf").parse().unwrap_or(f64::NAN)),
    }
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Exact(storage::Decimal128),
    Double(f64),
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        close(*self, *other)
    }
}

fn close(wanted: Number, found: Number) -> bool {
    use storage::ValueRef;
    let value = |number| match number {
        Number::Exact(decimal) => ValueRef::Decimal128(decimal),
        Number::Double(double) => ValueRef::Double(double),
    };
    if storage::compare(value(wanted), value(found)).is_eq() {
        return true;
    }
    if let (Number::Exact(_), Number::Exact(_)) = (wanted, found) {
        return false;
    }
    let double = |number| value(number).as_f64().unwrap_or(f64::NAN);
    let (wanted, found) = (double(wanted), double(found));
    (wanted - found).abs() <= ROUNDING * wanted.abs().max(found.abs())
}
