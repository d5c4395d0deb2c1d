//! The face of `wx.cloud`: texts inside of texts, numbers for errors, ids with their type.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::web::admin;
use super::{NOW, Served};

impl Served {
    /// Calls `wx.cloud`'s interface; the inner answer.
    pub(super) fn wx(&self, name: &str, token: &str, asked: &Value) -> Value {
        let options = json!({"env": "env1", "identityless": true});
        let data = json!({"qbase_api_name": name, "qbase_req": asked.to_string(), "qbase_options": options});
        let body = json!({"appid": "wx1", "data": data, "access_token": token});
        let request = Request::post("/__wx__/jsoperatewxdata").body(Body::from(body.to_string()));
        let (status, answer) = self.send(request.expect("a request"));
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!((status, &answer["base_resp"]), (200, &json!({"ret": 0, "err_msg": ""})), "{answer}");
        let inner: Value = serde_json::from_str(answer["data"].as_str().expect("a text")).expect("JSON");
        assert_eq!(inner["baseresponse"]["stat"]["qbase_cost_time"], 1);
        inner
    }
}

/// Rows of calls one after the other: name, what is asked, and the result but for what every one has.
fn check(rows: &[(&str, Value, Value)]) {
    let served = Served::start();
    NOW.set(1_700_000_000_000);
    served.done("database.addCollection", json!({"collectionName": "c"}));
    for (name, asked, expect) in rows {
        let mut asked = asked.clone();
        asked["collection_name"] = json!("c");
        let mut found = served.wx(&format!("tcbapi_db_{name}"), &admin(), &asked);
        assert_eq!(found["baseresponse"]["errcode"], 0, "{name} {asked}: {found}");
        found.as_object_mut().expect("an object").remove("baseresponse");
        assert_eq!(found, *expect, "{name} {asked}");
    }
}

#[test]
fn documents_come_and_go() {
    let added = r#"{"_id":"a","n":1,"d":{"$date":5},"p":{"type":"Point","coordinates":[1,2]},"big":{"$numberLong":"9007199254740993"}}"#;
    let list = r#"[{"_id":"a","n":2,"d":{"$date":5},"p":{"type":"Point","coordinates":[1,2]},"big":9007199254740993}]"#;
    let order = json!([{"field": "n", "direction": 1}, {"field": "_id", "direction": 0}]);
    check(&[
        ("adddocument", json!({"data": added}), json!({"_id_type": 1, "_id": "a"})),
        ("adddocument", json!({"data": "{\"_id\":77,\"n\":7}"}), json!({"_id_type": 2, "_id_number": 77})),
        (
            "updatedocument",
            json!({"query": "{\"_id\":\"a\"}", "query_type": 1, "merge": false, "multi": false, "data": "{\"$inc\":{\"n\":1}}"}),
            json!({"updated": 1}),
        ),
        ("updatedocument", json!({"query": "{\"_id\":\"a\"}", "data": "{\"$set\":{}}"}), json!({"updated": 0})),
        (
            "querydocument",
            json!({"query": "{\"_id\":\"a\"}", "query_type": 1, "projection": "{}"}),
            json!({"data_list": list, "offset": 0, "limit": 1, "total": 1}),
        ),
        (
            "querydocument",
            json!({"query": "{}", "query_type": 0, "order": order, "projection": "{\"n\":1}", "limit": 500, "offset": 1}),
            json!({"data_list": "[{\"_id\":\"a\",\"n\":2}]", "offset": 1, "limit": 20, "total": 1}),
        ),
        (
            "setdocument",
            json!({"_id_type": 1, "_id": "b", "data": "{\"x\":1}"}),
            json!({"_id_type": 1, "_id": "b", "updated": 0}),
        ),
        ("setdocument", json!({"_id_type": 1, "_id": "b", "data": "{\"x\":2}"}), json!({"_id_type": 1, "updated": 1})),
        (
            "setdocument",
            json!({"_id_type": 2, "_id_number": 5, "data": "{\"x\":1}"}),
            json!({"_id_type": 2, "_id_number": 5, "updated": 0}),
        ),
        ("countdocument", json!({"query": "{\"x\":{\"$exists\":true}}", "query_type": 0}), json!({"total": 2})),
        ("deletedocument", json!({"query": "{\"_id\":5}", "query_type": 1}), json!({"deleted": 1})),
        ("deletedocument", json!({"query": "{}", "query_type": 0, "multi": true}), json!({"deleted": 3})),
    ]);
}

#[test]
fn files_and_sockets_have_their_links() {
    let served = Served::start();
    let upload = served.wx("tcbapi_cos_uploadfile", &admin(), &json!({"path": "dir/a.txt"}));
    assert!(upload["url"].as_str().is_some_and(|url| url.ends_with("/files/env1")), "{upload}");
    let id = upload["file_id"].as_str().expect("an id").to_owned();
    for name in ["authorization", "token", "cos_file_id"] {
        assert!(upload[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {upload}");
    }
    let links = served.wx("tcbapi_gettempfileurl", &admin(), &json!({"file_list": [{"fileid": id}]}));
    assert_eq!(links["download_list"][0]["status"], -503_003, "nothing was uploaded: {links}");
    let removed = served.wx("tcbapi_deletefile", &admin(), &json!({"fileid_list": [id]}));
    assert_eq!(removed["delete_list"][0]["status"], -503_003, "{removed}");
    let socket = served.wx("tcbapi_db_get_realtime_connection", &admin(), &json!({}));
    assert_eq!((&socket["env_id"], &socket["secret_version"]), (&json!("env1"), &json!(1)));
    assert!(socket["ws_url"].is_string() && socket["sign_str"].is_string(), "{socket}");
}

#[test]
fn errors_are_numbers() {
    let served = Served::start();
    served.done("database.addCollection", json!({"collectionName": "c"}));
    let add = json!({"collection_name": "c", "data": "{\"_id\":1}"});
    served.wx("tcbapi_db_adddocument", &admin(), &add);
    let query = |query: &str| json!({"collection_name": "c", "query": query});
    for (name, token, asked, expect) in [
        ("tcbapi_db_querydocument", String::new(), query("{}"), -502_003),
        ("tcbapi_db_querydocument", "wrong".to_owned(), query("{}"), -501_010),
        ("tcbapi_db_querydocument", admin(), json!({"collection_name": "none"}), -502_005),
        ("tcbapi_db_querydocument", admin(), query("{\"a\":{\"$near\":5}}"), -502_001),
        ("tcbapi_db_querydocument", admin(), query("{"), -501_007),
        ("tcbapi_db_setdocument", admin(), json!({"collection_name": "c", "_id_number": {}, "data": "{}"}), -501_007),
        ("tcbapi_db_adddocument", admin(), add, -502_001),
        ("tcbapi_unheard_of", admin(), json!({}), -501_012),
        ("tcbapi_callfunction", admin(), json!({}), -501_007),
        ("tcbapi_downloadfile", admin(), json!({}), -501_007),
    ] {
        let found = served.wx(name, &token, &asked);
        assert_eq!(found["baseresponse"]["errcode"], expect, "{name} {asked}: {found}");
        assert!(found["baseresponse"]["errmsg"].as_str().is_some_and(|text| text.contains(" | errMsg: ")), "{found}");
    }
}
