//! BSON bytes to text in one pass, into the middle of an answer.
//!
//! An answer of the second wire generation holds documents as JSON *texts*, one of the first holds a text with a list
//! of such texts. `Writer<DEPTH>` escapes while it writes: `DEPTH` counts the JSON texts around the document, so a
//! quotation mark costs `2^DEPTH - 1` backslashes and no second pass is needed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use storage::{Decimal128, Element, Kind, RawArray, RawDoc, ValueRef};

use super::date;

/// Which of the ways to write a value as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Every number and date wrapped: nothing about types is lost.
    Canonical,
    /// Plain numbers and readable dates; what export files hold.
    Relaxed,
    /// What SDKs of the second wire generation decode best: ObjectIds as plain hexadecimal text, dates as
    /// milliseconds, integers beyond 2^53 wrapped.
    Sdk,
    /// What SDKs of the first generation decode: as `Sdk`, but numbers always plain and the older regular expression.
    Plain,
}

/// Integers up to here are exact in a JavaScript number.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Writes values behind what a buffer holds already.
pub struct Writer<'o, const DEPTH: usize> {
    out: &'o mut Vec<u8>,
    form: Form,
}

/// Enough for an escaped backslash inside two texts.
const BACKSLASHES: &[u8; 8] = &[b'\\'; 8];

/// What a byte needs inside a JSON text: 0 nothing, `u` a code, anything else that letter behind a backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0A] = b'n';
    table[0x0C] = b'f';
    table[0x0D] = b'r';
    table[0x22] = b'"';
    table[0x5C] = b'\\';
    table
};

impl<'o, const DEPTH: usize> Writer<'o, DEPTH> {
    /// A writer at the end of a buffer.
    pub fn new(out: &'o mut Vec<u8>, form: Form) -> Writer<'o, DEPTH> {
        const { assert!(DEPTH <= 2, "nobody nests texts deeper") };
        Writer { out, form }
    }

    /// Writes a document.
    pub fn document(&mut self, doc: RawDoc<'_>) {
        self.out.reserve(doc.as_bytes().len());
        self.out.push(b'{');
        let mut between = false;
        for element in doc.elements() {
            if between {
                self.out.push(b',');
            }
            between = true;
            self.bytes(element.name_bytes());
            self.out.push(b':');
            self.element(element);
        }
        self.out.push(b'}');
    }

    /// Writes a value of any kind.
    pub fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::String(text) => self.text(text),
            ValueRef::Int32(number) => self.int32(number),
            ValueRef::Int64(number) => self.int64(number),
            ValueRef::Double(number) => self.double(number),
            ValueRef::Bool(true) => self.raw("true"),
            ValueRef::Bool(false) => self.raw("false"),
            ValueRef::Null => self.raw("null"),
            ValueRef::Document(doc) => self.document(doc),
            ValueRef::Array(array) => self.array(array),
            ValueRef::DateTime(millis) => self.date(millis),
            ValueRef::ObjectId(id) => self.object_id(id),
            other => self.rare(other),
        }
    }

    /// Writes a JSON text with its quotation marks.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Texts of stored documents were checked when they came in, so they are copied without decoding them.
    fn element(&mut self, element: Element<'_>) {
        match (element.kind(), element.value_bytes()) {
            (Kind::String, [_, _, _, _, text @ .., 0]) => self.bytes(text),
            _ => self.value(element.value()),
        }
    }

    #[inline]
    fn bytes(&mut self, text: &[u8]) {
        self.quote();
        self.escape(text);
        self.quote();
    }

    /// The kinds that few documents hold.
    fn rare(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Decimal128(number) => self.decimal(number),
            ValueRef::Binary { subtype, bytes } => self.binary(subtype, bytes),
            ValueRef::Regex { pattern, options } => self.regex(pattern, options),
            ValueRef::Timestamp { seconds, increment } => self.timestamp(seconds, increment),
            ValueRef::MinKey => self.wrap("$minKey", |writer| writer.raw("1")),
            ValueRef::MaxKey => self.wrap("$maxKey", |writer| writer.raw("1")),
            ValueRef::Undefined if self.form == Form::Plain => self.raw("null"),
            ValueRef::Undefined => self.wrap("$undefined", |writer| writer.raw("true")),
            ValueRef::Symbol(text) => self.wrap("$symbol", |writer| writer.text(text)),
            ValueRef::JavaScript(code) => self.wrap("$code", |writer| writer.text(code)),
            ValueRef::CodeWithScope { code, scope } => self.wrap("$code", |writer| {
                writer.text(code);
                writer.next("$scope");
                writer.document(scope);
            }),
            ValueRef::DbPointer { namespace, id } => self.wrap("$dbPointer", |writer| {
                writer.wrap("$ref", |writer| {
                    writer.text(namespace);
                    writer.next("$id");
                    writer.wrap("$oid", |writer| writer.hex(&id));
                });
            }),
            _ => self.raw("null"),
        }
    }

    fn array(&mut self, array: RawArray<'_>) {
        self.out.push(b'[');
        let mut between = false;
        for element in array.elements() {
            if between {
                self.out.push(b',');
            }
            between = true;
            self.element(element);
        }
        self.out.push(b']');
    }

    fn int32(&mut self, number: i32) {
        let mut digits = itoa::Buffer::new();
        match self.form {
            Form::Canonical => self.wrap_text("$numberInt", digits.format(number)),
            _ => self.raw(digits.format(number)),
        }
    }

    fn int64(&mut self, number: i64) {
        let mut digits = itoa::Buffer::new();
        let wrapped = match self.form {
            Form::Canonical => true,
            Form::Sdk => number.unsigned_abs() > SAFE_INTEGER_MAX,
            Form::Relaxed | Form::Plain => false,
        };
        match wrapped {
            true => self.wrap_text("$numberLong", digits.format(number)),
            false => self.raw(digits.format(number)),
        }
    }

    fn double(&mut self, number: f64) {
        let mut digits = zmij::Buffer::new();
        match (self.form, number.is_finite()) {
            (Form::Canonical, true) => self.wrap_text("$numberDouble", digits.format_finite(number)),
            (_, true) => self.raw(digits.format_finite(number)),
            (Form::Plain, false) => self.raw("null"),
            (_, false) if number.is_nan() => self.wrap_text("$numberDouble", "NaN"),
            (_, false) => self.wrap_text("$numberDouble", if number > 0.0 { "Infinity" } else { "-Infinity" }),
        }
    }

    fn decimal(&mut self, number: Decimal128) {
        self.wrap_text("$numberDecimal", &number.to_string());
    }

    fn date(&mut self, millis: i64) {
        let mut digits = itoa::Buffer::new();
        match self.form {
            Form::Relaxed => match date::format(millis) {
                Some(text) => self.wrap_text("$date", &text),
                None => self.wrap("$date", |writer| writer.wrap_text("$numberLong", digits.format(millis))),
            },
            Form::Canonical => self.wrap("$date", |writer| writer.wrap_text("$numberLong", digits.format(millis))),
            // The older SDK takes a date of 0 for none; its text it reads.
            Form::Plain if millis == 0 => self.wrap_text("$date", "1970-01-01T00:00:00.000Z"),
            Form::Sdk | Form::Plain => self.wrap("$date", |writer| writer.raw(digits.format(millis))),
        }
    }

    fn object_id(&mut self, id: [u8; 12]) {
        match self.form {
            Form::Sdk | Form::Plain => self.hex(&id),
            Form::Canonical | Form::Relaxed => self.wrap("$oid", |writer| writer.hex(&id)),
        }
    }

    fn binary(&mut self, subtype: u8, bytes: &[u8]) {
        self.wrap("$binary", |writer| {
            writer.wrap("base64", |writer| {
                writer.text(&STANDARD.encode(bytes));
                writer.next("subType");
                writer.hex(&[subtype]);
            });
        });
    }

    fn regex(&mut self, pattern: &str, options: &str) {
        if self.form == Form::Plain {
            return self.wrap("$regex", |writer| {
                writer.text(pattern);
                writer.next("$options");
                writer.text(options);
            });
        }
        self.wrap("$regularExpression", |writer| {
            writer.wrap("pattern", |writer| {
                writer.text(pattern);
                writer.next("options");
                writer.text(options);
            });
        });
    }

    fn timestamp(&mut self, seconds: u32, increment: u32) {
        let mut digits = itoa::Buffer::new();
        if self.form == Form::Plain {
            return self.wrap("$timestamp", |writer| writer.raw(digits.format(seconds)));
        }
        self.wrap("$timestamp", |writer| {
            writer.wrap("t", |writer| {
                writer.raw(digits.format(seconds));
                writer.next("i");
                writer.raw(itoa::Buffer::new().format(increment));
            });
        });
    }

    /// `{"name":…}`
    fn wrap(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.plain(name);
        self.out.push(b':');
        write(self);
        self.out.push(b'}');
    }

    fn wrap_text(&mut self, name: &str, text: &str) {
        self.wrap(name, |writer| writer.plain(text));
    }

    /// `,"name":`
    fn next(&mut self, name: &str) {
        self.out.push(b',');
        self.plain(name);
        self.out.push(b':');
    }

    /// A text of ours that needs no escape.
    fn plain(&mut self, text: &str) {
        self.quote();
        self.raw(text);
        self.quote();
    }

    fn hex(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.quote();
        for byte in bytes {
            #[expect(clippy::indexing_slicing, reason = "four bits index sixteen digits")]
            self.out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        self.quote();
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn quote(&mut self) {
        match DEPTH {
            0 => self.out.push(b'"'),
            1 => self.out.extend_from_slice(b"\\\""),
            _ => self.out.extend_from_slice(b"\\\\\\\""),
        }
    }

    #[inline]
    fn escape(&mut self, text: &[u8]) {
        let mut rest = text;
        loop {
            let clean = clean_prefix(rest);
            let (run, tail) = rest.split_at(clean);
            self.out.extend_from_slice(run);
            let Some((&byte, tail)) = tail.split_first() else { return };
            self.escape_byte(byte);
            rest = tail;
        }
    }

    #[cold]
    fn escape_byte(&mut self, byte: u8) {
        #[expect(clippy::indexing_slicing, reason = "every byte has a row")]
        let letter = ESCAPES[usize::from(byte)];
        match letter {
            b'"' => {
                self.backslashes((2 << DEPTH) - 1);
                self.out.push(b'"');
            }
            b'\\' => self.backslashes(2 << DEPTH),
            b'u' => {
                self.backslashes(1 << DEPTH);
                self.raw(&format!("u{byte:04x}"));
            }
            letter => {
                self.backslashes(1 << DEPTH);
                self.out.push(letter);
            }
        }
    }

    fn backslashes(&mut self, count: usize) {
        self.out.extend_from_slice(BACKSLASHES.get(..count).unwrap_or_default());
    }
}

/// How many bytes at the start need no escape.
#[inline]
fn clean_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut clean = 0;
    // Eight bytes at a time: a byte is zero after the exclusive or, or below 0x20, exactly where its top bit is set.
    for chunk in bytes.chunks_exact(8) {
        let word = chunk.first_chunk::<8>().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        let quote = word ^ (ONES * 0x22);
        let slash = word ^ (ONES * 0x5C);
        let special = (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (special | control) & HIGH;
        if found != 0 {
            return clean + (found.trailing_zeros() / 8) as usize;
        }
        clean += 8;
    }
    let tail = bytes.get(clean..).unwrap_or_default();
    #[expect(clippy::indexing_slicing, reason = "every byte has a row")]
    let dirty = tail.iter().position(|byte| ESCAPES[usize::from(*byte)] != 0);
    clean + dirty.unwrap_or(tail.len())
}
