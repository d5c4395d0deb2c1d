//! Text to BSON bytes in one pass: a JSON visitor that appends to the document under construction.
//!
//! The kind of a value is known only after its first character (and, for a wrapper, after its first name), so a field
//! is begun with an empty kind that is filled in when the value is written. Names are written first and looked at in
//! place; a wrapper's name is taken back. Nothing is allocated for a field.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use query::{Code, Error, Result};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use storage::{Doc, DocBuilder, Kind, Value, ValueRef, patch_length};

use super::{surrogate, wrapper};

/// How text is read. One value serves a whole request.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// What server dates mean: the instant of the request, in milliseconds since 1970.
    pub now: i64,
    /// Deepest nesting of documents and arrays.
    pub depth_max: usize,
    /// Largest document, in bytes of BSON.
    pub bytes_max: usize,
}

/// Names of one object up to which duplicates are looked for by comparing; beyond, by a keyed hash.
const COMPARE_MAX: usize = 32;

impl Reader {
    /// A reader with the format's own limits.
    pub const fn new(now: i64) -> Reader {
        Reader { now, depth_max: storage::limits::DOC_DEPTH_MAX, bytes_max: storage::limits::DOC_BYTES_MAX }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// `InvalidParam` where the text is not JSON, is no object, repeats a name or holds a malformed wrapper;
    /// `TooLarge` beyond the limits. The message names line and column.
    pub fn document(&self, text: &str) -> Result<Doc> {
        mending(text, |text| {
            let mut builder = DocBuilder::with_capacity(text.len() + 16);
            self.run(text, builder.buffer(), |sink, json| json.deserialize_map(Fields { sink, depth: 1 }))?;
            Ok(builder.finish())
        })
    }

    /// Reads any value: a document, an array, a text, a number …
    ///
    /// # Errors
    /// As for [`Reader::document`].
    pub fn value(&self, text: &str) -> Result<Value> {
        mending(text, |text| {
            let mut builder = DocBuilder::with_capacity(text.len() + 16);
            builder.begin(Kind::Null, "");
            let kind = self.run(text, builder.buffer(), |sink, json| Slot { sink, depth: 0 }.deserialize(json))?;
            if let Some(byte) = builder.buffer().get_mut(4) {
                *byte = kind as u8;
            }
            Ok(builder.finish().get("").map_or(Value::Null, ValueRef::to_value))
        })
    }

    fn run<T>(
        &self,
        text: &str,
        out: &mut Vec<u8>,
        read: impl FnOnce(&mut Sink<'_>, &mut Json<'_>) -> serde_json::Result<T>,
    ) -> Result<T> {
        let mut sink = Sink { out, names: Vec::new(), reader: self, too_large: false };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        // Our own limit ends the recursion, with a code of its own.
        deserializer.disable_recursion_limit();
        let read = read(&mut sink, &mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        let code = if sink.too_large { Code::TooLarge } else { Code::InvalidParam };
        read.map_err(|fault| Error::new(code, fault.to_string()))
    }
}

type Json<'t> = serde_json::Deserializer<serde_json::de::StrRead<'t>>;

/// Reads once more without halves of characters, if they may be why reading failed.
fn mending<T>(text: &str, read: impl Fn(&str) -> Result<T>) -> Result<T> {
    read(text).or_else(|fault| match surrogate::mend(text) {
        Some(mended) => read(&mended),
        None => Err(fault),
    })
}

/// The document under construction.
pub(super) struct Sink<'r> {
    pub(super) out: &'r mut Vec<u8>,
    /// Where the names of the open objects stand, innermost last.
    names: Vec<Range<u32>>,
    pub(super) reader: &'r Reader,
    too_large: bool,
}

impl Sink<'_> {
    /// Appends a value and answers its kind.
    pub(super) fn put(&mut self, value: ValueRef<'_>) -> Kind {
        value.encode(self.out);
        value.kind()
    }

    fn put_int(&mut self, number: i64) -> Kind {
        match i32::try_from(number) {
            Ok(number) => self.put(ValueRef::Int32(number)),
            Err(_) => self.put(ValueRef::Int64(number)),
        }
    }

    fn check_depth<E: serde::de::Error>(&mut self, depth: usize) -> Result<(), E> {
        if depth <= self.reader.depth_max {
            return Ok(());
        }
        self.too_large = true;
        Err(E::custom(format_args!("nested deeper than {} levels", self.reader.depth_max)))
    }

    fn check_size<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.out.len() <= self.reader.bytes_max {
            return Ok(());
        }
        self.too_large = true;
        Err(E::custom(format_args!("larger than {} bytes", self.reader.bytes_max)))
    }

    fn set_kind(&mut self, at: usize, kind: Kind) {
        if let Some(byte) = self.out.get_mut(at) {
            *byte = kind as u8;
        }
    }

    fn name(&self, range: &Range<u32>) -> &[u8] {
        self.out.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// A value of any kind.
pub(super) struct Slot<'s, 'r> {
    pub(super) sink: &'s mut Sink<'r>,
    /// How many documents and arrays the value stands in.
    pub(super) depth: usize,
}

impl<'de> DeserializeSeed<'de> for Slot<'_, '_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Slot<'_, '_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Kind, E> {
        Ok(self.sink.put(ValueRef::Bool(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(self.sink.put_int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
        match i64::try_from(number) {
            Ok(number) => Ok(self.sink.put_int(number)),
            #[expect(clippy::cast_precision_loss, reason = "integers beyond 64 bits are doubles in JSON")]
            Err(_) => Ok(self.sink.put(ValueRef::Double(number as f64))),
        }
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(self.sink.put(ValueRef::Double(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(self.sink.put(ValueRef::String(text)))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Kind, A::Error> {
        let Slot { sink, depth } = self;
        sink.check_depth(depth + 1)?;
        let start = open(sink.out);
        let mut position = itoa::Buffer::new();
        for index in 0usize.. {
            let at = begin(sink.out, position.format(index).as_bytes());
            let Some(kind) = values.next_element_seed(Slot { sink, depth: depth + 1 })? else {
                sink.out.truncate(at);
                break;
            };
            sink.set_kind(at, kind);
            sink.check_size()?;
        }
        close(sink.out, start);
        Ok(Kind::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Kind, A::Error> {
        let start = open(self.sink.out);
        let kind = Fields { sink: self.sink, depth: self.depth + 1 }.object(fields, start)?;
        if kind == Kind::Document {
            close(self.sink.out, start);
        }
        Ok(kind)
    }
}

/// The fields of an object.
struct Fields<'s, 'r> {
    sink: &'s mut Sink<'r>,
    depth: usize,
}

/// The outermost object: never a wrapper, and its frame belongs to the builder.
impl<'de> Visitor<'de> for Fields<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Fields { sink, depth } = self;
        sink.check_depth(depth)?;
        let mut seen = Seen::new(sink);
        while let Some((at, name)) = fields.next_key_seed(Name(sink.out))? {
            seen.insert(sink, name)?;
            field(sink, &mut fields, at, depth)?;
        }
        seen.forget(sink);
        Ok(())
    }
}

impl Fields<'_, '_> {
    /// Reads an inner object whose frame begins at `start`. Where it is a wrapper, frame and name are taken back and
    /// the wrapper's value stands in their place; the answer is the kind of what stands there.
    fn object<'de, A: MapAccess<'de>>(self, mut fields: A, start: usize) -> Result<Kind, A::Error> {
        let Fields { sink, depth } = self;
        let mut next = fields.next_key_seed(Name(sink.out))?;
        if let Some(wrapper) = next.as_ref().and_then(|(_, name)| wrapper::find(sink.name(name))) {
            sink.out.truncate(start);
            return wrapper::read(wrapper, fields, sink, depth);
        }
        sink.check_depth(depth)?;
        let mut seen = Seen::new(sink);
        let mut regex = RegexParts::default();
        while let Some((at, name)) = next {
            seen.insert(sink, name.clone())?;
            let kind = field(sink, &mut fields, at, depth)?;
            regex.note(sink, &name, kind);
            next = fields.next_key_seed(Name(sink.out))?;
        }
        let count = seen.count;
        seen.forget(sink);
        if regex.is_value(count) && !is_operand(sink.out, start) {
            return regex.replace(sink, start).map_err(A::Error::custom);
        }
        Ok(Kind::Document)
    }
}

/// Reads a field's value behind its name and fills in its kind.
fn field<'de, A: MapAccess<'de>>(
    sink: &mut Sink<'_>,
    fields: &mut A,
    at: usize,
    depth: usize,
) -> Result<Kind, A::Error> {
    let kind = fields.next_value_seed(Slot { sink, depth })?;
    sink.set_kind(at, kind);
    sink.check_size()?;
    Ok(kind)
}

/// Writes the name of the next field; answers where the field begins and where its name stands.
struct Name<'s>(&'s mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = (usize, Range<u32>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = (usize, Range<u32>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        if let Some(fault) = storage::name_fault(name) {
            return Err(E::custom(fault));
        }
        let at = begin(self.0, name.as_bytes());
        let place = |position: usize| u32::try_from(position).map_err(|_| E::custom("the text is too long"));
        Ok((at, place(at + 1)?..place(at + 1 + name.len())?))
    }
}

/// The names of one object, to find the second of a pair.
///
/// Two parsers that take different ones of a pair see two different documents, so a repeated name is refused.
struct Seen {
    first: usize,
    count: usize,
    hashes: Option<(RandomState, HashSet<u64>)>,
}

impl Seen {
    fn new(sink: &Sink<'_>) -> Seen {
        Seen { first: sink.names.len(), count: 0, hashes: None }
    }

    fn insert<E: serde::de::Error>(&mut self, sink: &mut Sink<'_>, name: Range<u32>) -> Result<(), E> {
        if self.is_repeated(sink, &name) {
            return Err(E::custom(format_args!(
                "the name \"{}\" is given twice",
                String::from_utf8_lossy(sink.name(&name))
            )));
        }
        sink.names.push(name);
        self.count += 1;
        Ok(())
    }

    fn forget(self, sink: &mut Sink<'_>) {
        sink.names.truncate(self.first);
    }

    fn is_repeated(&mut self, sink: &Sink<'_>, name: &Range<u32>) -> bool {
        let earlier = sink.names.get(self.first..).unwrap_or_default();
        let equal = || earlier.iter().any(|other| other.len() == name.len() && sink.name(other) == sink.name(name));
        if self.count < COMPARE_MAX {
            return equal();
        }
        let (state, hashes) = self.hashes.get_or_insert_with(|| {
            let state = RandomState::new();
            let hashes = earlier.iter().map(|other| state.hash_one(sink.name(other))).collect();
            (state, hashes)
        });
        // The hash is keyed, so nobody can aim at the slow comparison behind an equal one.
        !hashes.insert(state.hash_one(sink.name(name))) && equal()
    }
}

/// An object that may turn out to be the older spelling of a regular expression: `{"$regex": …, "$options": …}`.
///
/// It is told from an operator of the same name only at its end: other fields beside it make it an operator.
#[derive(Default)]
struct RegexParts {
    pattern: Option<usize>,
    options: Option<usize>,
}

impl RegexParts {
    fn note(&mut self, sink: &Sink<'_>, name: &Range<u32>, kind: Kind) {
        if kind != Kind::String {
            return;
        }
        match sink.name(name) {
            b"$regex" => self.pattern = Some(name.end as usize + 1),
            b"$options" => self.options = Some(name.end as usize + 1),
            _ => {}
        }
    }

    fn is_value(&self, count: usize) -> bool {
        self.pattern.is_some() && count == 1 + usize::from(self.options.is_some())
    }

    fn replace(&self, sink: &mut Sink<'_>, start: usize) -> Result<Kind, &'static str> {
        let pattern = string_at(sink.out, self.pattern).to_owned();
        let options = string_at(sink.out, self.options).to_owned();
        sink.out.truncate(start);
        wrapper::put_regex(sink, &pattern, &options)
    }
}

/// Under `$elemMatch` the object is an operator on the elements, and a bare regular expression is not allowed there.
fn is_operand(out: &[u8], start: usize) -> bool {
    out.get(..start).is_some_and(|before| before.ends_with(b"$elemMatch\0"))
}

/// The text of a BSON string that begins at a place.
fn string_at(out: &[u8], place: Option<usize>) -> &str {
    let bytes = place.and_then(|place| out.get(place..)).unwrap_or_default();
    match ValueRef::decode(Kind::String, bytes.get(..string_len(bytes)).unwrap_or_default()) {
        Some(ValueRef::String(text)) => text,
        _ => "",
    }
}

fn string_len(bytes: &[u8]) -> usize {
    let length = bytes.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
    4 + length as usize
}

/// Appends an unfinished field; answers where its kind has to be written.
fn begin(out: &mut Vec<u8>, name: &[u8]) -> usize {
    let at = out.len();
    out.push(0);
    out.extend_from_slice(name);
    out.push(0);
    at
}

pub(super) fn open(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    start
}

pub(super) fn close(out: &mut Vec<u8>, start: usize) {
    out.push(0);
    patch_length(out, start);
}
