use bson::{Bson, doc};
use storage::Doc;

use super::*;
use crate::limits::Limits;
use crate::random::Random;
use crate::session::Deadline;

const ROOM: &str = "auth.openid in get(`database.room.${doc.room}`).members && doc.withdrawn == false";
const PUBLIC: &str = "doc.published == true || doc.author == auth.openid";
const OWN: &str = "doc._openid == auth.openid";
const AGE: &str = "doc.age > 10";
const SHOP: &str = "auth.openid == get(`database.shop.${doc._id}`).owner";
const ADMIN: &str = "get('database.roles.'+auth.uid).role == 'admin'";

fn session(caller: Caller) -> Session {
    Session {
        env: storage::EnvId(1),
        caller,
        transaction: None,
        limits: std::sync::Arc::new(Limits::default()),
        now: 1000,
        deadline: Deadline::never(),
        random: Random::seeded(7),
        key: None,
    }
}

fn me() -> Caller {
    Caller::User(User { uid: "u-me".into(), openid: "o-me".into(), login_type: "WECHAT_OPEN".into() })
}

fn bytes(doc: &bson::Document) -> Doc {
    Doc::from_bytes(doc.to_vec().expect("BSON")).expect("valid")
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a lookup")]
fn lookup(collection: &str, id: &str) -> Result<Option<Doc>> {
    Ok(match (collection, id) {
        ("room", "r1" | "r2") => Some(bytes(&doc! {"members": ["o-me"]})),
        ("shop", "1" | "2") => Some(bytes(&doc! {"owner": "o-me"})),
        ("shop", "3") => Some(bytes(&doc! {"owner": "x"})),
        ("roles", "u-me") => Some(bytes(&doc! {"role": "admin"})),
        _ => None,
    })
}

fn allowed(rule: &str, query: &bson::Document, caller: Caller) -> bool {
    let text = serde_json::json!({"read": rule}).to_string();
    let policy = Policy::parse(&text).expect("a rule");
    let session = session(caller);
    let filter = Filter::parse(bytes(query).raw(), &crate::cx::Cx::new(&session, None)).expect("a filter");
    let wish = Wish {
        action: Action::Read,
        filter: &filter,
        one_document: false,
        alternatives: query.contains_key("$or"),
        data: (None, Vec::new()),
    };
    permit(&policy, &session, wish, &lookup).is_ok()
}

#[test]
fn queries_must_lie_within_the_rule() {
    let ids = |ids: &[&str]| doc! {"$or": ids.iter().map(|id| Bson::from(doc! {"_id": *id})).collect::<Vec<_>>()};
    let cases = [
        ("true", doc! {}, true),
        ("false", doc! {}, false),
        (AGE, doc! {"age": {"$gt": 10}}, true),
        (AGE, doc! {"age": {"$gt": 15}}, true),
        (AGE, doc! {"age": {"$gt": 8}}, false),
        (AGE, doc! {"age": 11}, true),
        (AGE, doc! {"age": {"$in": [11, 12]}}, true),
        (AGE, doc! {"age": {"$in": [9, 12]}}, false),
        (AGE, doc! {"age": {"$gte": 11}}, true),
        (AGE, doc! {"age": {"$gte": 10}}, false),
        (AGE, doc! {}, false),
        (OWN, doc! {"_openid": "o-me"}, true),
        (OWN, doc! {}, false),
        (OWN, doc! {"_openid": "x"}, false),
        (OWN, doc! {"_id": "x"}, false),
        (OWN, doc! {"_id": "x", "_openid": "o-me"}, true),
        (OWN, doc! {"$or": [{"_openid": "o-me"}, {"public": true}]}, false),
        (PUBLIC, doc! {"published": true}, true),
        (PUBLIC, doc! {"author": "o-me"}, true),
        (PUBLIC, doc! {"$or": [{"published": true}, {"author": "o-me"}]}, true),
        (PUBLIC, doc! {"published": false}, false),
        ("auth != null", doc! {}, true),
        ("auth.loginType != 'ANONYMOUS'", doc! {}, true),
        (ROOM, doc! {"room": "r1", "withdrawn": false}, true),
        (ROOM, doc! {"room": "r1"}, false),
        (ROOM, doc! {"room": {"$in": ["r1", "r2"]}, "withdrawn": false}, false),
        (ROOM, doc! {"room": {"$in": ["r1"]}, "withdrawn": false}, true),
        (SHOP, ids(&["1", "2"]), true),
        (SHOP, ids(&["1", "3"]), false),
        (ADMIN, doc! {}, true),
        ("now < doc.endTime", doc! {"endTime": {"$gt": bson::DateTime::from_millis(1000)}}, true),
        ("doc.tags[0] == 'a'", doc! {"tags.0": "a"}, true),
        ("!(doc.type in [1,2])", doc! {"type": {"$nin": [1, 2]}}, true),
        ("!(doc.type in [1,2])", doc! {"type": 3}, true),
        ("!(doc.type in [1,2])", doc! {}, false),
        ("doc.age > 10 && doc.age < 20", doc! {"age": {"$gt": 12, "$lt": 18}}, true),
        ("doc.a.b == 1", doc! {"a.b": 1}, true),
        (AGE, doc! {"$and": [{"age": 5}, {"age": 6}]}, false),
        (AGE, doc! {"$and": [{"age": {"$in": [5, 11]}}, {"age": {"$gt": 10}}]}, true),
        ("get('database.none.x').ok", doc! {}, false),
        ("auth.openid in ['zzz', 'o-me']", doc! {}, true),
        ("doc.editors", doc! {}, false),
    ];
    for (rule, query, expect) in cases {
        assert_eq!(allowed(rule, &query, me()), expect, "{rule} {query}");
    }
    assert!(!allowed("auth != null", &doc! {}, Caller::Guest));
    assert!(!allowed("auth.uid != 'x'", &doc! {}, Caller::Guest), "what cannot be evaluated is false");
}

#[test]
fn creators_are_filled_in_and_never_sent() {
    let (me, guest) = (session(me()), session(Caller::Guest));
    let (plain, signed) = (bytes(&doc! {"a": 1}), bytes(&doc! {"_openid": "o-me"}));
    for mode in ["PRIVATE", "READONLY"] {
        let policy = Policy::parse(mode).expect("a mode");
        let made = created(&policy, &me, &plain, &lookup).expect("allowed");
        assert_eq!(made.get("_openid").and_then(ValueRef::as_str), Some("o-me"));
        assert!(created(&policy, &me, &signed, &lookup).is_err());
        assert!(created(&policy, &guest, &plain, &lookup).is_err());
    }
    for mode in ["ADMINWRITE", "ADMINONLY"] {
        assert!(created(&Policy::parse(mode).expect("a mode"), &me, &plain, &lookup).is_err());
    }
    let custom = Policy::parse("{\"create\": true}").expect("rules");
    assert!(created(&custom, &me, &signed, &lookup).is_ok());
    assert!(created(&custom, &me, &bytes(&doc! {"_openid": "x"}), &lookup).is_err());
}

#[test]
fn faults_name_their_place() {
    let fault = |text: &str| Policy::parse(text).expect_err("wrong").message;
    assert!(fault("{\n  \"read\": \"auth.uid in ['a'\"}").contains("line 2"), "{}", fault("{\n \"read\": \"in\"}"));
    assert!(fault("{\"reed\": true}").contains("column 2"));
    assert!(Policy::parse("{ // who reads\n \"read\": true, /* and */ \"write\": \"auth != null\", }").is_ok());
}

mod prover {
    //! The prover against brute force: what it lets through must meet the rule in every document that matches.

    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Value as Json, json};

    use super::*;

    /// Triples of rule, query and document in one run; `PROPTEST_CASES` sets another number.
    const CASES: u32 = 20_000;

    fn values() -> Vec<Json> {
        let mut values =
            vec![json!(null), json!(true), json!(1), json!(2), json!(3), json!(2.5), json!("a"), json!("o-me")];
        values.extend([json!([1, 2]), json!(["a", "b"]), json!([]), json!({"b": 1}), json!([{"b": 1}, {"b": 3}])]);
        values
    }

    fn atom() -> impl Strategy<Value = String> {
        let path = select(vec!["doc.a", "doc.b", "doc.a.b", "doc['a']", "doc.a[0]"]);
        let constant = select(vec!["1", "2", "'a'", "true", "null", "auth.openid", "now", "undefined", "-1"]);
        let relation = select(vec!["==", "!=", "<", "<=", ">", ">="]);
        let list = select(vec!["[1,2]", "['a']", "[1,2,3]", "[]"]);
        prop_oneof![
            (path.clone(), relation, constant).prop_map(|(path, op, value)| format!("{path} {op} {value}")),
            (path.clone(), list).prop_map(|(path, list)| format!("{path} in {list}")),
            path.clone().prop_map(|path| format!("auth.openid in {path}")),
            (path.clone(), path).prop_map(|(left, right)| format!("{left} == {right}")),
        ]
    }

    fn rule() -> impl Strategy<Value = String> {
        atom().prop_recursive(3, 6, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    fn query() -> impl Strategy<Value = Json> {
        let value = select(values());
        let operator = select(vec!["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]);
        let condition = prop_oneof![
            value.clone(),
            (operator, value.clone()).prop_map(|(op, value)| json!({op: value})),
            (select(vec!["$in", "$nin"]), prop::collection::vec(value, 0..3)).prop_map(|(op, all)| json!({op: all})),
        ];
        let field =
            (select(vec!["a", "b", "a.b", "a.0"]), condition).prop_map(|(path, condition)| json!({path: condition}));
        field.prop_recursive(2, 6, 3, |inner| {
            (select(vec!["$and", "$or"]), prop::collection::vec(inner, 1..4)).prop_map(|(op, all)| json!({op: all}))
        })
    }

    fn document() -> impl Strategy<Value = Json> {
        let field = proptest::option::of(select(values()));
        (field.clone(), field).prop_map(|(a, b)| {
            let mut doc = json!({});
            a.into_iter().for_each(|a| doc["a"] = a);
            b.into_iter().for_each(|b| doc["b"] = b);
            doc
        })
    }

    fn doc_of(json: &Json) -> Doc {
        crate::notation::doc(&json.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(CASES),
            max_global_rejects: 1 << 20,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn lets_nothing_through_that_a_rule_forbids(rule in rule(), query in query(), docs in prop::collection::vec(document(), 4)) {
            let policy = Policy::parse(&json!({"read": rule}).to_string()).expect("a rule");
            let Policy::Custom(rules) = &policy else { return Ok(()) };
            let session = session(me());
            let cx = crate::cx::Cx::new(&session, None);
            let sent = doc_of(&query);
            let Ok(filter) = Filter::parse(sent.raw(), &cx) else { return Ok(()) };
            let (facts, rule_read) = (Facts::of(&session), rules.of(Action::Read).expect("there is one"));
            let alternatives = sent.get("$or").is_some() || sent.get("$and").is_some();
            if !proves(rule_read, &facts, &filter, alternatives, &lookup).expect("no faults") {
                return Ok(());
            }
            for doc in docs {
                let stored = doc_of(&doc);
                if filter.matches(stored.raw(), &cx).expect("no faults") {
                    let check = Check { rule: rule_read.clone(), facts: facts.clone() };
                    prop_assert!(check.holds(&stored, &lookup).expect("no faults"), "{} lets {} through: {}", rule, query, doc);
                }
            }
        }
    }
}
