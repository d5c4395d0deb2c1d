//! PocketBase through its REST API, with a user's token under the rule "any signed-in user".

use super::{Outcome, Result};
use crate::data::{Op, RADIUS_METRES, ROWS};
use crate::http::Connection;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Instant;

const RECORDS: &str = "/api/collections/posts/records";

/// One client of the workload.
pub struct Client {
    connection: Connection,
    token: String,
}

impl Client {
    pub async fn connect(address: &str, token: &str) -> Result<Client> {
        Ok(Client { connection: Connection::open(address).await?, token: token.to_owned() })
    }

    pub async fn run(&mut self, op: &Op) -> Result<Outcome> {
        let request = self.request(op)?;
        let began = Instant::now();
        let answer = self.connection.call(&request).await?;
        let took = began.elapsed();
        let body = self.connection.body(&answer);
        if !(200..300).contains(&answer.status) {
            return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(body)).into());
        }
        let rows = match op {
            Op::Count { .. } => serde_json::from_slice::<Value>(body)?["totalItems"].as_u64().unwrap_or_default(),
            Op::List { .. } | Op::Compound { .. } | Op::Tags { .. } | Op::Near { .. } => {
                memchr::memmem::find_iter(body, br#""collectionId":"#).count() as u64
            }
            _ => 1,
        };
        Ok(Outcome { rows, took })
    }

    pub async fn load(&mut self, documents: &[Value]) -> Result<()> {
        let requests: Vec<Value> = documents
            .iter()
            .map(|document| json!({ "method": "POST", "url": RECORDS, "body": record(document) }))
            .collect();
        self.call("POST", "/api/batch", Some(&json!({ "requests": requests }))).await.map(|_| ())
    }

    async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = self.bytes(method, path, body);
        let answer = self.connection.call(&request).await?;
        let body = self.connection.body(&answer);
        if !(200..300).contains(&answer.status) {
            let text = String::from_utf8_lossy(body.get(..600.min(body.len())).unwrap_or_default());
            return Err(format!("{method} {path}: status {}: {text}", answer.status).into());
        }
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(body)? })
    }

    fn request(&self, op: &Op) -> Result<Vec<u8>> {
        let list = |filter: &str, more: &str| {
            let path = format!("{RECORDS}?perPage={ROWS}&skipTotal=1&filter={}{more}", escaped(filter));
            self.bytes("GET", &path, None)
        };
        Ok(match op {
            Op::Get { id } => self.bytes("GET", &format!("{RECORDS}/{}", short(id)), None),
            Op::List { category } => list(&format!("category='{category}'"), ""),
            Op::Compound { category, score } => {
                list(&format!("category='{category}' && score>={score} && score<{}", score + 100), "&sort=-created_ms")
            }
            Op::Count { category } => {
                let filter = escaped(&format!("category='{category}'"));
                self.bytes("GET", &format!("{RECORDS}?perPage=1&fields=id&filter={filter}"), None)
            }
            Op::Tags { tag } => list(&format!("tags~'{tag}'"), ""),
            Op::Near { longitude, latitude } => {
                list(&format!("geoDistance(loc.lon,loc.lat,{longitude},{latitude})<{}", RADIUS_METRES / 1000.0), "")
            }
            Op::Insert { document } => self.bytes("POST", RECORDS, Some(&record(document))),
            Op::Update { id } => {
                self.bytes("PATCH", &format!("{RECORDS}/{}", short(id)), Some(&json!({ "likes+": 1 })))
            }
            Op::Report(_) => return Err("PocketBase has no grouping".into()),
        })
    }

    fn bytes(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}",
            self.token
        )
        .into_bytes()
    }
}

/// Makes the collection and a user, and returns the user's token. The superuser was made on the command line.
pub async fn prepare(address: &str, superuser: &str, password: &str) -> Result<String> {
    let mut client = Client::connect(address, "").await?;
    let sign_in = json!({ "identity": superuser, "password": password });
    let signed_in = client.call("POST", "/api/collections/_superusers/auth-with-password", Some(&sign_in)).await?;
    client.token = signed_in["token"].as_str().unwrap_or_default().to_owned();
    let settings =
        json!({ "batch": { "enabled": true, "maxRequests": 1000, "timeout": 60 }, "logs": { "maxDays": 0 } });
    client.call("PATCH", "/api/settings", Some(&settings)).await?;
    client.call("POST", "/api/collections", Some(&collection())).await?;
    let (email, password) = ("user@example.com", "12345678");
    let user = json!({ "email": email, "password": password, "passwordConfirm": password });
    client.call("POST", "/api/collections/users/records", Some(&user)).await?;
    let sign_in = json!({ "identity": email, "password": password });
    let signed_in = client.call("POST", "/api/collections/users/auth-with-password", Some(&sign_in)).await?;
    Ok(signed_in["token"].as_str().unwrap_or_default().to_owned())
}

fn collection() -> Value {
    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let id = json!({ "name": "id", "type": "text", "primaryKey": true, "required": true, "system": true, "min": 15, "max": 32,
        "pattern": "^[a-z0-9]+$", "autogeneratePattern": "[a-z0-9]{15}" });
    let rule = r#"@request.auth.id != """#;
    json!({
        "name": "posts", "type": "base",
        "fields": [id, field("openid", "text"), field("category", "text"), field("score", "number"), field("created_ms", "number"),
            field("tags", "json"), field("author", "json"), field("loc", "geoPoint"), field("likes", "number"), field("text", "text")],
        "listRule": rule, "viewRule": rule, "createRule": rule, "updateRule": rule, "deleteRule": rule,
        "indexes": ["CREATE INDEX posts_category ON posts (category)", "CREATE INDEX posts_category_score ON posts (category, score)"],
    })
}

fn record(document: &Value) -> Value {
    let [longitude, latitude] = [0, 1].map(|axis| &document["loc"]["coordinates"][axis]);
    json!({
        "id": short(document["_id"].as_str().unwrap_or_default()), "openid": document["_openid"], "category": document["category"],
        "score": document["score"], "created_ms": document["created"], "tags": document["tags"], "author": document["author"],
        "loc": { "lon": longitude, "lat": latitude }, "likes": document["likes"], "text": document["text"],
    })
}

/// PocketBase's ids are 15 characters long.
fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => write!(escaped, "{}", byte as char),
            _ => write!(escaped, "%{byte:02X}"),
        };
        escaped
    })
}
