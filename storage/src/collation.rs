//! Language-aware comparison of texts: what a caller's `collation` means, for comparing and for index keys.
//!
//! The rules and tables are ICU4X's; this module only maps MongoDB's option names to them. Index keys under a
//! collation hold sort keys, so they can be ordered but not read back.

use std::cmp::Ordering;
use std::fmt;

use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;
use serde::{Deserialize, Serialize};

/// The options of a collation, as MongoDB names them (manual page "Collation"). Part of index records on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CollationSpec {
    /// ICU locale such as `en`, `zh`, `fr_CA`, or `zh@collation=stroke`.
    pub locale: String,
    /// 1 base letters, 2 and accents, 3 and case (default), 4 and punctuation, 5 identical code points.
    pub strength: u8,
    /// A level for case below strength 3.
    pub case_level: bool,
    /// Which case sorts first.
    pub case_first: CaseFirst,
    /// Compare digit sequences by their numeric value.
    pub numeric_ordering: bool,
    /// Ignore spaces and punctuation below strength 4.
    pub shifted: bool,
    /// With `shifted`: only spaces are ignored.
    pub spaces_only: bool,
    /// Compare accents from the end (Canadian French).
    pub backwards: bool,
}

/// Which case sorts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CaseFirst {
    Off,
    Upper,
    Lower,
}

/// A collation, ready to compare.
pub struct Collation {
    spec: CollationSpec,
    collator: CollatorBorrowed<'static>,
}

impl CollationSpec {
    /// The options that a bare locale stands for.
    pub fn of_locale(locale: &str) -> CollationSpec {
        CollationSpec {
            locale: locale.to_owned(),
            strength: 3,
            case_level: false,
            case_first: CaseFirst::Off,
            numeric_ordering: false,
            shifted: false,
            spaces_only: false,
            backwards: locale == "fr_CA",
        }
    }
}

impl Collation {
    /// Makes a collation of its options; `None` where the locale is not a locale.
    pub fn new(spec: CollationSpec) -> Option<Collation> {
        let locale: Locale = bcp47(&spec).parse().ok()?;
        let mut preferences = CollatorPreferences::from(&locale);
        preferences.case_first = Some(match spec.case_first {
            CaseFirst::Off => CollationCaseFirst::False,
            CaseFirst::Upper => CollationCaseFirst::Upper,
            CaseFirst::Lower => CollationCaseFirst::Lower,
        });
        preferences.numeric_ordering = Some(match spec.numeric_ordering {
            true => CollationNumericOrdering::True,
            false => CollationNumericOrdering::False,
        });
        let mut options = CollatorOptions::default();
        options.strength = Some(match spec.strength {
            1 => Strength::Primary,
            2 => Strength::Secondary,
            4 => Strength::Quaternary,
            5 => Strength::Identical,
            _ => Strength::Tertiary,
        });
        options.case_level = Some(if spec.case_level { CaseLevel::On } else { CaseLevel::Off });
        options.alternate_handling =
            Some(if spec.shifted { AlternateHandling::Shifted } else { AlternateHandling::NonIgnorable });
        options.max_variable = Some(if spec.spaces_only { MaxVariable::Space } else { MaxVariable::Punctuation });
        Some(Collation { collator: Collator::try_new(preferences, options).ok()?, spec })
    }

    /// The options it was made of.
    pub const fn spec(&self) -> &CollationSpec {
        &self.spec
    }

    /// Compares two texts.
    pub fn compare(&self, left: &str, right: &str) -> Ordering {
        self.collator.compare(left, right)
    }

    /// Appends bytes that compare like the text: equal texts give equal bytes.
    pub fn sort_key(&self, text: &str, out: &mut Vec<u8>) {
        let Ok(()) = self.collator.write_sort_key_to(text, out);
    }
}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spec.fmt(f)
    }
}

/// Languages with no order of letters of their own: they follow Unicode's.
const PLAIN_ORDERS: [&str; 12] = ["de", "en", "fr", "ga", "id", "it", "lb", "ms", "nl", "pt", "sw", "zu"];

/// ICU's old locale form (`zh@collation=stroke`, `fr_CA`) in the form that the tables are found by.
fn bcp47(spec: &CollationSpec) -> String {
    let (base, keyword) = spec.locale.split_once("@collation=").unwrap_or((&spec.locale, ""));
    let mut tag = base.replace('_', "-");
    let language = tag.split('-').next().unwrap_or_default();
    if keyword.is_empty() && PLAIN_ORDERS.contains(&language) {
        // The only tables that compare accents from the end are Canadian French, which has no other rule of its own.
        tag = if spec.backwards { "fr-CA" } else { "en" }.to_owned();
    }
    let short = match keyword {
        "phonebook" => "phonebk",
        "traditional" => "trad",
        "dictionary" => "dict",
        other => other,
    };
    if !short.is_empty() {
        tag.push_str("-u-co-");
        tag.push_str(short);
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl Fn(&mut CollationSpec)) -> Collation {
        let mut spec = CollationSpec::of_locale("en");
        change(&mut spec);
        Collation::new(spec).expect("a known locale")
    }

    #[test]
    fn options_mean_what_they_say() {
        assert_eq!(of(|spec| spec.strength = 1).compare("résumé", "RESUME"), Ordering::Equal);
        assert_eq!(of(|spec| spec.strength = 2).compare("a", "A"), Ordering::Equal);
        assert_eq!(of(|spec| spec.strength = 2).compare("e", "é"), Ordering::Less);
        assert_eq!(of(|_| ()).compare("a", "A"), Ordering::Less);
        assert_eq!(of(|spec| spec.case_first = CaseFirst::Upper).compare("a", "A"), Ordering::Greater);
        assert_eq!(of(|spec| spec.numeric_ordering = true).compare("10", "9"), Ordering::Greater);
        assert_eq!(of(|spec| spec.shifted = true).compare("a-b", "ab"), Ordering::Equal);
    }

    #[test]
    fn accents_from_the_end() {
        let words = |locale: &str, backwards: Option<bool>| {
            let mut spec = CollationSpec::of_locale(locale);
            spec.backwards = backwards.unwrap_or(spec.backwards);
            let collation = Collation::new(spec).expect("a known locale");
            let mut words = ["cote", "coté", "côte", "côté"];
            words.sort_by(|a, b| collation.compare(a, b));
            words
        };
        let (forward, backward) = (["cote", "coté", "côte", "côté"], ["cote", "côte", "coté", "côté"]);
        for (locale, backwards, expect) in [
            ("fr_CA", None, backward),
            ("fr_CA", Some(false), forward),
            ("fr", None, forward),
            ("fr", Some(true), backward),
            ("en", Some(true), backward),
            ("de", Some(true), backward),
        ] {
            assert_eq!(words(locale, backwards), expect, "{locale} {backwards:?}");
        }
    }

    #[test]
    fn sort_keys_order_like_compare() {
        let collation = of(|spec| spec.strength = 2);
        let key = |text: &str| {
            let mut bytes = Vec::new();
            collation.sort_key(text, &mut bytes);
            bytes
        };
        let words = ["", "a", "A", "á", "b", "ab", "10", "9", "中", "文"];
        for a in words {
            for b in words {
                assert_eq!(collation.compare(a, b), key(a).cmp(&key(b)), "{a} {b}");
            }
        }
    }

    #[test]
    fn an_impossible_locale_is_refused() {
        assert!(Collation::new(CollationSpec::of_locale("not a locale")).is_none());
    }
}
