//! The store under power cuts, without a server above it: quicker and closer to the disk than the tests through the gateway.
//!
//! The writer is this very program, started again under the recorder; it reports each write before it begins and after it was
//! acknowledged.

use super::ledger::Ledger;
use super::{Budget, empty_folder, scene};
use crate::support::disk::{Disk, Names, Survival};
use crate::support::powerloss::{Recorder, Switch};
use crate::support::random::Random;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use storage::{
    Collection, Doc, DocBuilder, Edit, EnvId, Error, FieldOrder, IndexSpec, IndexState, Options, Rid, Scan, Store,
    ValueRef,
};

const WRITERS: u64 = 4;
const FOLDER: &str = "WAFERDB_TEST_WRITER";

/// Not a test of its own: the program that the tests below kill. It does nothing when it is not asked to.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let journal = std::env::var_os("POWERLOSS_JOURNAL").expect("a journal");
    let store = Store::open(Path::new(&folder), Options::default()).expect("the store opens");
    let (_, collection) = prepare(&store);
    let moment = move || std::fs::metadata(&journal).map_or(0, |metadata| metadata.len());
    say("ready");
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (store, collection, moment) = (store.clone(), collection.clone(), moment.clone());
            std::thread::spawn(move || write_on(&store, &collection, number, &moment))
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
}

/// One line, whole, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@{line}\n").as_bytes()).and_then(|()| out.flush()).expect("a reader");
}

fn prepare(store: &Store) -> (EnvId, Arc<Collection>) {
    let (env, _) = store.create_env("e").expect("an environment");
    store.create_collection(env, "c").expect("a collection").wait().expect("durable");
    for (name, field, order) in [("tag", "tag", FieldOrder::Ascending), ("version", "v", FieldOrder::Descending)] {
        let spec = IndexSpec {
            name: name.to_owned(),
            fields: vec![(field.to_owned(), order)],
            unique: false,
            sparse: false,
            partial: None,
            expire_after_s: None,
            grid: storage::geo::Grid::default(),
            text: None,
            collation: None,
        };
        store.create_index(env, "c", &spec).expect("an index").1.wait().expect("durable");
    }
    let all_ready = || {
        let collection = store.view().collection(env, "c").cloned().expect("the collection");
        collection.indexes.iter().all(|index| index.state == IndexState::Ready).then_some(collection)
    };
    loop {
        if let Some(collection) = all_ready() {
            return (env, collection);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn write_on(store: &Store, collection: &Collection, number: u64, moment: &dyn Fn() -> u64) {
    let mut random = Random::new(number);
    let mut mine: Vec<(String, Rid, i64)> = Vec::new();
    for made in 0.. {
        if mine.len() < 3 || random.chance(40) {
            let id = format!("{number}-{made}");
            say(&format!("S {id} 1 {}", moment()));
            let Ok((rid, ticket)) = store.insert(collection, &document(&id, 1)) else { return };
            if ticket.wait().is_ok() {
                mine.push((id.clone(), rid, 1));
                say(&format!("A {id} {}", moment()));
            }
        } else {
            let at = random.below(mine.len() as u64) as usize;
            let (id, rid, version) = mine.swap_remove(at);
            let next = if random.chance(20) { 0 } else { version + 1 };
            say(&format!("S {id} {next} {}", moment()));
            let edit =
                |_: &Doc| Ok::<_, Error>(if next == 0 { Edit::Remove } else { Edit::Update(document(&id, next)) });
            let Ok(Some(changed)) = store.change(collection, rid, edit) else { return };
            if changed.ticket.wait().is_ok() {
                say(&format!("A {id} {}", moment()));
                mine.extend((next != 0).then_some((id, rid, next)));
            }
        }
    }
}

fn document(id: &str, version: i64) -> Doc {
    let mut builder = DocBuilder::new();
    builder.put("_id", ValueRef::String(id));
    builder.put("v", ValueRef::Int64(version));
    builder.put("tag", ValueRef::String(if version % 2 == 0 { "even" } else { "odd" }));
    builder.put("text", ValueRef::String(&"wafer ".repeat(30)));
    builder.finish()
}

fn start_writer(folder: &Path, recorder: &Recorder) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["crash::store::writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .envs(recorder.variables())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Lets the writer work for a while, kills it, and returns what it promised.
fn record(mut writer: Child, mut while_running: impl FnMut()) -> Ledger {
    let lines = BufReader::new(writer.stdout.take().expect("its output")).lines();
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut ledger = Ledger::default();
        for line in lines.map_while(Result::ok) {
            let Some(said) = line.split_once('@').map(|(_, said)| said.to_owned()) else { continue };
            let words: Vec<&str> = said.split(' ').collect();
            match words.as_slice() {
                ["ready"] => sender.send(()).expect("the test waits"),
                ["S", id, version, moment] => {
                    let version = version.parse().expect("a version");
                    let state = (version != 0).then_some(version);
                    ledger.send(id, state, moment.parse().expect("a moment"), None);
                }
                ["A", id, moment] => ledger.acknowledge(id, moment.parse().expect("a moment")),
                _ => {} // cut short by the kill
            }
        }
        ledger
    });
    receiver.recv_timeout(Duration::from_secs(30)).expect("the writer is ready");
    while_running();
    let _ = writer.kill(); // it may have ended by itself
    writer.wait().expect("it ended");
    reader.join().expect("its words are read")
}

/// Opens what survived and compares it with the promises.
fn recovers(image: &Path, ledger: &Ledger, moment: u64, what: &str) {
    let store = Store::open(image, Options::default()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let view = store.view();
    let env = view.catalog().env("e").unwrap_or_else(|| panic!("{what}: the environment is gone")).id;
    let collection = view.collection(env, "c").unwrap_or_else(|| panic!("{what}: the collection is gone"));
    let mut found = BTreeMap::new();
    let mut docs = view.scan(collection, None, Scan::Forward);
    while let Some((_, doc)) = docs.next_doc().unwrap_or_else(|error| panic!("{what}: {error}")) {
        let (Some(ValueRef::String(id)), Some(ValueRef::Int64(version))) = (doc.get("_id"), doc.get("v")) else {
            panic!("{what}: a strange document {doc:?}")
        };
        found.insert(id.to_owned(), version);
    }
    ledger.clone().check(&found, moment).unwrap_or_else(|fault| panic!("{what}: {fault}"));
    let checked = storage::doctor::check(&view, &mut |_| {});
    assert!(checked.findings.is_empty(), "{what}: {:?}", checked.findings);
    let (_, ticket) = store.insert(collection, &document("probe", 1)).expect("a write after recovery");
    ticket.wait().expect("durable");
}

fn cut(disk: &mut Disk, scratch: &Path, moment: u64, survival: Survival, random: &mut Random) -> std::path::PathBuf {
    disk.advance(moment).expect("the journal reads");
    let image = scratch.join("image");
    let _ = std::fs::remove_dir_all(&image); // the last cut's
    disk.survive(&image, survival, random).expect("an image");
    image
}

#[test]
fn the_store_survives_power_cuts() {
    let (scratch, mut random) = scene("store under power cuts");
    let mut budget = Budget::new();
    let (mut cuts, mut acknowledged) = (0, 0);
    while budget.next(3) {
        let names = if budget.is_even() { Names::Strict } else { Names::Journaled };
        let folder = empty_folder(scratch.path(), "data");
        let baseline = empty_folder(scratch.path(), "baseline");
        let recorder = Recorder::new(&folder);
        recorder.set(Switch::SyncMicros, random.below(3) as i32 * 500); // a slow disk makes larger groups
        let mut first = 0;
        let ledger = record(start_writer(&folder, &recorder), || {
            first = recorder.moment();
            std::thread::sleep(Duration::from_millis(700));
        });
        let last = recorder.moment();
        let mut moments: Vec<u64> = (0..12).map(|_| first + random.below(last - first)).collect();
        moments.push(last);
        moments.sort_unstable();
        let mut disk = Disk::new(&baseline, recorder.journal(), names).expect("the journal reads");
        for moment in moments {
            let survival = Survival { percent: [0, 50, 90][random.below(3) as usize], torn: random.chance(50) };
            let image = cut(&mut disk, scratch.path(), moment, survival, &mut random);
            recovers(&image, &ledger, moment, &format!("power cut at {moment} of {last}, {names:?}, {survival:?}"));
            cuts += 1;
        }
        acknowledged += ledger.acknowledged();
    }
    println!("store: {cuts} power cuts, {acknowledged} writes acknowledged");
}

#[test]
fn the_store_acknowledges_nothing_that_a_failed_sync_lost() {
    let (scratch, mut random) = scene("store with failing syncs");
    let mut budget = Budget::new();
    while budget.next(4) {
        let folder = empty_folder(scratch.path(), "data");
        let baseline = empty_folder(scratch.path(), "baseline");
        let recorder = Recorder::new(&folder);
        let nth = 1 + random.below(60) as i32;
        let ledger = record(start_writer(&folder, &recorder), || {
            recorder.set(Switch::SyncFailsIn, nth);
            std::thread::sleep(Duration::from_millis(600));
        });
        assert_eq!(recorder.failures(), 1, "the {nth}th sync failed");
        let last = recorder.moment();
        let mut disk = Disk::new(&baseline, recorder.journal(), Names::Journaled).expect("the journal reads");
        let image = cut(&mut disk, scratch.path(), last, Survival { percent: 0, torn: false }, &mut random);
        recovers(&image, &ledger, last, &format!("sync {nth} failed"));
    }
}
