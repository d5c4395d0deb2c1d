//! The other end of a socket: speaks the dialect as the SDKs do, down to what they check of an event, and tells what it
//! would have told its user.

use super::client::Client;
use super::gateway::Credentials;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::client;
use tungstenite::{Error, Message, WebSocket};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One watch on a connection of its own.
pub struct Watcher {
    socket: Option<WebSocket<TcpStream>>,
    who: Credentials,
    asks: Value,
    query_id: String,
    /// The last event.
    pub current: u64,
    /// Documents by id, as the events leave them.
    pub docs: BTreeMap<String, Value>,
    /// What the server said when it ended the watch.
    pub error: Option<Value>,
    /// How often it had to begin anew.
    pub resets: u64,
    requests: u64,
}

/// One event as a user sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub kind: String,
    pub queue: String,
    pub id: String,
    pub doc: Value,
    pub updated: Value,
    pub removed: Value,
}

impl Watcher {
    /// A watcher of a query; `asks` is `{collName, query, limit?, orderBy?}`.
    pub fn new(who: &Credentials, asks: Value) -> Watcher {
        Watcher {
            socket: None,
            who: who.clone(),
            asks,
            query_id: String::new(),
            current: 0,
            docs: BTreeMap::new(),
            error: None,
            resets: 0,
            requests: 0,
        }
    }

    /// Connects, logs in and begins, or goes on where it was. Answers what it saw by that.
    pub fn connect(&mut self, address: &str) -> Result<Vec<Seen>, String> {
        self.log_in(address)?;
        let begins = self.query_id.is_empty();
        let mut content = json!({"envId": self.who.env, "collName": self.asks["collName"]});
        if begins {
            for name in ["query", "limit", "orderBy"] {
                if !self.asks[name].is_null() {
                    content[name] = self.asks[name].clone();
                }
            }
        } else {
            content["queryID"] = json!(self.query_id);
            content["eventID"] = json!(self.current);
        }
        let kind = if begins { "INIT_WATCH" } else { "REBUILD_WATCH" };
        let answer = self.ask(kind, content)?;
        if answer["msgType"] == "ERROR" {
            self.error = Some(answer["msgData"].clone());
            return Err(answer.to_string());
        }
        if !begins {
            return self.apply(&answer["msgData"]);
        }
        self.query_id = answer["msgData"]["queryID"].as_str().expect("a query id").to_owned();
        self.current = answer["msgData"]["currEvent"].as_u64().expect("a number");
        let events = answer["msgData"]["events"].as_array().expect("events");
        let seen: Vec<Seen> = events.iter().map(seen).collect();
        self.docs = seen.iter().map(|seen| (seen.id.clone(), seen.doc.clone())).collect();
        Ok(seen)
    }

    /// Fetches a ticket and logs in.
    pub fn log_in(&mut self, address: &str) -> Result<(), String> {
        let answer = Client::new(address, &self.who).call("auth.wsWebSign", &[]).map_err(|fault| fault.to_string())?;
        let pass = answer.done()["data"].clone();
        let stream = TcpStream::connect(address).map_err(|fault| fault.to_string())?;
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        let url = pass["wsUrl"].as_str().expect("an address");
        let (socket, _) = client(url, stream).map_err(|fault| fault.to_string())?;
        self.socket = Some(socket);
        let content =
            json!({"envId": self.who.env, "accessToken": "", "referrer": "web", "sdkVersion": "", "dataVersion": ""});
        let frame = json!({"requestId": "login", "msgType": "LOGIN", "msgData": content,
            "exMsgData": {"signStr": pass["signStr"], "secretVersion": pass["secretVersion"]}});
        self.send(&frame)?;
        let answer = self.read(PATIENCE)?.ok_or("nobody answered the login")?;
        match answer["msgData"]["code"].as_str() {
            None => Ok(()),
            Some(code) => Err(code.to_owned()),
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(&mut self) {
        self.socket = None;
    }

    /// Sends a request about the watch and waits for its answer; pushes before it are passed over, as SDKs do.
    pub fn ask(&mut self, kind: &str, content: Value) -> Result<Value, String> {
        self.requests += 1;
        let request = format!("r{}", self.requests);
        self.send(&json!({"watchId": "w", "requestId": request, "msgType": kind, "msgData": content}))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let Some(frame) = self.read(PATIENCE)? else { continue };
            if frame["requestId"] == request.as_str() {
                return Ok(frame);
            }
        }
        Err(format!("nobody answered {kind}"))
    }

    /// Waits at most so long for something to happen, and answers what did. An error means that the connection or the
    /// watch is over.
    pub fn next(&mut self, within: Duration) -> Result<Vec<Seen>, String> {
        match self.read(within)? {
            None => Ok(Vec::new()),
            Some(frame) if frame["msgType"] == "NEXT_EVENT" => self.apply(&frame["msgData"]),
            Some(frame) => {
                self.error = Some(frame["msgData"].clone());
                Err(frame.to_string())
            }
        }
    }

    pub fn send(&mut self, frame: &Value) -> Result<(), String> {
        let socket = self.socket.as_mut().ok_or("not connected")?;
        socket.send(Message::text(frame.to_string())).map_err(|fault| fault.to_string())
    }

    /// One frame, if one comes in time.
    pub fn read(&mut self, within: Duration) -> Result<Option<Value>, String> {
        let socket = self.socket.as_mut().ok_or("not connected")?;
        socket.get_ref().set_read_timeout(Some(within.max(Duration::from_millis(1)))).expect("a socket option");
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text).expect("JSON"))),
                Ok(Message::Close(frame)) => return Err(format!("closed: {frame:?}")),
                Ok(_) => {}
                Err(Error::Io(fault)) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(fault) => return Err(fault.to_string()),
            }
        }
    }

    /// What SDKs do with events, and what they check.
    fn apply(&mut self, content: &Value) -> Result<Vec<Seen>, String> {
        let mut all = Vec::new();
        let mut anew = false;
        for event in content["events"].as_array().expect("events") {
            let id = event["ID"].as_u64().expect("a number");
            if id <= self.current {
                continue; // a repetition
            }
            assert!(id == self.current + 1, "a gap after {}: {event}", self.current);
            let is_last =
                content["events"].as_array().expect("events").iter().rfind(|other| other["ID"] == id) == Some(event);
            let seen = seen(event);
            match seen.queue.as_str() {
                "init" => {
                    if !anew {
                        anew = true;
                        self.resets += 1;
                        self.docs.clear();
                    }
                    self.docs.insert(seen.id.clone(), seen.doc.clone());
                }
                "enqueue" => {
                    let before = self.docs.insert(seen.id.clone(), seen.doc.clone());
                    assert!(before.is_none() && !seen.doc.is_null(), "comes twice or without a document: {event}");
                }
                "update" => {
                    let before = self.docs.insert(seen.id.clone(), seen.doc.clone());
                    assert!(before.is_some() && !seen.doc.is_null(), "changes what is not there: {event}");
                }
                "dequeue" => assert!(self.docs.remove(&seen.id).is_some(), "goes without having been there: {event}"),
                other => panic!("{other}"),
            }
            all.push(seen);
            if is_last {
                self.current = id;
                anew = false;
            }
        }
        Ok(all)
    }
}

fn seen(event: &Value) -> Seen {
    let inner = |name: &str| match event[name].as_str().expect("a text") {
        "" => Value::Null,
        text => serde_json::from_str(text).expect("JSON inside JSON"),
    };
    assert!(event["removedFields"] == event["RemovedFields"]);
    Seen {
        kind: event["DataType"].as_str().expect("a text").to_owned(),
        queue: event["QueueType"].as_str().expect("a text").to_owned(),
        id: event["DocID"].as_str().expect("a text").to_owned(),
        doc: inner("Doc"),
        updated: inner("UpdatedFields"),
        removed: inner("removedFields"),
    }
}
