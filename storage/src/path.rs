//! Dotted paths, parsed once.
//!
//! A path knows its parts and which of them could be array positions. What a path *means* differs by user: filters and
//! indexes fan out over arrays, updates do not, expressions map over them; each keeps its own walk.

use std::fmt;

/// A dotted path such as `author.name` or `tags.0`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Path {
    text: Box<str>,
    parts: Box<[Part]>,
}

/// One part of a path.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Part {
    name: Box<str>,
    index: Option<u32>,
}

impl Path {
    /// Splits at dots. Every text is a path; empty parts name the empty field.
    pub fn new(text: &str) -> Path {
        Path { text: text.into(), parts: text.split('.').map(Part::new).collect() }
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its parts, at least one.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The first part: the field at the top of the document.
    pub fn head(&self) -> &str {
        self.text.split_once('.').map_or(&*self.text, |(head, _)| head)
    }

    /// Is this path the other one, or does it lead through it? `a.b` starts with `a` and `a.b`, not with `a.bc`.
    pub fn starts_with(&self, other: &Path) -> bool {
        self.parts.starts_with(&other.parts)
    }
}

impl Part {
    fn new(name: &str) -> Part {
        // "0" and "12" are positions; "00" and "+1" are only names.
        let canonical = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
        Part { name: name.into(), index: name.parse().ok().filter(|_| canonical) }
    }

    /// The part as a field name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part as an array position, if it can be one.
    pub const fn index(&self) -> Option<u32> {
        self.index
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({})", self.text)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_positions() {
        let path = Path::new("a.0.00.12b.");
        let parts: Vec<_> = path.parts().iter().map(|part| (part.name(), part.index())).collect();
        assert_eq!(parts, [("a", None), ("0", Some(0)), ("00", None), ("12b", None), ("", None)]);
        assert_eq!(path.head(), "a");
    }

    #[test]
    fn prefixes_go_by_parts() {
        assert!(Path::new("a.b").starts_with(&Path::new("a")));
        assert!(!Path::new("ab").starts_with(&Path::new("a")));
    }
}
