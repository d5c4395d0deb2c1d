//! Documents and arrays as validated BSON bytes: reading by skipping, building by appending.
//!
//! A document is never decoded as a whole on the read path. `RawDoc` borrows bytes and finds a field by skipping the
//! ones before it; `Doc` owns the same bytes and is cheap to clone. Bytes from outside pass [`Doc::from_bytes`], which
//! checks every length, name and text once; everything built here is well formed by construction.

use std::fmt;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::limits::{DOC_BYTES_MAX, DOC_DEPTH_MAX};
use crate::value::{Kind, ValueRef, width};

/// A document that owns its BSON bytes. Cloning shares them.
#[derive(Clone)]
pub struct Doc(Bytes);

/// An array that owns its BSON bytes. Cloning shares them.
#[derive(Clone)]
pub struct Array(Bytes);

/// A document borrowed from somebody's bytes.
#[derive(Clone, Copy)]
pub struct RawDoc<'a>(&'a [u8]);

/// An array borrowed from somebody's bytes.
#[derive(Clone, Copy)]
pub struct RawArray<'a>(&'a [u8]);

/// One field of a document, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    kind: Kind,
    name: &'a [u8],
    value: &'a [u8],
}

/// The fields of a document in their order.
#[derive(Clone, Debug)]
pub struct Elements<'a>(&'a [u8]);

const EMPTY: &[u8] = &[5, 0, 0, 0, 0];

impl Doc {
    /// Checks bytes from outside and keeps them.
    ///
    /// # Errors
    /// `TooLarge` beyond 16 MiB; `Corrupt` where lengths, names or texts are malformed or the nesting is too deep.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Doc> {
        let bytes = bytes.into();
        if bytes.len() > DOC_BYTES_MAX {
            return Err(Error::TooLarge { what: "document", bytes: bytes.len(), bytes_max: DOC_BYTES_MAX });
        }
        check(&bytes, 1)?;
        Ok(Doc(bytes))
    }

    /// Keeps bytes that this process wrote or checked before.
    pub(crate) fn trusted(bytes: impl Into<Bytes>) -> Doc {
        Doc(bytes.into())
    }

    /// The document without fields.
    pub fn empty() -> Doc {
        Doc(Bytes::from_static(EMPTY))
    }

    /// Borrows the document.
    pub fn raw(&self) -> RawDoc<'_> {
        RawDoc(&self.0)
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        self.raw().get(name)
    }

    /// The same bytes read as an array, where the names are the positions.
    pub fn as_array(&self) -> RawArray<'_> {
        RawArray(&self.0)
    }

    /// The BSON bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The BSON bytes, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Array {
    /// The array without elements.
    pub fn empty() -> Array {
        Array(Bytes::from_static(EMPTY))
    }

    /// An array whose elements were built as the fields "0", "1" … of a document.
    pub fn from_doc(doc: Doc) -> Array {
        Array(doc.0)
    }

    /// Borrows the array.
    pub fn raw(&self) -> RawArray<'_> {
        RawArray(&self.0)
    }
}

impl<'v> FromIterator<ValueRef<'v>> for Array {
    fn from_iter<I: IntoIterator<Item = ValueRef<'v>>>(values: I) -> Array {
        let mut builder = ArrayBuilder::new();
        values.into_iter().for_each(|value| builder.push(value));
        builder.finish()
    }
}

impl<'a> RawDoc<'a> {
    /// Borrows bytes that were checked before.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> RawDoc<'a> {
        RawDoc(bytes)
    }

    /// The document without fields.
    pub const fn empty() -> RawDoc<'static> {
        RawDoc(EMPTY)
    }

    /// The first field of this name.
    #[inline]
    pub fn get(self, name: &str) -> Option<ValueRef<'a>> {
        self.element(name).map(Element::value)
    }

    /// The first field of this name, not yet decoded.
    #[inline]
    pub fn element(self, name: &str) -> Option<Element<'a>> {
        self.elements().find(|element| element.name == name.as_bytes())
    }

    /// The fields in order.
    #[inline]
    pub fn elements(self) -> Elements<'a> {
        Elements(self.0.get(4..).unwrap_or_default())
    }

    /// Names and values in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> {
        self.elements().map(|element| (element.name(), element.value()))
    }

    /// Has the document no field?
    pub fn is_empty(self) -> bool {
        self.0.len() <= EMPTY.len()
    }

    /// The BSON bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// An owned copy.
    pub fn to_doc(self) -> Doc {
        Doc(Bytes::copy_from_slice(self.0))
    }
}

impl<'a> RawArray<'a> {
    /// Borrows bytes that were checked before.
    pub(crate) const fn trusted(bytes: &'a [u8]) -> RawArray<'a> {
        RawArray(bytes)
    }

    /// The array without elements.
    pub const fn empty() -> RawArray<'static> {
        RawArray(EMPTY)
    }

    /// The values in order.
    pub fn iter(self) -> impl Iterator<Item = ValueRef<'a>> + Clone {
        self.elements().map(Element::value)
    }

    /// The elements in order, not yet decoded.
    pub fn elements(self) -> Elements<'a> {
        Elements(self.0.get(4..).unwrap_or_default())
    }

    /// The value at a position, counted from 0.
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        self.elements().nth(index).map(Element::value)
    }

    /// How many elements; walks the array.
    pub fn len(self) -> usize {
        self.elements().count()
    }

    /// Has the array no element?
    pub fn is_empty(self) -> bool {
        self.0.len() <= EMPTY.len()
    }

    /// The BSON bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// An owned copy.
    pub fn to_array(self) -> Array {
        Array(Bytes::copy_from_slice(self.0))
    }

    /// The same bytes read as a document whose names are the positions.
    pub const fn as_doc(self) -> RawDoc<'a> {
        RawDoc(self.0)
    }
}

impl<'a> Element<'a> {
    /// The kind of the value.
    pub const fn kind(self) -> Kind {
        self.kind
    }

    /// The name as text.
    pub fn name(self) -> &'a str {
        // Checked when the document came in; see `value::text` for why a failure reads as empty.
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The name as bytes, for comparing.
    pub const fn name_bytes(self) -> &'a [u8] {
        self.name
    }

    /// The value, decoded.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        ValueRef::decode(self.kind, self.value).unwrap_or(ValueRef::Null)
    }

    /// The value's bytes as they stand in the document.
    pub const fn value_bytes(self) -> &'a [u8] {
        self.value
    }
}

impl<'a> Elements<'a> {
    /// The bytes of the fields still to come, and the end mark.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (&first, rest) = self.0.split_first()?;
        let kind = Kind::from_byte(first)?;
        let name_len = memchr::memchr(0, rest)?;
        let after = rest.get(name_len + 1..)?;
        let size = width(kind, after)?;
        let element = Element { kind, name: rest.get(..name_len)?, value: after.get(..size)? };
        self.0 = after.get(size..)?;
        Some(element)
    }
}

/// Builds a document by appending fields.
///
/// ```
/// use storage::{DocBuilder, ValueRef};
/// let mut builder = DocBuilder::new();
/// builder.put("a", ValueRef::Int32(1));
/// let inner = builder.open_document("b");
/// builder.put("c", ValueRef::Bool(true));
/// builder.close(inner);
/// assert_eq!(builder.finish().raw().iter().count(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct DocBuilder(Vec<u8>);

/// An open document or array inside a [`DocBuilder`]: where its length has to be written.
#[derive(Debug)]
#[must_use = "an open document must be closed"]
pub struct Open(usize);

impl Default for DocBuilder {
    fn default() -> DocBuilder {
        DocBuilder::new()
    }
}

impl DocBuilder {
    /// A builder of an empty document.
    pub fn new() -> DocBuilder {
        DocBuilder::with_capacity(64)
    }

    /// A builder with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> DocBuilder {
        let mut buffer = Vec::with_capacity(bytes);
        buffer.extend_from_slice(&[0; 4]);
        DocBuilder(buffer)
    }

    /// Appends a field. Names must not hold NUL: [`name_fault`] says so beforehand.
    pub fn put(&mut self, name: &str, value: ValueRef<'_>) {
        self.begin(value.kind(), name);
        value.encode(&mut self.0);
    }

    /// Appends a field whose bytes stand in another document already.
    pub fn put_element(&mut self, element: Element<'_>) {
        self.0.push(element.kind as u8);
        self.0.extend_from_slice(element.name);
        self.0.push(0);
        self.0.extend_from_slice(element.value);
    }

    /// Appends the kind and name of a field; the caller appends its value through [`DocBuilder::buffer`].
    pub fn begin(&mut self, kind: Kind, name: &str) {
        self.0.push(kind as u8);
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(0);
    }

    /// Opens a document as a field; fields put until [`DocBuilder::close`] become its own.
    pub fn open_document(&mut self, name: &str) -> Open {
        self.begin(Kind::Document, name);
        self.open()
    }

    /// Opens an array as a field; put its elements with the names "0", "1" … (see [`DocBuilder::put_at`]).
    pub fn open_array(&mut self, name: &str) -> Open {
        self.begin(Kind::Array, name);
        self.open()
    }

    /// Appends an array element: a field whose name is the position.
    pub fn put_at(&mut self, index: usize, value: ValueRef<'_>) {
        self.put(itoa::Buffer::new().format(index), value);
    }

    /// Closes what [`DocBuilder::open_document`] or [`DocBuilder::open_array`] opened.
    pub fn close(&mut self, open: Open) {
        self.0.push(0);
        patch_length(&mut self.0, open.0);
    }

    /// How many bytes are built so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is nothing built yet?
    pub fn is_empty(&self) -> bool {
        self.0.len() <= 4
    }

    /// The bytes under construction, for codecs that write values in place.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The document.
    pub fn finish(mut self) -> Doc {
        self.0.push(0);
        patch_length(&mut self.0, 0);
        Doc(Bytes::from(self.0))
    }

    fn open(&mut self) -> Open {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        Open(start)
    }
}

/// Builds an array by appending values.
#[derive(Clone, Debug, Default)]
pub struct ArrayBuilder {
    fields: DocBuilder,
    count: usize,
}

impl ArrayBuilder {
    /// A builder of an empty array.
    pub fn new() -> ArrayBuilder {
        ArrayBuilder::default()
    }

    /// Appends a value.
    pub fn push(&mut self, value: ValueRef<'_>) {
        self.fields.put_at(self.count, value);
        self.count += 1;
    }

    /// How many values were appended.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Is nothing appended yet?
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes the array takes so far.
    pub fn size(&self) -> usize {
        self.fields.len()
    }

    /// The array.
    pub fn finish(self) -> Array {
        Array(self.fields.finish().into_bytes())
    }
}

/// Writes the length of the document that starts at `start` and ends with the buffer.
pub fn patch_length(buffer: &mut [u8], start: usize) {
    // Documents are bounded at 16 MiB before they are stored; a longer buffer is refused there.
    let length = i32::try_from(buffer.len() - start).unwrap_or(i32::MAX);
    if let Some(place) = buffer.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// Why a field name cannot be stored, if it cannot: BSON ends names with NUL.
pub fn name_fault(name: &str) -> Option<&'static str> {
    name.as_bytes().contains(&0).then_some("a field name must not contain a NUL character")
}

fn check(bytes: &[u8], depth: usize) -> Result<()> {
    if depth > DOC_DEPTH_MAX {
        return Err(malformed("nested deeper than the format allows"));
    }
    let stated = bytes.first_chunk::<4>().map(|length| i32::from_le_bytes(*length));
    if stated.and_then(|length| usize::try_from(length).ok()) != Some(bytes.len()) || bytes.len() < EMPTY.len() {
        return Err(malformed("the length does not match"));
    }
    let mut rest = bytes.get(4..).unwrap_or_default();
    loop {
        match rest {
            [0] => return Ok(()),
            [] | [0, ..] => return Err(malformed("the end mark is missing or too early")),
            _ => rest = check_element(rest, depth)?,
        }
    }
}

fn check_element(bytes: &[u8], depth: usize) -> Result<&[u8]> {
    let mut rest = Elements(bytes);
    let element = rest.next().ok_or_else(|| malformed("unknown kind or impossible length"))?;
    if std::str::from_utf8(element.name).is_err() {
        return Err(malformed("a field name is not UTF-8"));
    }
    check_value(element.kind, element.value, depth)?;
    Ok(rest.0)
}

fn check_value(kind: Kind, value: &[u8], depth: usize) -> Result<()> {
    match kind {
        Kind::Document | Kind::Array => check(value, depth + 1),
        Kind::String | Kind::JavaScript | Kind::Symbol => check_text(value),
        Kind::DbPointer => check_text(value.get(..value.len().saturating_sub(12)).unwrap_or_default()),
        Kind::Bool if value.first().is_some_and(|byte| *byte > 1) => Err(malformed("a bool is neither 0 nor 1")),
        Kind::Regex if std::str::from_utf8(value).is_err() => Err(malformed("a regular expression is not UTF-8")),
        Kind::CodeWithScope => check_code(value, depth),
        _ => Ok(()),
    }
}

fn check_text(bytes: &[u8]) -> Result<()> {
    let content = match bytes {
        [_, _, _, _, content @ .., 0] => content,
        _ => return Err(malformed("a text has no end mark")),
    };
    std::str::from_utf8(content).map(drop).map_err(|_| malformed("a text is not UTF-8"))
}

fn check_code(value: &[u8], depth: usize) -> Result<()> {
    let code = value.get(4..).unwrap_or_default();
    let size = width(Kind::String, code).ok_or_else(|| malformed("code with an impossible length"))?;
    check_text(code.get(..size).unwrap_or_default())?;
    check(code.get(size..).unwrap_or_default(), depth + 1)
}

fn malformed(detail: &str) -> Error {
    Error::Corrupt { place: "document", detail: detail.to_owned() }
}

/// Shows a document the way a developer would write it, for messages and tests.
impl fmt::Debug for RawDoc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for RawArray<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw().fmt(f)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Doc {
        let mut builder = DocBuilder::new();
        builder.put("a", ValueRef::Int32(1));
        let inner = builder.open_document("b");
        builder.put("c", ValueRef::String("x"));
        builder.close(inner);
        let list = builder.open_array("d");
        builder.put_at(0, ValueRef::Double(0.5));
        builder.put_at(1, ValueRef::Null);
        builder.close(list);
        builder.finish()
    }

    #[test]
    fn builds_what_bson_reads() {
        let read = bson::Document::from_reader(sample().as_bytes()).expect("valid BSON");
        assert_eq!(read, bson::doc! {"a": 1, "b": {"c": "x"}, "d": [0.5, null]});
    }

    #[test]
    fn finds_fields_by_skipping() {
        let doc = sample();
        let inner = doc.get("b").and_then(ValueRef::as_doc).expect("a document");
        assert_eq!(inner.get("c").and_then(ValueRef::as_str), Some("x"));
        assert_eq!(doc.get("d").and_then(ValueRef::as_array).map(RawArray::len), Some(2));
        assert!(doc.get("missing").is_none());
    }

    #[test]
    fn every_cut_and_every_flip_is_refused_or_readable() {
        let good = sample().into_bytes().to_vec();
        for cut in 0..good.len() {
            assert!(Doc::from_bytes(good[..cut].to_vec()).is_err());
        }
        for place in 0..good.len() {
            for flip in [1u8, 0x10, 0x80] {
                let mut bytes = good.clone();
                bytes[place] ^= flip;
                if let Ok(doc) = Doc::from_bytes(bytes) {
                    let _ = format!("{doc:?}");
                }
            }
        }
    }

    #[test]
    fn too_deep_is_refused() {
        let mut bytes = EMPTY.to_vec();
        for _ in 0..DOC_DEPTH_MAX {
            let mut outer = vec![0; 4];
            outer.extend_from_slice(&[3, b'a', 0]);
            outer.extend_from_slice(&bytes);
            outer.push(0);
            patch_length(&mut outer, 0);
            bytes = outer;
        }
        assert!(matches!(Doc::from_bytes(bytes), Err(Error::Corrupt { .. })));
    }
}
