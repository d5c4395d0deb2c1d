//! The face of client SDKs that name actions: its envelope, its senders, its spellings.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{ID, SECRET, Served};

impl Served {
    /// Calls an action as a client SDK does.
    pub(super) fn web(&self, action: &str, token: &str, members: Value) -> Value {
        let mut body = members;
        body["action"] = json!(action);
        body["env"] = json!("env1");
        body["access_token"] = json!(token);
        let request = Request::post("/web?env=env1").header("content-type", "text/plain").body(body.to_string().into());
        let (status, answer) = self.send(request.expect("a request"));
        assert_eq!(status, 200);
        serde_json::from_slice(&answer).expect("JSON")
    }
}

/// A key pair's token: rules do not apply to it.
pub(super) fn admin() -> String {
    format!("{ID}.{SECRET}")
}

#[test]
fn documents_come_and_go() {
    let served = Served::start();
    let call = |action: &str, members: Value| {
        let answer = served.web(action, &admin(), members.clone());
        assert!(answer.get("code").is_none(), "{action} {members}: {answer}");
        answer
    };
    call("database.addCollection", json!({"collectionName": "c"}));
    let one = json!({"collectionName": "c", "data": {"n": 1, "when": {"$date": 5}}, "_id": "a"});
    assert_eq!(call("database.addDocument", one)["data"], json!({"_id": "a"}));
    let many = call("database.addDocument", json!({"collectionName": "c", "data": [{"n": 2}, {"n": 3}]}));
    assert_eq!(many["data"]["insertedIds"].as_array().map(Vec::len), Some(2));
    let order = json!([{"field": "n", "direction": "desc"}]);
    let query = json!({"collectionName": "c", "queryType": "WHERE", "query": {"n": {"$lt": 3}}, "order": order,
                       "projection": {"n": 1, "when": 1}, "limit": 100, "offset": 1});
    let found = call("database.queryDocument", query);
    assert_eq!(found["data"]["list"], json!([{"_id": "a", "n": 1, "when": {"$date": 5}}]));
    assert_eq!((&found["limit"], &found["offset"]), (&json!(100), &json!(1)));
    let set = json!({"collectionName": "c", "queryType": "DOC", "query": {"_id": "b"}, "data": {"n": 9}, "upsert": true,
                     "merge": false, "multi": false});
    let set = call("database.updateDocument", set);
    assert_eq!((&set["data"]["upserted_id"], &set["data"]["upsert_id"]), (&json!("b"), &json!("b")));
    let update =
        json!({"collectionName": "c", "queryType": "WHERE", "data": {"$set": {}}, "multi": true, "merge": true});
    assert_eq!(call("database.updateDocument", update)["data"]["updated"], 0);
    assert_eq!(call("database.countDocument", json!({"collectionName": "c"}))["data"]["total"], 4);
    let removed = call("database.deleteDocument", json!({"collectionName": "c", "query": {"n": 2}, "multi": true}));
    assert_eq!(removed["data"]["deleted"], 1);
}

#[test]
fn transactions_speak_in_texts() {
    let served = Served::start();
    let call = |action: &str, members: Value| served.web(action, &admin(), members);
    call("database.addCollection", json!({"collectionName": "c"}));
    let begun = call("database.startTransaction", json!({}));
    let id = begun["transactionId"].as_str().expect("an id").to_owned();
    let within = |action: &str, members: Value| {
        let mut members = members;
        members["collectionName"] = json!("c");
        members["transactionId"] = json!(id);
        call(action, members)
    };
    let add = within("database.insertDocInTransaction", json!({"data": "{\"n\":{\"$numberInt\":\"1\"}}", "_id": "a"}));
    assert_eq!((&add["inserted"], &add["ok"], &add["_id"]), (&json!("1"), &json!("1"), &json!("a")));
    let set = within(
        "database.updateDocInTransaction",
        json!({"query": {"_id": {"$eq": "b"}}, "data": "{\"d\":{\"$date\":{\"$numberInt\":\"7\"}}}", "upsert": true}),
    );
    assert_eq!(set["upserted"], "{\"index\":0,\"_id\":\"b\"}");
    let update =
        within("database.updateDocInTransaction", json!({"query": {"_id": "a"}, "data": "{\"$inc\":{\"n\":1}}"}));
    assert_eq!(update["updated"], "1");
    let get = |members: Value| within("database.getInTransaction", members);
    assert_eq!(get(json!({"query": {"_id": {"$eq": "b"}}}))["data"], "{\"_id\":\"b\",\"d\":{\"$date\":7}}");
    assert_eq!(get(json!({"query": {"_id": {"$eq": "none"}}}))["data"], "null");
    assert_eq!(get(json!({"query": {"n": {"$gt": 1}}, "limit": 100}))["data"], "[{\"_id\":\"a\",\"n\":2}]");
    assert_eq!(get(json!({"query": {}}))["total"], 2);
    assert_eq!(within("database.deleteDocInTransaction", json!({"query": {"_id": "b"}}))["deleted"], "1");
    assert!(within("database.commitTransaction", json!({})).get("code").is_none());
    assert_eq!(call("database.countDocument", json!({"collectionName": "c"}))["data"]["total"], 1);
}

#[test]
fn a_transaction_belongs_to_its_key_pair() {
    let served = Served::start();
    served.app.tenants.add_key("env1", "AKIDother", SECRET, "", 0).expect("a key");
    let other = format!("AKIDother.{SECRET}");
    served.web("database.addCollection", &admin(), json!({"collectionName": "c"}));
    let begun = served.web("database.startTransaction", &admin(), json!({}));
    let within =
        json!({"transactionId": begun["transactionId"], "collectionName": "c", "data": "{\"n\":1}", "_id": "a"});
    for (token, code) in
        [(other.as_str(), json!("DATABASE_TRANSACTION_FAIL")), ("", json!("DATABASE_TRANSACTION_FAIL"))]
    {
        for action in ["database.insertDocInTransaction", "database.getInTransaction", "database.commitTransaction"] {
            assert_eq!(served.web(action, token, within.clone())["code"], code, "{action}");
        }
        // Nothing of somebody else's is ended either, though it is no error to want to.
        served.web("database.abortTransaction", token, within.clone());
    }
    assert_eq!(served.web("database.insertDocInTransaction", &admin(), within.clone())["inserted"], "1");
    assert!(served.web("database.commitTransaction", &admin(), within).get("code").is_none());
}

#[test]
fn senders_are_told_apart() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    let count = json!({"collectionName": "c"});
    let code =
        |token: &str, members: &Value| served.web("database.countDocument", token, members.clone())["code"].clone();
    assert_eq!(code("", &count), "DATABASE_PERMISSION_DENIED", "a guest");
    assert_eq!(code("nonsense", &count), "ACCESS_TOKEN_EXPIRED");
    assert_eq!(code(&admin(), &json!({"collectionName": "none"})), "DATABASE_COLLECTION_NOT_EXIST");
    assert_eq!(served.web("database.addCollection", "", count)["code"], "DATABASE_PERMISSION_DENIED");
    served.app.tenants.create_env("env2").expect("an environment");
    for (env, code) in [("env2", "INVALID_ENV"), ("env3", "INVALID_ENV")] {
        let body =
            json!({"action": "database.countDocument", "env": env, "access_token": admin(), "collectionName": "c"});
        let (_, answer) = served.send(Request::post("/web").body(Body::from(body.to_string())).expect("a request"));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(answer["code"], code, "{env}");
    }
}
