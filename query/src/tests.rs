//! Planner and executor against the obvious way: whatever index is chosen, the answer is that of looking at every
//! document.

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, doc};
use proptest::prelude::*;
use storage::{Doc, EnvId, IndexState, Options, Store, Value};

use crate::insert::Names;
use crate::{
    Admin, Caller, Command, Cx, Db, Deadline, Filter, Find, IdStyle, Insert, Limits, Random, Reply, Session, Sort,
};

pub(crate) fn to_doc(json: &bson::Document) -> Doc {
    Doc::from_bytes(json.to_vec().expect("encodes")).expect("valid")
}

pub(crate) fn from_doc(doc: &Doc) -> bson::Document {
    bson::Document::from_reader(doc.as_bytes()).expect("BSON")
}

fn session(env: EnvId) -> Session {
    let limits = Limits { rows_max_admin: u64::MAX, rows_default_admin: u64::MAX, ..Limits::default() };
    Session {
        env,
        caller: Caller::Admin,
        key: None,
        transaction: None,
        limits: Arc::new(limits),
        now: 1_700_000_000_000,
        deadline: Deadline::never(),
        random: Random::seeded(1),
    }
}

/// A database with one collection `c` and its indexes, all built.
pub(crate) fn database(docs: &[bson::Document], indexes: &[bson::Document]) -> (Db, Session) {
    let options = Options { compile_partial: crate::compile_partial, cache_bytes: 1 << 16, ..Options::default() };
    let store = Store::in_memory(options).expect("opens");
    let (env, ticket) = store.create_env("e").expect("makes");
    ticket.wait().expect("durable");
    let (db, session) = (Db::new(store, IdStyle::Hex), session(env));
    let run = |command| db.run(&session, &command).and_then(crate::Started::wait);
    run(Command::Admin(Admin::CreateCollection { name: "c".into() })).expect("makes");
    let half = docs.len() / 2;
    insert(&db, &session, &docs[..half]);
    for index in indexes {
        run(Command::Admin(Admin::CreateIndex { collection: "c".into(), index: to_doc(index) })).expect("makes");
    }
    insert(&db, &session, &docs[half..]);
    wait_ready(&db, env);
    (db, session)
}

fn insert(db: &Db, session: &Session, docs: &[bson::Document]) {
    let docs = docs.iter().map(to_doc).collect();
    let command = Command::Insert(Insert { collection: "c".into(), docs, ordered: false, names: Names::Any });
    drop(db.run(session, &command).and_then(crate::Started::wait));
}

fn wait_ready(db: &Db, env: EnvId) {
    for _ in 0..2000 {
        let view = db.store().view();
        let coll = view.collection(env, "c").expect("there");
        if coll.indexes.iter().all(|index| index.state != IndexState::Building) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("the indexes are not built in time");
}

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => (0..6i32).prop_map(Bson::Int32),
        1 => (0..6i64).prop_map(Bson::Int64),
        1 => (0..12i32).prop_map(|n| Bson::Double(f64::from(n) / 2.0)),
        2 => "[ab]{0,2}".prop_map(Bson::String),
        1 => Just(Bson::Null),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => (0..3i64).prop_map(|n| Bson::DateTime(bson::DateTime::from_millis(n))),
        1 => Just(Bson::Double(f64::NAN)),
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    let list = proptest::collection::vec(scalar(), 0..4).prop_map(Bson::Array);
    let inner = (scalar(), scalar()).prop_map(|(x, y)| Bson::Document(doc! {"x": x, "y": y})).boxed();
    let lists = proptest::collection::vec(prop_oneof![scalar(), inner.clone()], 0..3).prop_map(Bson::Array);
    prop_oneof![6 => scalar(), 2 => list, 2 => inner, 2 => lists]
}

fn document() -> impl Strategy<Value = bson::Document> {
    let field = || proptest::option::weighted(0.85, value());
    (field(), field(), proptest::option::weighted(0.9, scalar())).prop_map(|(a, b, c)| {
        let fields = [("a", a), ("b", b), ("c", c)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

fn index() -> impl Strategy<Value = bson::Document> {
    let path = || proptest::sample::select(vec!["a", "a", "a", "b", "c", "a.x", "a.y", "b.x"]);
    let direction = || proptest::sample::select(vec![1, -1]);
    let key = proptest::collection::vec((path(), direction()), 1..4).prop_map(|fields| {
        let mut key = bson::Document::new();
        fields.into_iter().for_each(|(path, direction)| {
            key.insert(path, direction);
        });
        key
    });
    let option = prop_oneof![
        5 => Just(doc! {}),
        1 => Just(doc! {"sparse": true}),
        1 => Just(doc! {"partialFilterExpression": {"c": {"$gt": 1}}}),
        1 => Just(doc! {"collation": {"locale": "en", "strength": 2}}),
    ];
    (key, option).prop_map(|(key, option)| {
        let mut index = doc! {"key": key};
        index.extend(option);
        index
    })
}

fn condition() -> impl Strategy<Value = Bson> {
    let op = proptest::sample::select(vec!["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"]);
    let one = (op.clone(), value()).prop_map(|(op, value)| doc! {op: value});
    let two = (op.clone(), scalar(), op, scalar()).prop_map(|(a, x, b, y)| doc! {a: x, b: y}).boxed();
    prop_oneof![
        4 => value(),
        3 => one.prop_map(Bson::Document),
        2 => two.clone().prop_map(Bson::Document),
        2 => proptest::collection::vec(value(), 0..4).prop_map(|list| Bson::Document(doc! {"$in": list})),
        1 => proptest::collection::vec(scalar(), 0..3).prop_map(|list| Bson::Document(doc! {"$nin": list})),
        1 => any::<bool>().prop_map(|there| Bson::Document(doc! {"$exists": there})),
        1 => "[ab]{1,2}".prop_map(|text| Bson::Document(doc! {"$regex": format!("^{text}")})),
        1 => two.prop_map(|range| Bson::Document(doc! {"$elemMatch": range})),
        1 => (scalar(), scalar()).prop_map(|(x, y)| Bson::Document(doc! {"$elemMatch": {"x": x, "y": y}})),
        1 => (0..3i32).prop_map(|size| Bson::Document(doc! {"$size": size})),
        1 => proptest::collection::vec(scalar(), 1..3).prop_map(|list| Bson::Document(doc! {"$all": list})),
    ]
}

fn filter() -> impl Strategy<Value = bson::Document> {
    let path = || proptest::sample::select(vec!["a", "a", "b", "c", "a.x", "a.y", "b.x", "a.0", "a.0.x"]);
    let leaf = (path(), condition()).prop_map(|(path, condition)| doc! {path: condition}).boxed();
    let several = proptest::collection::vec(leaf.clone(), 2..4);
    let deep = leaf.clone().prop_recursive(2, 8, 3, |inner| {
        let list = proptest::collection::vec(inner, 1..4);
        prop_oneof![
            2 => list.clone().prop_map(|parts| doc! {"$and": parts}),
            2 => list.clone().prop_map(|parts| doc! {"$or": parts}),
            1 => list.prop_map(|parts| doc! {"$nor": parts}),
        ]
    });
    prop_oneof![
        5 => leaf,
        4 => several.clone().prop_map(|parts| doc! {"$and": parts}),
        2 => several.prop_map(|parts| doc! {"$or": parts}),
        1 => deep,
    ]
}

fn sort() -> impl Strategy<Value = Option<bson::Document>> {
    let path = || proptest::sample::select(vec!["a", "b", "c", "a.x", "_id"]);
    let part = (path(), proptest::sample::select(vec![1, -1]));
    proptest::option::of(proptest::collection::vec(part, 1..3).prop_map(|parts| {
        parts.into_iter().map(|(path, direction)| (path.to_owned(), Bson::Int32(direction))).collect()
    }))
}

#[derive(Clone, Debug)]
struct Ask {
    filter: bson::Document,
    sort: Option<bson::Document>,
    skip: u64,
    limit: Option<u64>,
    collated: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    (filter(), sort(), 0..3u64, proptest::option::of(1..6u64), prop::bool::weighted(0.15))
        .prop_map(|(filter, sort, skip, limit, collated)| Ask { filter, sort, skip, limit, collated })
}

/// Looks at every document. The keys of the sort are returned beside, because equal keys may come in any order.
fn obvious(docs: &[bson::Document], ask: &Ask, session: &Session) -> Option<Vec<(Vec<u8>, bson::Document)>> {
    let spec = to_doc(&doc! {"locale": "en", "strength": 2});
    let collation = ask.collated.then(|| crate::parse_collation(spec.raw()).expect("valid").expect("there"));
    let cx = Cx::new(session, collation.as_ref());
    let filter = to_doc(&ask.filter);
    let filter = Filter::parse(filter.raw(), &cx).ok()?;
    let sort = ask.sort.as_ref().map(|sort| Sort::parse(to_doc(sort).raw()).expect("valid")).unwrap_or_default();
    let mut rows = Vec::new();
    for json in docs {
        let doc = to_doc(json);
        if filter.matches(doc.raw(), &cx).ok()? {
            let mut key = Vec::new();
            sort.key(doc.raw(), &cx, &mut key).ok()?;
            rows.push((key, json.clone()));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    Some(rows)
}

/// Indexes that hold every document: any query may be forced onto them.
fn complete_indexes(db: &Db, env: EnvId) -> Vec<String> {
    let view = db.store().view();
    let coll = view.collection(env, "c").expect("there");
    let complete = coll.ready_indexes().filter(|index| !index.sparse && index.partial.is_none());
    complete.map(|index| index.name.clone()).collect()
}

fn check(db: &Db, session: &Session, docs: &[bson::Document], ask: &Ask) {
    let Some(rows) = obvious(docs, ask, session) else { return };
    let collation = ask.collated.then(|| to_doc(&doc! {"locale": "en", "strength": 2}));
    let mut find = Find::new("c", to_doc(&ask.filter));
    find.sort = ask.sort.as_ref().map(to_doc);
    find.collation = collation;
    let explained = Find { explain: true, ..find.clone() };
    let plan = match db.run(session, &Command::Find(explained)).map(|started| started.reply) {
        Ok(Reply::Rows(rows)) => format!("{:?}", rows[0]),
        other => format!("{other:?}"),
    };
    let run = |find: Find| match db.run(session, &Command::Find(find)).map(|started| started.reply) {
        Ok(Reply::Rows(rows)) => rows.iter().map(from_doc).collect::<Vec<_>>(),
        other => panic!("{other:?}\n{ask:?}"),
    };
    let count = |find: Find| match db.run(session, &Command::Count(find)).map(|started| started.reply) {
        Ok(Reply::Total(total)) => total,
        other => panic!("{other:?}\n{ask:?}"),
    };
    let id = |row: &bson::Document| row.get_i32("_id").expect("an id");
    let keys: std::collections::HashMap<i32, &Vec<u8>> = rows.iter().map(|(key, row)| (id(row), key)).collect();
    let check_rows = |found: &[bson::Document], skip: usize, expect: usize| {
        let mut ids: Vec<i32> = found.iter().map(id).collect();
        let order: Vec<&&Vec<u8>> =
            ids.iter().map(|id| keys.get(id).unwrap_or_else(|| panic!("{id} is foreign\n{ask:?}\n{plan}"))).collect();
        let wanted: Vec<&Vec<u8>> = rows.iter().skip(skip).take(expect).map(|(key, _)| key).collect();
        assert_eq!(order.iter().map(|key| **key).collect::<Vec<_>>(), wanted, "{ask:?}\n{plan}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), found.len(), "no document twice\n{ask:?}\n{plan}");
    };
    check_rows(&run(find.clone()), 0, rows.len());
    for hint in complete_indexes(db, session.env) {
        let hinted = Find { hint: Some(Value::String(hint)), ..find.clone() };
        check_rows(&run(hinted.clone()), 0, rows.len());
        assert_eq!(count(hinted), rows.len() as u64, "{ask:?}\n{plan}");
    }
    assert_eq!(count(find.clone()), rows.len() as u64, "{ask:?}\n{plan}");
    for hint in complete_indexes(db, session.env).into_iter().map(Some).chain([None]) {
        let hinted = Find { hint: hint.map(Value::String), ..find.clone() };
        ["a", "b", "c", "a.x"].iter().for_each(|key| check_distinct(db, session, &rows, hinted.clone(), key));
    }
    let paged = Find { skip: ask.skip, limit: ask.limit, ..find };
    let (skip, limit) = (ask.skip as usize, ask.limit.map_or(usize::MAX, |limit| limit as usize));
    check_rows(&run(paged.clone()), skip, limit);
    assert_eq!(count(paged), rows.len().saturating_sub(skip).min(limit) as u64, "{ask:?}\n{plan}");
}

/// The different values, each exactly as it stands in a document.
fn check_distinct(db: &Db, session: &Session, rows: &[(Vec<u8>, bson::Document)], find: Find, key: &str) {
    let cx = Cx::new(session, None);
    let values_of = |docs: &[&bson::Document]| {
        let mut values = crate::distinct::Distinct::new(key).expect("a path");
        docs.iter().for_each(|doc| values.add(to_doc(doc).raw(), &cx).expect("small"));
        values.into_values()
    };
    let encoded = |values: &[Value]| {
        let mut keys: Vec<Vec<u8>> = values.iter().map(|value| encode_one(value.as_ref())).collect();
        keys.sort();
        keys
    };
    let docs: Vec<&bson::Document> = rows.iter().map(|(_, doc)| doc).collect();
    let exact: Vec<Value> = docs.iter().flat_map(|doc| values_of(&[doc])).collect();
    let about = format!("{key} {find:?}");
    let collated = find.collation.is_some();
    let command = Command::Distinct(crate::command::Distinct { find, key: key.to_owned() });
    let Ok(Reply::Values(found)) = db.run(session, &command).map(|started| started.reply) else { panic!("{about}") };
    assert!(found.iter().all(|value| exact.contains(value)), "{about}: {found:?}");
    if !collated {
        assert_eq!(encoded(&found), encoded(&values_of(&docs)), "{about}");
    }
}

fn encode_one(value: storage::ValueRef<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    storage::key::encode(value, storage::Direction::Ascending, None, &mut key);
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn every_plan_gives_the_obvious_answer(
        docs in proptest::collection::vec(document(), 0..40),
        indexes in proptest::collection::vec(index(), 0..4),
        asks in proptest::collection::vec(ask(), 30),
    ) {
        let with_ids: Vec<bson::Document> = docs.into_iter().enumerate().map(|(at, fields)| with_id(at, fields)).collect();
        let mut named = indexes;
        named.iter_mut().enumerate().for_each(|(at, index)| drop(index.insert("name", format!("i{at}"))));
        named.dedup_by(|a, b| a.get("key") == b.get("key"));
        let (db, session) = database_of(&with_ids, &named);
        let stored = stored(&db, &session);
        for ask in &asks {
            check(&db, &session, &stored, ask);
        }
        db.store().close();
    }
}

/// Index faults of the data (parallel arrays) refuse some inserts: the model holds what was stored.
fn stored(db: &Db, session: &Session) -> Vec<bson::Document> {
    match db.run(session, &Command::Find(Find::new("c", Doc::empty()))).map(|started| started.reply) {
        Ok(Reply::Rows(rows)) => rows.iter().map(from_doc).collect(),
        other => panic!("{other:?}"),
    }
}

fn database_of(docs: &[bson::Document], indexes: &[bson::Document]) -> (Db, Session) {
    let mut kept: Vec<bson::Document> = Vec::new();
    for index in indexes {
        if !kept.iter().any(|other| other.get("key") == index.get("key")) {
            kept.push(index.clone());
        }
    }
    database(docs, &kept)
}

#[test]
fn values_of_all_kinds_survive() {
    let (db, session) = database(&[doc! {"_id": 1, "a": Bson::Undefined, "b": Bson::MaxKey}], &[]);
    assert_eq!(stored(&db, &session).len(), 1);
    let find = Find::new("c", to_doc(&doc! {"b": Bson::MaxKey}));
    let Ok(Reply::Rows(rows)) = db.run(&session, &Command::Find(find)).map(|started| started.reply) else { panic!() };
    assert_eq!(rows[0].get("_id").map(storage::ValueRef::to_value), Some(Value::Int32(1)));
}

/// Places where an index could mislead: documents, index, filter, sort.
#[test]
fn traps_of_indexes() {
    let traps = [
        // Two bounds met by two elements.
        (vec![doc! {"a": [1, 5]}, doc! {"a": 3}], doc! {"a": 1}, doc! {"a": {"$gt": 2, "$lt": 4}}, None, false),
        // Two fields below one array, met by two elements.
        (
            vec![doc! {"a": [{"x": 1, "y": 0}, {"x": 0, "y": 1}]}],
            doc! {"a.x": 1, "a.y": 1},
            doc! {"a.x": 1, "a.y": 1},
            None,
            false,
        ),
        (
            vec![doc! {"a": [{"x": 1, "y": 0}, {"x": 0, "y": 1}]}],
            doc! {"a.x": 1, "a.y": 1},
            doc! {"a": {"$elemMatch": {"x": 1, "y": 1}}},
            None,
            false,
        ),
        (
            vec![doc! {"a": [{"x": [1, 2]}]}, doc! {"a": [{"x": [1]}]}],
            doc! {"a.x": 1},
            doc! {"a": {"$elemMatch": {"x": {"$all": [1, 2]}}}},
            None,
            false,
        ),
        // The least element inside the bounds is not the least of all.
        (vec![doc! {"a": [1, 9]}, doc! {"a": [5]}], doc! {"a": 1}, doc! {"a": {"$gt": 4}}, Some(doc! {"a": 1}), false),
        (
            vec![doc! {"a": [1, 9]}, doc! {"a": [5, 12]}],
            doc! {"a": -1},
            doc! {"a": {"$lt": 6}},
            Some(doc! {"a": -1}),
            false,
        ),
        // Two fixed values of the first field do not give the order of the second.
        (
            vec![doc! {"a": 1, "b": 2}, doc! {"a": 2, "b": 1}],
            doc! {"a": 1, "b": 1},
            doc! {"a": {"$in": [1, 2]}},
            Some(doc! {"b": 1}),
            false,
        ),
        // Texts that a collation makes equal.
        (vec![doc! {"a": "A"}, doc! {"a": "a"}, doc! {"a": "b"}], doc! {"a": 1}, doc! {"a": "a"}, None, true),
        (
            vec![doc! {"a": "B"}, doc! {"a": "a"}, doc! {"a": "C"}],
            doc! {"a": 1},
            doc! {"a": {"$gt": ""}},
            Some(doc! {"a": 1}),
            true,
        ),
        (
            vec![doc! {"a": {"x": "A"}}, doc! {"a": {"x": "a"}}],
            doc! {"a": 1},
            doc! {"a": {"$eq": {"x": "a"}}},
            None,
            true,
        ),
        // Null, missing, empty.
        (
            vec![doc! {"a": []}, doc! {}, doc! {"a": Bson::Null}, doc! {"a": [Bson::Null]}],
            doc! {"a": 1},
            doc! {"a": Bson::Null},
            None,
            false,
        ),
        (
            vec![doc! {"a": []}, doc! {"a": [1]}, doc! {"a": {"x": 1}}],
            doc! {"a.x": 1},
            doc! {"a.x": Bson::Null},
            None,
            false,
        ),
        (vec![doc! {"a": []}, doc! {}, doc! {"a": 1}], doc! {"a": 1}, doc! {"a": {"$exists": false}}, None, false),
        (
            vec![doc! {"a": []}, doc! {"a": Bson::Null}, doc! {"a": [3, 1]}, doc! {"a": 2}],
            doc! {"a": 1},
            doc! {},
            Some(doc! {"a": 1}),
            false,
        ),
        // Whole arrays.
        (vec![doc! {"a": [5]}, doc! {"a": [[5]]}, doc! {"a": 5}], doc! {"a": 1}, doc! {"a": [5]}, None, false),
        // NaN is in no range.
        (vec![doc! {"a": f64::NAN}, doc! {"a": 1}], doc! {"a": 1}, doc! {"a": {"$lte": 5}}, None, false),
    ];
    for (docs, key, filter, sort, collated) in traps {
        let docs: Vec<bson::Document> = docs.into_iter().enumerate().map(|(at, fields)| with_id(at, fields)).collect();
        let (db, session) = database(&docs, &[doc! {"key": key, "name": "i"}]);
        check(&db, &session, &docs, &Ask { filter, sort, skip: 0, limit: None, collated });
    }
}

fn with_id(at: usize, fields: bson::Document) -> bson::Document {
    let mut doc = doc! {"_id": i32::try_from(at).expect("small")};
    doc.extend(fields);
    doc
}

fn find_ids(db: &Db, session: &Session, filter: bson::Document) -> Vec<i32> {
    match db.run(session, &Command::Find(Find::new("c", to_doc(&filter)))).map(|started| started.reply) {
        Ok(Reply::Rows(rows)) => rows.iter().map(|row| from_doc(row).get_i32("_id").expect("an id")).collect(),
        other => panic!("{other:?}"),
    }
}

fn update(db: &Db, session: &Session, filter: bson::Document, change: bson::Document) -> crate::Result<Reply> {
    let update = crate::Update {
        collection: "c".into(),
        filter: to_doc(&filter),
        change: crate::Change::Operators(to_doc(&change)),
        multi: true,
        upsert: false,
        array_filters: vec![],
        collation: None,
        variables: None,
    };
    db.run(session, &Command::Update(update)).and_then(crate::Started::wait)
}

fn begin(db: &Db, session: &Session) -> (Session, crate::TransactionId) {
    match db.run(session, &Command::Begin).map(|started| started.reply) {
        Ok(Reply::Begun(id)) => (Session { transaction: Some(id), ..session.clone() }, id),
        other => panic!("{other:?}"),
    }
}

fn code(outcome: crate::Result<Reply>) -> Option<crate::Code> {
    outcome.err().map(|error| error.code)
}

#[test]
fn a_transaction_reads_its_own_writes_and_nobody_else_does() {
    let docs: Vec<bson::Document> = (0..6).map(|id| doc! {"_id": id, "a": id}).collect();
    let (db, session) = database(&docs, &[doc! {"key": {"a": 1}, "name": "a"}]);
    let (inside, id) = begin(&db, &session);
    update(&db, &inside, doc! {"a": {"$lt": 2}}, doc! {"$inc": {"a": 10}}).expect("updates");
    insert(&db, &inside, &[doc! {"_id": 9, "a": 3}]);
    assert_eq!(find_ids(&db, &inside, doc! {"a": {"$gte": 3}}), [0, 1, 3, 4, 5, 9]);
    assert_eq!(find_ids(&db, &session, doc! {"a": {"$gte": 3}}), [3, 4, 5]);
    let commit = || db.run(&inside, &Command::Commit(id)).and_then(crate::Started::wait);
    commit().expect("commits");
    commit().expect("the same answer again");
    assert_eq!(find_ids(&db, &session, doc! {"a": {"$gte": 3}}), [0, 1, 3, 4, 5, 9]);
    let late = update(&db, &inside, doc! {}, doc! {"$inc": {"a": 1}});
    assert_eq!(code(late), Some(crate::Code::TransactionMissing));
}

#[test]
fn transactions_end_by_conflict_failure_time_and_belong_to_their_caller() {
    let (db, session) = database(&[doc! {"_id": 1, "a": 1}, doc! {"_id": 2, "a": "text"}], &[]);
    let commit = |session: &Session, id| db.run(session, &Command::Commit(id)).and_then(crate::Started::wait);
    let (inside, id) = begin(&db, &session);
    update(&db, &inside, doc! {"_id": 1}, doc! {"$inc": {"a": 1}}).expect("updates");
    update(&db, &session, doc! {"_id": 1}, doc! {"$inc": {"a": 1}}).expect("updates");
    assert_eq!(code(commit(&inside, id)), Some(crate::Code::TransactionConflict));
    let (inside, id) = begin(&db, &session);
    update(&db, &inside, doc! {"_id": 1}, doc! {"$inc": {"a": 1}}).expect("updates");
    assert!(update(&db, &inside, doc! {"_id": 2}, doc! {"$inc": {"a": 1}}).is_err());
    assert_eq!(code(commit(&inside, id)), Some(crate::Code::TransactionMissing));
    let (inside, id) = begin(&db, &session);
    let late = Session { now: session.now + 30_000, ..inside };
    assert_eq!(code(commit(&late, id)), Some(crate::Code::TransactionMissing));
    let (_, id) = begin(&db, &session);
    let foreign = Session { caller: Caller::Guest, ..session.clone() };
    assert_eq!(code(commit(&foreign, id)), Some(crate::Code::TransactionMissing));
    let other = Session { key: Some("AKIDother".into()), ..session.clone() };
    assert_eq!(code(commit(&other, id)), Some(crate::Code::TransactionMissing), "another key pair");
    let elsewhere = Session { env: EnvId(99), ..session.clone() };
    assert_eq!(code(commit(&elsewhere, id)), Some(crate::Code::TransactionMissing));
    assert_eq!(find_ids(&db, &session, doc! {"a": 2}), [1]);
}
