//! Watches against a set kept by hand: whoever applies the steps must hold what the query finds.

use std::collections::BTreeMap;

use bson::doc;
use proptest::prelude::*;

use super::*;
use crate::command::{Change as Edit, Command, Delete, Find, Insert, Reply, Update};
use crate::insert::Names;
use crate::tests::{database, from_doc, to_doc};

fn run(db: &Db, session: &Session, command: Command) -> Reply {
    let started = db.run(session, &command).expect("valid");
    started.wait().expect("written")
}

fn insert(id: i32, kind: i32, rank: i32) -> Command {
    let docs = vec![to_doc(&doc! {"_id": id, "kind": kind, "rank": rank})];
    Command::Insert(Insert { collection: "c".into(), docs, ordered: true, names: Names::Any })
}

fn update(id: i32, change: &bson::Document) -> Command {
    let change = Edit::Operators(to_doc(change));
    Command::Update(Update {
        collection: "c".into(),
        filter: to_doc(&doc! {"_id": id}),
        change,
        multi: false,
        upsert: false,
        array_filters: Vec::new(),
        collation: None,
        variables: None,
    })
}

fn remove(id: i32) -> Command {
    let filter = to_doc(&doc! {"_id": id});
    Command::Delete(Delete { collection: "c".into(), filter, multi: false, collation: None, variables: None })
}

fn spec(filter: &bson::Document, limit: Option<u64>) -> WatchSpec {
    WatchSpec { collection: "c".into(), filter: to_doc(filter), sort: Some(to_doc(&doc! {"rank": 1, "_id": 1})), limit }
}

/// What a client holds: documents by id, as its events leave them.
#[derive(Default)]
struct Held(BTreeMap<String, bson::Document>);

impl Held {
    fn of(docs: &[Doc]) -> Held {
        Held(docs.iter().map(|doc| (format!("{:?}", doc.get("_id").expect("an id")), from_doc(doc))).collect())
    }

    fn apply(&mut self, event: &WatchEvent) {
        let id = format!("{:?}", event.id.as_ref());
        let doc = event.doc.as_ref().map(from_doc);
        match event.queue {
            Queue::Enqueue => assert!(self.0.insert(id, doc.expect("comes whole")).is_none(), "twice: {event:?}"),
            Queue::Update => assert!(self.0.insert(id, doc.expect("comes whole")).is_some(), "unknown: {event:?}"),
            Queue::Dequeue => assert!(self.0.remove(&id).is_some(), "unknown: {event:?}"),
        }
    }
}

fn follow(db: &Db, session: &Session, watch: &mut Watch) -> Vec<Step> {
    let view = db.store().view();
    let mut commits = Vec::new();
    let mut log = view.changes(watch.at());
    while let Some(commit) = log.next_commit().expect("readable") {
        commits.push(commit);
    }
    watch.advance(db, session, &view, &commits.iter().collect::<Vec<_>>()).expect("goes on")
}

#[derive(Clone, Debug)]
enum Act {
    Insert(i32, i32, i32),
    Set(i32, i32),
    Rank(i32, i32),
    Remove(i32),
    Look,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..8i32, 0..3i32, 0..5i32).prop_map(|(id, kind, rank)| Act::Insert(id, kind, rank)),
        2 => (0..8i32, 0..3i32).prop_map(|(id, kind)| Act::Set(id, kind)),
        2 => (0..8i32, 0..5i32).prop_map(|(id, rank)| Act::Rank(id, rank)),
        2 => (0..8i32).prop_map(Act::Remove),
        3 => Just(Act::Look),
    ]
}

fn carry_out(db: &Db, session: &Session, act: &Act) {
    let command = match act {
        Act::Insert(id, kind, rank) => insert(*id, *kind, *rank),
        Act::Set(id, kind) => update(*id, &doc! {"$set": {"kind": kind}}),
        Act::Rank(id, rank) => update(*id, &doc! {"$set": {"rank": rank, "deep.x": rank}}),
        Act::Remove(id) => remove(*id),
        Act::Look => return,
    };
    // An insert of an id that is taken is refused; that is no change.
    if let Ok(started) = db.run(session, &command) {
        started.wait().expect("written");
    }
}

fn found(db: &Db, session: &Session, spec: &WatchSpec) -> Vec<Doc> {
    let mut find = Find::new("c", spec.filter.clone());
    find.sort.clone_from(&spec.sort);
    find.limit = spec.limit;
    match run(db, session, Command::Find(find)) {
        Reply::Rows(rows) => rows,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn steps_lead_to_what_the_query_finds(acts in proptest::collection::vec(act(), 1..60), limit in proptest::option::of(1..4u64)) {
        let (db, session) = database(&[doc! {"_id": 100, "kind": 1, "rank": 2}], &[]);
        let spec = spec(&doc! {"kind": 1}, limit);
        let (mut watch, docs) = db.watch(&session, spec.clone()).expect("watched");
        let mut held = Held::of(&docs);
        let begun = watch.at();
        let mut steps = Vec::new();
        for act in acts.iter().chain([&Act::Look]) {
            carry_out(&db, &session, act);
            if matches!(act, Act::Look) {
                let fresh = follow(&db, &session, &mut watch);
                fresh.iter().flat_map(|step| &step.events).for_each(|event| held.apply(event));
                steps.extend(fresh);
                prop_assert_eq!(&held.0, &Held::of(&found(&db, &session, &spec)).0);
            }
        }
        // The same log gives the same steps again; a window has to begin again.
        let again = db.watch_on(&session, spec, begun).expect("readable");
        prop_assert_eq!(again.is_none(), limit.is_some());
        if let Some(mut again) = again {
            prop_assert_eq!(format!("{:?}", follow(&db, &session, &mut again)), format!("{steps:?}"));
        }
        db.store().close();
    }
}

#[test]
fn events_say_what_was_done() {
    let (db, session) = database(&[], &[]);
    let (mut watch, docs) = db.watch(&session, spec(&doc! {"kind": 1}, None)).expect("watched");
    assert!(docs.is_empty());
    run(&db, &session, insert(1, 1, 1));
    run(&db, &session, update(1, &doc! {"$set": {"deep.x": 1}, "$unset": {"rank": 1}}));
    run(&db, &session, update(1, &doc! {"$set": {"kind": 2}}));
    run(&db, &session, update(1, &doc! {"$set": {"kind": 2}}));
    run(&db, &session, update(1, &doc! {"$set": {"kind": 1}}));
    run(&db, &session, remove(1));
    let steps = follow(&db, &session, &mut watch);
    let said: Vec<(Did, Queue)> =
        steps.iter().flat_map(|step| &step.events).map(|event| (event.did, event.queue)).collect();
    let expect = [
        (Did::Add, Queue::Enqueue),
        (Did::Update, Queue::Update),
        (Did::Update, Queue::Dequeue),
        (Did::Update, Queue::Enqueue),
        (Did::Remove, Queue::Dequeue),
    ];
    assert_eq!(said, expect);
    let fields = steps[1].events[0].fields.clone().expect("updated in parts");
    assert_eq!(fields.removed, ["rank"]);
    assert_eq!(fields.updated.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["deep"]);
}

#[test]
fn fields_are_named_by_dotted_paths() {
    let cases = [
        (doc! {"a": 1, "o": {"k": 1, "l": 2}}, doc! {"a": 1, "o": {"k": 2, "l": 2}}, vec!["o.k"], vec![]),
        (doc! {"o": {"k": 1}}, doc! {"o": {"l": 1}}, vec!["o.l"], vec!["o.k"]),
        (doc! {"o": {"k": 1}}, doc! {"o": {}}, vec!["o"], vec![]),
        (doc! {"o": {"k.l": 1}}, doc! {"o": {"k.l": 2}}, vec!["o"], vec![]),
        (doc! {"a": [1, 2]}, doc! {"a": [1, 3]}, vec!["a"], vec![]),
        (doc! {"a": 1}, doc! {}, vec![], vec!["a"]),
    ];
    for (before, after, updated, removed) in cases {
        let changed = FieldsChanged::between(to_doc(&before).raw(), to_doc(&after).raw());
        assert_eq!(changed.updated.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), updated);
        assert_eq!(changed.removed, removed);
    }
}

#[test]
fn limits_and_permission_hold() {
    let (db, mut session) = database(&[doc! {"_id": 1}, doc! {"_id": 2}], &[]);
    let code = |outcome: Result<(Watch, Vec<Doc>)>| outcome.map(drop).map_err(|error| error.code);
    assert_eq!(code(db.watch(&session, spec(&doc! {}, Some(201)))), Err(Code::TooLarge));
    assert_eq!(code(db.watch(&session, spec(&doc! {"kind": {"$near": [1, 1]}}, None))), Err(Code::BadRequest));
    let (mut watch, _) = db.watch(&session, spec(&doc! {}, None)).expect("watched");
    let mut limits = (*session.limits).clone();
    limits.watch_docs_max = 2;
    session.limits = limits.into();
    assert_eq!(
        code(db.watch(&Session { caller: crate::Caller::Guest, ..session.clone() }, spec(&doc! {}, None))),
        Err(Code::PermissionDenied)
    );
    run(&db, &session, insert(3, 1, 1));
    let view = db.store().view();
    let commit = view.changes(watch.at()).next_commit().expect("readable").expect("there");
    assert_eq!(
        watch.advance(&db, &session, &view, &[&commit]).map(drop).map_err(|error| error.code),
        Err(Code::TooLarge)
    );
}
