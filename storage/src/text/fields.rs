//! Which texts of a document are searched, in which language, and how much each counts.
//!
//! MongoDB's rule: fields by dotted path, arrays on the way are entered (an array inside an array is not, except by the
//! wildcard), and a document or a document inside it may name the language of what it holds.

use serde::{Deserialize, Serialize};

use super::language::Language;
use crate::doc::RawDoc;
use crate::value::ValueRef;

/// The path that stands for every text of a document.
pub const WILDCARD: &str = "$**";
/// What a field counts whose weight is not given.
pub const WEIGHT_DEFAULT: u32 = 1;
/// Weights are below this number.
pub const WEIGHT_END: u32 = 100_000;
/// MongoDB's numbers for a language field that is no text, and for a language that does not exist.
const LANGUAGE_IS_NO_TEXT: i32 = 17261;
const LANGUAGE_UNKNOWN: i32 = 17262;

/// What a text index is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSpec {
    /// The paths and how much each counts, from 1 to 99 999; [`WILDCARD`] means every text.
    pub weights: Vec<(String, u32)>,
    /// The language of texts that name none; as it was given.
    pub default_language: String,
    /// The field by which a document names its language.
    pub language_override: String,
}

/// The texts that an index looks at.
#[derive(Clone, Debug)]
pub struct TextFields {
    spec: TextSpec,
    wildcard: bool,
    language: Language,
}

/// One text of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage<'d> {
    pub(super) text: &'d str,
    pub(super) language: Language,
    pub(super) weight: u32,
}

/// What is wrong with the language field of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LanguageFault {
    pub(crate) reason: String,
    pub(crate) number: i32,
}

impl TextFields {
    /// Prepares a description; `None` where it names an unknown language.
    pub fn new(mut spec: TextSpec) -> Option<TextFields> {
        spec.weights.sort();
        let language = Language::named(&spec.default_language)?;
        Some(TextFields { wildcard: spec.weights.iter().any(|(path, _)| path == WILDCARD), language, spec })
    }

    /// The description that it was made of.
    pub const fn spec(&self) -> &TextSpec {
        &self.spec
    }

    /// The language of texts that name none.
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Calls `take` with the path and each text of the document that is searched.
    ///
    /// # Errors
    /// What `take` answers; it ends the walk.
    pub(super) fn each<'d, E>(
        &self,
        doc: RawDoc<'d>,
        mut take: impl FnMut(&str, Passage<'d>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.walk(doc, self.top(), &mut take, &mut |_| Ok(()))
    }

    /// Does every part of the document that holds texts and names a language name one that exists?
    ///
    /// # Errors
    /// 17261 where it is no text, 17262 where there is no such language.
    pub(crate) fn check_languages(&self, doc: RawDoc<'_>) -> Result<(), LanguageFault> {
        self.walk(doc, self.top(), &mut |_, _| Ok(()), &mut Err)
    }

    const fn top(&self) -> Level<'static> {
        Level { path: "", language: self.language, is_array: false }
    }

    fn named_language(&self, doc: RawDoc<'_>) -> Result<Option<Language>, LanguageFault> {
        let field = &self.spec.language_override;
        match doc.get(field) {
            None => Ok(None),
            Some(ValueRef::String(name)) => Language::named(name).map(Some).ok_or_else(|| LanguageFault {
                reason: format!("the field '{field}' names the unknown language '{name}'"),
                number: LANGUAGE_UNKNOWN,
            }),
            Some(other) => Err(LanguageFault {
                reason: format!("the field '{field}' must name a language, found {other}"),
                number: LANGUAGE_IS_NO_TEXT,
            }),
        }
    }

    fn walk<'d, E>(
        &self,
        doc: RawDoc<'d>,
        level: Level<'_>,
        take: &mut dyn FnMut(&str, Passage<'d>) -> Result<(), E>,
        refuse: &mut dyn FnMut(LanguageFault) -> Result<(), E>,
    ) -> Result<(), E> {
        let named = match level.is_array {
            true => None,
            false => self.named_language(doc).or_else(|fault| refuse(fault).map(|()| None))?,
        };
        let language = named.unwrap_or(level.language);
        for (name, value) in doc.iter() {
            if self.wildcard && name == self.spec.language_override {
                continue;
            }
            let joined = match (level.path, level.is_array) {
                ("", _) => name.to_owned(),
                (path, true) => path.to_owned(),
                (path, false) => format!("{path}.{name}"),
            };
            let weight = self.weight(&joined);
            if weight.is_none() && !self.wildcard && !self.leads_on(&joined) {
                continue;
            }
            let below = |is_array| Level { path: &joined, language, is_array };
            match value {
                ValueRef::String(text) if weight.is_some() || self.wildcard => {
                    take(&joined, Passage { text, language, weight: weight.unwrap_or(WEIGHT_DEFAULT) })?;
                }
                ValueRef::Document(inner) if weight.is_none() || self.wildcard => {
                    self.walk(inner, below(false), take, refuse)?;
                }
                ValueRef::Array(inner) if !level.is_array || self.wildcard => {
                    self.walk(inner.as_doc(), below(true), take, refuse)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn weight(&self, path: &str) -> Option<u32> {
        self.spec.weights.iter().find(|(own, _)| own == path).map(|(_, weight)| *weight)
    }

    /// Does a path of the index go on below this one?
    fn leads_on(&self, path: &str) -> bool {
        self.spec.weights.iter().any(|(own, _)| own.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// Where the walk through a document is.
#[derive(Clone, Copy)]
struct Level<'p> {
    path: &'p str,
    language: Language,
    is_array: bool,
}
