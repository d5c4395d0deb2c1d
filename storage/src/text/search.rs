//! What a search asks for, and whether a document has it: the meaning of `$text`.
//!
//! Words are alternatives; a phrase in quotes must stand in one text of the document, letter by letter; a word or
//! phrase after a minus must not. The score of a document is the sum over the words searched for of how well each is
//! represented: by how often it stands in a field, in how long a text, and how much the field counts.
//!
//! In extended searches `word*` means every word that begins so, and `word~1` every word that is at most so many
//! letters away.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;

use super::distance::within;
use super::fields::{Passage, TextFields};
use super::fold::{lower, without_accents};
use super::language::Language;
use super::words::{Reading, each_term};
use crate::doc::RawDoc;

/// What a search asks for, as it was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchText<'s> {
    /// Words, "phrases", -exclusions.
    pub text: &'s str,
    /// The language of the words; `None` means that of the index.
    pub language: Option<Language>,
    /// Do upper and lower case differ?
    pub case_sensitive: bool,
    /// Do accents differ?
    pub diacritic_sensitive: bool,
    /// Are `word*` and `word~1` understood?
    pub extended: bool,
}

/// A search, ready to be answered.
#[derive(Clone, Debug)]
pub struct Search {
    fields: TextFields,
    /// Any of these must be there, as the index has them.
    any: BTreeSet<String>,
    /// Or a word that begins so.
    prefixes: BTreeSet<String>,
    /// Or a word so few letters away.
    fuzzy: BTreeSet<(String, u8)>,
    /// Any of these must be there with their case or accents; empty where these do not matter.
    exact: BTreeSet<String>,
    none: BTreeSet<String>,
    phrases: Vec<String>,
    no_phrases: Vec<String>,
    keeps_case: bool,
    keeps_accents: bool,
}

/// A stretch of a text that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The text.
    pub text: String,
    /// Is it what was searched for?
    pub is_hit: bool,
}

/// One text of a document in which something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// Where it stands.
    pub path: String,
    /// What stands there around the hits, and the hits.
    pub fragments: Vec<Fragment>,
}

/// Greatest distance of `word~n`.
const DISTANCE_MAX: u8 = 2;
/// Bytes shown before and after a hit.
const AROUND_BYTES: usize = 60;
/// Hits shown of one text.
const HITS_MAX: usize = 10;

impl Search {
    /// Reads a search.
    pub fn new(asked: &SearchText<'_>, fields: &TextFields) -> Search {
        let language = asked.language.unwrap_or(fields.language());
        let mut parts = Parts::default();
        parts.read(asked.text);
        let mut search = Search {
            fields: fields.clone(),
            any: BTreeSet::new(),
            prefixes: BTreeSet::new(),
            fuzzy: BTreeSet::new(),
            exact: BTreeSet::new(),
            none: BTreeSet::new(),
            phrases: Vec::new(),
            no_phrases: Vec::new(),
            keeps_case: asked.case_sensitive,
            keeps_accents: asked.diacritic_sensitive,
        };
        if asked.extended {
            parts.wanted = search.take_extended(&parts.wanted, language);
        }
        let plain = Reading::of_search(language);
        let exact = Reading { keeps_case: asked.case_sensitive, keeps_accents: asked.diacritic_sensitive, ..plain };
        search.any = terms(&parts.wanted, plain);
        if asked.case_sensitive || asked.diacritic_sensitive {
            search.exact = terms(&parts.wanted, exact);
        }
        search.none = terms(&parts.unwanted, exact);
        search.phrases = parts.phrases.iter().map(|phrase| search.fold(phrase, language)).collect();
        search.no_phrases = parts.no_phrases.iter().map(|phrase| search.fold(phrase, language)).collect();
        search
    }

    /// What it was taken apart into, for explain.
    pub fn parts(&self) -> [(&'static str, Vec<&str>); 6] {
        let fuzzy = self.fuzzy().map(|(word, _)| word).collect();
        [
            ("terms", listed(&self.any)),
            ("negatedTerms", listed(&self.none)),
            ("phrases", listed(&self.phrases)),
            ("negatedPhrases", listed(&self.no_phrases)),
            ("prefixes", listed(&self.prefixes)),
            ("fuzzyTerms", fuzzy),
        ]
    }

    /// The words of which one must be there.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.any.iter().map(String::as_str)
    }

    /// The beginnings of words of which one must be there.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(String::as_str)
    }

    /// The words of which one must be nearly there, and how nearly.
    pub(super) fn fuzzy(&self) -> impl Iterator<Item = (&str, u8)> {
        self.fuzzy.iter().map(|(word, distance)| (word.as_str(), *distance))
    }

    /// Can no document match, because nothing is looked for?
    pub fn is_empty(&self) -> bool {
        self.any.is_empty() && self.prefixes.is_empty() && self.fuzzy.is_empty()
    }

    /// Does it depend on more of a document than which words stand in it?
    pub fn needs_texts(&self) -> bool {
        let strict = !self.exact.is_empty() || !self.none.is_empty();
        strict || !self.phrases.is_empty() || !self.no_phrases.is_empty()
    }

    /// How well a document fits; `None` where it does not. `tick` is asked for each word.
    ///
    /// # Errors
    /// What `tick` answers.
    pub fn score<E>(&self, doc: RawDoc<'_>, tick: &mut dyn FnMut() -> Result<(), E>) -> Result<Option<f64>, E> {
        let Some(score) = self.sum(doc, tick)? else { return Ok(None) };
        Ok(self.confirms(doc, tick)?.then_some(score))
    }

    /// Does a document that has one of the words satisfy the rest of the search?
    ///
    /// # Errors
    /// What `tick` answers.
    pub fn confirms<E>(&self, doc: RawDoc<'_>, tick: &mut dyn FnMut() -> Result<(), E>) -> Result<bool, E> {
        if !self.needs_texts() {
            return Ok(true);
        }
        let strict = self.keeps_case || self.keeps_accents;
        let (mut has_exact, mut has_none) = (!strict || self.exact.is_empty(), false);
        let mut phrases = vec![false; self.phrases.len()];
        let mut has_no_phrase = false;
        self.fields.each(doc, |_, passage| {
            if strict || !self.none.is_empty() {
                self.look(passage, &mut has_exact, &mut has_none, tick)?;
            }
            tick()?;
            if !self.phrases.is_empty() || !self.no_phrases.is_empty() {
                let text = self.fold(passage.text, passage.language);
                for (found, phrase) in phrases.iter_mut().zip(&self.phrases) {
                    *found |= text.contains(phrase.as_str());
                }
                has_no_phrase |= self.no_phrases.iter().any(|phrase| text.contains(phrase.as_str()));
            }
            Ok(())
        })?;
        Ok(has_exact && !has_none && !has_no_phrase && phrases.into_iter().all(|found| found))
    }

    /// The places where a document has what is searched for, by text.
    ///
    /// # Errors
    /// What `tick` answers.
    pub fn highlights<E>(&self, doc: RawDoc<'_>, tick: &mut dyn FnMut() -> Result<(), E>) -> Result<Vec<Highlight>, E> {
        let mut all = Vec::new();
        self.fields.each(doc, |path, passage| {
            let mut hits: Vec<(usize, usize)> = Vec::new();
            each_term(passage.text, Reading::of_document(passage.language), |term, at| {
                tick()?;
                if hits.len() < HITS_MAX && self.wants(term) {
                    match hits.last_mut() {
                        Some(last) if at.start < last.1 => *last = (last.0.min(at.start), last.1.max(at.end)),
                        _ => hits.push((at.start, at.end)),
                    }
                }
                Ok(())
            })?;
            if !hits.is_empty() {
                all.push(Highlight { path: path.to_owned(), fragments: fragments(passage.text, &hits) });
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn sum<E>(&self, doc: RawDoc<'_>, tick: &mut dyn FnMut() -> Result<(), E>) -> Result<Option<f64>, E> {
        let scores = scores(&self.fields, doc, |term| self.wants(term), tick)?;
        // Added in the order of words, so that every way to the score gives the same last digit.
        let mut scores: Vec<(String, f64)> = scores.into_iter().collect();
        scores.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok((!scores.is_empty()).then(|| scores.iter().map(|(_, score)| score).sum()))
    }

    /// Does a word of a document count for this search?
    fn wants(&self, term: &str) -> bool {
        self.any.contains(term)
            || self.prefixes.iter().any(|prefix| term.starts_with(prefix.as_str()))
            || self.fuzzy.iter().any(|(word, distance)| within(word, term, *distance))
    }

    fn look<E>(
        &self,
        passage: Passage<'_>,
        has_exact: &mut bool,
        has_none: &mut bool,
        tick: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let reading = Reading {
            keeps_case: self.keeps_case,
            keeps_accents: self.keeps_accents,
            skips_stop_words: false,
            ..Reading::of_document(passage.language)
        };
        each_term(passage.text, reading, |term, _| {
            tick()?;
            *has_exact |= self.exact.contains(term);
            *has_none |= self.none.contains(term);
            Ok(())
        })
    }

    fn fold(&self, text: &str, language: Language) -> String {
        let cased = if self.keeps_case { text.to_owned() } else { lower(text, language) };
        if self.keeps_accents { cased } else { without_accents(cased) }
    }

    /// Takes `word*` and `word~1` out of the words; returns what is left.
    fn take_extended(&mut self, words: &str, language: Language) -> String {
        let mut rest = String::new();
        for word in words.split_whitespace() {
            let folded = |word: &str| without_accents(lower(word, language));
            let approximate = word.split_once('~').and_then(|(start, distance)| match distance {
                "" => Some((start, 1)),
                _ => Some((start, distance.parse().ok()?)),
            });
            match (word.strip_suffix('*'), approximate) {
                (Some(start), _) if !start.is_empty() => {
                    self.prefixes.insert(folded(start));
                }
                (_, Some((start, distance))) if !start.is_empty() && distance <= DISTANCE_MAX => {
                    self.fuzzy.insert((folded(start), distance));
                }
                _ => {
                    rest.push_str(word);
                    rest.push(' ');
                }
            }
        }
        rest
    }
}

/// How well each word is represented in a document, for the words that are wanted. MongoDB's formula.
///
/// # Errors
/// What `tick` answers.
pub(super) fn scores<E>(
    fields: &TextFields,
    doc: RawDoc<'_>,
    wanted: impl Fn(&str) -> bool,
    tick: &mut dyn FnMut() -> Result<(), E>,
) -> Result<HashMap<String, f64>, E> {
    let mut scores: HashMap<String, f64> = HashMap::new();
    fields.each(doc, |_, passage| {
        let mut counts: HashMap<String, Occurrences> = HashMap::new();
        let mut count = 0.0;
        each_term(passage.text, Reading::of_document(passage.language), |term, _| {
            tick()?;
            count += 1.0;
            match counts.get_mut(term) {
                Some(occurrences) => occurrences.add(),
                None if wanted(term) => drop(counts.insert(term.to_owned(), Occurrences::first())),
                None => {}
            }
            Ok(())
        })?;
        for (term, occurrences) in counts {
            let share = 0.5 * occurrences.count / count + 0.5;
            // A text that is nothing but the word counts a little more.
            let whole = if passage.text.eq_ignore_ascii_case(&term) { 1.1 } else { 1.0 };
            *scores.entry(term).or_default() += f64::from(passage.weight) * occurrences.worth * share * whole;
        }
        Ok(())
    })?;
    Ok(scores)
}

/// How often a word stands in a text: each time counts half as much as the time before.
struct Occurrences {
    count: f64,
    worth: f64,
    next: f64,
}

impl Occurrences {
    const fn first() -> Occurrences {
        Occurrences { count: 1.0, worth: 1.0, next: 0.5 }
    }

    fn add(&mut self) {
        self.count += 1.0;
        self.worth += self.next;
        self.next /= 2.0;
    }
}

fn listed<'s>(words: impl IntoIterator<Item = &'s String>) -> Vec<&'s str> {
    words.into_iter().map(String::as_str).collect()
}

fn terms(words: &str, reading: Reading) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    let taken: Result<(), Infallible> = each_term(words, reading, |term, _| {
        terms.insert(term.to_owned());
        Ok(())
    });
    let Ok(()) = taken;
    terms
}

/// A search taken apart: what is wanted and what is not.
#[derive(Debug, Default)]
struct Parts {
    wanted: String,
    unwanted: String,
    phrases: Vec<String>,
    no_phrases: Vec<String>,
}

impl Parts {
    /// A minus after a space excludes what follows up to the next space; quotes enclose a phrase, whose words are
    /// also looked for.
    fn read(&mut self, text: &str) {
        let (mut excluding, mut phrase_start, mut after_space, mut at) = (false, None, true, 0);
        while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
            if is_space(letter) {
                (after_space, at) = (true, at + 1);
                continue;
            }
            let start = at;
            at = match letter {
                '-' | '"' => at + 1,
                _ => text.get(at..).and_then(|rest| rest.find(ends_word)).map_or(text.len(), |end| start + end),
            };
            match (letter, phrase_start) {
                ('-', None) if after_space => excluding = true,
                ('-', _) => {}
                ('"', Some(from)) => {
                    let phrase = text.get(from..start).unwrap_or_default().to_owned();
                    if excluding {
                        self.no_phrases.push(phrase)
                    } else {
                        self.phrases.push(phrase)
                    }
                    phrase_start = None;
                }
                ('"', None) => {
                    excluding &= !after_space;
                    phrase_start = Some(at);
                }
                (_, Some(_)) if excluding => {}
                _ => {
                    excluding &= !after_space;
                    let words = if excluding { &mut self.unwanted } else { &mut self.wanted };
                    words.push_str(text.get(start..at).unwrap_or_default());
                    words.push(' ');
                }
            }
            after_space = false;
        }
    }
}

const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t'..='\r')
}

const fn ends_word(letter: char) -> bool {
    is_space(letter) || matches!(letter, '-' | '"')
}

/// The hits with a little of what stands around them.
fn fragments(text: &str, hits: &[(usize, usize)]) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    let mut add = |from: usize, to: usize, is_hit: bool| {
        if let Some(text) = text.get(from..to).filter(|text| !text.is_empty()) {
            fragments.push(Fragment { text: text.to_owned(), is_hit });
        }
    };
    let mut shown = 0;
    for (place, (start, end)) in hits.iter().enumerate() {
        add(shown.max(letter_start(text, start.saturating_sub(AROUND_BYTES))), *start, false);
        add(*start, *end, true);
        let next = hits.get(place + 1).map_or(text.len(), |(next, _)| *next);
        shown = letter_start(text, end + AROUND_BYTES).min(next);
        add(*end, shown, false);
    }
    fragments
}

/// The place itself, or the start of the letter that it is inside of.
fn letter_start(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
