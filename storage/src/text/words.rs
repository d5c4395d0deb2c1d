//! From text to terms: the words of a text in the form in which they are searched for.
//!
//! A term is a word in lower case, stemmed, without accents. Runs of Chinese characters are cut into words by
//! dictionary; a text gives also the words inside its longer words, a search only the words themselves. The dictionary
//! is unpacked when the first Chinese character is met.

use std::ops::Range;
use std::sync::OnceLock;

use jieba_rs::{Jieba, Token};

use super::fold::{is_han, lower, separates, without_accents};
use super::language::Language;

/// Longest term in bytes; what is longer is cut and marked with its checksum.
const TERM_BYTES_MAX: usize = 200;

/// How a text is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) language: Language,
    /// Do upper and lower case differ?
    pub(super) keeps_case: bool,
    /// Do accents differ?
    pub(super) keeps_accents: bool,
    /// Are words so common that nobody means them left out?
    pub(super) skips_stop_words: bool,
    /// Are the words inside longer Chinese words given as well?
    pub(super) gives_inner_words: bool,
}

impl Reading {
    /// As an index reads the text of a document.
    pub(super) const fn of_document(language: Language) -> Reading {
        Reading { language, keeps_case: false, keeps_accents: false, skips_stop_words: true, gives_inner_words: true }
    }

    /// As the text of a search is read.
    pub(super) const fn of_search(language: Language) -> Reading {
        Reading { gives_inner_words: false, ..Reading::of_document(language) }
    }
}

/// Calls `take` with each term and the bytes of the text that it stands for.
///
/// # Errors
/// What `take` answers; it ends the reading.
pub(super) fn each_term<E>(
    text: &str,
    reading: Reading,
    mut take: impl FnMut(&str, Range<usize>) -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = 0;
    while let Some(start) = find(text, rest, |letter| !separates(letter, reading.language)) {
        let end = find(text, start, |letter| separates(letter, reading.language)).unwrap_or(text.len());
        let word = text.get(start..end).unwrap_or_default();
        match word.chars().any(is_han) {
            true => each_of_mixed(word, start, reading, &mut take)?,
            false => plain(word, start, reading, &mut take)?,
        }
        rest = end;
    }
    Ok(())
}

/// The place of the first letter from `from` on that is wanted.
fn find(text: &str, from: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
    text.get(from..)?.char_indices().find(|(_, letter)| wanted(*letter)).map(|(at, _)| from + at)
}

type Take<'t, E> = &'t mut dyn FnMut(&str, Range<usize>) -> Result<(), E>;

fn plain<E>(word: &str, start: usize, reading: Reading, take: Take<'_, E>) -> Result<(), E> {
    let lower = lower(word, reading.language);
    if reading.skips_stop_words && reading.language.is_stop_word(&lower) {
        return Ok(());
    }
    let cased = if reading.keeps_case { word.to_owned() } else { lower };
    let stem = reading.language.stem(&cased); // stems depend on accents, so they are taken off afterwards
    let term = if reading.keeps_accents { stem } else { without_accents(stem) };
    take(&bounded(term), start..start + word.len())
}

/// A word with Chinese characters: runs of these by dictionary, what stands between as words of its own.
fn each_of_mixed<E>(word: &str, start: usize, reading: Reading, take: Take<'_, E>) -> Result<(), E> {
    let mut at = 0;
    while let Some(first) = word.get(at..).and_then(|rest| rest.chars().next()) {
        let is_part = |letter: char| is_han(first) == is_han(letter) && (is_han(letter) || letter.is_alphanumeric());
        let end = find(word, at, |letter| !is_part(letter)).unwrap_or(word.len()).max(at);
        let part = word.get(at..end).unwrap_or_default();
        match part.chars().next() {
            None => at += first.len_utf8(), // a sign between words
            Some(letter) if is_han(letter) => chinese(part, start + at, reading, take)?,
            Some(_) => plain(part, start + at, reading, take)?,
        }
        at = at.max(end);
    }
    Ok(())
}

fn chinese<E>(run: &str, start: usize, reading: Reading, take: Take<'_, E>) -> Result<(), E> {
    let words: Vec<Token<'_>> = match reading.gives_inner_words {
        true => dictionary().cut_for_search(run, false),
        false => dictionary().cut(run, false),
    };
    for word in words {
        if !(reading.skips_stop_words && reading.language.is_chinese_stop_word(word.word)) {
            take(word.word, start + word.byte_start..start + word.byte_end)?;
        }
    }
    Ok(())
}

fn dictionary() -> &'static Jieba {
    static DICTIONARY: OnceLock<Jieba> = OnceLock::new();
    DICTIONARY.get_or_init(Jieba::new)
}

/// Unpacks the dictionary, which takes about a tenth of a second, before somebody waits for it.
pub(super) fn warm_up() {
    dictionary();
}

fn bounded(mut term: String) -> String {
    if term.len() > TERM_BYTES_MAX {
        let sum = crc32fast::hash(term.as_bytes());
        let end = (0..=TERM_BYTES_MAX).rev().find(|at| term.is_char_boundary(*at)).unwrap_or(0);
        term.truncate(end);
        term.push_str(&format!("#{sum:08x}"));
    }
    term
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str, reading: Reading) -> Vec<String> {
        let mut terms = Vec::new();
        let taken: Result<(), ()> = each_term(text, reading, |term, at| {
            assert!(text.get(at).is_some());
            terms.push(term.to_owned());
            Ok(())
        });
        taken.expect("never stopped");
        terms
    }

    fn english() -> Language {
        Language::named("english").expect("known")
    }

    #[test]
    fn words_become_terms() {
        let read = |text| terms(text, Reading::of_document(english()));
        assert_eq!(read("The running Cafés, don't stop-word a_b."), ["run", "cafe", "stop", "word", "a_b"]);
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("  - 。"), [""; 0]);
        let exact = Reading { keeps_case: true, keeps_accents: true, ..Reading::of_document(english()) };
        assert_eq!(terms("Cafés THE", exact), ["Café"]);
    }

    #[test]
    fn chinese_is_cut_by_dictionary() {
        assert_eq!(
            terms("我爱北京大学的iPhone手机！", Reading::of_search(english())),
            ["我", "爱", "北京大学", "iphon", "手机"]
        );
        assert_eq!(terms("北京大学", Reading::of_document(english())), ["北京", "大学", "北京大学"]);
        assert_eq!(terms("（你好）v2.0版", Reading::of_search(english())), ["你好", "v2", "0", "版"]);
    }

    #[test]
    fn a_long_word_is_cut_and_keeps_its_identity() {
        let read = |text: &str| terms(text, Reading::of_document(english())).concat();
        let (one, other) = (read(&"é".repeat(5000)), read(&"é".repeat(5001)));
        assert!(one.len() < 220 && one != other);
    }
}
