//! Answers to server SDKs, written straight into one buffer.
//!
//! Every answer is `{"requestId":…, …}`. The second wire generation wants documents as JSON texts inside the JSON, the
//! first as plain objects, its aggregations as one text with a list of texts; [`Writer`] escapes as deep as needed.

use query::Error;
use storage::{RawDoc, ValueRef};

use super::codes::{Spelling, message, phrase};
use super::ejson::{Form, Writer};

/// An answer under construction: an object that is open at its end.
#[derive(Debug)]
pub struct Answer {
    out: Vec<u8>,
    empty: bool,
}

impl Answer {
    /// Begins an object.
    pub fn bare() -> Answer {
        Answer { out: vec![b'{'], empty: true }
    }

    /// Begins an answer.
    pub fn new(request_id: &str) -> Answer {
        Answer::with_capacity(request_id, 128)
    }

    /// Begins an answer of about so many bytes.
    pub fn with_capacity(request_id: &str, bytes: usize) -> Answer {
        let mut out = Vec::with_capacity(bytes + 64);
        out.push(b'{');
        let mut answer = Answer { out, empty: true };
        answer.text("requestId", request_id);
        answer
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        Writer::<0>::new(&mut self.out, Form::Sdk).text(text);
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds a number of either sign.
    pub fn integer(&mut self, name: &str, number: i32) {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds a value in the form of the second generation: ids as texts, numbers plain.
    pub fn value(&mut self, name: &str, value: ValueRef<'_>) {
        self.name(name);
        Writer::<0>::new(&mut self.out, Form::Sdk).value(value);
    }

    /// Adds several values.
    pub fn values<'v>(&mut self, name: &str, values: impl IntoIterator<Item = ValueRef<'v>>) {
        self.list(name, values, |out, value| Writer::<0>::new(out, Form::Sdk).value(value));
    }

    /// Adds a value that is JSON text already.
    pub fn json(&mut self, name: &str, text: &str) {
        self.name(name);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Adds a document as a text of Extended JSON.
    pub fn document_text(&mut self, name: &str, doc: RawDoc<'_>) {
        self.name(name);
        quoted(&mut self.out, doc);
    }

    /// Adds documents as texts of Extended JSON.
    pub fn document_texts<'d>(&mut self, name: &str, docs: impl IntoIterator<Item = RawDoc<'d>>) {
        self.list(name, docs, quoted);
    }

    /// Adds documents as plain objects.
    pub fn documents<'d>(&mut self, name: &str, form: Form, docs: impl IntoIterator<Item = RawDoc<'d>>) {
        self.list(name, docs, |out, doc| Writer::<0>::new(out, form).document(doc));
    }

    /// Adds documents as one text that holds a list of objects.
    pub fn documents_text<'d>(&mut self, name: &str, form: Form, docs: impl IntoIterator<Item = RawDoc<'d>>) {
        self.name(name);
        self.out.extend_from_slice(b"\"[");
        separated(&mut self.out, docs, |out, doc| Writer::<1>::new(out, form).document(doc));
        self.out.extend_from_slice(b"]\"");
    }

    /// Adds documents as one text that holds a list of texts.
    pub fn nested_texts<'d>(&mut self, name: &str, docs: impl IntoIterator<Item = RawDoc<'d>>) {
        self.name(name);
        self.out.extend_from_slice(b"\"[");
        separated(&mut self.out, docs, |out, doc| {
            out.extend_from_slice(br#"\""#);
            Writer::<2>::new(out, Form::Sdk).document(doc);
            out.extend_from_slice(br#"\""#);
        });
        self.out.extend_from_slice(b"]\"");
    }

    /// Adds an object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Answer)) {
        self.name(name);
        self.out.push(b'{');
        self.empty = true;
        fill(self);
        self.out.push(b'}');
        self.empty = false;
    }

    /// The finished answer.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    fn name(&mut self, name: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        Writer::<0>::new(&mut self.out, Form::Sdk).text(name);
        self.out.push(b':');
    }

    fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
        self.name(name);
        self.out.push(b'[');
        separated(&mut self.out, items, write);
        self.out.push(b']');
    }
}

/// The inner answer to `wx.cloud`, with what every one has; SDKs read the time that a call took, so it is there.
pub fn wx_answer(number: i32, message: &str) -> Answer {
    let mut answer = Answer::bare();
    answer.object("baseresponse", |base| {
        base.integer("errcode", number);
        base.text("errmsg", message);
        base.object("stat", |stat| stat.number("qbase_cost_time", 1));
    });
    answer
}

/// The answer that tells `wx.cloud` of an error.
pub fn wx_refusal(spelling: Spelling, error: &Error, collection: Option<&str>) -> Vec<u8> {
    wx_answer(spelling.number, &format!("{} | errMsg: {}", phrase(spelling.number), message(error, collection)))
        .finish()
}

/// The whole answer to `wx.cloud`: the inner one as a text.
pub fn wx_envelope(inner: &[u8]) -> Vec<u8> {
    let mut answer = Answer::bare();
    answer.object("base_resp", |base| {
        base.integer("ret", 0);
        base.text("err_msg", "");
    });
    answer.text("data", &String::from_utf8_lossy(inner));
    answer.finish()
}

/// The answer that tells a REST caller of an error.
pub fn rest_refusal(request_id: &str, code: &str, message: &str) -> Vec<u8> {
    let mut answer = Answer::new(request_id);
    answer.text("request_id", request_id);
    answer.text("code", code);
    answer.text("message", message);
    answer.finish()
}

/// The answer that tells a server SDK of an error. `collection` is the name that the message may mention.
pub fn sdk_refusal(request_id: &str, spelling: Spelling, error: &Error, collection: Option<&str>) -> Vec<u8> {
    let mut answer = Answer::new(request_id);
    answer.text("code", spelling.text);
    answer.text("message", &message(error, collection));
    answer.finish()
}

/// The answer that tells an administrator of an error, in our own words.
pub fn own_refusal(spelling: Spelling, error: &Error) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (index, (name, text)) in [("code", spelling.text), ("message", &error.message)].into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut writer = Writer::<0>::new(&mut out, Form::Sdk);
        writer.text(name);
        out.push(b':');
        Writer::<0>::new(&mut out, Form::Sdk).text(text);
    }
    out.push(b'}');
    out
}

fn quoted(out: &mut Vec<u8>, doc: RawDoc<'_>) {
    out.push(b'"');
    Writer::<1>::new(out, Form::Sdk).document(doc);
    out.push(b'"');
}

fn separated<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    let mut between = false;
    for item in items {
        if between {
            out.push(b',');
        }
        between = true;
        write(out, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codes::{Dialect, spell};
    use crate::wire::ejson::Reader;
    use query::Code;
    use serde_json::{Value, json};

    fn read(bytes: Vec<u8>) -> Value {
        serde_json::from_slice(&bytes).unwrap_or_else(|fault| panic!("{}: {fault}", String::from_utf8_lossy(&bytes)))
    }

    #[test]
    fn each_generation_gets_its_list() {
        let doc = Reader::new(0).document(r#"{"_id":"a\"b\\c","n":1}"#).expect("a document");
        let docs = [doc.raw(), doc.raw()];
        let mut answer = Answer::new("r-1");
        answer.object("data", |data| {
            data.document_texts("texts", docs);
            data.documents("plain", Form::Plain, docs);
            data.nested_texts("nested", docs);
            data.document_text("one", doc.raw());
            data.document_texts("none", []);
        });
        answer.number("total", 2);
        let answer = read(answer.finish());
        let text = r#"{"_id":"a\"b\\c","n":1}"#;
        assert_eq!(answer["requestId"], "r-1");
        assert_eq!(answer["total"], 2);
        assert_eq!(answer["data"]["texts"], json!([text, text]));
        assert_eq!(answer["data"]["plain"][1], json!({"_id": "a\"b\\c", "n": 1}));
        let nested: Vec<String> = serde_json::from_str(answer["data"]["nested"].as_str().expect("text")).expect("list");
        assert_eq!(nested, [text, text]);
        assert_eq!(answer["data"]["one"], text);
        assert_eq!(answer["data"]["none"], json!([]));
    }

    #[test]
    fn a_refusal_has_code_message_and_request_id() {
        let error = Error::new(Code::CollectionMissing, "");
        let bytes = sdk_refusal("r-2", spell(error.code, Dialect::Admin), &error, Some("todos"));
        let answer = read(bytes);
        assert_eq!(answer["code"], "DATABASE_COLLECTION_NOT_EXIST");
        assert_eq!(answer["requestId"], "r-2");
        assert!(answer["message"].as_str().is_some_and(|message| message.contains("Db or Table not exist: todos")));
    }
}
