//! Randomness from the operating system: keys, tokens, ids and seeds.

use query::{Code, Error, Result};

/// Letters and digits that nobody mixes up with marks.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Random bytes.
///
/// # Errors
/// `Internal` where the operating system has none.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|fault| Error::new(Code::Internal, format!("no randomness: {fault}")))?;
    Ok(bytes)
}

/// Random letters and digits; each carries almost six bits.
///
/// # Errors
/// As for [`bytes()`].
pub fn letters(count: usize) -> Result<String> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        // 248 is the largest multiple of 62 in a byte: taking the rest away keeps every letter equally likely.
        let fair = bytes::<64>()?.into_iter().filter(|byte| *byte < 248);
        let letters = fair.filter_map(|byte| LETTERS.get(usize::from(byte % 62)));
        text.extend(letters.take(count - text.len()).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_their_count_and_differ() {
        for count in [0, 1, 32, 100] {
            let text = letters(count).expect("randomness");
            assert_eq!(text.len(), count);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
        assert_ne!(letters(32).expect("randomness"), letters(32).expect("randomness"));
    }
}
