//! Field paths of expressions: `$a.b` maps over arrays of documents and never takes a position.
//!
//! That is not how filters read a path; see `filter` for theirs.

use std::fmt;

use storage::{Array, ArrayBuilder, Path, RawArray, RawDoc, Value, ValueRef};

use super::computed::Computed;
use crate::error::{Error, Result};

/// The path of a field, as expressions and projections mean it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Path);

/// Longest path, in parts; deeper documents cannot exist.
const PARTS_MAX: usize = 200;

impl FieldPath {
    /// Reads a dotted path without its `$`.
    ///
    /// # Errors
    /// 40352 for the empty path, 40353 for a dot at the end, 15998 for an empty part, 16410 for a part that starts with
    /// `$`, 16411 for NUL.
    pub fn parse(text: &str) -> Result<FieldPath> {
        let fault = |number, what: &str| Err(Error::mongo(number, format!("the field path '{text}' {what}")));
        if text.is_empty() {
            return fault(40352, "is empty; name a field");
        }
        if text.ends_with('.') {
            return fault(40353, "must not end with a dot");
        }
        let path = Path::new(text);
        if path.parts().len() > PARTS_MAX {
            return fault(crate::error::number::OVERFLOW, "is deeper than any document");
        }
        for part in path.parts() {
            match part.name().as_bytes() {
                [] => return fault(15998, "has an empty part"),
                [b'$', ..] => {
                    return fault(16410, "has a part that starts with '$'; use $getField or $setField for such names");
                }
                name if name.contains(&0) => return fault(16411, "contains a NUL character"),
                _ => {}
            }
        }
        Ok(FieldPath(path))
    }

    /// Reads a path of any names; `None` only for the empty text.
    pub(crate) fn parse_lenient(text: &str) -> Option<FieldPath> {
        (!text.is_empty()).then(|| FieldPath(Path::new(text)))
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The names from the top down, at least one.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator + Clone {
        self.0.parts().iter().map(storage::Part::name)
    }

    /// The first name.
    pub fn head(&self) -> &str {
        self.0.head()
    }

    /// The path as filters know it.
    pub const fn as_path(&self) -> &Path {
        &self.0
    }

    /// The value at the path in a document.
    #[inline]
    pub fn of<'a>(&self, doc: RawDoc<'a>) -> Computed<'a> {
        walk(doc, self.0.parts())
    }

    /// The value at the path below a value: nothing below anything but documents and arrays of them.
    pub fn of_value<'a>(&self, value: ValueRef<'a>) -> Computed<'a> {
        match value {
            ValueRef::Document(doc) => walk(doc, self.0.parts()),
            ValueRef::Array(array) => Computed::Own(Value::Array(gather(array, self.0.parts()))),
            _ => Computed::Missing,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[inline]
fn walk<'a>(doc: RawDoc<'a>, parts: &[storage::Part]) -> Computed<'a> {
    let mut doc = doc;
    let mut parts = parts.iter();
    while let Some(part) = parts.next() {
        let Some(value) = doc.get(part.name()) else { return Computed::Missing };
        if parts.as_slice().is_empty() {
            return Computed::Ref(value);
        }
        match value {
            ValueRef::Document(inner) => doc = inner,
            ValueRef::Array(array) => return Computed::Own(Value::Array(gather(array, parts.as_slice()))),
            _ => return Computed::Missing,
        }
    }
    Computed::Missing
}

/// The values at a path in the documents of an array; elements that are no documents, arrays included, give nothing.
fn gather(array: RawArray<'_>, parts: &[storage::Part]) -> Array {
    let mut found = ArrayBuilder::new();
    for value in array.iter() {
        let ValueRef::Document(doc) = value else { continue };
        if let Some(value) = walk(doc, parts).as_ref() {
            found.push(value);
        }
    }
    found.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_paths_have_their_numbers() {
        let cases = [("", 40352), ("a.", 40353), ("a..b", 15998), (".a", 15998), ("a.$b", 16410), ("a\0", 16411)];
        for (text, number) in cases {
            assert_eq!(FieldPath::parse(text).map_err(|error| error.number), Err(number), "{text}");
        }
        assert!(FieldPath::parse("a.0.b$").is_ok());
    }
}
