//! The key space as one table, and the order-keeping encoding of values.
//!
//! | Space | Key | Value |
//! |---|---|---|
//! | Meta | `'v'` | format version |
//! | Meta | `'n'` | next free numbers of environments, collections, indexes |
//! | Meta | `'s'` | counts of collections as of a commit |
//! | Meta | `'e'` env:u32 | environment record |
//! | Meta | `'c'` env:u32 coll:u32 | collection record with its indexes |
//! | Meta | `'p'` index:u32 | how far an index is built |
//! | Meta | `'r'` env:u32 kind:u8 name | record of a layer above (keys, rules, tokens …), opaque here |
//! | Meta | `'d'` id:u64 | a dropped range whose space is still to be given back |
//! | Doc | env:u32 coll:u32 rid:u64 | commit number, checksum, the document's BSON |
//! | Index | env:u32 index:u32 fields rid:u64 | empty, or notes on the exact kinds of numbers |
//! | Index (unique) | env:u32 index:u32 fields | rid:u64, then the same notes |
//! | Log | seq:u64 | the changes of that commit |
//!
//! Integers are big-endian, so keys sort as numbers do and one environment, collection or index is one range. A
//! `rid` is a document's place in insertion order; it never changes, so natural order is insertion order and index
//! entries stay small. Ids are given out by the catalog and never by a caller: no request can name another
//! environment's bytes. Keys are built only here.
//!
//! The encoding of values keeps the order of the module `order`: `compare(a, b)` equals comparing the encoded bytes.
//! Every encoding tells its own end, so fields can follow one another; a descending field is the ascending one with
//! all bits flipped. Numbers of equal value encode equally whatever their kind.

mod note;

use std::borrow::Cow;

use crate::collation::Collation;
use crate::doc::{DocBuilder, RawArray, RawDoc};
use crate::number::{Decimal, Decimal128, Exact, Number, strip_zeros};
use crate::order;
use crate::value::{Kind, Value, ValueRef};

pub use note::{Note, note_of};

/// Number of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct EnvId(pub u32);
/// Number of a collection, unique in the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct CollId(pub u32);
/// Number of an index, unique in the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct IndexId(pub u32);
/// A document's place in insertion order, unique in the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Rid(pub u64);
/// Number of a commit; rises by one with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Seq(pub u64);

/// The parts of the key space; each has its own settings in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table above says it")]
pub enum Space {
    Meta,
    Doc,
    Index,
    Log,
}

impl Space {
    /// All spaces.
    pub const ALL: [Space; 4] = [Space::Meta, Space::Doc, Space::Index, Space::Log];

    /// The name that the engine files it under.
    pub const fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Doc => "doc",
            Space::Index => "index",
            Space::Log => "log",
        }
    }
}

/// A half-open range of keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    /// First key inside.
    pub start: Vec<u8>,
    /// First key beyond; empty means no end.
    pub end: Vec<u8>,
}

impl KeyRange {
    /// All keys with this prefix.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        KeyRange { start: prefix.to_vec(), end: successor(prefix) }
    }

    /// Is no key inside?
    pub fn is_empty(&self) -> bool {
        !self.end.is_empty() && self.start >= self.end
    }
}

/// The least key that is greater than every key with this prefix; empty where there is none.
pub fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

pub(crate) const META_VERSION: &[u8] = b"v";
pub(crate) const META_COUNTERS: &[u8] = b"n";
pub(crate) const META_COUNTS: &[u8] = b"s";

pub(crate) fn meta_env(env: EnvId) -> Vec<u8> {
    [b"e".as_slice(), &env.0.to_be_bytes()].concat()
}

pub(crate) fn meta_collection(env: EnvId, coll: CollId) -> Vec<u8> {
    [b"c".as_slice(), &env.0.to_be_bytes(), &coll.0.to_be_bytes()].concat()
}

/// Environment first, so that dropping one drops its records in one range.
pub(crate) fn meta_record(kind: u8, env: EnvId, name: &[u8]) -> Vec<u8> {
    [b"r".as_slice(), &env.0.to_be_bytes(), &[kind], name].concat()
}

pub(crate) fn meta_records(env: EnvId) -> Vec<u8> {
    [b"r".as_slice(), &env.0.to_be_bytes()].concat()
}

pub(crate) fn meta_progress(index: IndexId) -> Vec<u8> {
    [b"p".as_slice(), &index.0.to_be_bytes()].concat()
}

pub(crate) fn meta_dropped(id: u64) -> Vec<u8> {
    [b"d".as_slice(), &id.to_be_bytes()].concat()
}

pub(crate) fn document(env: EnvId, coll: CollId, rid: Rid) -> [u8; 16] {
    let mut key = [0; 16];
    for (place, byte) in key.iter_mut().zip(documents(env, coll).into_iter().chain(rid.0.to_be_bytes())) {
        *place = byte;
    }
    key
}

pub(crate) fn documents(env: EnvId, coll: CollId) -> [u8; 8] {
    pair(env.0, coll.0)
}

pub(crate) fn entries(env: EnvId, index: IndexId) -> [u8; 8] {
    pair(env.0, index.0)
}

pub(crate) const fn log(seq: Seq) -> [u8; 8] {
    seq.0.to_be_bytes()
}

/// The big-endian number at the end of a key, e.g. the rid of a document or index entry.
pub(crate) fn trailing_u64(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The 32-bit number at a place of a key.
pub(crate) fn number_at(key: &[u8], at: usize) -> u32 {
    key.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn pair(high: u32, low: u32) -> [u8; 8] {
    (u64::from(high) << 32 | u64::from(low)).to_be_bytes()
}

// First byte of an encoded value. Values of different classes are told apart by it alone.
const MIN_KEY: u8 = 0x05;
const UNDEFINED: u8 = 0x08;
const NULL: u8 = 0x0A;
const NAN: u8 = 0x20;
const HUGE_BELOW: u8 = 0x21; // |x| >= 2^64, below zero; whole parts of 8 to 1 bytes follow as 0x22..=0x29
const ZERO: u8 = 0x2B;
const SMALL_ABOVE: u8 = 0x2C; // 0 < x < 1, mirrored as 0x2A below zero; whole parts of 1 to 8 bytes follow as 0x2D..=0x34
const HUGE_ABOVE: u8 = 0x35;
const STRING: u8 = 0x3C;
const DOCUMENT: u8 = 0x46;
const ARRAY: u8 = 0x50;
const BINARY: u8 = 0x5A;
const OBJECT_ID: u8 = 0x64;
const FALSE: u8 = 0x6E;
const TRUE: u8 = 0x6F;
const DATE: u8 = 0x78;
const TIMESTAMP: u8 = 0x82;
const REGEX: u8 = 0x8C;
const DB_POINTER: u8 = 0x90;
const CODE: u8 = 0x94;
const CODE_WITH_SCOPE: u8 = 0x98;
const MAX_KEY: u8 = 0xF0;

const END: u8 = 0x00; // ends texts, documents, arrays and numbers
const MORE: u8 = 0x01; // in a number: a finer part follows; in a text: the next byte is an escaped 0 or 1

/// First bytes of the encodings of all values of a kind's class: from the first, up to but without the second.
pub const fn class_range(kind: Kind) -> (u8, u8) {
    match kind {
        Kind::MinKey => (MIN_KEY, MIN_KEY + 1),
        Kind::Undefined => (UNDEFINED, UNDEFINED + 1),
        Kind::Null => (NULL, NULL + 1),
        Kind::Double | Kind::Int32 | Kind::Int64 | Kind::Decimal128 => (NAN, HUGE_ABOVE + 1),
        Kind::String | Kind::Symbol => (STRING, STRING + 1),
        Kind::Document => (DOCUMENT, DOCUMENT + 1),
        Kind::Array => (ARRAY, ARRAY + 1),
        Kind::Binary => (BINARY, BINARY + 1),
        Kind::ObjectId => (OBJECT_ID, OBJECT_ID + 1),
        Kind::Bool => (FALSE, TRUE + 1),
        Kind::DateTime => (DATE, DATE + 1),
        Kind::Timestamp => (TIMESTAMP, TIMESTAMP + 1),
        Kind::Regex => (REGEX, REGEX + 1),
        Kind::DbPointer => (DB_POINTER, DB_POINTER + 1),
        Kind::JavaScript => (CODE, CODE + 1),
        Kind::CodeWithScope => (CODE_WITH_SCOPE, CODE_WITH_SCOPE + 1),
        Kind::MaxKey => (MAX_KEY, MAX_KEY + 1),
    }
}

/// The direction of a field in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Ascending,
    Descending,
}

/// Appends the encoding of a value.
pub fn encode(value: ValueRef<'_>, direction: Direction, collation: Option<&Collation>, out: &mut Vec<u8>) {
    let start = out.len();
    put(value, collation, out);
    if direction == Direction::Descending {
        flip(out.get_mut(start..).unwrap_or_default());
    }
}

/// How many bytes the encoded value at the start of `key` takes; `None` where the bytes are no encoding.
pub fn skip(key: &[u8], direction: Direction) -> Option<usize> {
    let mut reader = Reader::new(key, direction);
    reader.skip()?;
    Some(key.len() - reader.rest.len())
}

/// Reads a value back into a document under construction, as the field `name`. Says how many bytes its encoding takes;
/// `None` where it cannot be read back, or is missing: use the document instead. Part of it may be written then.
pub fn copy_into(key: &[u8], direction: Direction, note: Note, name: &str, out: &mut DocBuilder) -> Option<usize> {
    match note {
        Note::Plain => {
            let mut reader = Reader::new(key, direction);
            reader.read_into(name, out)?;
            Some(key.len() - reader.rest.len())
        }
        _ => {
            let (value, size) = decode(key, direction, note)?;
            out.put(name, value.as_ref());
            Some(size)
        }
    }
}

/// Reads a value back. Numbers come back as the narrowest kind: an int, else a long, else a double; `note` (from
/// [`note_of`]) restores the exact kind. `None` where it cannot be read back: use the document instead.
pub fn decode(key: &[u8], direction: Direction, note: Note) -> Option<(Value, usize)> {
    if matches!(note, Note::Unreadable | Note::Missing) {
        return None;
    }
    let mut reader = Reader::new(key, direction);
    let mut builder = DocBuilder::new();
    reader.read_into("", &mut builder)?;
    let size = key.len() - reader.rest.len();
    let doc = builder.finish();
    Some((restore(doc.get("")?, note), size))
}

fn restore(value: ValueRef<'_>, note: Note) -> Value {
    match (note, value) {
        (Note::Long, ValueRef::Int32(number)) => Value::Int64(i64::from(number)),
        (Note::Double, number) => Value::Double(number.as_f64().unwrap_or_default()),
        (Note::NegativeZero, _) => Value::Double(-0.0),
        _ => value.to_value(),
    }
}

fn flip(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

fn put(value: ValueRef<'_>, collation: Option<&Collation>, out: &mut Vec<u8>) {
    if let Some(number) = order::number(value) {
        return put_number(number, out);
    }
    match value {
        ValueRef::MinKey => out.push(MIN_KEY),
        ValueRef::Undefined => out.push(UNDEFINED),
        ValueRef::String(text) | ValueRef::Symbol(text) => put_collated(text, collation, out),
        ValueRef::Document(doc) => put_document(doc, collation, out),
        ValueRef::Array(array) => put_array(array, collation, out),
        ValueRef::Binary { subtype, bytes } => {
            out.push(BINARY);
            out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.push(subtype);
            out.extend_from_slice(bytes);
        }
        ValueRef::ObjectId(id) => {
            out.push(OBJECT_ID);
            out.extend_from_slice(&id);
        }
        ValueRef::Bool(truth) => out.push(if truth { TRUE } else { FALSE }),
        ValueRef::DateTime(millis) => {
            out.push(DATE);
            out.extend_from_slice(&(millis ^ i64::MIN).to_be_bytes());
        }
        ValueRef::Timestamp { seconds, increment } => {
            out.push(TIMESTAMP);
            out.extend_from_slice(&pair(seconds, increment));
        }
        ValueRef::Regex { pattern, options } => {
            out.push(REGEX);
            put_text(pattern.as_bytes(), out);
            put_text(options.as_bytes(), out);
        }
        ValueRef::DbPointer { namespace, id } => {
            out.push(DB_POINTER);
            out.extend_from_slice(&u32::try_from(namespace.len()).unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(namespace.as_bytes());
            out.extend_from_slice(&id);
        }
        ValueRef::JavaScript(code) => {
            out.push(CODE);
            put_text(code.as_bytes(), out);
        }
        ValueRef::CodeWithScope { code, scope } => {
            out.push(CODE_WITH_SCOPE);
            put_text(code.as_bytes(), out);
            put_fields(scope, None, out);
        }
        ValueRef::MaxKey => out.push(MAX_KEY),
        _ => out.push(NULL),
    }
}

fn put_collated(text: &str, collation: Option<&Collation>, out: &mut Vec<u8>) {
    out.push(STRING);
    match collation {
        None => put_text(text.as_bytes(), out),
        Some(collation) => {
            let mut key = Vec::new();
            collation.sort_key(text, &mut key);
            put_text(&key, out);
        }
    }
}

/// Bytes 0 and 1 are escaped, so that 0 can end the text and a prefix sorts before its extensions.
fn put_text(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(place) = memchr::memchr2(0, 1, bytes) {
        let (plain, rest) = bytes.split_at(place);
        out.extend_from_slice(plain);
        out.extend_from_slice(&[MORE, 1 + rest.first().copied().unwrap_or_default()]);
        bytes = rest.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(bytes);
    out.push(END);
}

fn put_document(doc: RawDoc<'_>, collation: Option<&Collation>, out: &mut Vec<u8>) {
    out.push(DOCUMENT);
    put_fields(doc, collation, out);
}

/// Each field as class, name, value: the order in which documents compare.
fn put_fields(doc: RawDoc<'_>, collation: Option<&Collation>, out: &mut Vec<u8>) {
    for element in doc.elements() {
        out.push(element.kind().rank() + 1);
        put_text(element.name_bytes(), out);
        put(element.value(), collation, out);
    }
    out.push(END);
}

fn put_array(array: RawArray<'_>, collation: Option<&Collation>, out: &mut Vec<u8>) {
    out.push(ARRAY);
    array.iter().for_each(|value| put(value, collation, out));
    out.push(END);
}

fn put_number(number: Number, out: &mut Vec<u8>) {
    match number {
        Number::Int(int) => put_whole(int < 0, int.unsigned_abs(), out),
        Number::Double(double) => put_double(double, out),
        Number::Decimal(decimal) => put_decimal(decimal, out),
    }
}

/// Length of the whole part, the whole part, end.
fn put_whole(negative: bool, magnitude: u64, out: &mut Vec<u8>) {
    match magnitude {
        0 => out.push(ZERO),
        _ => put_signed(negative, out, |out| {
            put_whole_part(magnitude, out);
            out.push(END);
        }),
    }
}

const TWO_64: f64 = 18_446_744_073_709_551_616.0;
const TWO_56: f64 = 72_057_594_037_927_936.0;
const TWO_53: u64 = 9_007_199_254_740_992;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked first")]
fn put_double(double: f64, out: &mut Vec<u8>) {
    let magnitude = double.abs();
    match magnitude {
        _ if double.is_nan() => out.push(NAN),
        0.0 => out.push(ZERO),
        _ if magnitude.trunc() == magnitude && magnitude < TWO_64 => put_whole(double < 0.0, magnitude as u64, out),
        _ => put_signed(double < 0.0, out, |out| {
            put_double_part(magnitude, out);
            out.push(END);
        }),
    }
}

fn put_decimal(decimal: Decimal128, out: &mut Vec<u8>) {
    let (negative, coefficient, exponent) = match decimal.decode() {
        Decimal::NaN => return out.push(NAN),
        Decimal::Infinite { negative } => {
            return put_double(if negative { f64::NEG_INFINITY } else { f64::INFINITY }, out);
        }
        Decimal::Finite { negative, coefficient, exponent } => (negative, coefficient, exponent),
    };
    let (digits, exponent) = strip_zeros(coefficient, exponent);
    if let Some(whole) = whole_part(digits, exponent)
        && (digits == 0 || exponent >= 0)
    {
        return put_whole(negative, whole, out);
    }
    put_signed(negative, out, |out| put_fraction(digits, exponent, out));
}

/// A decimal that is no 64-bit whole number: the greatest double not above it, then, if that is not exact, its digits.
fn put_fraction(digits: u128, exponent: i32, out: &mut Vec<u8>) {
    let exact = Exact::magnitude(digits, exponent);
    let of_double = |double| Exact::of(Number::Double(double)).compare(&exact);
    let nearest = format!("{digits}e{exponent}").parse::<f64>().unwrap_or(f64::INFINITY);
    let floor = if of_double(nearest).is_gt() { nearest.next_down() } else { nearest };
    match whole_part(digits, exponent) {
        Some(whole) if whole >= TWO_53 => {
            put_whole_part(whole, out);
            out.push(MORE);
            out.extend_from_slice(&[0; 7]);
        }
        Some(0) => put_bits(SMALL_ABOVE, floor, out),
        Some(whole) => {
            put_whole_part(whole, out);
            out.push(MORE);
            put_grid(floor - floor.trunc(), out);
        }
        None => put_bits(HUGE_ABOVE, floor, out),
    }
    match of_double(floor).is_eq() {
        true => out.push(END),
        false => put_digits(&exact, out),
    }
}

/// `digits * 10^exponent` without its fraction, if that fits 64 bits.
fn whole_part(digits: u128, exponent: i32) -> Option<u64> {
    match u32::try_from(exponent) {
        Ok(up) => u64::try_from(digits.checked_mul(10u128.checked_pow(up)?)?).ok(),
        Err(_) => match 10u128.checked_pow(exponent.unsigned_abs()) {
            Some(power) => u64::try_from(digits / power).ok(),
            None => Some(0),
        },
    }
}

/// Runs `put_magnitude` for a positive number, then flips what it wrote if the number is negative: first bytes
/// mirror around `ZERO`, the rest is complemented.
fn put_signed(negative: bool, out: &mut Vec<u8>, put_magnitude: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put_magnitude(out);
    if !negative {
        return;
    }
    if let Some((first, rest)) = out.get_mut(start..).and_then(<[u8]>::split_first_mut) {
        *first = ZERO - (*first - ZERO);
        flip(rest);
    }
}

fn put_whole_part(magnitude: u64, out: &mut Vec<u8>) {
    let size = 8 - magnitude.leading_zeros() / 8;
    // At most 8, so the cast and the first byte stay in range.
    out.push(SMALL_ABOVE + u8::try_from(size).unwrap_or(8));
    out.extend(magnitude.to_be_bytes().into_iter().skip(8 - size as usize));
}

/// A double that is no 64-bit whole number: below 1 and from 2^64 up by its bits, between by whole part and fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked first")]
fn put_double_part(magnitude: f64, out: &mut Vec<u8>) {
    match magnitude {
        _ if magnitude < 1.0 => put_bits(SMALL_ABOVE, magnitude, out),
        _ if magnitude >= TWO_64 => put_bits(HUGE_ABOVE, magnitude, out),
        _ => {
            put_whole_part(magnitude as u64, out);
            out.push(MORE);
            put_grid(magnitude - magnitude.trunc(), out);
        }
    }
}

fn put_bits(first: u8, magnitude: f64, out: &mut Vec<u8>) {
    out.push(first);
    out.extend_from_slice(&magnitude.to_bits().to_be_bytes());
}

/// A fraction as a multiple of 2^-56: exact for the fraction of any double from 1 up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction times 2^56 fits 56 bits")]
fn put_grid(fraction: f64, out: &mut Vec<u8>) {
    out.extend((((fraction * TWO_56) as u64) << 8).to_be_bytes().into_iter().take(7));
}

/// What orders the decimals between two neighbouring doubles: decimal exponent, then digits in pairs.
fn put_digits(exact: &Exact, out: &mut Vec<u8>) {
    out.push(MORE);
    if let Exact::Finite { point, digits, .. } = exact {
        out.extend_from_slice(&u16::try_from(point + 10_000).unwrap_or_default().to_be_bytes());
        for pair in digits.chunks(2) {
            let digit = |place: usize| pair.get(place).map_or(0, |byte| byte - b'0');
            out.push(digit(0) * 10 + digit(1) + 1);
        }
    }
    out.push(END);
}

/// Walks encoded values; undoes the flipping of descending fields and negative numbers byte by byte.
struct Reader<'k> {
    rest: &'k [u8],
    mask: u8,
}

impl<'k> Reader<'k> {
    fn new(rest: &'k [u8], direction: Direction) -> Reader<'k> {
        Reader { rest, mask: if direction == Direction::Descending { u8::MAX } else { 0 } }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first ^ self.mask)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(head.map(|byte| byte ^ self.mask))
    }

    fn drop(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    fn drop_text(&mut self) -> Option<()> {
        let end = memchr::memchr(END ^ self.mask, self.rest)?;
        self.drop(end + 1)
    }

    fn skip(&mut self) -> Option<()> {
        let first = self.byte()?;
        match first {
            MIN_KEY | UNDEFINED | NULL | NAN | ZERO | FALSE | TRUE | MAX_KEY => Some(()),
            HUGE_BELOW..=HUGE_ABOVE => self.number(first).map(drop),
            STRING | CODE => self.drop_text(),
            OBJECT_ID => self.drop(12),
            DATE | TIMESTAMP => self.drop(8),
            REGEX => self.drop_text().and_then(|()| self.drop_text()),
            BINARY => self.take().and_then(|size| self.drop(u32::from_be_bytes(size) as usize + 1)),
            DB_POINTER => self.take().and_then(|size| self.drop(u32::from_be_bytes(size) as usize + 12)),
            DOCUMENT => self.skip_fields(),
            CODE_WITH_SCOPE => self.drop_text().and_then(|()| self.skip_fields()),
            ARRAY => {
                while self.peek()? != END {
                    self.skip()?;
                }
                self.drop(1)
            }
            _ => None,
        }
    }

    fn skip_fields(&mut self) -> Option<()> {
        while self.byte()? != END {
            self.drop_text()?;
            self.skip()?;
        }
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().map(|byte| byte ^ self.mask)
    }

    fn read_into(&mut self, name: &str, out: &mut DocBuilder) -> Option<()> {
        let first = self.byte()?;
        match first {
            MIN_KEY => out.put(name, ValueRef::MinKey),
            UNDEFINED => out.put(name, ValueRef::Undefined),
            NULL => out.put(name, ValueRef::Null),
            NAN => out.put(name, ValueRef::Double(f64::NAN)),
            ZERO => out.put(name, ValueRef::Int32(0)),
            HUGE_BELOW..=HUGE_ABOVE => out.put(name, self.number(first)??),
            STRING => out.put(name, ValueRef::String(&self.text()?)),
            DOCUMENT => self.read_fields(name, out)?,
            ARRAY => self.read_array(name, out)?,
            BINARY => {
                let size = u32::from_be_bytes(self.take()?) as usize;
                let subtype = self.byte()?;
                let bytes = self.bytes(size)?;
                out.put(name, ValueRef::Binary { subtype, bytes: &bytes });
            }
            OBJECT_ID => out.put(name, ValueRef::ObjectId(self.take()?)),
            FALSE | TRUE => out.put(name, ValueRef::Bool(first == TRUE)),
            DATE => out.put(name, ValueRef::DateTime(i64::from_be_bytes(self.take()?) ^ i64::MIN)),
            TIMESTAMP => {
                let seconds = u32::from_be_bytes(self.take()?);
                out.put(name, ValueRef::Timestamp { seconds, increment: u32::from_be_bytes(self.take()?) });
            }
            REGEX => {
                let (pattern, options) = (self.text()?, self.text()?);
                out.put(name, ValueRef::Regex { pattern: &pattern, options: &options });
            }
            CODE => out.put(name, ValueRef::JavaScript(&self.text()?)),
            MAX_KEY => out.put(name, ValueRef::MaxKey),
            _ => return None,
        }
        Some(())
    }

    fn read_fields(&mut self, name: &str, out: &mut DocBuilder) -> Option<()> {
        let open = out.open_document(name);
        while self.byte()? != END {
            let field = self.text()?;
            self.read_into(&field, out)?;
        }
        out.close(open);
        Some(())
    }

    fn read_array(&mut self, name: &str, out: &mut DocBuilder) -> Option<()> {
        let open = out.open_array(name);
        let mut index = 0usize;
        while self.peek()? != END {
            self.read_into(itoa::Buffer::new().format(index), out)?;
            index += 1;
        }
        self.drop(1)?;
        out.close(open);
        Some(())
    }

    fn bytes(&mut self, size: usize) -> Option<Cow<'k, [u8]>> {
        let bytes = self.rest.get(..size)?;
        self.drop(size)?;
        Some(match self.mask {
            0 => Cow::Borrowed(bytes),
            mask => Cow::Owned(bytes.iter().map(|byte| byte ^ mask).collect()),
        })
    }

    fn text(&mut self) -> Option<Cow<'k, str>> {
        let end = memchr::memchr(END ^ self.mask, self.rest)?;
        let escaped = self.bytes(end)?;
        self.drop(1)?;
        match (memchr::memchr(MORE, &escaped), escaped) {
            (None, Cow::Borrowed(plain)) => std::str::from_utf8(plain).ok().map(Cow::Borrowed),
            (None, Cow::Owned(plain)) => String::from_utf8(plain).ok().map(Cow::Owned),
            (Some(_), escaped) => String::from_utf8(unescape(&escaped)?).ok().map(Cow::Owned),
        }
    }

    /// Steps over a number. The inner `None` means that it is a decimal, which is not read back.
    fn number(&mut self, first: u8) -> Option<Option<ValueRef<'static>>> {
        let negative = first < ZERO;
        let (mask, above) = (self.mask, if negative { ZERO + (ZERO - first) } else { first });
        if negative {
            self.mask = !self.mask;
        }
        let magnitude = match above {
            SMALL_ABOVE | HUGE_ABOVE => Magnitude::Double(f64::from_bits(u64::from_be_bytes(self.take()?))),
            _ => self.whole_and_fraction(above - SMALL_ABOVE)?,
        };
        let exact = match magnitude {
            Magnitude::Whole(_) => true,
            Magnitude::Double(_) => self.byte()? == END || self.drop_digits()?,
        };
        self.mask = mask;
        Some(exact.then(|| magnitude.with_sign(negative)))
    }

    #[expect(clippy::cast_precision_loss, reason = "the parts of one double are exact doubles")]
    fn whole_and_fraction(&mut self, size: u8) -> Option<Magnitude> {
        let mut whole = 0u64;
        for _ in 0..size {
            whole = whole << 8 | u64::from(self.byte()?);
        }
        if self.byte()? == END {
            return Some(Magnitude::Whole(whole));
        }
        let grid = self.take::<7>()?.into_iter().fold(0u64, |sum, byte| sum << 8 | u64::from(byte));
        Some(Magnitude::Double(whole as f64 + grid as f64 / TWO_56))
    }

    fn drop_digits(&mut self) -> Option<bool> {
        self.drop(2)?;
        self.drop_text()?;
        Some(false)
    }
}

/// The bytes of a text without their escapes.
fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == MORE { bytes.next()?.checked_sub(1)? } else { *byte });
    }
    Some(plain)
}

enum Magnitude {
    Whole(u64),
    Double(f64),
}

impl Magnitude {
    #[expect(clippy::cast_precision_loss, reason = "whole numbers beyond 64 signed bits came from doubles")]
    fn with_sign(&self, negative: bool) -> ValueRef<'static> {
        match *self {
            Magnitude::Double(double) => ValueRef::Double(if negative { -double } else { double }),
            Magnitude::Whole(whole) => {
                let signed = if negative { -i128::from(whole) } else { i128::from(whole) };
                match (i32::try_from(signed), i64::try_from(signed)) {
                    (Ok(int), _) => ValueRef::Int32(int),
                    (_, Ok(long)) => ValueRef::Int64(long),
                    _ => ValueRef::Double(if negative { -(whole as f64) } else { whole as f64 }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
