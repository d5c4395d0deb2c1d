//! The languages that texts can be in: their names, word stems and stop words.
//!
//! One table row per language. Stop words stand in `stop_words.txt`, one paragraph per language; they are Snowball's
//! lists as MongoDB has them, and for Chinese the particles that stand in almost every sentence.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use rust_stemmers::{Algorithm, Stemmer};

/// A language, by its row in the table.
#[derive(Clone, Copy)]
pub struct Language(&'static Row);

/// A language as the table has it.
struct Row {
    name: &'static str,
    /// Other names, in lower case.
    codes: &'static [&'static str],
    stems: Option<Algorithm>,
}

const fn row(name: &'static str, codes: &'static [&'static str], stems: Option<Algorithm>) -> Row {
    Row { name, codes, stems }
}

static ROWS: &[Row] = &[
    row("english", &["en"], Some(Algorithm::English)),
    row("none", &[], None),
    row(
        "chinese",
        &["zh", "zh-cn", "zh-tw", "zh-hk", "zhs", "zht", "hans", "hant", "simplified chinese", "traditional chinese"],
        None,
    ),
    row("danish", &["da"], Some(Algorithm::Danish)),
    row("dutch", &["nl"], Some(Algorithm::Dutch)),
    row("finnish", &["fi"], Some(Algorithm::Finnish)),
    row("french", &["fr"], Some(Algorithm::French)),
    row("german", &["de"], Some(Algorithm::German)),
    row("hungarian", &["hu"], Some(Algorithm::Hungarian)),
    row("italian", &["it"], Some(Algorithm::Italian)),
    row("norwegian", &["nb"], Some(Algorithm::Norwegian)),
    row("portuguese", &["pt"], Some(Algorithm::Portuguese)),
    row("romanian", &["ro"], Some(Algorithm::Romanian)),
    row("russian", &["ru"], Some(Algorithm::Russian)),
    row("spanish", &["es"], Some(Algorithm::Spanish)),
    row("swedish", &["sv"], Some(Algorithm::Swedish)),
    row("turkish", &["tr"], Some(Algorithm::Turkish)),
];

type StopWords = HashMap<&'static str, HashSet<&'static str>>;

static STOP_WORDS: OnceLock<StopWords> = OnceLock::new();

impl Language {
    /// The language of this name or code, whatever its case.
    pub fn named(name: &str) -> Option<Language> {
        let name = name.to_lowercase();
        ROWS.iter().find(|row| row.name == name || row.codes.contains(&name.as_str())).map(Language)
    }

    /// The names of all languages, for messages and the docs.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The stem of a word that is in lower case.
    pub(super) fn stem(self, word: &str) -> String {
        match self.0.stems {
            Some(algorithm) => Stemmer::create(algorithm).stem(word).into_owned(),
            None => word.to_owned(),
        }
    }

    /// Is a word in lower case so common that it is not searched for?
    pub(super) fn is_stop_word(self, word: &str) -> bool {
        is_listed(self.0.name, word)
    }

    /// The same for a Chinese word, which may stand in a text of any language.
    pub(super) fn is_chinese_stop_word(self, word: &str) -> bool {
        self.0.name != "none" && is_listed("chinese", word)
    }

    /// Does an apostrophe belong to a word, as in "don't"?
    pub(super) fn keeps_apostrophes(self) -> bool {
        matches!(self.0.name, "english" | "chinese")
    }

    /// Are the dotted and the dotless i different letters?
    pub(super) fn has_dotless_i(self) -> bool {
        self.0.name == "turkish"
    }
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl PartialEq for Language {
    fn eq(&self, other: &Language) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Language {}

fn is_listed(language: &str, word: &str) -> bool {
    STOP_WORDS.get_or_init(read_stop_words).get(language).is_some_and(|words| words.contains(word))
}

/// A paragraph begins with a language's name and a colon; its other lines are indented.
fn read_stop_words() -> StopWords {
    let mut all = StopWords::new();
    let mut words = None;
    for line in include_str!("stop_words.txt").lines() {
        let rest = match line.split_once(": ") {
            Some((name, rest)) if !line.starts_with(' ') => {
                words = Some(all.entry(name).or_default());
                rest
            }
            _ => line,
        };
        if let Some(words) = &mut words {
            words.extend(rest.split_whitespace());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_have_names_and_codes() {
        assert_eq!(Language::named("ES").map(Language::name), Some("spanish"));
        assert_eq!(Language::named("klingon"), None);
        assert_eq!(Language::named(""), None);
    }

    #[test]
    fn every_language_but_none_has_stop_words() {
        let all = read_stop_words();
        for row in ROWS.iter().filter(|row| row.name != "none") {
            assert!(all.get(row.name).is_some_and(|words| words.len() > 20), "{}", row.name);
        }
        assert_eq!(all.len() + 1, ROWS.len());
        let [english, none] = ["english", "none"].map(|name| Language::named(name).expect("known"));
        assert!(english.is_stop_word("the") && english.is_stop_word("don't") && !english.is_stop_word("cat"));
        assert!(!none.is_stop_word("the") && !none.is_chinese_stop_word("的") && english.is_chinese_stop_word("的"));
    }

    #[test]
    fn words_are_stemmed() {
        let stem = |language, word| Language::named(language).expect("known").stem(word);
        assert_eq!(stem("english", "running"), "run");
        assert_eq!(stem("spanish", "manzanas"), "manzan");
        assert_eq!(stem("none", "running"), "running");
    }
}
