//! Transactions over the wire, by many clients at once, with and without kills: what a history of them may not show
//! ([`history`]), sums that must hold ([`bank`]), and conflicts that SDKs can live with ([`contention`]).
//!
//! `cargo test` runs the short form, `WAFERDB_TORTURE_SECONDS` makes it long (`make torture`), `WAFERDB_SEED` repeats it.

mod bank;
mod contention;
mod history;
mod judge;

use crate::support::client::{Answer, Client};
use crate::support::gateway::{Member, quoted};
use crate::support::server::{Server, credentials};
use serde_json::Value;
use std::time::Duration;

/// The seconds of the long form, if this is it.
fn long_seconds() -> Option<u64> {
    std::env::var("WAFERDB_TORTURE_SECONDS").ok()?.parse().ok()
}

/// How long a part of the long form goes on that ends by the clock.
fn long_form() -> Option<Duration> {
    const PARTS: u32 = 8;
    Some(Duration::from_secs(long_seconds()?) / PARTS)
}

/// Why something inside a transaction did not happen.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// The server said no, with this code: nothing of the transaction happened.
    Refused(String),
    /// Nobody knows.
    Unknown,
}

/// One caller's way to the server, to a new one after a restart.
struct Caller {
    client: Client,
}

/// An open transaction.
struct Open(String);

impl Caller {
    fn new(address: &str) -> Caller {
        Caller { client: Client::new(address, &credentials()) }
    }

    fn ask(&mut self, action: &str, members: &[(&str, Member<'_>)]) -> Result<Value, Fault> {
        match self.client.call(action, members) {
            Ok(Answer::Done(answer)) => Ok(answer),
            Ok(Answer::Refused { code, .. }) => Err(Fault::Refused(code)),
            Err(_) => Err(Fault::Unknown),
        }
    }

    fn begin(&mut self) -> Result<Open, Fault> {
        let answer = self.ask("database.startTransaction", &[])?;
        Ok(Open(answer["transactionId"].as_str().expect("an id").to_owned()))
    }

    fn commit(&mut self, open: &Open) -> Result<(), Fault> {
        self.ask("database.commitTransaction", &[("transactionId", Member::Text(&open.0))]).map(drop)
    }

    fn abort(&mut self, open: &Open) -> Result<(), Fault> {
        self.ask("database.abortTransaction", &[("transactionId", Member::Text(&open.0))]).map(drop)
    }

    fn get(&mut self, open: Option<&Open>, collection: &str, id: &str) -> Result<Option<Value>, Fault> {
        let query = format!("{{\"_id\":{}}}", quoted(id));
        let mut members = vec![
            ("collectionName", Member::Text(collection)),
            ("query", Member::Text(&query)),
            ("queryType", Member::Text("DOC")),
        ];
        members.extend(open.map(|open| ("transactionId", Member::Text(&open.0))));
        let answer = self.ask("database.getDocument", &members)?;
        let text = answer["data"]["list"].get(0).and_then(Value::as_str);
        Ok(text.map(|text| serde_json::from_str(text).expect("JSON")))
    }

    fn change(&mut self, open: Option<&Open>, collection: &str, id: &str, change: &Value) -> Result<(), Fault> {
        let (query, change) = (format!("{{\"_id\":{}}}", quoted(id)), change.to_string());
        let mut members = vec![
            ("collectionName", Member::Text(collection)),
            ("query", Member::Text(&query)),
            ("queryType", Member::Text("DOC")),
            ("data", Member::Text(&change)),
            ("merge", Member::Raw("true")),
            ("multi", Member::Raw("false")),
            ("upsert", Member::Raw("false")),
        ];
        members.extend(open.map(|open| ("transactionId", Member::Text(&open.0))));
        self.ask("database.modifyDocument", &members).map(drop)
    }
}

/// Makes a collection with these documents.
fn prepare(server: &Server, collection: &str, docs: &[Value]) {
    let mut client = server.client();
    client.call("database.addCollection", &[("collectionName", Member::Text(collection))]).expect("an answer").done();
    let texts: Vec<String> = docs.iter().map(|doc| quoted(&doc.to_string())).collect();
    let data = format!("[{}]", texts.join(","));
    let members = [("collectionName", Member::Text(collection)), ("data", Member::Raw(&data))];
    client.call("database.insertDocument", &members).expect("an answer").done();
}
