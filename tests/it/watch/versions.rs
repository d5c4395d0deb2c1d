//! Each version of each document once and in order, while connections are cut and the server is killed.

use super::{client, insert, make, modify, read};
use crate::support::random::Random;
use crate::support::server::{self, Server, credentials, doctor};
use crate::support::watcher::{Seen, Watcher};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const DOCS: u64 = 20;
const WRITERS: u64 = 4;
const CUT_EVERY_MS: u64 = 100;
/// Writers keep a pace at which everybody who is cut off so often still keeps up on a small machine: what happens to those
/// who do not is another test's.
const PACE: Duration = Duration::from_millis(15);

/// How much of everything.
struct Size {
    watchers: u64,
    changes: u64,
    kills: u64,
}

/// What the threads of a run have in common.
struct Stage {
    address: parking_lot::Mutex<String>,
    writing: AtomicBool,
    watching: AtomicBool,
    changes: AtomicU64,
    cuts: AtomicU64,
}

impl Stage {
    fn address(&self) -> String {
        self.address.lock().clone()
    }
}

#[test]
fn every_version_once_and_in_order() {
    if !server::can_serve() {
        return;
    }
    let long = std::env::var_os("WAFERDB_TORTURE_SECONDS").is_some();
    let size = match long {
        true => Size { watchers: 50, changes: 100_000, kills: 20 },
        false => Size { watchers: 10, changes: 4000, kills: 2 },
    };
    let seed = Random::seed();
    println!("versions: WAFERDB_SEED={seed}");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    run(&scratch.path().join("data"), &size, &mut Random::new(seed));
}

fn run(folder: &Path, size: &Size, random: &mut Random) {
    let mut server = Server::start(folder, &[]).expect("it starts");
    prepare(&server);
    let stage = Arc::new(Stage {
        address: parking_lot::Mutex::new(server.address.clone()),
        writing: AtomicBool::new(true),
        watching: AtomicBool::new(true),
        changes: AtomicU64::new(0),
        cuts: AtomicU64::new(0),
    });
    let watchers: Vec<JoinHandle<Witness>> = (0..size.watchers)
        .map(|number| {
            let (stage, random) = (stage.clone(), random.split());
            std::thread::spawn(move || Witness::new(number).watch(&stage, random))
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (stage, random) = (stage.clone(), random.split());
            std::thread::spawn(move || write(&stage, number, random))
        })
        .collect();
    for kill in 1..=size.kills {
        wait_for(&stage, size.changes * kill / (size.kills + 1));
        server.kill();
        server = Server::start(folder, &[]).expect("it starts again");
        *stage.address.lock() = server.address.clone();
    }
    wait_for(&stage, size.changes);
    stage.writing.store(false, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
    let last = read(&mut client(&server), "watched", &json!({}));
    let last: BTreeMap<String, u64> = last.iter().map(|doc| (id(doc), version(doc))).collect();
    stage.watching.store(false, Ordering::SeqCst);
    let mut seen = 0;
    for watcher in watchers {
        let mut witness = watcher.join().expect("a watcher");
        witness.finish(&server.address, &last);
        seen += witness.seen;
    }
    let (changes, cuts) = (stage.changes.load(Ordering::SeqCst), stage.cuts.load(Ordering::SeqCst));
    println!("versions: {changes} changes, {seen} events seen, {cuts} cuts, {} kills", size.kills);
    assert!(server.stop().success());
    doctor(folder).expect("the folder is sound");
}

fn prepare(server: &Server) {
    let mut client = client(server);
    make(&mut client, "watched");
    make(&mut client, "foreign");
    let docs: Vec<Value> = (0..DOCS)
        .map(|number| json!({"_id": format!("d{number}"), "key": number, "v": 1, "even": number % 2 == 0}))
        .collect();
    insert(&mut client, "watched", &docs);
    insert(&mut client, "foreign", &docs);
}

fn wait_for(stage: &Stage, changes: u64) {
    let until = Instant::now() + Duration::from_secs(3600);
    while stage.changes.load(Ordering::SeqCst) < changes && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Counts versions up, one document or several at a time; what became of a call that broke off does not matter.
fn write(stage: &Stage, writer: u64, mut random: Random) {
    let mut address = stage.address();
    let mut client = crate::support::client::Client::new(&address, &credentials());
    while stage.writing.load(Ordering::SeqCst) {
        if address != stage.address() {
            address = stage.address();
            client = crate::support::client::Client::new(&address, &credentials());
        }
        let (collection, query) = match random.below(10) {
            0 => ("foreign", json!({"key": random.below(DOCS)})),
            1 => ("watched", json!({"key": {"$mod": [WRITERS, writer]}})),
            _ => ("watched", json!({"_id": format!("d{}", random.below(DOCS))})),
        };
        std::thread::sleep(PACE);
        match modify(&mut client, collection, &query, &json!({"$inc": {"v": 1}})) {
            Ok(answer) => {
                let updated = answer["data"]["updated"].as_u64().unwrap_or(0);
                if collection == "watched" {
                    stage.changes.fetch_add(updated, Ordering::SeqCst);
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// One who watches and remembers the last version of each document.
struct Witness {
    watcher: Watcher,
    wanted: fn(u64, u64) -> bool,
    number: u64,
    versions: BTreeMap<String, u64>,
    seen: u64,
}

impl Witness {
    /// Some watch everything, some a half, some one document by a key, some by its id.
    fn new(number: u64) -> Witness {
        let key = number % DOCS;
        let (query, wanted): (Value, fn(u64, u64) -> bool) = match number % 4 {
            0 => (json!({}), |_, _| true),
            1 => (json!({"even": true}), |doc, _| doc.is_multiple_of(2)),
            2 => (json!({"key": key}), |doc, number| doc == number % DOCS),
            _ => (json!({"_id": {"$in": [format!("d{key}"), "d0"]}}), |doc, number| doc == number % DOCS || doc == 0),
        };
        let asks = json!({"collName": "watched", "query": query.to_string()});
        let watcher = Watcher::new(&credentials(), asks);
        Witness { watcher, wanted, number, versions: BTreeMap::new(), seen: 0 }
    }

    fn watch(mut self, stage: &Stage, mut random: Random) -> Witness {
        while stage.watching.load(Ordering::SeqCst) {
            if self.connect(&stage.address()).is_err() {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let cut = Instant::now() + Duration::from_millis(random.below(2 * CUT_EVERY_MS));
            while Instant::now() < cut {
                match self.watcher.next(Duration::from_millis(10)) {
                    Ok(seen) => self.remember(&seen),
                    Err(_) => break,
                }
            }
            assert!(self.watcher.error.is_none(), "ended: {:?}", self.watcher.error);
            self.watcher.cut();
            stage.cuts.fetch_add(1, Ordering::SeqCst);
        }
        self
    }

    fn connect(&mut self, address: &str) -> Result<(), String> {
        let begins = self.watcher.current == 0;
        let seen = self.watcher.connect(address).map_err(|fault| {
            assert!(self.watcher.error.is_none(), "not gone on with: {fault}");
            fault
        })?;
        if begins {
            self.versions = seen.iter().map(|seen| (seen.id.clone(), version(&seen.doc))).collect();
        } else {
            self.remember(&seen);
        }
        Ok(())
    }

    fn remember(&mut self, seen: &[Seen]) {
        for seen in seen {
            assert_eq!((seen.kind.as_str(), seen.queue.as_str()), ("update", "update"), "{seen:?}");
            assert!((self.wanted)(number(&seen.id), self.number), "foreign: {seen:?}");
            let before = self.versions.insert(seen.id.clone(), version(&seen.doc)).expect("known from the beginning");
            assert_eq!(version(&seen.doc), before + 1, "each version once, in order: {seen:?}");
            assert_eq!(seen.updated, json!({"v": before + 1}));
            self.seen += 1;
        }
    }

    /// Nothing is missing at the end.
    fn finish(&mut self, address: &str, last: &BTreeMap<String, u64>) {
        let last: BTreeMap<String, u64> = last
            .iter()
            .filter(|(id, _)| (self.wanted)(number(id), self.number))
            .map(|(id, version)| (id.clone(), *version))
            .collect();
        let until = Instant::now() + Duration::from_secs(30);
        self.connect(address).expect("goes on");
        while self.versions != last && Instant::now() < until {
            let seen = self.watcher.next(Duration::from_millis(50)).expect("goes on");
            self.remember(&seen);
        }
        assert_eq!(self.versions, last, "watcher {}", self.number);
        assert_eq!(self.watcher.resets, 0);
    }
}

fn id(doc: &Value) -> String {
    doc["_id"].as_str().expect("a text").to_owned()
}

fn number(id: &str) -> u64 {
    id.trim_start_matches('d').parse().expect("a number")
}

fn version(doc: &Value) -> u64 {
    doc["v"].as_u64().expect("a version")
}
