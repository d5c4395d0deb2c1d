//! MongoDB through its own wire protocol: one OP_MSG a request, writes journaled before the answer.

use super::{Outcome, Result};
use crate::data::{Op, RADIUS_METRES, ROWS};
use crate::http::Connection;
use bson::{Bson, DateTime, Document, RawDocument, doc};
use serde_json::Value;
use std::time::Instant;

const HEAD_BYTES: usize = 21;
const OP_MSG: i32 = 2013;

/// One client of the workload.
pub struct Client {
    connection: Connection,
}

impl Client {
    pub async fn connect(address: &str) -> Result<Client> {
        Ok(Client { connection: Connection::open(address).await? })
    }

    pub async fn run(&mut self, op: &Op) -> Result<Outcome> {
        let message = message(command(op))?;
        let began = Instant::now();
        let answer = self.exchange(&message).await?;
        let took = began.elapsed();
        let rows = match op {
            Op::Insert { .. } | Op::Update { .. } => 1,
            Op::Count { .. } => answer.get_i32("n")? as u64,
            _ => answer.get_document("cursor")?.get_array("firstBatch")?.into_iter().count() as u64,
        };
        Ok(Outcome { rows, took })
    }

    pub async fn load(&mut self, collection: &str, documents: &[Value]) -> Result<()> {
        let documents: Vec<Bson> = documents.iter().map(stored).collect();
        self.command(doc! { "insert": collection, "documents": documents, "ordered": false }).await
    }

    pub async fn prepare(&mut self) -> Result<()> {
        let index = |name: &str, key: Document| doc! { "name": name, "key": key };
        let indexes = vec![
            index("category", doc! { "category": 1 }),
            index("category_score", doc! { "category": 1, "score": 1 }),
            index("tags", doc! { "tags": 1 }),
            index("loc", doc! { "loc": "2dsphere" }),
        ];
        self.command(doc! { "createIndexes": "posts", "indexes": indexes }).await?;
        let words = doc! { "name": "text", "key": { "text": "text" }, "default_language": "none" };
        self.command(doc! { "createIndexes": "articles", "indexes": [words] }).await
    }

    async fn command(&mut self, command: Document) -> Result<()> {
        let message = message(command)?;
        self.exchange(&message).await.map(|_| ())
    }

    async fn exchange(&mut self, message: &[u8]) -> Result<&RawDocument> {
        self.connection.send(message).await?;
        self.connection.fill(4).await?;
        let length = self.connection.bytes().first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        self.connection.fill(length as usize).await?;
        let answer = RawDocument::from_bytes(self.connection.bytes().get(HEAD_BYTES..).unwrap_or_default())?;
        if answer.get_f64("ok")? != 1.0 || answer.get("writeErrors")?.is_some() {
            return Err(format!("{answer:?}").into());
        }
        Ok(answer)
    }
}

/// A command as one message.
pub fn message(mut command: Document) -> Result<Vec<u8>> {
    if !command.contains_key("$db") {
        command.insert("$db", "bench");
    }
    let body = command.to_vec()?;
    let mut message = Vec::with_capacity(body.len() + HEAD_BYTES);
    for word in [(body.len() + HEAD_BYTES) as i32, 1, 0, OP_MSG, 0] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&body);
    Ok(message)
}

fn command(op: &Op) -> Document {
    let rows = ROWS as i32;
    let find = |filter: Document| doc! { "find": "posts", "filter": filter, "limit": rows, "singleBatch": true };
    let synced = doc! { "w": 1, "j": true };
    match op {
        Op::Get { id } => find(doc! { "_id": id }),
        Op::List { category } => find(doc! { "category": category }),
        Op::Compound { category, score } => {
            let low = *score as i32;
            let mut command = find(doc! { "category": category, "score": { "$gte": low, "$lt": low + 100 } });
            command.insert("sort", doc! { "created": -1 });
            command
        }
        Op::Count { category } => doc! { "count": "posts", "query": { "category": category } },
        Op::Tags { tag } => find(doc! { "tags": tag }),
        Op::Near { longitude, latitude } => {
            let place = doc! { "type": "Point", "coordinates": [*longitude, *latitude] };
            find(doc! { "loc": { "$nearSphere": { "$geometry": place, "$maxDistance": RADIUS_METRES } } })
        }
        Op::Insert { document } => doc! { "insert": "posts", "documents": [stored(document)], "writeConcern": synced },
        Op::Update { id } => {
            let update = doc! { "q": { "_id": id }, "u": { "$inc": { "likes": 1 } } };
            doc! { "update": "posts", "updates": [update], "writeConcern": synced }
        }
        Op::Report(report) => {
            let (collection, stages) = report.pipeline();
            let stages: Vec<Bson> = stages.iter().map(typed).collect();
            doc! { "aggregate": collection, "pipeline": stages, "cursor": {} }
        }
    }
}

/// The document with MongoDB's types: small integers as int32, `created` as a date.
fn stored(document: &Value) -> Bson {
    let mut stored = Document::new();
    for (name, value) in document.as_object().into_iter().flatten() {
        let value = match name.as_str() {
            "created" => Bson::DateTime(DateTime::from_millis(value.as_i64().unwrap_or_default())),
            "score" | "likes" => Bson::Int32(value.as_i64().unwrap_or_default() as i32),
            _ => typed(value),
        };
        stored.insert(name, value);
    }
    Bson::Document(stored)
}

fn typed(value: &Value) -> Bson {
    match value {
        Value::String(text) => Bson::String(text.clone()),
        Value::Number(number) => Bson::Double(number.as_f64().unwrap_or_default()),
        Value::Array(list) => Bson::Array(list.iter().map(typed).collect()),
        Value::Object(members) => {
            Bson::Document(members.iter().map(|(name, value)| (name.clone(), typed(value))).collect())
        }
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Null => Bson::Null,
    }
}
