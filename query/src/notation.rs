//! A short way to write values in tests: JSON with bare or single-quoted names, and suffixes for kinds.
//!
//! `5` is an int, `5L` a long, `5.0` a double, `5m` a decimal, `d5` a date in milliseconds, `/a/i` a regular expression,
//! `#` and 24 hex digits an ObjectId, `t5.6` a timestamp, `b'6162'` binary, `min`, `max`, `undefined`, `NaN`, `inf`,
//! `-inf`, `sym'a'`, `js'a'` what they say.

use storage::{ArrayBuilder, Decimal128, Doc, DocBuilder, Value, ValueRef};

/// Reads a value.
pub(crate) fn value(text: &str) -> Value {
    let mut reader = Reader { rest: text };
    let value = reader.value();
    reader.space();
    assert!(reader.rest.is_empty(), "left over: {}", reader.rest);
    value
}

/// Reads a document.
pub(crate) fn doc(text: &str) -> Doc {
    match value(text) {
        Value::Document(doc) => doc,
        other => panic!("{other:?} is no document"),
    }
}

/// Reads an array of documents.
pub(crate) fn docs(text: &str) -> Vec<Doc> {
    let Value::Array(array) = value(text) else { panic!("no array: {text}") };
    array.raw().iter().map(|value| value.as_doc().expect("a document").to_doc()).collect()
}

/// Writes a value the way [`value`] reads it.
pub(crate) fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Document(doc) => {
            let fields: Vec<String> = doc.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        ValueRef::Array(array) => {
            let items: Vec<String> = array.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        ValueRef::String(text) => format!("'{text}'"),
        ValueRef::Symbol(text) => format!("sym'{text}'"),
        ValueRef::JavaScript(text) => format!("js'{text}'"),
        ValueRef::Int32(number) => number.to_string(),
        ValueRef::Int64(number) => format!("{number}L"),
        ValueRef::Double(number) => format!("{number:?}"),
        ValueRef::Decimal128(number) => format!("{number}m"),
        ValueRef::DateTime(millis) => format!("d{millis}"),
        ValueRef::Timestamp { seconds, increment } => format!("t{seconds}.{increment}"),
        ValueRef::ObjectId(id) => format!("#{}", hex(&id)),
        ValueRef::Binary { bytes, .. } => format!("b'{}'", hex(bytes)),
        ValueRef::Regex { pattern, options } => format!("/{pattern}/{options}"),
        ValueRef::Bool(truth) => truth.to_string(),
        ValueRef::Null => "null".to_owned(),
        ValueRef::Undefined => "undefined".to_owned(),
        ValueRef::MinKey => "min".to_owned(),
        ValueRef::MaxKey => "max".to_owned(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, mark: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, end: char) -> &'t str {
        let (text, rest) = self.rest.split_once(end).unwrap_or_else(|| panic!("no {end} in {}", self.rest));
        self.rest = rest;
        text
    }

    fn word(&mut self) -> &'t str {
        let end = self.rest.find(|c: char| ",:]}[{' \n".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn value(&mut self) -> Value {
        self.space();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.document(),
            Some(b'[') => self.array(),
            Some(b'\'' | b'"') => Value::String(self.quoted()),
            Some(b'/') => {
                self.take("/");
                let pattern = self.until('/').to_owned();
                Value::Regex { pattern, options: self.word().to_owned() }
            }
            _ => self.scalar(),
        }
    }

    fn quoted(&mut self) -> String {
        let mark = if self.take("'") { '\'' } else { '"' };
        self.rest = self.rest.strip_prefix('"').filter(|_| mark == '"').unwrap_or(self.rest);
        self.until(mark).replace("\\n", "\n").replace("\\0", "\0")
    }

    fn document(&mut self) -> Value {
        let mut builder = DocBuilder::new();
        self.take("{");
        while !self.take("}") {
            self.space();
            let name = if self.rest.starts_with(['\'', '"']) { self.quoted() } else { self.word().to_owned() };
            assert!(self.take(":"), "no colon: {}", self.rest);
            builder.put(&name, self.value().as_ref());
            self.take(",");
        }
        Value::Document(builder.finish())
    }

    fn array(&mut self) -> Value {
        let mut builder = ArrayBuilder::new();
        self.take("[");
        while !self.take("]") {
            builder.push(self.value().as_ref());
            self.take(",");
        }
        Value::Array(builder.finish())
    }

    fn scalar(&mut self) -> Value {
        let word = self.word();
        match word {
            "null" => Value::Null,
            "undefined" => Value::Undefined,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "min" => Value::MinKey,
            "max" => Value::MaxKey,
            "NaN" => Value::Double(f64::NAN),
            "inf" => Value::Double(f64::INFINITY),
            "-inf" => Value::Double(f64::NEG_INFINITY),
            "sym" => Value::Symbol(self.quoted()),
            "js" => Value::JavaScript(self.quoted()),
            "b" => Value::Binary { subtype: 0, bytes: unhex(&self.quoted()) },
            _ => number(word),
        }
    }
}

fn number(word: &str) -> Value {
    if let Some(long) = word.strip_suffix('L') {
        return Value::Int64(long.parse().expect(word));
    }
    if let Some(decimal) = word.strip_suffix('m') {
        return Value::Decimal128(Decimal128::parse(decimal).expect(word));
    }
    if let Some(date) = word.strip_prefix('d') {
        return Value::DateTime(date.parse().expect(word));
    }
    if let Some(stamp) = word.strip_prefix('t') {
        let (seconds, increment) = stamp.split_once('.').expect(word);
        return Value::Timestamp { seconds: seconds.parse().expect(word), increment: increment.parse().expect(word) };
    }
    if let Some(id) = word.strip_prefix('#') {
        return Value::ObjectId(unhex(id).try_into().expect(word));
    }
    word.parse().map_or_else(|_| Value::Double(word.parse().expect(word)), Value::Int32)
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect(text);
    (0..text.len()).step_by(2).map(digit).collect()
}

#[test]
fn reads_what_it_writes() {
    let all = "{a: 1, b: [2L, 2.5, 1.50m, NaN, inf], 'c d': {e: 'x', f: null}, g: d-5, h: #0102030405060708090a0b0c}";
    assert_eq!(text(value(all).as_ref()).replace("c d", "'c d'"), all);
}
