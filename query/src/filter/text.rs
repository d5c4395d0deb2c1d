//! `$text`: words that a document must hold. What they mean is storage's; which fields are searched and in which
//! language only the collection's text index knows, so a filter is settled once the collection is.

use std::sync::{Arc, OnceLock};

use storage::text::{Language, Search, SearchText, TextFields};
use storage::{ArrayBuilder, DocBuilder, RawDoc, Value, ValueRef};

use super::parse::bad;
use super::{Filter, Pred};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::found::Found;
use crate::sort::Meta;

/// What `$text` asks for.
#[derive(Clone, Debug)]
pub struct Text {
    /// Words, "phrases" and -excluded words, as written.
    search: String,
    /// Language whose word forms count as equal; `None` means the index's.
    language: Option<Language>,
    case_sensitive: bool,
    diacritic_sensitive: bool,
    /// Are `word*` and `word~1` understood? MongoDB has no such thing.
    extended: bool,
    settled: OnceLock<Arc<Search>>,
}

/// MongoDB's number for a missing field.
const NO_SUCH_KEY: i32 = 4;
/// MongoDB's number for `$text` in a collection that has no text index.
const NO_TEXT_INDEX: i32 = 27;
/// MongoDB's number for a score that no search has found out.
const NOTHING_FOUND_OUT: i32 = 40_218;

impl Text {
    /// Reads the operand of `$text`.
    pub(super) fn read(operand: ValueRef<'_>) -> Result<Text> {
        let ValueRef::Document(doc) = operand else {
            return Err(bad(format!("$text expects an object such as {{$search: \"words\"}}, found {operand:?}")));
        };
        let search = field(doc, "$search", ValueRef::as_str, "a string")?
            .ok_or_else(|| Error::mongo(NO_SUCH_KEY, "$text needs a $search field with the words to look for"))?;
        let flag = |name| -> Result<bool> { Ok(field(doc, name, as_bool, "true or false")?.unwrap_or(false)) };
        let text = Text {
            search: search.to_owned(),
            language: field(doc, "$language", ValueRef::as_str, "a string")?.map(language).transpose()?.flatten(),
            case_sensitive: flag("$caseSensitive")?,
            diacritic_sensitive: flag("$diacriticSensitive")?,
            extended: flag("$extended")?,
            settled: OnceLock::new(),
        };
        const KNOWN: [&str; 5] = ["$search", "$language", "$caseSensitive", "$diacriticSensitive", "$extended"];
        match doc.iter().find(|(name, _)| !KNOWN.contains(name)) {
            None => Ok(text),
            Some((name, _)) => Err(bad(format!("$text has no field {name:?}; it has {}", KNOWN.join(", ")))),
        }
    }

    /// Prepares the search for the fields of a text index. The first index that is given stays.
    pub fn settle(&self, fields: &TextFields) -> &Arc<Search> {
        let asked = SearchText {
            text: &self.search,
            language: self.language,
            case_sensitive: self.case_sensitive,
            diacritic_sensitive: self.diacritic_sensitive,
            extended: self.extended,
        };
        self.settled.get_or_init(|| Arc::new(Search::new(&asked, fields)))
    }

    /// Does the document hold the words?
    ///
    /// # Errors
    /// 27 where there is no text index; the deadline.
    pub(super) fn matches(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        Ok(self.settled.get().ok_or_else(no_index)?.score(doc, &mut || cx.tick())?.is_some())
    }
}

impl Filter {
    /// The words that the filter looks for, wherever they stand in it.
    pub fn text(&self) -> Option<&Text> {
        match self {
            Filter::Text(text) => Some(text),
            Filter::And(members) | Filter::Or(members) => members.iter().find_map(Filter::text),
            _ => None,
        }
    }

    /// What the search for words finds out about a document, as far as it is asked for.
    ///
    /// # Errors
    /// The deadline.
    pub fn found(&self, doc: RawDoc<'_>, asked: &[Meta], cx: &Cx<'_>) -> Result<Option<Found>> {
        let Some(search) = self.text().and_then(|text| text.settled.get()) else { return Ok(None) };
        let mut found = Found::default();
        if asked.contains(&Meta::TextScore) {
            found.text_score = search.score(doc, &mut || cx.tick())?;
        }
        if asked.contains(&Meta::Highlights) {
            found.highlights = Some(highlights(search, doc, cx)?);
        }
        Ok(Some(found))
    }

    /// Refuses what only a search for words finds out where there is no such search.
    ///
    /// # Errors
    /// 40218.
    pub fn check_asked(&self, asked: &[Meta]) -> Result<()> {
        let of_text = asked.iter().find(|meta| matches!(meta, Meta::TextScore | Meta::Highlights));
        match of_text {
            Some(meta) if self.text().is_none() => {
                let name = meta.name();
                let message = format!("{{$meta: \"{name}\"}} needs a filter with $text, which finds it out");
                Err(Error::mongo(NOTHING_FOUND_OUT, message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses searches for words in places that no index can serve.
    pub(super) fn check_text(&self) -> Result<()> {
        match (texts(self), negated(self)) {
            (0, _) => Ok(()),
            (_, true) => Err(bad("$text is not allowed under $nor or $not")),
            (1, _) if self.near().is_some() => Err(bad("$text and $near are not allowed in the same query")),
            (1, _) => Ok(()),
            (count, _) => Err(bad(format!("a filter can have only one $text, found {count}"))),
        }
    }
}

/// The error for `$text` in a collection without a text index.
pub(crate) fn no_index() -> Error {
    let message = "text index required for $text query: make one, such as {key: {title: \"text\"}}";
    Error { number: NO_TEXT_INDEX, ..Error::new(Code::IndexMissing, message) }
}

/// The hits with their surroundings: `[{path, texts: [{value, type: "hit" | "text"}]}]`.
fn highlights(search: &Search, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Value> {
    let mut out = ArrayBuilder::new();
    for highlight in search.highlights(doc, &mut || cx.tick())? {
        let mut texts = ArrayBuilder::new();
        for fragment in &highlight.fragments {
            let mut text = DocBuilder::new();
            text.put("value", ValueRef::String(&fragment.text));
            text.put("type", ValueRef::String(if fragment.is_hit { "hit" } else { "text" }));
            texts.push(ValueRef::Document(text.finish().raw()));
        }
        let mut row = DocBuilder::new();
        row.put("path", ValueRef::String(&highlight.path));
        row.put("texts", ValueRef::Array(texts.finish().raw()));
        out.push(ValueRef::Document(row.finish().raw()));
    }
    Ok(Value::Array(out.finish()))
}

/// An empty name means the language of the index.
fn language(name: &str) -> Result<Option<Language>> {
    if name.is_empty() {
        return Ok(None);
    }
    Language::named(name).map(Some).ok_or_else(|| {
        let known: Vec<&str> = Language::names().collect();
        bad(format!("$text has the unknown language {name:?}; known are {}", known.join(", ")))
    })
}

fn texts(filter: &Filter) -> usize {
    match filter {
        Filter::Text(_) => 1,
        Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => members.iter().map(texts).sum(),
        Filter::Field(_, Pred::ElemMatch(inner)) => texts(inner),
        _ => 0,
    }
}

/// Does a search for words stand where it must not be found?
fn negated(filter: &Filter) -> bool {
    match filter {
        Filter::Nor(members) => members.iter().any(|member| texts(member) > 0),
        Filter::And(members) | Filter::Or(members) => members.iter().any(negated),
        _ => false,
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
