//! What JavaScript means by trimming, lower case and percent-encoding, where signatures depend on it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but letters, digits and `-_.~` (RFC 3986).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `encodeURIComponent` with `!'()*` encoded as well.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ESCAPED).into()
}

/// `String.prototype.trim`: unlike Rust's it takes U+FEFF and leaves U+0085.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| (character.is_whitespace() && character != '\u{85}') || character == '\u{FEFF}')
}

/// A header's value as a JavaScript program sees it: one character per byte.
pub(super) fn header_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => text.into(),
        _ => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_as_javascript_does() {
        let blanks =
            "\u{9}\u{A}\u{B}\u{C}\u{D} \u{A0}\u{1680}\u{2000}\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
        assert_eq!(trim(&format!("{blanks}a b{blanks}")), "a b");
        assert_eq!(trim("\u{85}a\u{85}"), "\u{85}a\u{85}");
        assert_eq!(trim("\u{200B}a"), "\u{200B}a");
    }

    #[test]
    fn encodes_all_but_the_unreserved() {
        assert_eq!(encode("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(encode("a b!'()*+/é"), "a%20b%21%27%28%29%2A%2B%2F%C3%A9");
    }
}
