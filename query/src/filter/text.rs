//! The words that `$text` looks for. Which documents hold them only a text index can say.

use storage::{RawDoc, ValueRef};

use crate::error::{Error, Result, number};

/// What `$text` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Words, "phrases" and -excluded words, as written.
    pub search: String,
    /// Language whose word forms count as equal; `None` means the index's.
    pub language: Option<String>,
    /// Do upper and lower case differ?
    pub case_sensitive: bool,
    /// Do accents differ?
    pub diacritic_sensitive: bool,
}

/// MongoDB's number for a missing field.
const NO_SUCH_KEY: i32 = 4;

impl Text {
    /// Reads the operand of `$text`.
    pub(super) fn read(operand: ValueRef<'_>) -> Result<Text> {
        let ValueRef::Document(doc) = operand else {
            return Err(Error::mongo(number::BAD_VALUE, format!("$text expects an object, found {operand:?}")));
        };
        let search = field(doc, "$search", ValueRef::as_str, "a string")?
            .ok_or_else(|| Error::mongo(NO_SUCH_KEY, "$text needs a $search field with the words to look for"))?;
        let text = Text {
            search: search.to_owned(),
            language: field(doc, "$language", ValueRef::as_str, "a string")?.map(str::to_owned),
            case_sensitive: field(doc, "$caseSensitive", as_bool, "true or false")?.unwrap_or(false),
            diacritic_sensitive: field(doc, "$diacriticSensitive", as_bool, "true or false")?.unwrap_or(false),
        };
        const KNOWN: [&str; 4] = ["$search", "$language", "$caseSensitive", "$diacriticSensitive"];
        match doc.iter().find(|(name, _)| !KNOWN.contains(name)) {
            None => Ok(text),
            Some((name, _)) => Err(Error::mongo(number::BAD_VALUE, format!("$text has no field {name:?}"))),
        }
    }
}

fn as_bool(value: ValueRef<'_>) -> Option<bool> {
    match value {
        ValueRef::Bool(truth) => Some(truth),
        _ => None,
    }
}

fn field<'d, T>(
    doc: RawDoc<'d>,
    name: &str,
    read: impl Fn(ValueRef<'d>) -> Option<T>,
    kind: &str,
) -> Result<Option<T>> {
    let Some(value) = doc.get(name) else { return Ok(None) };
    match read(value) {
        Some(value) => Ok(Some(value)),
        None => Err(Error::mongo(number::TYPE_MISMATCH, format!("{name} of $text must be {kind}, found {value:?}"))),
    }
}
