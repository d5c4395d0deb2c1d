//! Watchers of each server: WaferDB's sockets, MongoDB's change streams, PocketBase's server-sent events.
//!
//! Every written document carries a mark in its text that reads the same on every wire, so a watcher only looks for marks
//! in what arrives and takes nothing apart: the driver must not be what is measured.

use crate::gateway::Member;
use crate::http::Connection;
use crate::target::{Gateway, Result, Target, credentials, message};
use bson::{RawDocument, doc};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Bytes of a mark: `mark#00000042#`.
const MARK_BYTES: usize = 14;
const MARK: &[u8] = b"mark#";
/// Tickets open sockets for two minutes.
const TICKET_SERVES: usize = 500;
const HEAD_BYTES: usize = 21;

/// A text that holds the mark of a number.
pub fn marked(number: usize, text: &str) -> String {
    format!("mark#{number:08}#{text}")
}

/// Opens watchers of one server.
pub struct Opener<'t> {
    target: &'t Target,
    control: Option<Connection>,
    ticket: Option<(String, usize)>,
}

/// Watches the documents of one category.
pub struct Watcher {
    connection: Connection,
    /// What asks for the next changes, where they do not come by themselves.
    ask: Option<Vec<u8>>,
}

impl<'t> Opener<'t> {
    pub fn new(target: &'t Target) -> Opener<'t> {
        Opener { target, control: None, ticket: None }
    }

    pub async fn open(&mut self, category: &str) -> Result<Watcher> {
        match self.target {
            Target::Wafer { address } => self.socket(address, category).await,
            Target::Mongo { address } => change_stream(address, category).await,
            Target::PocketBase { address, token } => self.subscription(address, token, category).await,
            Target::Postgres { .. } => Err("PostgreSQL is not watched".into()),
        }
    }

    async fn socket(&mut self, address: &str, category: &str) -> Result<Watcher> {
        let path = match &mut self.ticket {
            Some((path, used)) if *used < TICKET_SERVES => {
                *used += 1;
                path.clone()
            }
            _ => {
                let pass =
                    Gateway::connect(address).await?.call("auth.wsWebSign", &[] as &[(&str, Member<'_>)]).await?;
                let url = pass["data"]["wsUrl"].as_str().unwrap_or_default();
                let path = url.find("/ws").and_then(|at| url.get(at..)).ok_or("no address of sockets")?.to_owned();
                self.ticket = Some((path.clone(), 0));
                path
            }
        };
        let mut connection = Connection::open(address).await?;
        let upgrade = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        connection.send(upgrade.as_bytes()).await?;
        until(&mut connection, b"\r\n\r\n").await?;
        let query = json!({ "category": category }).to_string();
        let content = json!({ "envId": credentials().env, "collName": "posts", "query": query });
        let frame = json!({ "watchId": "w", "requestId": "r", "msgType": "INIT_WATCH", "msgData": content });
        connection.send(&masked(frame.to_string().as_bytes())).await?;
        until(&mut connection, b"INIT_EVENT").await?;
        connection.consume(usize::MAX);
        Ok(Watcher { connection, ask: None })
    }

    async fn subscription(&mut self, address: &str, token: &str, category: &str) -> Result<Watcher> {
        let mut connection = Connection::open(address).await?;
        connection.send(b"GET /api/realtime HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n").await?;
        until(&mut connection, b"clientId\":\"").await?;
        until(&mut connection, b"\"}").await?;
        let text = String::from_utf8_lossy(connection.bytes()).into_owned();
        let id = text.split("clientId\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let options = json!({ "query": { "filter": format!("category='{category}'") } }).to_string();
        let topic = format!("posts/*?options={}", escaped(&options));
        let body = json!({ "clientId": id, "subscriptions": [topic] }).to_string();
        let request = format!(
            "POST /api/realtime HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let control = match &mut self.control {
            Some(control) => control,
            empty => empty.insert(Connection::open(address).await?),
        };
        let answer = control.call(request.as_bytes()).await?;
        if answer.status != 204 {
            let text = String::from_utf8_lossy(control.body(&answer)).into_owned();
            return Err(format!("subscribing: status {}: {text}", answer.status).into());
        }
        connection.consume(usize::MAX);
        Ok(Watcher { connection, ask: None })
    }
}

async fn change_stream(address: &str, category: &str) -> Result<Watcher> {
    let mut connection = Connection::open(address).await?;
    let pipeline = vec![doc! { "$changeStream": {} }, doc! { "$match": { "fullDocument.category": category } }];
    connection.send(&message(doc! { "aggregate": "posts", "pipeline": pipeline, "cursor": {} })?).await?;
    let id = answer(&mut connection).await?.get_document("cursor")?.get_i64("id")?;
    let ask = message(doc! { "getMore": id, "collection": "posts", "maxTimeMS": 600_000 })?;
    connection.send(&ask).await?;
    Ok(Watcher { connection, ask: Some(ask) })
}

async fn answer(connection: &mut Connection) -> Result<&RawDocument> {
    connection.fill(4).await?;
    let length = connection.bytes().first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    connection.fill(length as usize).await?;
    let answer = RawDocument::from_bytes(connection.bytes().get(HEAD_BYTES..).unwrap_or_default())?;
    if answer.get_f64("ok")? != 1.0 {
        return Err(format!("{answer:?}").into());
    }
    Ok(answer)
}

impl Watcher {
    /// Waits until something arrives and tells the numbers of the marks in it.
    pub async fn next(&mut self, mut each: impl FnMut(usize)) -> Result<()> {
        let Some(ask) = &self.ask else {
            self.connection.more().await?;
            let rest = marks(self.connection.bytes(), each);
            self.connection.consume(rest);
            return Ok(());
        };
        answer(&mut self.connection).await?;
        marks(self.connection.bytes(), &mut each);
        Ok(self.connection.send(ask).await?)
    }
}

/// Tells the marks, and up to where the bytes need not be looked at again.
fn marks(bytes: &[u8], mut each: impl FnMut(usize)) -> usize {
    let mut seen = 0;
    for at in memchr::memmem::find_iter(bytes, MARK) {
        let Some(mark) = bytes.get(at..at + MARK_BYTES) else { return at };
        let digits = mark.get(MARK.len()..MARK_BYTES - 1).and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            each(number);
        }
        seen = at + MARK_BYTES;
    }
    seen.max(bytes.len().saturating_sub(MARK.len()))
}

async fn until(connection: &mut Connection, wanted: &[u8]) -> Result<()> {
    while memchr::memmem::find(connection.bytes(), wanted).is_none() {
        connection.more().await?;
    }
    Ok(())
}

/// A text frame of a client; a mask of zeros leaves it readable.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text);
    frame
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        let _ = write!(escaped, "%{byte:02X}");
        escaped
    })
}

/// A document of a category with a mark.
pub fn document(index: u64, category: &str, number: usize) -> Value {
    let mut document = crate::data::document(index);
    document["category"] = json!(category);
    document["text"] = json!(marked(number, document["text"].as_str().unwrap_or_default()));
    document
}
