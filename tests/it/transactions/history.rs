//! Histories of transactions that read lists and append to them, or read registers and overwrite them, judged after the
//! fact.

use super::judge::{End, Record, Step, judge, unrolled};
use super::{Caller, Fault, long_seconds, prepare};
use crate::support::random::Random;
use crate::support::server::{self, Server};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 16;
/// How many are fought over at a time; after so many commits everybody moves on to the next ones, so that they stay short.
const AT_A_TIME: u64 = 16;
const MOVE_ON_AFTER: u64 = 400;

/// What the transactions of a history work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Lists,
    Registers,
}

/// One history to be made.
#[derive(Clone, Copy, Debug)]
struct Plan {
    shape: Shape,
    commits: u64,
    kills: u64,
}

#[test]
fn histories_show_snapshots_and_nothing_else() {
    if !server::can_serve() {
        return;
    }
    let seed = Random::seed();
    println!("histories: WAFERDB_SEED={seed}");
    let mut random = Random::new(seed);
    // Four histories: 200,000 transactions from 600 seconds on.
    let (commits, kills) = long_seconds().map_or((600, 2), |seconds| ((seconds * 84).min(50_000), 10));
    for (number, (shape, kills)) in
        [(Shape::Lists, 0), (Shape::Lists, kills), (Shape::Registers, 0), (Shape::Registers, kills)]
            .into_iter()
            .enumerate()
    {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let folder = scratch.path().join(format!("history{number}"));
        let history = run(&folder, Plan { shape, commits, kills }, &mut random);
        let count = |end| history.iter().filter(|record| record.end == end).count();
        let history = if shape == Shape::Registers { unrolled(&history) } else { Ok(history.clone()) };
        let report = history.and_then(|history| judge(&history));
        let report = report.unwrap_or_else(|fault| panic!("{shape:?}, {kills} kills: {fault}"));
        println!(
            "histories: {shape:?}, {kills} kills: {} committed, {} refused, {} unknown; 0 G0, G1, G-single, lost updates; \
             {report} in write skew",
            count(End::Committed),
            count(End::Refused),
            count(End::Unknown)
        );
    }
}

fn run(folder: &Path, plan: Plan, random: &mut Random) -> Vec<Record> {
    let mut server = Server::start(folder, &[]).expect("it starts");
    // Clients in the middle of a transaction go a little further.
    let count = AT_A_TIME * (plan.commits / MOVE_ON_AFTER + 2);
    let docs: Vec<Value> = (0..count).map(|number| json!({"_id": name(number), "list": [], "value": 0})).collect();
    prepare(&server, "shared", &docs);
    let address = Arc::new(Mutex::new(server.address.clone()));
    let committed = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (address, committed, random) = (address.clone(), committed.clone(), random.split());
            let client = Client { plan, caller: Caller::new(&address.lock()), random, next: number << 32 };
            std::thread::spawn(move || client.work(&address, &committed))
        })
        .collect();
    for kill in 1..=plan.kills {
        while committed.load(Ordering::SeqCst) < plan.commits * kill / (plan.kills + 1) {
            std::thread::sleep(Duration::from_millis(2));
        }
        server.kill();
        server = Server::start(folder, &[]).expect("it starts again");
        *address.lock() = server.address.clone();
    }
    let mut history: Vec<Record> =
        clients.into_iter().flat_map(|client| client.join().expect("a client's thread")).collect();
    history.push(last_read(&server, plan.shape, count));
    history
}

fn name(number: u64) -> String {
    format!("x{number}")
}

/// One transaction that reads everything, after all others.
fn last_read(server: &Server, shape: Shape, count: u64) -> Record {
    let began = Instant::now();
    let mut caller = Caller::new(&server.address);
    let read = |number| {
        let doc = caller.get(None, "shared", &name(number)).expect("an answer").expect("there");
        Step::Read(name(number), numbers(&doc, shape))
    };
    let steps = (0..count).map(read).collect();
    Record { steps, end: End::Committed, began, ended: Instant::now() }
}

/// One of those who fight.
struct Client {
    plan: Plan,
    caller: Caller,
    random: Random,
    /// The last number that it wrote.
    next: u64,
}

impl Client {
    fn work(mut self, address: &Mutex<String>, committed: &AtomicU64) -> Vec<Record> {
        let mut records = Vec::new();
        let mut reached = address.lock().clone();
        loop {
            let so_far = committed.load(Ordering::SeqCst);
            if self.plan.commits <= so_far {
                return records;
            }
            if reached != *address.lock() {
                reached.clone_from(&address.lock());
                self.caller = Caller::new(&reached);
            }
            let began = Instant::now();
            let mut steps = Vec::new();
            let end = self.attempt(so_far / MOVE_ON_AFTER * AT_A_TIME, &mut steps);
            match end {
                End::Committed => drop(committed.fetch_add(1, Ordering::SeqCst)),
                End::Refused => {}
                End::Unknown => std::thread::sleep(Duration::from_millis(20)),
            }
            records.push(Record { steps, end, began, ended: Instant::now() });
        }
    }

    /// One transaction over some of the names from `first` on. Where it ends before its commit was asked for, nothing of
    /// it can have been committed.
    fn attempt(&mut self, first: u64, steps: &mut Vec<Step>) -> End {
        let Ok(open) = self.caller.begin() else {
            std::thread::sleep(Duration::from_millis(20));
            return End::Refused;
        };
        for _ in 0..=self.random.below(4) {
            let name = name(first + self.random.below(AT_A_TIME));
            let writes = self.random.chance(50);
            let knows = steps
                .iter()
                .any(|step| matches!(step, Step::Append(other, _) | Step::Read(other, _) if *other == name));
            if !writes || (self.plan.shape == Shape::Registers && !knows) {
                let Ok(doc) = self.caller.get(Some(&open), "shared", &name) else { return End::Refused };
                steps.push(Step::Read(name.clone(), numbers(&doc.expect("there"), self.plan.shape)));
            }
            if writes {
                self.next += 1;
                let change = match self.plan.shape {
                    Shape::Lists => json!({"$push": {"list": self.next}}),
                    Shape::Registers => json!({"$set": {"value": self.next}}),
                };
                steps.push(Step::Append(name.clone(), self.next));
                if self.caller.change(Some(&open), "shared", &name, &change).is_err() {
                    return End::Refused;
                }
            }
        }
        if self.random.chance(5) {
            let _ = self.caller.abort(&open); // either way nothing of it may ever be seen
            return End::Refused;
        }
        match self.caller.commit(&open) {
            Ok(()) => End::Committed,
            Err(Fault::Refused(_)) => End::Refused,
            Err(Fault::Unknown) => End::Unknown,
        }
    }
}

/// The list, or the register's value as a list of one.
fn numbers(doc: &Value, shape: Shape) -> Vec<u64> {
    let number = |number: &Value| number.as_u64().expect("a number");
    match shape {
        Shape::Lists => doc["list"].as_array().expect("a list").iter().map(number).collect(),
        Shape::Registers => Some(number(&doc["value"])).filter(|value| *value > 0).into_iter().collect(),
    }
}
