//! Schedules of the commit path, explored: writers, transactions, readers and followers of a small store under many
//! orders of their steps, with faults and while it closes. `WAFERDB_TORTURE_SECONDS` explores many more.

use std::sync::Arc;

use bson::doc;

use crate::engine::{Engine, FaultKind, Memory};
use crate::sync::explored::explore;
use crate::sync::{JoinHandle, spawn};
use crate::{Collection, Doc, Edit, Error, Options, Rid, Seq, Store, ValueRef};

fn seed() -> u64 {
    let given = std::env::var("WAFERDB_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs()))
}

fn schedules() -> usize {
    if std::env::var_os("WAFERDB_TORTURE_SECONDS").is_some() { 20_000 } else { 200 }
}

#[test]
fn transactions_and_writers() {
    explore("transactions and writers", schedules(), seed(), || {
        let scene = Scene::new(2);
        let workers = [
            scene.go(|scene| u32::from(scene.transfer(0, 1))),
            scene.go(|scene| u32::from(scene.transfer(1, 0))),
            scene.go(|scene| u32::from(scene.add(0).is_ok())),
            scene.go(|scene| {
                scene.audit();
                scene.audit();
                0
            }),
        ];
        let [out, back, added, _] = workers.map(|worker| worker.join().expect("it ends"));
        scene.store.settle().expect("settles");
        let wanted =
            [100 - i64::from(out) + i64::from(back) + 10 * i64::from(added), 100 + i64::from(out) - i64::from(back)];
        assert_eq!([scene.money(0), scene.money(1)], wanted, "each that was told \"done\" counts once");
        assert!(out + back + added > 0, "somebody gets through");
        scene.check_log();
    });
}

#[test]
fn one_key_has_one_holder() {
    explore("one key has one holder", schedules(), seed(), || {
        let scene = Scene::new(1);
        let insert = |scene: &Scene| {
            let inserted = scene.store.insert(&scene.coll, &account(7, 1));
            inserted.map(|(_, ticket)| u32::from(ticket.wait().is_ok())).unwrap_or_default()
        };
        let swap = |scene: &Scene| {
            let mut txn = scene.store.begin();
            txn.insert(&scene.coll, &account(7, 2))
                .map(drop)
                .and_then(|()| txn.commit())
                .map_or(0, |ticket| u32::from(ticket.is_none_or(|ticket| ticket.wait().is_ok())))
        };
        let remove = |scene: &Scene| {
            let gone = scene.store.change(&scene.coll, scene.rids[0], |_| Ok::<_, Error>(Edit::Remove));
            u32::from(gone.expect("removed").is_some_and(|gone| gone.ticket.wait().is_ok()))
        };
        let again = |scene: &Scene| {
            u32::from(scene.store.insert(&scene.coll, &account(0, 3)).is_ok_and(|(_, ticket)| ticket.wait().is_ok()))
        };
        let workers = [scene.go(insert), scene.go(swap), scene.go(remove), scene.go(again)];
        let [first, second, removed, renewed] = workers.map(|worker| worker.join().expect("it ends"));
        assert_eq!((first + second, removed), (1, 1), "one of two gets the key");
        let view = scene.store.view();
        let there = |id: i32| view.doc_by_id(&scene.coll, ValueRef::Int32(id)).expect("reads").is_some();
        assert_eq!((there(7), there(0)), (true, renewed == 1));
        scene.check_log();
    });
}

#[test]
fn followers_hear_of_every_commit() {
    explore("followers hear of every commit", schedules(), seed(), || {
        let scene = Scene::new(1);
        let begin = scene.store.view().seq();
        let follow = move |scene: &Scene| {
            let (mut at, mut seen) = (begin, 0);
            while seen < 3 {
                let newest = scene.store.wait_beyond(at, std::time::Duration::from_secs(1));
                let view = scene.store.view();
                assert!(newest <= view.seq());
                let mut log = view.changes(at);
                while let Some(commit) = log.next_commit().expect("reads") {
                    assert_eq!(commit.seq.0, at.0 + 1, "no gap");
                    at = commit.seq;
                    seen += u32::from(!commit.changes.is_empty());
                }
            }
            seen
        };
        let add = |scene: &Scene| u32::from(scene.add(0).is_ok());
        let workers = [scene.go(follow), scene.go(follow), scene.go(add), scene.go(add), scene.go(add)];
        let counts = workers.map(|worker| worker.join().expect("it ends"));
        assert_eq!(counts, [3, 3, 1, 1, 1]);
    });
}

#[test]
fn a_full_disk_leaves_nothing_half() {
    explore("a full disk leaves nothing half", schedules(), seed(), || {
        let scene = Scene::new(2);
        let Engine::Memory(memory) = scene.store.engine() else { panic!("a memory engine") };
        memory.fail_at(2, FaultKind::Full);
        let workers = [
            scene.go(|scene| u32::from(scene.add(0).is_ok())),
            scene.go(|scene| u32::from(scene.add(0).is_ok())),
            scene.go(|scene| u32::from(scene.transfer(0, 1))),
        ];
        let [first, second, moved] = workers.map(|worker| worker.join().expect("it ends"));
        // From here on there is room.
        while scene.add(1).is_err() {}
        let wanted = [100 + 10 * i64::from(first + second) - i64::from(moved), 110 + i64::from(moved)];
        assert_eq!([scene.money(0), scene.money(1)], wanted);
        scene.check_log();
    });
}

#[test]
fn closing_answers_everybody() {
    explore("closing answers everybody", schedules(), seed(), || {
        let scene = Scene::new(1);
        let add = |scene: &Scene| match scene.add(0) {
            Ok(()) => 1,
            Err(Error::Closed) => 0,
            Err(other) => panic!("{other:?}"),
        };
        let close = |scene: &Scene| {
            scene.store.close();
            0
        };
        let workers = [scene.go(add), scene.go(add), scene.go(close)];
        let done: u32 = workers.map(|worker| worker.join().expect("it ends")).iter().sum();
        assert_eq!(scene.money(0), 100 + 10 * i64::from(done), "what was answered is there, and nothing else");
    });
}

/// A store with some accounts of 100.
struct Scene {
    store: Store,
    coll: Arc<Collection>,
    rids: Vec<Rid>,
}

impl Scene {
    fn new(accounts: i32) -> Arc<Scene> {
        let options = Options { clock: || 1_700_000_000_000, cache_bytes: 4 << 10, ..Options::default() };
        let store = Store::on(Engine::Memory(Memory::default()), options).expect("opens");
        // Threads of their own, which would not be explored.
        store.inner.keeper.stop();
        store.inner.texts.end();
        let (env, _) = store.create_env("e").expect("makes");
        store.create_collection(env, "c").expect("makes").wait().expect("durable");
        let coll = store.view().collection(env, "c").cloned().expect("there");
        let rids = (0..accounts).map(|id| store.insert(&coll, &account(id, 100)).expect("inserts").0).collect();
        store.settle().expect("settles");
        Arc::new(Scene { store, coll, rids })
    }

    fn go(self: &Arc<Scene>, work: impl Fn(&Scene) -> u32 + Send + 'static) -> JoinHandle<u32> {
        let scene = self.clone();
        spawn("worker", move || work(&scene)).expect("a thread")
    }

    fn money(&self, account: usize) -> i64 {
        money(&self.store.view().doc(&self.coll, self.rids[account]).expect("reads").expect("there"))
    }

    /// Ten more, without a transaction.
    fn add(&self, account: usize) -> Result<(), Error> {
        let add = |doc: &Doc| Ok::<_, Error>(Edit::Update(with(doc, money(doc) + 10)));
        let changed = self.store.change(&self.coll, self.rids[account], add)?;
        changed.expect("there").ticket.wait().map(drop)
    }

    /// One of money from one account to the other. False where somebody was first, or the disk was full.
    fn transfer(&self, from: usize, to: usize) -> bool {
        let mut txn = self.store.begin();
        for (account, sum) in [(from, -1), (to, 1)] {
            let change = |doc: &Doc| Ok::<_, Error>(Edit::Update(with(doc, money(doc) + sum)));
            txn.change(&self.coll, self.rids[account], change).expect("staged");
        }
        match txn.commit() {
            Ok(ticket) => ticket.expect("something changed").wait().is_ok(),
            Err(Error::Overtaken { .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// One moment has all the money: what transactions move never comes or goes, and additions come by tens.
    fn audit(&self) {
        let view = self.store.view();
        let sum: i64 =
            self.rids.iter().map(|rid| money(&view.doc(&self.coll, *rid).expect("reads").expect("there"))).sum();
        assert_eq!(sum % 10, 0, "half of a transfer: {sum}");
    }

    /// The log has every commit once, and each document's versions one after the other.
    fn check_log(&self) {
        let view = self.store.view();
        let mut log = view.changes(Seq(0));
        let mut last: std::collections::HashMap<Rid, Option<Doc>> = std::collections::HashMap::new();
        let mut at = 0;
        while let Some(commit) = log.next_commit().expect("reads") {
            assert_eq!(commit.seq.0, at + 1, "no gap");
            at = commit.seq.0;
            for change in commit.changes {
                let before = last.insert(change.rid, change.after.clone()).flatten();
                assert_eq!(format!("{:?}", change.before), format!("{before:?}"), "an unbroken chain of versions");
            }
        }
        assert_eq!(at, view.seq().0);
        for (rid, doc) in last {
            let found = view.doc(&self.coll, rid).expect("reads");
            assert_eq!(format!("{found:?}"), format!("{doc:?}"), "the log tells what is there");
        }
    }
}

fn account(id: i32, money: i64) -> Doc {
    Doc::from_bytes(doc! {"_id": id, "money": money}.to_vec().expect("encodes")).expect("valid")
}

fn money(doc: &Doc) -> i64 {
    doc.get("money").and_then(ValueRef::as_i64).expect("a number")
}

fn with(doc: &Doc, money: i64) -> Doc {
    let id = doc.get("_id").and_then(ValueRef::as_i64).and_then(|id| i32::try_from(id).ok()).expect("a small number");
    account(id, money)
}
