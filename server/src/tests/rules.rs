//! What clients may do, through the faces that they call: the modes, rules of one's own, and clients that cheat.

use serde_json::{Value, json};

use super::Served;

impl Served {
    /// Signs a new anonymous user in.
    fn somebody(&self) -> String {
        let signed = self.web("auth.signInAnonymously", "", json!({"anonymous_uuid": "", "refresh_token": ""}));
        let refresh = json!({"refresh_token": signed["refresh_token"]});
        let fetched = self.web("auth.fetchAccessTokenWithRefreshToken", "", refresh);
        fetched["access_token"].as_str().expect("a token").to_owned()
    }

    fn set_policy(&self, policy: &str) {
        let (status, answer) =
            self.own("PUT", "/envs/env1/collections/c/policy", &json!({"policy": policy}).to_string());
        assert_eq!(status, 200, "{policy}: {answer}");
    }

    fn as_user(&self, token: &str, action: &str, mut members: Value) -> Value {
        members["collectionName"] = json!("c");
        self.web(&format!("database.{action}"), token, members)
    }

    fn adds(&self, token: &str, doc: &Value) -> Value {
        self.as_user(token, "addDocument", json!({"data": doc}))
    }

    fn finds(&self, token: &str, query: &Value) -> Value {
        self.as_user(token, "queryDocument", json!({"query": query, "queryType": "WHERE"}))
    }

    fn count_of(&self, token: &str, query: &Value) -> Option<usize> {
        self.finds(token, query)["data"]["list"].as_array().map(Vec::len)
    }
}

fn is_denied(answer: &Value) -> bool {
    answer["code"] == "DATABASE_PERMISSION_DENIED"
}

fn scene() -> (Served, String, String) {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    let (one, other) = (served.somebody(), served.somebody());
    (served, one, other)
}

#[test]
fn the_modes_give_each_what_they_say() {
    // Mode: what a stranger sees of another's document, whether its creator may add, whether guests read.
    for (mode, strangers_see, creator_adds) in
        [("PRIVATE", 0, true), ("READONLY", 1, true), ("ADMINWRITE", 1, false), ("ADMINONLY", 0, false)]
    {
        let (served, one, other) = scene();
        served.set_policy(mode);
        let added = served.adds(&one, &json!({"_id": "mine", "n": 1}));
        assert_eq!(is_denied(&added), !creator_adds, "{mode}: {added}");
        if !creator_adds {
            served.done("database.addDocument", json!({"collectionName": "c", "data": {"_id": "mine", "n": 1}}));
        }
        let seen = served.count_of(&other, &json!({}));
        assert_eq!(seen.unwrap_or_default(), strangers_see, "{mode}");
        assert_eq!(seen.is_none(), mode == "ADMINONLY", "{mode}");
        for action in ["updateDocument", "deleteDocument"] {
            let touched =
                json!({"query": {"_id": "mine"}, "queryType": "DOC", "data": {"$set": {"n": 2}}, "merge": true});
            let answer = served.as_user(&other, action, touched);
            let done = answer["data"]["updated"].as_u64().or(answer["data"]["deleted"].as_u64()).unwrap_or_default();
            assert_eq!(done, 0, "{mode} {action}: {answer}");
        }
        let total = served.done("database.countDocument", json!({"collectionName": "c", "query": "{\"n\":1}"}));
        assert_eq!(total["data"]["total"], 1, "{mode}: a stranger changed it");
    }
}

#[test]
fn rules_hold_from_the_next_request_on() {
    let (served, one, other) = scene();
    served.set_policy(r#"{ "read": "doc.open == true || doc._openid == auth.openid", "write": "doc._openid == auth.openid" } // ours"#);
    assert!(served.adds(&one, &json!({"_id": "a", "open": true}))["data"].is_object());
    assert!(served.adds(&one, &json!({"_id": "b", "open": false}))["data"].is_object());
    assert_eq!(served.count_of(&other, &json!({"open": true})), Some(1));
    assert!(is_denied(&served.finds(&other, &json!({}))), "the query must lie within the rule");
    assert!(is_denied(&served.finds(&other, &json!({"_id": "b"}))), "so must the document");
    assert_eq!(served.count_of(&one, &json!({"_openid": "{openid}"})), Some(2), "placeholders are filled in");
    served.set_policy("ADMINONLY");
    assert!(is_denied(&served.finds(&one, &json!({"open": true}))));
    let (status, refused) =
        served.own("PUT", "/envs/env1/collections/c/policy", r#"{"policy":"{\"read\": \"doc.\"}"}"#);
    assert_eq!(status, 400);
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("line 1")), "{refused}");
    let (_, kept) = served.own("GET", "/envs/env1/collections/c/policy", "");
    assert_eq!(kept["policy"], "ADMINONLY", "what cannot be read changes nothing");
}

#[test]
fn clients_that_cheat_get_nowhere() {
    let (served, one, other) = scene();
    served.set_policy("PRIVATE");
    served.adds(&one, &json!({"_id": "mine", "n": 1, "secret": "canary"}));
    served.done("database.addCollection", json!({"collectionName": "d"}));
    let stages = |stage: &str, value: Value| json!({"stages": [{"stageKey": stage, "stageValue": value.to_string()}]});
    let cheats = [
        (
            "no condition but alternatives",
            "queryDocument",
            json!({"query": {"$or": [{"_openid": {"$exists": true}}, {"n": 1}]}}),
        ),
        (
            "one document by a query that is none",
            "queryDocument",
            json!({"queryType": "DOC", "query": {"_id": "mine", "$or": [{}]}}),
        ),
        ("another's document by its id", "queryDocument", json!({"queryType": "DOC", "query": {"_id": "mine"}})),
        ("a count", "countDocument", json!({"query": {}})),
        ("a change", "updateDocument", json!({"query": {"_id": "mine"}, "data": {"$set": {"n": 9}}, "merge": true})),
        (
            "changes of all",
            "updateDocument",
            json!({"query": {}, "data": {"$set": {"n": 9}}, "merge": true, "multi": true}),
        ),
        ("a removal", "deleteDocument", json!({"query": {}, "multi": true})),
        (
            "taking it over",
            "updateDocument",
            json!({"query": {"_id": "mine"}, "data": {"$set": {"_openid": "me"}}, "merge": true}),
        ),
        (
            "taking it over in part",
            "updateDocument",
            json!({"query": {}, "data": {"$set": {"_openid.x": 1}}, "merge": true}),
        ),
        (
            "giving its owner another name",
            "updateDocument",
            json!({"query": {}, "data": {"$rename": {"_openid": "x"}}, "merge": true}),
        ),
        ("a foreign owner", "addDocument", json!({"data": {"_openid": "you", "n": 5}})),
        (
            "an insert by an update",
            "updateDocument",
            json!({"query": {"n": 77}, "data": {"$set": {"n": 9}}, "merge": true, "upsert": true}),
        ),
        (
            "a whole new document over it",
            "updateDocument",
            json!({"query": {"_id": "mine"}, "queryType": "DOC", "data": {"n": 9}, "merge": false, "upsert": true}),
        ),
        ("a pipeline", "aggregateDocuments", stages("$match", json!({}))),
        (
            "another collection",
            "aggregateDocuments",
            stages("$lookup", json!({"from": "d", "localField": "a", "foreignField": "b", "as": "x"})),
        ),
        ("its union", "aggregateDocuments", stages("$unionWith", json!("c"))),
        ("writing by a pipeline", "aggregateDocuments", stages("$out", json!("c"))),
        (
            "inside of a facet",
            "aggregateDocuments",
            stages("$facet", json!({"x": [{"$lookup": {"from": "c", "pipeline": [], "as": "y"}}]})),
        ),
        ("figures", "aggregateDocuments", stages("$collStats", json!({"count": {}}))),
        ("another's transaction", "queryDocument", json!({"query": {}, "transactionId": "1"})),
    ];
    for (name, action, members) in cheats {
        let answer = served.as_user(&other, action, members.clone());
        assert!(!answer.to_string().contains("canary"), "{name}: {answer}");
        assert_ne!(answer["code"], "SYS_ERR", "{name}: {answer}");
        let mine = served.done("database.getDocument", json!({"collectionName": "c", "query": "{\"_id\":\"mine\"}"}));
        let mine = mine["data"]["list"].to_string();
        assert!(mine.contains(r#"\"n\":1"#), "{name} changed it: {mine} {answer}");
    }
    let total = served.done("database.countDocument", json!({"collectionName": "c", "query": "{}"}));
    assert_eq!(total["data"]["total"], 1, "something was added");
    assert!(is_denied(&served.adds("", &json!({"n": 1}))), "guests create nothing");
    assert_eq!(served.count_of(&one, &json!({})), Some(1), "its creator still has it");
}
