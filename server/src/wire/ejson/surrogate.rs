//! Halves of characters: what remains in a JavaScript text when an emoji is cut in two.
//!
//! JavaScript writes such a half as an escape (`"\ud83d"`) that stands for no character. Refusing the whole request
//! for it would punish users for `text.slice(0, 10)`; the half becomes U+FFFD, as it does on every way through UTF-8.

/// The JSON text with every half replaced; `None` if there is none.
pub(super) fn mend(text: &str) -> Option<String> {
    let mut mended: Option<String> = None;
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        let length = escape_len(escape);
        let (escape, after) = escape.split_at_checked(length)?;
        let kept = match code(escape) {
            Some(0xD800..=0xDBFF) if !is_low(after) => "\\ufffd",
            Some(0xDC00..=0xDFFF) => "\\ufffd",
            _ => escape,
        };
        if mended.is_none() && kept != escape {
            mended = Some(text.get(..text.len() - rest.len())?.to_owned());
        }
        // A high half with its low half stays a pair.
        let pair = matches!(code(kept), Some(0xD800..=0xDBFF)).then(|| after.get(..6)).flatten().unwrap_or_default();
        if let Some(mended) = &mut mended {
            mended.push_str(before);
            mended.push_str(kept);
            mended.push_str(pair);
        }
        rest = after.get(pair.len()..)?;
    }
    mended.map(|mended| mended + rest)
}

fn escape_len(escape: &str) -> usize {
    if escape.starts_with("\\u") { 6 } else { 2 }
}

fn code(escape: &str) -> Option<u16> {
    u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
}

fn is_low(after: &str) -> bool {
    matches!(after.get(..6).and_then(code), Some(0xDC00..=0xDFFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_pairs_stay() {
        let cases = [
            (r#"{"a":"x"}"#, None),
            (r#""\ud83d\ude00""#, None),
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\ude00y""#, Some(r#""\ufffdy""#)),
            (r#""\n\ud83d\ud83d\ude00z\\ud83d""#, Some(r#""\n\ufffd\ud83d\ude00z\\ud83d""#)),
            (r#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (r#""\ud8"#, None),
            (r#""é\"#, None),
        ];
        for (given, expect) in cases {
            assert_eq!(mend(given).as_deref(), expect, "{given}");
        }
    }
}
