//! The frames of the socket dialect as text: what a client sends taken apart, what it is sent put together. Pure.
//!
//! An event's text is made once for all who watch the change and holds everything but its number; documents in it are
//! JSON texts inside the JSON. SDKs look documents up by `DocID`, so it is written exactly like the `_id` in `Doc`.

use std::fmt::Write as _;

use query::watch::{Did, Queue, WatchEvent};
use query::{Doc, ValueRef};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wire::ejson::{Form, Writer};

/// Longest id of a watch or request that is echoed, in bytes.
const ID_BYTES_MAX: usize = 256;

/// A frame from a client.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Frame<'f> {
    /// Which watch it is about.
    #[serde(default)]
    pub watch_id: Option<String>,
    /// What an answer must repeat.
    #[serde(default)]
    pub request_id: String,
    /// What it is.
    pub msg_type: String,
    /// Its content.
    #[serde(borrow, default)]
    pub msg_data: Option<&'f RawValue>,
    /// More content.
    #[serde(borrow, default)]
    pub ex_msg_data: Option<&'f RawValue>,
}

impl<'f> Frame<'f> {
    /// Reads a frame; `None` for what is none.
    pub fn read(text: &'f str) -> Option<Frame<'f>> {
        let frame: Frame<'f> = serde_json::from_str(text).ok()?;
        let echoed = frame.watch_id.as_ref().map_or(0, String::len).max(frame.request_id.len());
        (echoed <= ID_BYTES_MAX).then_some(frame)
    }
}

/// What an answer repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The watch.
    pub watch_id: Option<String>,
    /// The request.
    pub request_id: String,
}

/// A frame whose content is JSON text already.
pub fn frame(address: &Address, kind: &str, content: &str) -> String {
    let mut out = String::with_capacity(content.len() + 160);
    out.push('{');
    if let Some(watch) = &address.watch_id {
        let _ = write!(out, r#""watchId":{},"#, quoted(watch));
    }
    let _ = write!(out, r#""requestId":{},"msgType":"{kind}","msgData":{content}}}"#, quoted(&address.request_id));
    out
}

/// A refusal or an end.
pub fn error(address: &Address, code: &str, message: &str) -> String {
    frame(address, "ERROR", &format!(r#"{{"code":{},"message":{}}}"#, quoted(code), quoted(message)))
}

/// A frame with events. `events` are numbered texts.
pub fn events<'e>(
    address: &Address,
    kind: &str,
    query_id: &str,
    last: u64,
    events: impl Iterator<Item = (u64, &'e str)>,
) -> String {
    let mut content = format!(r#"{{"queryID":{},"currEvent":{last},"events":["#, quoted(query_id));
    for (index, (id, text)) in events.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(content, r#"{comma}{{"ID":{id},{text}"#);
    }
    content.push_str("]}");
    frame(address, kind, &content)
}

/// What happened to a document, without the number.
pub fn event(event: &WatchEvent) -> String {
    let kind = match event.did {
        Did::Add => "add",
        Did::Update => "update",
        Did::Replace => "replace",
        Did::Remove => "remove",
        Did::Limit => "limit",
    };
    let queue = match event.queue {
        Queue::Update => "update",
        Queue::Enqueue => "enqueue",
        Queue::Dequeue => "dequeue",
    };
    let mut out = begun(kind, queue, event.id.as_ref(), event.doc.as_ref());
    let fields = event.fields.as_ref();
    put_name(&mut out, ",\"UpdatedFields\":\"");
    if let Some(fields) = fields.filter(|fields| !fields.updated.is_empty()) {
        put_name(&mut out, "{");
        for (index, (path, value)) in fields.updated.iter().enumerate() {
            put_name(&mut out, if index > 0 { "," } else { "" });
            Writer::<1>::new(&mut out, Form::Sdk).text(path);
            put_name(&mut out, ":");
            Writer::<1>::new(&mut out, Form::Sdk).value(value.as_ref());
        }
        put_name(&mut out, "}");
    }
    put_name(&mut out, "\"");
    let removed = fields.map_or(&[][..], |fields| &fields.removed);
    // One SDK reads the one, another the other.
    put_list(&mut out, "removedFields", removed);
    put_list(&mut out, "RemovedFields", removed);
    ended(out)
}

/// One of the documents that a watch begins with, without the number.
pub fn first(doc: &Doc) -> String {
    let id = doc.get("_id").unwrap_or(ValueRef::Null);
    let mut out = begun("init", "init", id, Some(doc));
    put_name(&mut out, ",\"UpdatedFields\":\"\",\"removedFields\":\"\",\"RemovedFields\":\"\"");
    ended(out)
}

/// Two events that leave nothing of what a client holds: the dialect can begin anew only with a document.
pub fn nothing_left() -> [String; 2] {
    let about = |kind: &str, queue: &str, doc: &str| {
        format!(
            r#""DataType":"{kind}","QueueType":"{queue}","DocID":"","Doc":"{doc}","UpdatedFields":"","removedFields":"","RemovedFields":""}}"#
        )
    };
    [about("init", "init", r#"{\"_id\":\"\"}"#), about("remove", "dequeue", "")]
}

fn begun(kind: &str, queue: &str, id: ValueRef<'_>, doc: Option<&Doc>) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + doc.map_or(0, |doc| doc.as_bytes().len() * 2));
    put_name(&mut out, &format!(r#""DataType":"{kind}","QueueType":"{queue}","DocID":"#));
    Writer::<0>::new(&mut out, Form::Sdk).value(id);
    put_name(&mut out, ",\"Doc\":\"");
    if let Some(doc) = doc {
        Writer::<1>::new(&mut out, Form::Sdk).document(doc.raw());
    }
    put_name(&mut out, "\"");
    out
}

fn put_list(out: &mut Vec<u8>, name: &str, paths: &[String]) {
    put_name(out, &format!(",\"{name}\":\""));
    if !paths.is_empty() {
        put_name(out, "[");
        for (index, path) in paths.iter().enumerate() {
            put_name(out, if index > 0 { "," } else { "" });
            Writer::<1>::new(out, Form::Sdk).text(path);
        }
        put_name(out, "]");
    }
    put_name(out, "\"");
}

fn put_name(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn ended(mut out: Vec<u8>) -> String {
    out.push(b'}');
    // The writer copies whole texts and ASCII only.
    String::from_utf8(out).unwrap_or_default()
}

/// A text as JSON.
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    Writer::<0>::new(&mut out, Form::Sdk).text(text);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use query::Value;
    use query::watch::FieldsChanged;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::wire::ejson::Reader;

    fn read(text: &str) -> Json {
        serde_json::from_str(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn an_event_is_json_with_json_texts_inside() {
        let doc = Reader::new(0)
            .document(r#"{"_id":"a\"b","n":1,"when":{"$date":5},"deep":{"x":"\\"}}"#)
            .expect("a document");
        let fields = FieldsChanged {
            updated: vec![("n".into(), Value::Int32(1)), ("deep.x".into(), Value::String("\"".into()))],
            removed: vec!["go\"ne".into()],
        };
        let happened = WatchEvent {
            did: Did::Update,
            queue: Queue::Update,
            id: Value::String("a\"b".into()),
            doc: Some(doc.clone()),
            fields: Some(fields),
        };
        let address = Address { watch_id: Some("w\"1".into()), request_id: "r".into() };
        let text = event(&happened);
        let sent = read(&events(&address, "NEXT_EVENT", "q", 7, [(7, text.as_str())].into_iter()));
        assert_eq!((&sent["watchId"], &sent["requestId"]), (&json!("w\"1"), &json!("r")));
        assert_eq!(sent["msgData"]["currEvent"], 7);
        let event = &sent["msgData"]["events"][0];
        assert_eq!((&event["ID"], &event["DataType"], &event["DocID"]), (&json!(7), &json!("update"), &json!("a\"b")));
        let inner = |name: &str| read(event[name].as_str().expect("a text"));
        assert_eq!(inner("Doc"), json!({"_id": "a\"b", "n": 1, "when": {"$date": 5}, "deep": {"x": "\\"}}));
        assert_eq!(inner("UpdatedFields"), json!({"n": 1, "deep.x": "\""}));
        assert_eq!(inner("removedFields"), json!(["go\"ne"]));
        assert_eq!(event["removedFields"], event["RemovedFields"]);
    }

    #[test]
    fn what_does_not_differ_is_an_empty_text() {
        let gone = WatchEvent { did: Did::Remove, queue: Queue::Dequeue, id: Value::Int32(7), doc: None, fields: None };
        let event = read(&format!("{{\"ID\":1,{}", event(&gone)));
        for name in ["Doc", "UpdatedFields", "removedFields", "RemovedFields"] {
            assert_eq!(event[name], "", "{name}");
        }
        assert_eq!(event["DocID"], 7, "as SDKs compare it with the document's own");
        for text in nothing_left() {
            read(&format!("{{\"ID\":1,{text}"));
        }
    }

    #[test]
    fn ids_of_any_length_are_not_echoed() {
        let long = format!(r#"{{"requestId":"{}","msgType":"PING","msgData":null}}"#, "x".repeat(ID_BYTES_MAX + 1));
        assert!(Frame::read(&long).is_none());
        assert!(Frame::read(r#"{"requestId":"r","msgType":"PING","msgData":null}"#).is_some());
        assert!(Frame::read(r#"{"msgType":"PING"}"#).is_some());
        assert!(Frame::read("[]").is_none());
    }
}
