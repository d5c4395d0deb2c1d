//! The contract, run on every engine: random batches and scans against a `BTreeMap`.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::error::Error;

type Model = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

fn engines() -> Vec<(&'static str, Engine, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let rocks = Rocks::open(folder.path(), &RocksOptions::default()).expect("opens");
    vec![("rocks", Engine::Rocks(rocks), Some(folder)), ("memory", Engine::Memory(Memory::default()), None)]
}

#[derive(Clone, Debug)]
enum Step {
    Put(Space, Vec<u8>, Vec<u8>),
    Delete(Space, Vec<u8>),
    DeleteRange(Space, Vec<u8>, Vec<u8>),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..4, 1..4)
}

fn space() -> impl Strategy<Value = Space> {
    proptest::sample::select(&Space::ALL)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (space(), key(), proptest::collection::vec(any::<u8>(), 0..5)).prop_map(|(s, k, v)| Step::Put(s, k, v)),
        2 => (space(), key()).prop_map(|(s, k)| Step::Delete(s, k)),
        1 => (space(), key(), key()).prop_map(|(s, a, b)| Step::DeleteRange(s, a.clone().min(b.clone()), a.max(b))),
    ]
}

fn apply(step: &Step, batch: &mut Batch, model: &mut Model) {
    match step {
        Step::Put(space, key, value) => {
            batch.put(*space, key, value);
            model.insert((*space, key.clone()), value.clone());
        }
        Step::Delete(space, key) => {
            batch.delete(*space, key);
            model.remove(&(*space, key.clone()));
        }
        Step::DeleteRange(space, start, end) => {
            batch.delete_range(*space, &KeyRange { start: start.clone(), end: end.clone() });
            model.retain(|(s, key), _| s != space || key < start || key >= end);
        }
    }
}

fn collect(snap: &Snapshot, space: Space, range: &KeyRange, scan: Scan) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = snap.scan(space, range, scan);
    let mut all = Vec::new();
    while let Some((key, value)) = cursor.next().expect("reads") {
        all.push((key.to_vec(), value.to_vec()));
    }
    assert!(cursor.next().expect("reads").is_none(), "the end stays the end");
    all
}

fn expected(model: &Model, space: Space, range: &KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let inside = |key: &[u8]| key >= range.start.as_slice() && (range.end.is_empty() || key < range.end.as_slice());
    model
        .iter()
        .filter(|((s, key), _)| *s == space && inside(key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect()
}

fn check_state(snap: &Snapshot, model: &Model, range: &KeyRange) {
    for space in Space::ALL {
        let mut forward = expected(model, space, range);
        assert_eq!(collect(snap, space, range, Scan::Forward), forward);
        forward.reverse();
        assert_eq!(collect(snap, space, range, Scan::Backward), forward);
    }
    let keys: Vec<Vec<u8>> = model.keys().map(|(_, key)| key.clone()).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let found = snap.get_many(Space::Doc, &keys).expect("reads");
    for (key, value) in keys.iter().zip(found) {
        assert_eq!(value, snap.get(Space::Doc, key).expect("reads"));
        assert_eq!(value.as_deref(), model.get(&(Space::Doc, key.to_vec())).map(Vec::as_slice));
    }
}

fn check_seek(snap: &Snapshot, model: &Model, target: &[u8]) {
    let all = KeyRange { start: vec![], end: vec![] };
    let after = model.range((Bound::Included((Space::Doc, target.to_vec())), Bound::Unbounded));
    let first = after.map(|((space, key), _)| (*space, key.clone())).next().filter(|(space, _)| *space == Space::Doc);
    let mut cursor = snap.scan(Space::Doc, &all, Scan::Forward);
    cursor.seek(target);
    assert_eq!(cursor.next().expect("reads").map(|(key, _)| (Space::Doc, key.to_vec())), first);
    let before = model.range((Bound::Unbounded, Bound::Included((Space::Doc, target.to_vec()))));
    let last = before.map(|((space, key), _)| (*space, key.clone())).next_back().filter(|(s, _)| *s == Space::Doc);
    let mut cursor = snap.scan(Space::Doc, &all, Scan::Backward);
    cursor.seek(target);
    assert_eq!(cursor.next().expect("reads").map(|(key, _)| (Space::Doc, key.to_vec())), last);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn engines_agree_with_the_model(
        batches in proptest::collection::vec(proptest::collection::vec(step(), 1..8), 1..6),
        (a, b) in (key(), key()),
    ) {
        for (name, engine, _folder) in engines() {
            let mut model = Model::new();
            let mut moments = Vec::new();
            for steps in &batches {
                let mut batch = Batch::default();
                steps.iter().for_each(|step| apply(step, &mut batch, &mut model));
                engine.write(&batch, Durability::Buffered).expect(name);
                moments.push((engine.snapshot(), model.clone()));
            }
            engine.flush().expect(name);
            let range = KeyRange { start: a.clone().min(b.clone()), end: a.clone().max(b.clone()) };
            for (snap, model) in &moments {
                check_state(snap, model, &range);
                check_state(snap, model, &KeyRange { start: vec![], end: vec![] });
                check_seek(snap, model, &a);
            }
        }
    }
}

#[test]
fn rocks_keeps_synced_writes_across_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut batch = Batch::default();
    batch.put_parts(Space::Doc, b"k", &[b"v", b"w"]);
    for _ in 0..2 {
        let rocks = Rocks::open(folder.path(), &RocksOptions::default()).expect("opens");
        rocks.write(&batch, Durability::Synced).expect("writes");
        assert_eq!(rocks.snapshot().get(Space::Doc, b"k").expect("reads").as_deref(), Some(b"vw".as_slice()));
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = Rocks::open(folder.path(), &RocksOptions::default()).expect("opens");
    assert!(matches!(Rocks::open(folder.path(), &RocksOptions::default()), Err(Error::Io(_))));
}

/// One flipped bit in the middle of the log must refuse to open; a cut tail must open with what is left.
#[test]
fn rocks_refuses_a_damaged_middle_and_accepts_a_torn_tail() {
    let write = |folder: &Path| {
        let rocks = Rocks::open(folder, &RocksOptions::default()).expect("opens");
        for number in 0..200u32 {
            let mut batch = Batch::default();
            batch.put(Space::Doc, &number.to_be_bytes(), &[7; 300]);
            rocks.write(&batch, Durability::Synced).expect("writes");
        }
    };
    let log_of = |folder: &Path| {
        let names = std::fs::read_dir(folder).expect("lists").map(|entry| entry.expect("an entry").path());
        let logs = names.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.max_by_key(|path| path.metadata().map_or(0, |meta| meta.len())).expect("a log")
    };
    let damaged = tempfile::tempdir().expect("a folder");
    write(damaged.path());
    let log = log_of(damaged.path());
    let mut bytes = std::fs::read(&log).expect("reads");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 4;
    std::fs::write(&log, &bytes).expect("writes");
    assert!(matches!(Rocks::open(damaged.path(), &RocksOptions::default()), Err(Error::Corrupt { .. })));

    let torn = tempfile::tempdir().expect("a folder");
    write(torn.path());
    let log = log_of(torn.path());
    let bytes = std::fs::read(&log).expect("reads");
    let used = bytes.iter().rposition(|byte| *byte != 0).expect("content") + 1;
    std::fs::write(&log, &bytes[..used - 100]).expect("writes");
    let rocks = Rocks::open(torn.path(), &RocksOptions::default()).expect("opens");
    let all = KeyRange { start: vec![], end: vec![] };
    assert_eq!(collect(&Snapshot::Rocks(rocks.snapshot()), Space::Doc, &all, Scan::Forward).len(), 199);
}

#[test]
fn memory_fails_at_the_chosen_call() {
    let memory = Memory::default();
    let mut batch = Batch::default();
    batch.put(Space::Doc, b"k", b"v");
    memory.fail_at(2, FaultKind::Full);
    assert!(memory.write(&batch, Durability::Buffered).is_ok());
    assert!(matches!(memory.write(&batch, Durability::Synced), Err(Error::Full)));
    let lost = memory.after_power_loss();
    assert!(lost.snapshot().get(Space::Doc, b"k").expect("reads").is_none());
    memory.sync().expect("syncs");
    assert!(memory.after_power_loss().snapshot().get(Space::Doc, b"k").expect("reads").is_some());
}
