//! Letters as searches compare them: without case, without accents; and which letters separate words.
//!
//! The rules are those of MongoDB's text indexes (version 3), the tables Unicode's.

use icu_normalizer::properties::{CanonicalDecomposition, Decomposed};
use icu_properties::props::{
    Dash, Diacritic, Hyphen, PatternSyntax, QuotationMark, SentenceTerminal, TerminalPunctuation, WhiteSpace,
};
use icu_properties::{CodePointSetData, props::BinaryProperty};

use super::language::Language;

/// Does the letter stand between words?
pub(super) fn separates(letter: char, language: Language) -> bool {
    match letter {
        '_' => false,
        '\'' => !language.keeps_apostrophes(),
        letter if letter.is_ascii() => letter.is_ascii_punctuation() || matches!(letter, '\t'..='\r' | ' '),
        letter if is_han(letter) => false,
        letter => {
            is::<WhiteSpace>(letter)
                || is::<PatternSyntax>(letter)
                || is::<TerminalPunctuation>(letter)
                || is::<QuotationMark>(letter)
                || is::<Dash>(letter)
                || is::<Hyphen>(letter)
                || is::<SentenceTerminal>(letter)
        }
    }
}

/// Is it a Chinese character? Words of these are not separated by anything.
pub(super) const fn is_han(letter: char) -> bool {
    matches!(letter,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}'
        | '々' | '〇')
}

/// The text in lower case, one letter for one letter.
pub(super) fn lower(text: &str, language: Language) -> String {
    if text.is_ascii() && !language.has_dotless_i() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(|letter| lower_letter(letter, language.has_dotless_i())).collect()
}

fn lower_letter(letter: char, has_dotless_i: bool) -> char {
    match letter {
        'I' if has_dotless_i => 'ı',
        'İ' if has_dotless_i => 'i',
        // Other shapes of a letter.
        'ς' => 'σ',
        'ſ' => 's',
        'µ' => 'μ',
        'ϐ' => 'β',
        'ϑ' => 'θ',
        'ϕ' => 'φ',
        'ϖ' => 'π',
        'ϰ' => 'κ',
        'ϱ' => 'ρ',
        'ϵ' => 'ε',
        _ => {
            let mut lower = letter.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(one), None) => one,
                _ => letter,
            }
        }
    }
}

/// The text without accents.
pub(super) fn without_accents(text: String) -> String {
    if text.is_ascii() {
        return text;
    }
    text.chars().filter(|letter| letter.is_ascii() || !is::<Diacritic>(*letter)).map(base).collect()
}

/// The letter under the accents.
fn base(letter: char) -> char {
    let mut letter = letter;
    while !letter.is_ascii()
        && let Decomposed::Expansion(base, accent) = CanonicalDecomposition::new().decompose(letter)
        && is::<Diacritic>(accent)
    {
        letter = base;
    }
    letter
}

fn is<P: BinaryProperty>(letter: char) -> bool {
    CodePointSetData::new::<P>().contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_case_and_accents() {
        let [english, turkish] = ["english", "turkish"].map(|name| Language::named(name).expect("known"));
        let folded = |text: &str| without_accents(lower(text, english));
        assert_eq!(folded("CAFÉ e\u{301}té Łódź Straße ΣΑΣ İ"), "cafe ete łodz straße σασ I");
        assert_eq!(folded("北京 각"), "北京 각");
        assert_eq!(lower("Iİ", turkish), "ıi");
    }

    #[test]
    fn words_are_separated_by_punctuation_and_space() {
        let [english, french] = ["english", "french"].map(|name| Language::named(name).expect("known"));
        assert!(" \t.,-$+^`|~\u{3000}，。、《》“”…—".chars().all(|letter| separates(letter, english)));
        assert!(!"_aé北0\u{0}".chars().any(|letter| separates(letter, english)));
        assert!(separates('\'', french) && !separates('\'', english));
    }
}
