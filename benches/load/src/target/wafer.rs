//! WaferDB through the gateway of the official server SDKs: what @cloudbase/node-sdk 3 sends, signed request by request.

use super::{Outcome, Result};
use crate::data::{Op, RADIUS_METRES, ROWS};
use crate::gateway::{self, Credentials, Member, quoted};
use crate::http::Connection;
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The collection that holds the workload.
const COLLECTION: Member<'static> = Member::Text("posts");

/// What a server under measurement is started with.
pub fn credentials() -> Credentials {
    Credentials {
        env: "bench-1a2b".to_owned(),
        secret_id: "AKIDbench00000000000000".to_owned(),
        secret_key: "benchSecretKey0123456789".to_owned(),
    }
}

/// Is the server done opening its folder?
pub async fn is_open(address: &str) -> Result<bool> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.call(format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    Ok(answer.status == 200)
}

/// Signs and sends; the answer is checked for an error code.
pub struct Gateway {
    connection: Connection,
    address: String,
    who: Credentials,
}

impl Gateway {
    /// The port is open before the store is: only a healthy server counts as connected.
    pub async fn connect(address: &str) -> Result<Gateway> {
        let mut connection = Connection::open(address).await?;
        let question = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
        match connection.call(question.as_bytes()).await?.status {
            200 => {}
            status => return Err(format!("it is not healthy yet: status {status}").into()),
        }
        Ok(Gateway { connection, address: address.to_owned(), who: credentials() })
    }

    fn sign(&self, action: &str, members: &[(&str, Member<'_>)]) -> Vec<u8> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        gateway::request(&self.who, &self.address, action, members, now)
    }

    /// The raw answer, and how long it took.
    async fn send(&mut self, request: &[u8]) -> Result<(&[u8], std::time::Duration)> {
        let began = Instant::now();
        let answer = self.connection.call(request).await?;
        let took = began.elapsed();
        let body = self.connection.body(&answer);
        if answer.status != 200 || memchr::memmem::find(body, br#""code":""#).is_some_and(|at| at < 60) {
            let text = String::from_utf8_lossy(body.get(..600.min(body.len())).unwrap_or_default()).into_owned();
            return Err(format!("status {}: {text}", answer.status).into());
        }
        Ok((body, took))
    }

    /// Runs a pipeline and reads its whole answer.
    pub async fn aggregate(&mut self, collection: &str, stages: &[Value]) -> Result<Value> {
        let stages = Value::from(stages.iter().filter_map(stage).collect::<Vec<_>>()).to_string();
        let members = [("collectionName", Member::Text(collection)), ("stages", Member::Raw(&stages))];
        self.call("database.aggregateDocuments", &members).await
    }

    pub async fn call(&mut self, action: &str, members: &[(&str, Member<'_>)]) -> Result<Value> {
        let request = self.sign(action, members);
        let (body, _) = self.send(&request).await?;
        Ok(serde_json::from_slice(body)?)
    }
}

/// One client of the workload.
pub struct Client {
    gateway: Gateway,
}

impl Client {
    pub async fn connect(address: &str) -> Result<Client> {
        Ok(Client { gateway: Gateway::connect(address).await? })
    }

    pub async fn run(&mut self, op: &Op) -> Result<Outcome> {
        let request = self.request(op);
        self.send(op, &request).await
    }

    pub async fn send(&mut self, op: &Op, request: &[u8]) -> Result<Outcome> {
        let (body, took) = self.gateway.send(request).await?;
        Ok(Outcome { rows: rows(body, op), took })
    }

    pub async fn load(&mut self, collection: &str, documents: &[Value]) -> Result<()> {
        let list: Vec<Value> = documents.iter().map(|document| Value::from(extended(document))).collect();
        let data = Value::from(list).to_string();
        let members = [("collectionName", Member::Text(collection)), ("data", Member::Raw(&data))];
        self.gateway.call("database.insertDocument", &members).await?;
        Ok(())
    }

    /// The collections; their indexes are made through the command line, as the SDKs have no call for them.
    pub async fn prepare(&mut self) -> Result<()> {
        for collection in ["posts", "users", "articles"] {
            self.gateway.call("database.addCollection", &[("collectionName", Member::Text(collection))]).await?;
        }
        Ok(())
    }

    pub fn request(&self, op: &Op) -> Vec<u8> {
        match op {
            Op::Get { id } => self.gateway.sign(
                "database.getDocument",
                &[
                    ("collectionName", COLLECTION),
                    ("queryType", Member::Text("DOC")),
                    ("query", Member::Text(&json!({ "_id": id }).to_string())),
                    ("multi", Member::Raw("false")),
                ],
            ),
            Op::List { category } => self.find(&json!({ "category": category }), None),
            Op::Compound { category, score } => self.find(
                &json!({ "$and": [{ "score": { "$gte": int(*score) } }, { "score": { "$lt": int(score + 100) } }], "category": category }),
                Some(r#"{"created":{"$numberInt":"-1"}}"#),
            ),
            Op::Count { category } => self.gateway.sign(
                "database.calculateDocument",
                &[
                    ("collectionName", COLLECTION),
                    ("queryType", Member::Text("WHERE")),
                    ("query", Member::Text(&json!({ "category": category }).to_string())),
                ],
            ),
            Op::Tags { tag } => self.find(&json!({ "tags": tag }), None),
            Op::Near { longitude, latitude } => {
                let place = json!({ "type": "Point", "coordinates": [double(*longitude), double(*latitude)] });
                self.find(&json!({ "loc": { "$nearSphere": { "$geometry": place, "$maxDistance": int(RADIUS_METRES as u64) } } }), None)
            }
            Op::Insert { document } => {
                let data = format!("[{}]", quoted(&extended(document)));
                let members = [("collectionName", COLLECTION), ("data", Member::Raw(&data))];
                self.gateway.sign("database.insertDocument", &members)
            }
            Op::Update { id } => self.gateway.sign(
                "database.modifyDocument",
                &[
                    ("collectionName", COLLECTION),
                    ("queryType", Member::Text("DOC")),
                    ("multi", Member::Raw("false")),
                    ("merge", Member::Raw("true")),
                    ("upsert", Member::Raw("false")),
                    ("data", Member::Text(r#"{"$inc":{"likes":{"$numberInt":"1"}}}"#)),
                    ("query", Member::Text(&json!({ "_id": id }).to_string())),
                ],
            ),
            Op::Report(report) => {
                let (collection, stages) = report.pipeline();
                let stages: Vec<Value> = stages.iter().filter_map(stage).collect();
                let stages = Value::from(stages).to_string();
                let members = [("collectionName", Member::Text(collection)), ("stages", Member::Raw(&stages))];
                self.gateway.sign("database.aggregateDocuments", &members)
            }
        }
    }

    fn find(&self, query: &Value, order: Option<&str>) -> Vec<u8> {
        let (query, limit) = (query.to_string(), ROWS.to_string());
        let mut members =
            vec![("collectionName", COLLECTION), ("queryType", Member::Text("WHERE")), ("query", Member::Text(&query))];
        members.extend(order.map(|order| ("order", Member::Text(order))));
        members.push(("limit", Member::Raw(&limit)));
        self.gateway.sign("database.getDocument", &members)
    }
}

/// A stage as the SDK writes it: its name, and its argument as text.
fn stage(stage: &Value) -> Option<Value> {
    let (name, argument) = stage.as_object()?.iter().next()?;
    Some(json!({ "stageKey": name, "stageValue": argument.to_string() }))
}

/// Rows in an answer, without reading the documents: each list member is one string that holds one `_id`.
fn rows(body: &[u8], op: &Op) -> u64 {
    match op {
        Op::Insert { .. } | Op::Update { .. } => 1,
        Op::Count { .. } => number_after(body, br#""total":"#),
        _ => memchr::memmem::find_iter(body, br#"\"_id\":"#).count() as u64,
    }
}

fn number_after(body: &[u8], name: &[u8]) -> u64 {
    let digits = memchr::memmem::find(body, name).and_then(|at| body.get(at + name.len()..)).unwrap_or_default();
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0'))
}

fn int(value: u64) -> Value {
    json!({ "$numberInt": value.to_string() })
}

fn double(value: f64) -> Value {
    json!({ "$numberDouble": value.to_string() })
}

/// The document as the SDK writes it: canonical Extended JSON.
pub fn extended(document: &Value) -> String {
    let mut document = document.clone();
    for name in ["score", "likes"] {
        if let Some(number) = document[name].as_u64() {
            document[name] = int(number);
        }
    }
    if let Some(text) = document["text"].as_str().filter(|text| !text.is_ascii()) {
        document["text"] = Value::from(text.replace(' ', "")); // as Chinese is written
    }
    if let Some(at) = document["created"].as_u64() {
        document["created"] = json!({ "$date": { "$numberLong": at.to_string() } });
    }
    if let Some(coordinates) = document.pointer_mut("/loc/coordinates").and_then(Value::as_array_mut) {
        for coordinate in coordinates {
            *coordinate = double(coordinate.as_f64().unwrap_or_default());
        }
    }
    document.to_string()
}
