//! Calls of both wire generations: what goes in comes out again in the form that each SDK decodes.

use serde_json::{Value, json};

use super::Served;

/// A server with the collection `c`.
fn served() -> Served {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    served
}

fn insert(served: &Served, doc: &str) -> Value {
    served.done("database.insertDocument", json!({"collectionName": "c", "data": [doc]}))["data"]["insertedIds"][0]
        .take()
}

/// All documents, as the second generation sees them.
fn all(served: &Served) -> Vec<Value> {
    let answer = served.done("database.getDocument", json!({"collectionName": "c", "limit": 100}));
    let list = answer["data"]["list"].as_array().expect("a list");
    list.iter().map(|text| serde_json::from_str(text.as_str().expect("a text")).expect("JSON")).collect()
}

#[test]
fn values_keep_their_kind_and_read_well() {
    let served = served();
    insert(
        &served,
        r#"{"_id":{"$oid":"507f1f77bcf86cd799439011"},"i":{"$numberInt":"1"},"d":{"$numberDouble":"1.5"},
            "big":{"$numberLong":"9007199254740993"},"at":{"$date":{"$numberLong":"5"}},"now":{"$tcb_server_date":{"offset":{"$numberInt":"7"}}},
            "re":{"$regularExpression":{"pattern":"a","options":"gi"}},"text":"\"quoted\"\\\n"}"#,
    );
    assert_eq!(
        all(&served),
        [json!({"_id": "507f1f77bcf86cd799439011", "i": 1, "d": 1.5, "big": {"$numberLong": "9007199254740993"},
            "at": {"$date": 5}, "now": {"$date": 1_700_000_000_007_i64},
            "re": {"$regularExpression": {"pattern": "a", "options": "i"}}, "text": "\"quoted\"\\\n"})]
    );
    let first = served.done("database.queryDocument", json!({"collectionName": "c", "limit": 5}));
    assert_eq!(
        first["data"]["list"][0]["big"],
        json!(9_007_199_254_740_993_i64),
        "the first generation knows no wrappers"
    );
    assert_eq!(first["Limit"], 5);
}

#[test]
fn made_ids_come_back() {
    let served = served();
    let id = insert(&served, r#"{"a":1}"#);
    assert_eq!(id.as_str().map(str::len), Some(32));
    let many = json!({"collectionName": "c", "data": [r#"{"_id":"x"}"#, r#"{"_id":{"$numberInt":"7"}}"#]});
    assert_eq!(served.done("database.insertDocument", many)["data"]["insertedIds"], json!(["x", 7]));
    let first = served.done("database.addDocument", json!({"collectionName": "c", "_id": "own", "data": {"a": 1}}));
    assert_eq!(first["data"]["_id"], "own");
}

#[test]
fn an_absent_query_means_everything() {
    let served = served();
    (0..3).for_each(|_| drop(insert(&served, "{}")));
    for query in [json!(null), json!(""), json!("{}")] {
        let total = served.done("database.calculateDocument", json!({"collectionName": "c", "query": query}));
        assert_eq!(total["data"]["total"], 3, "{query}");
    }
    let gone = served.done("database.removeDocument", json!({"collectionName": "c", "query": "", "multi": true}));
    assert_eq!(gone["data"]["deleted"], 3);
}

#[test]
fn sorting_keeps_the_order_of_its_fields_in_both_generations() {
    let served = served();
    for (id, a, b) in [("1", 1, 2), ("2", 2, 1), ("3", 1, 1)] {
        insert(&served, &format!(r#"{{"_id":"{id}","a":{a},"b":{b}}}"#));
    }
    let ids = |answer: &Value, read: fn(&Value) -> Value| -> Vec<String> {
        let list = answer["data"]["list"].as_array().expect("a list").iter().map(read);
        list.map(|doc| doc["_id"].as_str().expect("an id").to_owned()).collect()
    };
    let second =
        json!({"collectionName": "c", "limit": 10, "order": r#"{"b":{"$numberInt":"1"},"a":{"$numberInt":"-1"}}"#});
    let parse = |text: &Value| serde_json::from_str(text.as_str().expect("a text")).expect("JSON");
    assert_eq!(ids(&served.done("database.getDocument", second), parse), ["2", "3", "1"]);
    let order = json!([{"field": "a", "direction": "asc"}, {"field": "b", "direction": "desc"}]);
    let first = json!({"collectionName": "c", "limit": 10, "order": order});
    assert_eq!(ids(&served.done("database.queryDocument", first), Value::clone), ["1", "3", "2"]);
}

#[test]
fn merge_tells_a_change_from_a_replacement() {
    let served = served();
    insert(&served, r#"{"_id":"x","a":1,"b":1}"#);
    let by_id = r#"{"_id":"x"}"#;
    let change = |merge: bool, data: &str| json!({"collectionName": "c", "queryType": "DOC", "query": by_id, "merge": merge, "upsert": !merge, "multi": false, "data": data});
    let updated = served.done("database.modifyDocument", change(true, r#"{"$set":{"a":2}}"#));
    assert_eq!(updated["data"], json!({"updated": 1, "upsert_id": null}));
    assert_eq!(all(&served), [json!({"_id": "x", "a": 2, "b": 1})]);
    let nothing = served.done("database.modifyDocument", change(true, "{}"));
    assert_eq!(nothing["data"]["updated"], 0, "an empty change is none");
    served.done("database.modifyDocument", change(false, r#"{"c":3}"#));
    assert_eq!(all(&served), [json!({"_id": "x", "c": 3})]);
    let new = json!({"collectionName": "c", "queryType": "DOC", "query": r#"{"_id":"y"}"#, "merge": false, "upsert": true, "multi": false, "data": "{}"});
    assert_eq!(served.done("database.modifyDocument", new)["data"], json!({"updated": 0, "upsert_id": "y"}));
}

#[test]
fn a_changed_document_comes_back_changed() {
    let served = served();
    insert(&served, r#"{"_id":"x","n":1}"#);
    let ask =
        |query: &str, data: &str| json!({"collectionName": "c", "queryType": "WHERE", "query": query, "data": data});
    let changed = served.done("database.modifyAndReturnDoc", ask(r#"{"_id":"x"}"#, r#"{"$inc":{"n":1}}"#));
    assert_eq!(changed["data"], json!({"updated": 1, "doc": r#"{"_id":"x","n":2}"#}));
    let none = served.done("database.modifyAndReturnDoc", ask(r#"{"_id":"z"}"#, r#"{"$inc":{"n":1}}"#));
    assert_eq!(none["data"], json!({"updated": 0, "doc": null}));
    let same = served.done("database.modifyAndReturnDoc", ask(r#"{"_id":"x"}"#, "{}"));
    assert_eq!(same["data"], json!({"updated": 0, "doc": r#"{"_id":"x","n":2}"#}));
}

#[test]
fn errors_carry_the_codes_and_texts_that_users_match_on() {
    let served = served();
    insert(&served, r#"{"_id":"x"}"#);
    let cases = [
        (
            "database.getDocument",
            json!({"collectionName": "nope"}),
            "DATABASE_COLLECTION_NOT_EXIST",
            "Db or Table not exist: nope",
        ),
        (
            "database.addCollection",
            json!({"collectionName": "c"}),
            "DATABASE_COLLECTION_ALREADY_EXIST",
            "ResourceExist",
        ),
        (
            "database.insertDocument",
            json!({"collectionName": "c", "data": [r#"{"_id":"x"}"#]}),
            "DATABASE_REQUEST_FAILED",
            "E11000 duplicate key error",
        ),
        (
            "database.insertDocument",
            json!({"collectionName": "c", "data": [r#"{"$a":1}"#]}),
            "DATABASE_REQUEST_FAILED",
            "$a",
        ),
        (
            "database.insertDocument",
            json!({"collectionName": "c", "data": ["null"]}),
            "INVALID_PARAM",
            "expected an object",
        ),
        (
            "database.getDocument",
            json!({"collectionName": "c", "query": r#"{"a":{"$nope":1}}"#}),
            "DATABASE_INVALID_OPERRATOR",
            "$nope",
        ),
        (
            "database.getDocument",
            json!({"collectionName": "c", "query": r#"{"a":1,"a":2}"#}),
            "INVALID_PARAM",
            "given twice",
        ),
        ("database.getDocument", json!({"collectionName": "c", "limit": -1}), "INVALID_PARAM", "`limit`"),
        ("database.getDocument", json!({}), "INVALID_PARAM", "`collectionName` is missing"),
        ("database.getDocument", json!({"collectionName": "c", "envName": "other"}), "INVALIID_ENV", "other"),
        (
            "database.commitTransaction",
            json!({"transactionId": "x"}),
            "DATABASE_TRANSACTION_FAIL",
            "TransactionNotExist",
        ),
        ("nonsense", json!({}), "INVALID_ACTION", "nonsense"),
        ("functions.invokeFunction", json!({"function_name": "f"}), "FUNCTION_NOT_FOUND", "does not exist"),
        ("storage.batchDeleteFile", json!({}), "INVALID_PARAM", "1 to 50 files"),
    ];
    for (action, members, code, text) in cases {
        let answer = served.call(action, members.clone());
        assert_eq!(answer["code"], code, "{action} {members}: {answer}");
        assert!(answer["message"].as_str().is_some_and(|message| message.contains(text)), "{action}: {answer}");
        assert!(answer["requestId"].is_string());
    }
}

#[test]
fn an_abort_of_what_is_gone_is_no_error() {
    let served = Served::start();
    for id in ["", "x", "0123456789abcdef0123456789abcdef"] {
        let answer = served.call("database.abortTransaction", json!({"transactionId": id}));
        let offered = answer["code"] != "INVALID_ACTION";
        assert!(!offered || answer.get("code").is_none(), "{id}: {answer}");
    }
}
