//! The store against a naive model: random writes, indexes, restarts, power cuts and faults at the n-th call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::engine::{Engine, FaultKind, Memory};

static NOW: AtomicI64 = AtomicI64::new(1_700_000_000_000);

fn options() -> Options {
    Options { clock: || NOW.load(Ordering::Relaxed), cache_bytes: 64 << 10, expire_every_ms: 100, ..Options::default() }
}

fn doc(json: bson::Document) -> Doc {
    Doc::from_bytes(json.to_vec().expect("encodes")).expect("valid")
}

fn person(id: i32, mail: i32, tags: &[i32]) -> Doc {
    doc(bson::doc! {"_id": id, "mail": mail, "tags": tags})
}

fn spec(name: &str, fields: &[&str], unique: bool) -> IndexSpec {
    IndexSpec {
        name: name.to_owned(),
        fields: fields.iter().map(|field| ((*field).to_owned(), FieldOrder::Ascending)).collect(),
        unique,
        sparse: false,
        partial: None,
        expire_after_s: None,
        collation: None,
        grid: geo::Grid::default(),
        text: None,
    }
}

/// An environment with one collection `c`.
fn prepare(store: &Store) -> (EnvId, std::sync::Arc<Collection>) {
    let (env, _) = store.create_env("e").expect("makes");
    store.create_collection(env, "c").expect("makes").wait().expect("durable");
    (env, collection(store, env))
}

fn collection(store: &Store, env: EnvId) -> std::sync::Arc<Collection> {
    store.view().collection(env, "c").cloned().expect("there")
}

fn wait_ready(store: &Store, env: EnvId, name: &str) -> IndexState {
    for _ in 0..2000 {
        match collection(store, env).index(name).map(|index| index.state.clone()) {
            None | Some(IndexState::Building) => {} // not published yet, or not built yet
            Some(state) => return state,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the index is not built in time");
}

fn assert_sound(store: &Store) {
    store.settle().expect("settles");
    assert_eq!(doctor::check(&store.view(), &mut |_| ()).findings, []);
}

fn all(store: &Store, coll: &Collection) -> BTreeMap<u64, String> {
    let view = store.view();
    let mut docs = view.scan(coll, None, Scan::Forward);
    let mut found = BTreeMap::new();
    while let Some((rid, doc)) = docs.next_doc().expect("reads") {
        found.insert(rid.0, format!("{doc:?}"));
    }
    found
}

#[derive(Clone, Debug)]
enum Step {
    Insert(i32, i32, Vec<i32>),
    Update(i32, i32, Vec<i32>),
    Remove(i32),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let tags = || proptest::collection::vec(0..5i32, 0..4);
    prop_oneof![
        5 => (0..12i32, 0..12i32, tags()).prop_map(|(id, mail, tags)| Step::Insert(id, mail, tags)),
        4 => (0..12i32, 0..12i32, tags()).prop_map(|(id, mail, tags)| Step::Update(id, mail, tags)),
        2 => (0..12i32).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

type Model = BTreeMap<i32, (i32, Vec<i32>)>;

fn taken(model: &Model, id: i32, mail: i32) -> bool {
    model.iter().any(|(other, (held, _))| *other != id && *held == mail)
}

fn apply(store: &Store, coll: &Collection, model: &mut Model, step: &Step) {
    match step {
        Step::Insert(id, mail, tags) => {
            let outcome = store.insert(coll, &person(*id, *mail, tags)).map(|(_, ticket)| ticket.wait());
            match model.contains_key(id) || taken(model, *id, *mail) {
                true => assert!(matches!(outcome, Err(Error::Duplicate { .. })), "{outcome:?}"),
                false => {
                    outcome.expect("inserts").expect("durable");
                    model.insert(*id, (*mail, tags.clone()));
                }
            }
        }
        Step::Update(id, mail, tags) => {
            let found = store.view().doc_by_id(coll, ValueRef::Int32(*id)).expect("reads");
            assert_eq!(found.is_some(), model.contains_key(id));
            let Some((rid, _)) = found else { return };
            let outcome = store.change(coll, rid, |_| Ok::<_, Error>(Edit::Update(person(*id, *mail, tags))));
            match taken(model, *id, *mail) {
                true => assert!(matches!(outcome, Err(Error::Duplicate { .. })), "{outcome:?}"),
                false => {
                    outcome.expect("updates").expect("there").ticket.wait().expect("durable");
                    model.insert(*id, (*mail, tags.clone()));
                }
            }
        }
        Step::Remove(id) => {
            let found = store.view().doc_by_id(coll, ValueRef::Int32(*id)).expect("reads");
            assert_eq!(found.is_some(), model.remove(id).is_some());
            let Some((rid, _)) = found else { return };
            let outcome = store.change(coll, rid, |_| Ok::<_, Error>(Edit::Remove)).expect("removes");
            outcome.expect("there").ticket.wait().expect("durable");
        }
        Step::Reopen => {}
    }
}

fn check_model(store: &Store, coll: &Collection, model: &Model) {
    let view = store.view();
    assert_eq!(coll.stats.docs(), model.len() as u64);
    for (id, (mail, tags)) in model {
        let (_, found) = view.doc_by_id(coll, ValueRef::Int32(*id)).expect("reads").expect("there");
        assert_eq!(found.as_bytes(), person(*id, *mail, tags).as_bytes());
    }
    let index = coll.index("tags").expect("there");
    for tag in 0..5 {
        let mut key = Vec::new();
        key::encode(ValueRef::Int32(tag), Direction::Ascending, None, &mut key);
        let mut entries = view.entries(coll, index, &KeyRange::prefix(&key), Scan::Forward);
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().expect("reads") {
            let doc = view.doc(coll, entry.rid).expect("reads").expect("there");
            found.push(doc.get("_id").and_then(ValueRef::as_i64).expect("a number"));
        }
        found.sort_unstable();
        let expect: Vec<i64> =
            model.iter().filter(|(_, (_, tags))| tags.contains(&tag)).map(|(id, _)| i64::from(*id)).collect();
        assert_eq!(found, expect, "tag {tag}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_store_agrees_with_the_model(steps in proptest::collection::vec(step(), 1..40), on_disk in prop::bool::weighted(0.2)) {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |store: Option<Store>| {
            let Some(store) = store else {
                return match on_disk {
                    true => Store::open(folder.path(), options()).expect("opens"),
                    false => Store::in_memory(options()).expect("opens"),
                };
            };
            store.close();
            match store.engine() {
                Engine::Memory(memory) => Store::on(Engine::Memory(memory.after_power_loss()), options()).expect("opens"),
                Engine::Rocks(_) => {
                    drop(store);
                    Store::open(folder.path(), options()).expect("opens again")
                }
            }
        };
        let mut store = open(None);
        let (env, _) = prepare(&store);
        store.create_index(env, "c", &spec("mail", &["mail"], true)).expect("makes").1.wait().expect("durable");
        store.create_index(env, "c", &spec("tags", &["tags", "mail"], false)).expect("makes").1.wait().expect("durable");
        wait_ready(&store, env, "mail");
        wait_ready(&store, env, "tags");
        let mut model = Model::new();
        for step in &steps {
            if matches!(step, Step::Reopen) {
                store = open(Some(store));
            }
            let coll = collection(&store, env);
            apply(&store, &coll, &mut model, step);
        }
        check_model(&store, &collection(&store, env), &model);
        assert_sound(&store);
        store.close();
    }
}

fn add_one(store: &Store, coll: &Collection, rid: Rid) {
    let changed = store.change(coll, rid, |doc| {
        let count = doc.get("mail").and_then(ValueRef::as_i64).expect("a number");
        Ok::<_, Error>(Edit::Update(person(1, i32::try_from(count + 1).expect("small"), &[])))
    });
    changed.expect("updates").expect("there").ticket.wait().expect("durable");
}

#[test]
fn writers_on_one_document_lose_no_update() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options()).expect("opens");
    let (_, coll) = prepare(&store);
    let (rid, ticket) = store.insert(&coll, &person(1, 0, &[])).expect("inserts");
    ticket.wait().expect("durable");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| add_one(&store, &coll, rid)));
        }
    });
    let last = store.view().doc(&coll, rid).expect("reads").expect("there");
    assert_eq!(last.get("mail").and_then(ValueRef::as_i64), Some(400));
    assert_sound(&store);
}

#[test]
fn an_index_is_built_while_writes_go_on() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    for id in 0..1500 {
        let _ = store.insert(&coll, &person(id, id, &[id % 3])).expect("inserts");
    }
    store.settle().expect("settles");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for id in 1500..2500 {
                let _ = store.insert(&coll, &person(id, id, &[id % 3, 7])).expect("inserts");
                let (rid, _) =
                    store.view().doc_by_id(&coll, ValueRef::Int32(id - 1500)).expect("reads").expect("there");
                let _ = store
                    .change(&coll, rid, |_| Ok::<_, Error>(Edit::Update(person(id - 1500, id, &[9]))))
                    .expect("updates");
            }
        });
        let _ = store.create_index(env, "c", &spec("tags", &["tags"], false)).expect("makes");
        assert_eq!(wait_ready(&store, env, "tags"), IndexState::Ready);
    });
    assert_sound(&store);
}

#[test]
fn a_unique_index_over_duplicates_fails_to_build() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    for id in 0..300 {
        let _ = store.insert(&coll, &person(id, id / 2 * 2, &[])).expect("inserts");
    }
    let _ = store.create_index(env, "c", &spec("mail", &["mail"], true)).expect("makes");
    assert!(matches!(wait_ready(&store, env, "mail"), IndexState::Failed { reason } if reason.contains("mail")));
    store.drop_index(env, "c", "mail").expect("drops").wait().expect("durable");
    assert_sound(&store);
}

#[test]
fn what_is_dropped_is_gone_and_its_space_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options()).expect("opens");
    let (env, coll) = prepare(&store);
    for id in 0..5000 {
        let _ = store.insert(&coll, &person(id, id, &[1, 2, 3])).expect("inserts");
    }
    store.settle().expect("settles");
    store.flush().expect("flushes");
    assert!(store.view().disk_bytes(&coll).0 > 20_000);
    store.drop_collection(env, "c").expect("drops").wait().expect("durable");
    assert!(store.view().collection(env, "c").is_none());
    assert!(matches!(store.insert(&coll, &person(1, 1, &[])), Err(Error::Gone(_))));
    for _ in 0..1000 {
        if store.view().disk_bytes(&coll).0 == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} bytes are still there", store.view().disk_bytes(&coll).0);
}

#[test]
fn expired_documents_go() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    let now = NOW.load(Ordering::Relaxed);
    let dated = |id: i32, at: i64| doc(bson::doc! {"_id": id, "at": bson::DateTime::from_millis(at)});
    for (id, at) in [(1, now - 20_000), (2, now - 5_000), (3, now + 60_000)] {
        let _ = store.insert(&coll, &dated(id, at)).expect("inserts");
    }
    let list = bson::Bson::Array(vec![bson::DateTime::from_millis(now - 30_000).into(), 5.into()]);
    let _ = store.insert(&coll, &doc(bson::doc! {"_id": 4, "at": list})).expect("inserts");
    let _ = store.insert(&coll, &doc(bson::doc! {"_id": 5, "at": "never"})).expect("inserts");
    let _ = store.create_index(env, "c", &IndexSpec { expire_after_s: Some(10), ..spec("at", &["at"], false) });
    wait_ready(&store, env, "at");
    for _ in 0..500 {
        std::thread::sleep(Duration::from_millis(10));
        if coll.stats.docs() == 3 {
            break;
        }
    }
    let view = store.view();
    let left: Vec<bool> =
        (1..=5).map(|id| view.doc_by_id(&coll, ValueRef::Int32(id)).expect("reads").is_some()).collect();
    assert_eq!(left, [false, true, true, false, true]);
    assert_sound(&store);
}

/// A fixed workload, with each write or sync of the engine failing once in its own run: whatever was acknowledged is
/// there after a power cut, whatever was refused as full is not, and index and documents agree.
#[test]
fn every_single_fault_is_survived() {
    for kind in [FaultKind::Full, FaultKind::Io, FaultKind::Torn, FaultKind::Frozen] {
        for call in 1..=30 {
            check_fault(call, kind);
        }
    }
}

fn check_fault(call: u64, kind: FaultKind) {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    let _ = store.create_index(env, "c", &spec("mail", &["mail"], true)).expect("makes");
    wait_ready(&store, env, "mail");
    let Engine::Memory(memory) = store.engine() else { panic!("a memory engine") };
    memory.fail_at(call, kind);
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    for id in 0..30 {
        let outcome = store.insert(&coll, &person(id, id, &[id])).and_then(|(_, ticket)| ticket.wait());
        match outcome {
            Ok(_) => acknowledged.push(id),
            Err(Error::Full) => refused.push(id),
            Err(Error::Unknown(_) | Error::Halted) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let halting = matches!(kind, FaultKind::Io | FaultKind::Torn);
    assert_eq!(store.is_halted(), halting, "{kind:?} at {call}");
    assert!(store.view().doc_by_id(&coll, ValueRef::Int32(0)).is_ok(), "reads go on");
    if kind == FaultKind::Frozen {
        return; // a disk that lies about syncs keeps nothing; only consistency can be asked for
    }
    let after = Store::on(Engine::Memory(memory.after_power_loss()), options()).expect("opens");
    let (view, coll) = (after.view(), collection(&after, env));
    let there = |id: &i32| view.doc_by_id(&coll, ValueRef::Int32(*id)).expect("reads").is_some();
    assert!(acknowledged.iter().all(there), "{kind:?} at {call}");
    assert!(!refused.iter().any(there), "{kind:?} at {call}");
    assert_sound(&after);
}

#[test]
fn a_frozen_disk_leaves_a_consistent_past() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    let Engine::Memory(memory) = store.engine() else { panic!("a memory engine") };
    memory.fail_at(10, FaultKind::Frozen);
    for id in 0..30 {
        store.insert(&coll, &person(id, id, &[id])).expect("inserts").1.wait().expect("answered");
    }
    let after = Store::on(Engine::Memory(memory.after_power_loss()), options()).expect("opens");
    assert_eq!(all(&after, &collection(&after, env)).len(), 9);
    assert_sound(&after);
}

#[test]
fn a_log_that_lost_its_end_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options()).expect("opens");
    let (_, coll) = prepare(&store);
    store.insert(&coll, &person(1, 1, &[])).expect("inserts").1.wait().expect("durable");
    let before = tempfile::tempdir().expect("a folder");
    let copy = before.path().join("db");
    store.checkpoint(&copy).expect("copies");
    store.insert(&coll, &person(2, 2, &[])).expect("inserts").1.wait().expect("durable");
    store.close();
    drop(store);
    std::fs::remove_dir_all(folder.path().join("db")).expect("removes");
    std::fs::rename(&copy, folder.path().join("db")).expect("moves");
    assert!(matches!(Store::open(folder.path(), options()), Err(Error::LostCommits { .. })));
    let store = Store::open(folder.path(), Options { accept_loss: true, ..options() }).expect("opens");
    assert_sound(&store);
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let memory = Memory::default();
    let mut batch = engine::Batch::default();
    batch.put(Space::Meta, key::META_VERSION, &9u32.to_le_bytes());
    engine::Kv::write(&memory, &batch, Durability::Synced).expect("writes");
    let outcome = Store::on(Engine::Memory(memory), options());
    assert!(matches!(outcome.err(), Some(Error::NewerFormat { found: 9, supported: FORMAT_VERSION })));
}

#[test]
fn views_keep_their_moment() {
    let store = Store::in_memory(options()).expect("opens");
    let (_, coll) = prepare(&store);
    let (rid, ticket) = store.insert(&coll, &person(1, 1, &[])).expect("inserts");
    ticket.wait().expect("durable");
    let old = store.view();
    let change = |mail| {
        let changed = store.change(&coll, rid, |_| Ok::<_, Error>(Edit::Update(person(1, mail, &[]))));
        changed.expect("updates").expect("there").ticket.wait().expect("durable");
    };
    let mail =
        |view: &View| view.doc(&coll, rid).expect("reads").expect("there").get("mail").and_then(ValueRef::as_i64);
    change(2);
    let new = store.view();
    for _ in 0..3 {
        assert_eq!((mail(&old), mail(&new)), (Some(1), Some(2)));
    }
    change(3);
    assert_eq!((mail(&old), mail(&new), mail(&store.view())), (Some(1), Some(2), Some(3)));
}

#[test]
fn the_change_log_tells_everything_in_order() {
    let store = Store::in_memory(options()).expect("opens");
    let (_, coll) = prepare(&store);
    let start = store.view().seq();
    let (rid, _) = store.insert(&coll, &person(1, 1, &[])).expect("inserts");
    let _ = store.change(&coll, rid, |_| Ok::<_, Error>(Edit::Replace(person(1, 2, &[])))).expect("replaces");
    let _ = store.change(&coll, rid, |_| Ok::<_, Error>(Edit::Remove)).expect("removes");
    store.settle().expect("settles");
    let view = store.view();
    let (mut changes, mut told) = (view.changes(start), Vec::new());
    while let Some(commit) = changes.next_commit().expect("reads") {
        told.extend(
            commit.changes.into_iter().map(|change| (change.before.is_some(), change.after.is_some(), change.replaced)),
        );
    }
    assert_eq!(told, [(false, true, false), (true, true, true), (true, false, false)]);
}

#[test]
fn records_belong_to_their_environment() {
    let store = Store::in_memory(options()).expect("opens");
    let (a, _) = store.create_env("a").expect("makes");
    let (b, _) = store.create_env("b").expect("makes");
    store.put_record(7, a, b"k", b"of a").expect("puts").wait().expect("durable");
    store.put_record(7, b, b"k", b"of b").expect("puts").wait().expect("durable");
    store.drop_env(a).expect("drops").wait().expect("durable");
    let view = store.view();
    assert!(view.record(7, a, b"k").expect("reads").is_none());
    assert_eq!(view.records(7, b).expect("reads").len(), 1);
    assert!(view.catalog().env("a").is_none());
}

fn by_id(store: &Store, coll: &Collection, id: i32) -> (Rid, Doc) {
    store.view().doc_by_id(coll, ValueRef::Int32(id)).expect("reads").expect("there")
}

fn mail_of(doc: &Doc) -> i64 {
    doc.get("mail").and_then(ValueRef::as_i64).expect("a number")
}

#[test]
fn the_first_committer_wins() {
    let store = Store::in_memory(options()).expect("opens");
    let (_, coll) = prepare(&store);
    store.insert(&coll, &person(1, 0, &[])).expect("inserts").1.wait().expect("durable");
    let (rid, _) = by_id(&store, &coll, 1);
    let set = |txn: &mut Txn, mail| {
        txn.change(&coll, rid, |_| Ok::<_, Error>(Edit::Update(person(1, mail, &[]))))
            .expect("changes")
            .expect("there");
    };
    let (mut first, mut second) = (store.begin(), store.begin());
    set(&mut first, 1);
    set(&mut second, 2);
    assert_eq!(second.doc_by_id(&coll, ValueRef::Int32(1)).expect("reads").map(|(_, doc)| mail_of(&doc)), Some(2));
    assert_eq!(mail_of(&by_id(&store, &coll, 1).1), 0, "nobody else sees it");
    first.commit().expect("commits").expect("changed").wait().expect("durable");
    assert!(matches!(second.commit(), Err(Error::Overtaken { by: Some(_), .. })));
    assert_eq!(mail_of(&by_id(&store, &coll, 1).1), 1);
    let mut third = store.begin();
    set(&mut third, 3);
    store
        .change(&coll, rid, |_| Ok::<_, Error>(Edit::Remove))
        .expect("removes")
        .expect("there")
        .ticket
        .wait()
        .expect("durable");
    assert!(matches!(third.commit(), Err(Error::Overtaken { by: None, .. })), "a plain write counts as well");
    assert_sound(&store);
}

#[test]
fn unique_keys_can_be_swapped_inside_a_transaction() {
    let store = Store::in_memory(options()).expect("opens");
    let (env, coll) = prepare(&store);
    let _ = store.create_index(env, "c", &spec("mail", &["mail"], true)).expect("makes");
    wait_ready(&store, env, "mail");
    for id in 1..=2 {
        store.insert(&coll, &person(id, id, &[])).expect("inserts").1.wait().expect("durable");
    }
    let coll = collection(&store, env);
    let mut txn = store.begin();
    let mut set = |id, mail| {
        let (rid, _) = by_id(&store, &coll, id);
        txn.change(&coll, rid, |_| Ok::<_, Error>(Edit::Update(person(id, mail, &[]))))
    };
    assert!(matches!(set(1, 2), Err(Error::Duplicate { .. })));
    set(1, 9).expect("free");
    set(2, 1).expect("given up by the other");
    set(1, 2).expect("given up by the other");
    assert!(matches!(txn.insert(&coll, &person(3, 1, &[])), Err(Error::Duplicate { .. })));
    txn.insert(&coll, &person(3, 3, &[])).expect("free");
    txn.commit().expect("commits").expect("changed").wait().expect("durable");
    assert_eq!([1, 2, 3].map(|id| mail_of(&by_id(&store, &coll, id).1)), [2, 1, 3]);
    assert_sound(&store);
}

#[test]
fn transfers_keep_the_sum() {
    let store = Store::in_memory(options()).expect("opens");
    let (_, coll) = prepare(&store);
    for id in 0..4 {
        store.insert(&coll, &person(id, 100, &[])).expect("inserts").1.wait().expect("durable");
    }
    std::thread::scope(|scope| {
        for seed in 0..6u64 {
            let (store, coll) = (&store, &coll);
            scope.spawn(move || (0..60).for_each(|turn| transfer(store, coll, seed * 1000 + turn)));
        }
        for _ in 0..200 {
            let view = store.view();
            let sum: i64 = (0..4)
                .map(|id| {
                    view.doc_by_id(&coll, ValueRef::Int32(id)).expect("reads").map_or(0, |(_, doc)| mail_of(&doc))
                })
                .sum();
            assert_eq!(sum, 400);
        }
    });
    assert_sound(&store);
}

/// Moves one between two accounts; starts over on a conflict.
fn transfer(store: &Store, coll: &std::sync::Arc<Collection>, seed: u64) {
    let (from, to) =
        (i32::try_from(seed % 4).expect("small"), i32::try_from((seed + 1 + seed / 4 % 3) % 4).expect("small"));
    loop {
        let mut txn = store.begin();
        for (id, difference) in [(from, -1), (to, 1)] {
            let (rid, _) = txn.doc_by_id(coll, ValueRef::Int32(id)).expect("reads").expect("there");
            let add = |doc: &Doc| {
                Ok::<_, Error>(Edit::Update(person(id, i32::try_from(mail_of(doc)).expect("small") + difference, &[])))
            };
            txn.change(coll, rid, add).expect("changes").expect("there");
        }
        match txn.commit() {
            Ok(ticket) => {
                ticket.expect("changed").wait().expect("durable");
                return;
            }
            Err(Error::Overtaken { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
