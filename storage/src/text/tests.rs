//! Text indexes against what the documents themselves say: while they are built, while they lag, across restarts, after
//! damage, and after the log has gone on without them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::catalog::{Collection, FieldOrder, Index, IndexSpec, IndexState};
use crate::doc::Doc;
use crate::engine::Scan;
use crate::error::Error;
use crate::geo::Grid;
use crate::key::{EnvId, Rid};
use crate::store::{Options, Store, View};
use crate::write::Edit;

static NOW: AtomicI64 = AtomicI64::new(1_700_000_000_000);

const WORDS: [&str; 12] =
    ["coffee", "Tea", "running", "runs", "café", "北京大学", "北京", "我爱咖啡", "don't", "x-ray", "the", "ray"];
const SEARCHES: [&str; 9] =
    ["coffee", "run tea", "-tea coffee", "\"x-ray\"", "cafe", "北京", "大学 咖啡", "ray -\"x-ray\"", "-coffee"];

fn options() -> Options {
    Options { clock: || NOW.load(Ordering::Relaxed), log_keep_ms: 1000, ..Options::default() }
}

fn doc(json: bson::Document) -> Doc {
    Doc::from_bytes(json.to_vec().expect("encodes")).expect("valid")
}

fn text_doc(id: i32, words: &[&str]) -> Doc {
    doc(bson::doc! {"_id": id, "t": words.join(" "), "n": 0})
}

fn text_index(weights: &[(&str, u32)]) -> IndexSpec {
    let weights = weights.iter().map(|(path, weight)| ((*path).to_owned(), *weight)).collect();
    IndexSpec {
        name: "words".into(),
        fields: vec![("t".into(), FieldOrder::Text)],
        unique: false,
        sparse: false,
        partial: None,
        expire_after_s: None,
        collation: None,
        grid: Grid::default(),
        text: Some(TextSpec { weights, default_language: "english".into(), language_override: "language".into() }),
    }
}

/// A store with an environment `e` and its collection `c`.
fn prepare(store: &Store) -> (EnvId, Arc<Collection>) {
    let (env, _) = store.create_env("e").expect("makes");
    store.create_collection(env, "c").expect("makes").wait().expect("durable");
    (env, collection(store, env))
}

fn collection(store: &Store, env: EnvId) -> Arc<Collection> {
    store.view().collection(env, "c").cloned().expect("there")
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn index(coll: &Collection) -> Arc<Index> {
    coll.index("words").cloned().expect("there")
}

fn wait_answers(store: &Store, env: EnvId) -> Arc<Collection> {
    until("the index answers", || {
        let coll = collection(store, env);
        coll.index("words").is_some_and(|index| index.state == IndexState::Ready)
            && by_index(&store.view(), &coll, &search(&coll, "coffee")).is_some()
    });
    collection(store, env)
}

fn search(coll: &Collection, text: &str) -> Search {
    let index = index(coll);
    Search::new(&SearchText { text, ..SearchText::default() }, index.text.as_ref().expect("a text index"))
}

fn score(search: &Search, doc: &Doc) -> Option<f64> {
    search.score(doc.raw(), &mut || Ok::<(), Error>(())).expect("never stopped")
}

/// What the index and the documents that it is unsure about answer.
fn by_index(view: &View, coll: &Collection, search: &Search) -> Option<Vec<u64>> {
    let hits = view.text_hits(coll, &index(coll), search, &mut || Ok::<(), Error>(())).expect("answers")?;
    let mut rids = Vec::new();
    for (rid, about) in hits.found {
        let doc = view.doc(coll, rid).expect("reads").expect("what the index is sure of is there");
        if search.confirms(doc.raw(), &mut || Ok::<(), Error>(())).expect("never stopped") {
            let exact = score(search, &doc).expect("what the index is sure of matches");
            assert!((f64::from(about) - exact).abs() < exact * 1e-6, "{about} {exact}");
            rids.push(rid.0);
        }
    }
    for rid in hits.unknown {
        if view.doc(coll, rid).expect("reads").is_some_and(|doc| score(search, &doc).is_some()) {
            rids.push(rid.0);
        }
    }
    rids.sort_unstable();
    Some(rids)
}

/// What the documents themselves answer.
fn by_scan(view: &View, coll: &Collection, search: &Search) -> Vec<u64> {
    let mut docs = view.scan(coll, None, Scan::Forward);
    let mut rids = Vec::new();
    while let Some((rid, doc)) = docs.next_doc().expect("reads") {
        if score(search, &doc.to_doc()).is_some() {
            rids.push(rid.0);
        }
    }
    rids
}

/// Index and documents agree on every search; returns how many documents they found.
fn check(view: &View, coll: &Collection) -> usize {
    let count = |text: &&str| {
        let search = search(coll, text);
        let found = by_index(view, coll, &search).expect("the index answers");
        assert_eq!(found, by_scan(view, coll, &search), "{text}");
        found.len()
    };
    SEARCHES.iter().map(count).sum()
}

/// A little chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn words(&mut self) -> Vec<&'static str> {
        (0..1 + self.below(4)).map(|_| WORDS[self.below(WORDS.len())]).collect()
    }
}

/// Inserts, changes or removes a document.
fn step(store: &Store, coll: &Collection, chance: &mut Chance, rids: &mut Vec<Rid>) {
    let words = chance.words();
    if rids.len() < 5 || chance.below(3) == 0 {
        let id = i32::try_from(chance.below(1 << 30)).expect("small");
        let (rid, ticket) = store.insert(coll, &text_doc(id, &words)).expect("inserts");
        ticket.wait().expect("durable");
        return rids.push(rid);
    }
    let place = chance.below(rids.len());
    let edit = |old: &Doc, removes: bool| match removes {
        true => Edit::Remove,
        false => Edit::Update(doc(bson::doc! {"_id": old.get("_id").and_then(|id| id.as_i64()), "t": words.join(" ")})),
    };
    let removes = chance.below(4) == 0;
    let changed = store.change(coll, rids[place], |old| Ok::<Edit, Error>(edit(old, removes))).expect("changes");
    changed.expect("there").ticket.wait().expect("durable");
    if removes {
        rids.swap_remove(place);
    }
}

#[test]
fn every_moment_is_answered_exactly() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    let (mut chance, mut rids) = (Chance(7), Vec::new());
    (0..50).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    (0..50).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
    let coll = wait_answers(&store, env);
    let old = store.view();
    let mut found = 0;
    for round in 0..60 {
        (0..5).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
        found += check(&store.view(), &coll);
        if round % 20 == 0 {
            std::thread::sleep(Duration::from_millis(400)); // the index takes the changes over
        }
    }
    assert!(found > 1000, "{found}");
    check(&old, &coll);
}

#[test]
fn an_index_outlives_the_process() {
    let folder = tempfile::tempdir().expect("makes");
    let (mut chance, mut rids) = (Chance(8), Vec::new());
    let env = {
        let store = Store::open(folder.path(), options()).expect("opens");
        let (env, coll) = prepare(&store);
        store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
        wait_answers(&store, env);
        (0..100).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
        store.close();
        env
    };
    for _ in 0..3 {
        let store = Store::open(folder.path(), options()).expect("opens");
        let version = collection(&store, env).version;
        let coll = wait_answers(&store, env);
        assert_eq!(coll.version, version, "it was not built anew");
        (0..20).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
        assert!(check(&store.view(), &coll) > 20);
        store.close();
    }
}

#[test]
fn a_killed_process_leaves_nothing_out() {
    let (folder, copy) = (tempfile::tempdir().expect("makes"), tempfile::tempdir().expect("makes"));
    let store = Store::open(folder.path(), options()).expect("opens");
    let (env, coll) = prepare(&store);
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    wait_answers(&store, env);
    let (mut chance, mut rids) = (Chance(9), Vec::new());
    for round in 0..3 {
        (0..40).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
        let into = copy.path().join(round.to_string());
        // The text index first, as it is in this instant; then the store, which is ahead of it.
        copy_files(&folder.path().join("text"), &into.join("text"));
        step(&store, &coll, &mut chance, &mut rids);
        store.checkpoint(&into.join("db")).expect("copies");
        let copied = Store::open(&into, options()).expect("opens");
        let coll = wait_answers(&copied, env);
        assert!(check(&copied.view(), &coll) > 20);
        copied.close();
    }
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes");
    for entry in std::fs::read_dir(from).expect("reads").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_files(&entry.path(), &target),
            // A file that is replaced while it is copied is as lost as after a power cut.
            false => drop(std::fs::copy(entry.path(), target)),
        }
    }
}

#[test]
fn a_damaged_index_is_built_anew() {
    let folder = tempfile::tempdir().expect("makes");
    let (mut chance, mut rids) = (Chance(10), Vec::new());
    let store = Store::open(folder.path(), options()).expect("opens");
    let (env, coll) = prepare(&store);
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    wait_answers(&store, env);
    (0..60).for_each(|_| step(&store, &coll, &mut chance, &mut rids));
    std::thread::sleep(Duration::from_millis(500));
    store.close();
    drop(store);
    let files = std::fs::read_dir(folder.path().join("text")).expect("reads").flatten().next().expect("one index");
    let mut damaged = 0;
    for file in std::fs::read_dir(files.path()).expect("reads").flatten().map(|file| file.path()) {
        if file.extension().is_some_and(|kind| kind == "idx" || kind == "term" || kind == "pos") {
            let mut bytes = std::fs::read(&file).expect("reads");
            bytes[0] ^= 0x55;
            std::fs::write(&file, bytes).expect("writes");
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    let store = Store::open(folder.path(), options()).expect("opens");
    let version = collection(&store, env).version;
    until("the damage is noticed", || {
        let coll = collection(&store, env);
        by_index(&store.view(), &coll, &search(&coll, "coffee"));
        coll.version > version
    });
    let coll = wait_answers(&store, env);
    assert!(check(&store.view(), &coll) > 20);
    store.close();
}

#[test]
fn the_log_may_go_on_and_an_idle_index_stays() {
    let folder = tempfile::tempdir().expect("makes");
    let store = Store::open(folder.path(), options()).expect("opens");
    let (env, coll) = prepare(&store);
    store.create_collection(env, "other").expect("makes").wait().expect("durable");
    store.insert(&coll, &text_doc(1, &["coffee"])).expect("inserts").1.wait().expect("durable");
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    let version = wait_answers(&store, env).version;
    let other = store.view().collection(env, "other").cloned().expect("there");
    for id in 0..30 {
        store.insert(&other, &text_doc(id, &["tea"])).expect("inserts").1.wait().expect("durable");
    }
    // Long after, the log is trimmed: the index is known to be up to date without having changed.
    NOW.fetch_add(3_600_000, Ordering::Relaxed);
    let first = || store.view().changes(crate::key::Seq(0)).next_commit().expect("reads").map(|commit| commit.seq);
    std::thread::sleep(Duration::from_millis(1500)); // in quiet the counts are stored, which the log is kept for, too
    store.settle().expect("settles");
    until("the log is trimmed", || {
        crate::keeper::trim_log(&store).expect("trims");
        first().is_some_and(|seq| seq.0 > 20)
    });
    store.close();
    drop(store);
    let store = Store::open(folder.path(), options()).expect("opens");
    let coll = wait_answers(&store, env);
    assert_eq!(coll.version, version, "it was not built anew");
    assert_eq!(check(&store.view(), &coll), 2, "coffee, and coffee without tea");
    store.close();
}

#[test]
fn a_dropped_index_leaves_no_files() {
    let folder = tempfile::tempdir().expect("makes");
    let store = Store::open(folder.path(), options()).expect("opens");
    let (env, _) = prepare(&store);
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    wait_answers(&store, env);
    let count = || std::fs::read_dir(folder.path().join("text")).expect("reads").count();
    assert_eq!(count(), 1);
    store.drop_collection(env, "c").expect("drops").wait().expect("durable");
    until("the folder goes", || count() == 0);
    store.close();
}

#[test]
fn languages_of_documents_are_checked_when_they_are_written() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, _) = prepare(&store);
    store.create_index(env, "c", &text_index(&[("t", 1)])).expect("makes").1.wait().expect("durable");
    let coll = wait_answers(&store, env);
    let cases = [(bson::bson!("klingon"), 17262), (bson::bson!(5), 17261)];
    for (language, expected) in cases {
        let outcome = store.insert(&coll, &doc(bson::doc! {"_id": 1, "language": language}));
        assert!(matches!(outcome, Err(Error::Unindexable { number, .. }) if number == expected));
    }
    let beside = doc(bson::doc! {"_id": 2, "t": "tea", "settings": {"language": "klingon"}});
    store.insert(&coll, &beside).expect("no text of the index is in there").1.wait().expect("durable");
    store
        .insert(&coll, &doc(bson::doc! {"_id": 1, "language": "es", "t": "manzanas"}))
        .expect("inserts")
        .1
        .wait()
        .expect("durable");
}
