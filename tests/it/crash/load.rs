//! A mixed load through the gateway that keeps a ledger: inserts, updates, replacements, removals, lists and transactions,
//! several clients at once, each on documents of its own.

use super::ledger::Ledger;
use crate::support::client::{Answer, Client};
use crate::support::gateway::{Member, quoted};
use crate::support::random::Random;
use crate::support::server::{Server, credentials};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

const COLLECTION: Member<'static> = Member::Text("ledger");
const CLIENTS: usize = 4;
const TAGS: i64 = 5;
const PAGE: usize = 1000;

/// Clients at work.
pub struct Load {
    workers: Vec<JoinHandle<Ledger>>,
    before: Ledger,
    ended: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
}

/// What a worker was told about a step.
enum Fate {
    Done,
    /// Refused with a code that says it did not happen.
    NotDone,
    /// Nobody knows.
    Unknown,
}

impl Load {
    /// Makes the collection if it is new, and sets the clients to work. `moment` tells the recorder's moment.
    pub fn start(
        server: &Server,
        before: &Ledger,
        random: &mut Random,
        moment: impl Fn() -> u64 + Send + Sync + Clone + 'static,
    ) -> Load {
        prepare(server);
        let (ended, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let run = random.next();
        let workers = (0..CLIENTS).map(|number| {
            let mine = before.existing().enumerate().filter(|(at, _)| at % CLIENTS == number);
            let documents = mine.map(|(_, (id, version))| (id.clone(), version)).collect();
            let worker = Worker {
                client: Client::new(&server.address, &credentials()),
                ledger: before.continued(),
                random: random.split(),
                documents,
                name: format!("{run:016x}-{number}"),
                made: 0,
                moment: moment.clone(),
                refused: refused.clone(),
            };
            let ended = ended.clone();
            std::thread::spawn(move || worker.run(&ended))
        });
        Load { workers: workers.collect(), before: before.continued(), ended, refused }
    }

    /// Steps that were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Stops the clients and joins what they know.
    pub fn finish(self) -> Ledger {
        self.ended.store(true, Ordering::Relaxed);
        let mut ledger = self.before;
        self.workers.into_iter().for_each(|worker| ledger.merge(worker.join().expect("a client's thread")));
        ledger
    }
}

/// One client with documents of its own.
struct Worker<Moment> {
    client: Client,
    ledger: Ledger,
    random: Random,
    /// Documents that exist for certain, with their versions; one whose fate is unknown is not touched again.
    documents: Vec<(String, i64)>,
    name: String,
    made: u64,
    moment: Moment,
    refused: Arc<AtomicU64>,
}

impl<Moment: Fn() -> u64> Worker<Moment> {
    fn run(mut self, ended: &AtomicBool) -> Ledger {
        while !ended.load(Ordering::Relaxed) {
            let choice = self.random.below(100);
            let went_on = match choice {
                _ if self.documents.len() < 3 => self.insert(1),
                0..25 => self.insert(1),
                25..32 => self.insert(5),
                32..62 => self.change(Change::Increment),
                62..74 => self.change(Change::Replace),
                74..82 => self.change(Change::Remove),
                _ => self.transfer(),
            };
            if went_on.is_err() {
                // The server is gone, or going: wait for the end, or for it to come back.
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        self.ledger
    }

    fn insert(&mut self, count: usize) -> std::io::Result<()> {
        let ids: Vec<String> = (0..count).map(|_| self.new_id()).collect();
        let list: Vec<String> = ids.iter().map(|id| quoted(&document(id, 1).to_string())).collect();
        let data = format!("[{}]", list.join(","));
        let now = (self.moment)();
        ids.iter().for_each(|id| self.ledger.send(id, Some(1), now, None));
        let fate =
            self.call("database.insertDocument", &[("collectionName", COLLECTION), ("data", Member::Raw(&data))]);
        self.conclude(&ids, &fate);
        if matches!(fate, Ok(Fate::Done)) {
            self.documents.extend(ids.into_iter().map(|id| (id, 1)));
        }
        fate.map(|_| ())
    }

    fn change(&mut self, change: Change) -> std::io::Result<()> {
        let at = self.random.below(self.documents.len() as u64) as usize;
        let (id, version) = self.documents.swap_remove(at);
        let state = if change == Change::Remove { None } else { Some(version + 1) };
        self.ledger.send(&id, state, (self.moment)(), None);
        let fate = self.apply(change, &id, version + 1, None);
        self.conclude(std::slice::from_ref(&id), &fate);
        match fate {
            Ok(Fate::Done) => self.documents.extend(state.map(|version| (id, version))),
            Ok(Fate::NotDone) => self.documents.push((id, version)),
            _ => {}
        }
        fate.map(|_| ())
    }

    /// A transaction over two documents: both rise, or neither.
    fn transfer(&mut self) -> std::io::Result<()> {
        let first = self.random.below(self.documents.len() as u64) as usize;
        let first = self.documents.swap_remove(first);
        let second = self.random.below(self.documents.len() as u64) as usize;
        let second = self.documents.swap_remove(second);
        let number = self.ledger.new_transaction();
        let now = (self.moment)();
        let both = [first, second];
        both.iter().for_each(|(id, version)| self.ledger.send(id, Some(version + 1), now, Some(number)));
        let ids: Vec<String> = both.iter().map(|(id, _)| id.clone()).collect();
        let fate = self.in_transaction(&both);
        self.conclude(&ids, &fate);
        match fate {
            Ok(Fate::Done) => self.documents.extend(both.into_iter().map(|(id, version)| (id, version + 1))),
            Ok(Fate::NotDone) => self.documents.extend(both),
            _ => {}
        }
        fate.map(|_| ())
    }

    fn in_transaction(&mut self, both: &[(String, i64)]) -> std::io::Result<Fate> {
        let begun = match self.client.call("database.startTransaction", &[])? {
            Answer::Done(answer) => answer,
            Answer::Refused { .. } => return Ok(self.not_done()),
        };
        let transaction = begun["transactionId"].as_str().unwrap_or_default().to_owned();
        for (id, version) in both {
            if !matches!(self.apply(Change::Increment, id, version + 1, Some(&transaction))?, Fate::Done) {
                let _ = self.call("database.abortTransaction", &[("transactionId", Member::Text(&transaction))]);
                return Ok(Fate::NotDone); // only a commit makes anything happen
            }
        }
        self.call("database.commitTransaction", &[("transactionId", Member::Text(&transaction))])
    }

    fn apply(&mut self, change: Change, id: &str, version: i64, transaction: Option<&str>) -> std::io::Result<Fate> {
        let query = json!({ "_id": id }).to_string();
        let data = match change {
            Change::Increment => json!({ "$inc": { "v": { "$numberInt": "1" } } }),
            _ => {
                let mut whole = document(id, version);
                whole.as_object_mut().and_then(|members| members.remove("_id"));
                whole
            }
        }
        .to_string();
        let mut members = vec![
            ("collectionName", COLLECTION),
            ("queryType", Member::Text("DOC")),
            ("multi", Member::Raw("false")),
            ("query", Member::Text(&query)),
        ];
        members.extend(transaction.map(|transaction| ("transactionId", Member::Text(transaction))));
        if change == Change::Remove {
            return self.call("database.removeDocument", &members);
        }
        let merges = change == Change::Increment;
        members.push(("merge", Member::Raw(if merges { "true" } else { "false" })));
        members.push(("upsert", Member::Raw(if merges { "false" } else { "true" })));
        members.push(("data", Member::Text(&data)));
        self.call("database.modifyDocument", &members)
    }

    fn call(&mut self, action: &str, members: &[(&str, Member<'_>)]) -> std::io::Result<Fate> {
        match self.client.call(action, members)? {
            Answer::Done(_) => Ok(Fate::Done),
            Answer::Refused { code, message } if is_certainly_undone(&code, &message) => Ok(self.not_done()),
            Answer::Refused { .. } => {
                self.not_done();
                Ok(Fate::Unknown)
            }
        }
    }

    fn not_done(&self) -> Fate {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Fate::NotDone
    }

    fn conclude(&mut self, ids: &[String], fate: &std::io::Result<Fate>) {
        let now = (self.moment)();
        for id in ids {
            match fate {
                Ok(Fate::Done) => self.ledger.acknowledge(id, now),
                Ok(Fate::NotDone) => self.ledger.withdraw(id),
                Ok(Fate::Unknown) | Err(_) => {}
            }
        }
    }

    fn new_id(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Increment,
    Replace,
    Remove,
}

/// A conflict is reported before anything is written. Every other refusal during a fault may come after the point where the
/// write reached the log, so its outcome counts as unknown.
fn is_certainly_undone(code: &str, message: &str) -> bool {
    code == "DATABASE_TRANSACTION_CONFLICT" || message.contains("E11000")
}

/// Every document carries its version twice, once under an index, and bytes enough to fill pages.
fn document(id: &str, version: i64) -> Value {
    json!({
        "_id": id, "v": { "$numberInt": version.to_string() }, "tag": tag(id), "list": [tag(id), "x"], "text": "wafer ".repeat(20),
    })
}

fn tag(id: &str) -> String {
    format!("t{}", id.bytes().map(i64::from).sum::<i64>() % TAGS)
}

fn prepare(server: &Server) {
    let mut client = server.client();
    let made = client.call("database.addCollection", &[("collectionName", COLLECTION)]).expect("an answer");
    if let Answer::Refused { code, message } = made {
        assert!(message.contains("Table exist"), "{code}: {message}");
        return;
    }
    let who = credentials();
    for fields in [&["tag"][..], &["list"], &["tag", "v:-1"]] {
        let words = [&["index", "create", "--env", &who.env, "--collection", "ledger"][..], fields].concat();
        server.command_line(&words);
    }
}

fn find(server: &Server, query: &Value, order: Option<&str>) -> Vec<Value> {
    let limit = PAGE.to_string();
    let query = query.to_string();
    let mut members = vec![
        ("collectionName", COLLECTION),
        ("queryType", Member::Text("WHERE")),
        ("query", Member::Text(&query)),
        ("limit", Member::Raw(&limit)),
    ];
    members.extend(order.map(|order| ("order", Member::Text(order))));
    let answer = server.client().call("database.getDocument", &members).expect("an answer").done();
    let rows = answer["data"]["list"].as_array().expect("a list").iter();
    rows.map(|row| serde_json::from_str(row.as_str().expect("a document as text")).expect("JSON")).collect()
}

/// All documents with their versions, read page by page in the order of their ids.
pub fn read_all(server: &Server) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = find(server, &json!({ "_id": { "$gt": after } }), Some(r#"{"_id":{"$numberInt":"1"}}"#));
        for row in &page {
            let id = row["_id"].as_str().expect("an id").to_owned();
            after.clone_from(&id);
            found.insert(id, version_of(row));
        }
        if page.len() < PAGE {
            found.retain(|id, _| !id.starts_with("probe"));
            return found;
        }
    }
}

fn version_of(row: &Value) -> i64 {
    let version = &row["v"];
    let text = version["$numberInt"].as_str().or_else(|| version["$numberLong"].as_str());
    text.and_then(|text| text.parse().ok()).or_else(|| version.as_i64()).expect("a version")
}

/// Each index counts what the documents say.
pub fn check_indexes(server: &Server, found: &BTreeMap<String, i64>) -> Result<(), String> {
    for number in 0..TAGS {
        let wanted_tag = format!("t{number}");
        let wanted = found.keys().filter(|id| tag(id) == wanted_tag).count() as u64;
        for field in ["tag", "list"] {
            let query = json!({ field: wanted_tag, "_id": { "$not": { "$regularExpression": { "pattern": "^probe", "options": "" } } } });
            let counted = count(server, &query);
            if counted != wanted {
                return Err(format!("index {field}: {counted} documents with {wanted_tag}, but {wanted} exist"));
            }
        }
    }
    Ok(())
}

fn count(server: &Server, query: &Value) -> u64 {
    let query = query.to_string();
    let members =
        [("collectionName", COLLECTION), ("queryType", Member::Text("WHERE")), ("query", Member::Text(&query))];
    let answer = server.client().call("database.calculateDocument", &members).expect("an answer").done();
    answer["data"]["total"].as_u64().expect("a number")
}

/// A recovered server also takes new writes.
pub fn write_and_read_one(server: &Server) {
    write_one(server).expect("a write after recovery");
    let probes = json!({ "_id": { "$regularExpression": { "pattern": "^probe", "options": "" } } });
    assert!(!find(server, &probes, None).is_empty());
}

/// Is a write taken now?
pub fn try_to_write_one(server: &Server) -> bool {
    write_one(server).is_ok()
}

/// Writes a document that no ledger knows; what the server said where it refused.
pub fn write_one(server: &Server) -> Result<(), String> {
    let id = format!("probe-{}", Random::seed() ^ std::process::id() as u64 ^ count(server, &json!({})));
    let data = format!("[{}]", quoted(&document(&id, 1).to_string()));
    let members = [("collectionName", COLLECTION), ("data", Member::Raw(&data))];
    match server.client().call("database.insertDocument", &members) {
        Ok(Answer::Done(_)) => Ok(()),
        refused => Err(format!("{refused:?}")),
    }
}
