//! Character classes and escapes of one character, in and outside of `[…]`.

use std::iter::Peekable;
use std::str::Chars;

use super::translate::{Translator, put_literal};

/// What a short class such as `\d` covers, to stand inside brackets.
pub(super) fn short_class(letter: char, unicode: bool) -> Option<&'static str> {
    Some(match (letter, unicode) {
        ('d', false) => "0-9",
        ('D', false) => "^0-9",
        ('w', false) => "0-9A-Za-z_",
        ('W', false) => "^0-9A-Za-z_",
        ('s', false) => r"\t\n\x0B\x0C\r\x20",
        ('S', false) => r"^\t\n\x0B\x0C\r\x20",
        ('d', true) => r"\d",
        ('D', true) => r"\D",
        ('w', true) => r"\w",
        ('W', true) => r"\W",
        ('s', true) => r"\s",
        ('S', true) => r"\S",
        ('h', _) => r"\t\x20\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}",
        ('H', _) => r"^\t\x20\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}",
        ('v', _) => r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}",
        ('V', _) => r"^\n\x0B\x0C\r\x{85}\x{2028}\x{2029}",
        _ => return None,
    })
}

/// Reads the class after its `[` and appends its translation.
pub(super) fn class(translator: &mut Translator<'_>) -> Result<(), String> {
    if translator.rest.clone().take(3).eq([':', '<', ':']) || translator.rest.clone().take(3).eq([':', '>', ':']) {
        return Err("word boundaries are written \\b".to_owned());
    }
    translator.out.push('[');
    if translator.rest.next_if_eq(&'^').is_some() {
        translator.out.push('^');
    }
    let mut first = true;
    loop {
        match translator.rest.next() {
            None => return Err("a closing ] is missing".to_owned()),
            Some(']') if !first => break,
            Some('[') if matches!(translator.rest.peek(), Some(':' | '.' | '=')) => named_class(translator)?,
            Some(next) => member(translator, next)?,
        }
        first = false;
    }
    translator.out.push(']');
    Ok(())
}

/// One character, a range, or a short class.
fn member(translator: &mut Translator<'_>, next: char) -> Result<(), String> {
    let Some(low) = single(translator, next)? else { return Ok(()) };
    let mut ahead = translator.rest.clone();
    let high = match (ahead.next(), ahead.next()) {
        (Some('-'), Some(']') | None) => None,
        // `a-\d` is no range: the hyphen stands for itself.
        (Some('-'), Some('\\')) if ahead.peek().is_some_and(|next| is_set(*next)) => None,
        (Some('-'), Some(_)) => {
            translator.rest.next();
            let next = translator.rest.next().ok_or("a closing ] is missing")?;
            single(translator, next)?
        }
        _ => None,
    };
    put_literal(&mut translator.out, low);
    if let Some(high) = high {
        if high < low {
            return Err("a range in […] runs backwards".to_owned());
        }
        translator.out.push('-');
        put_literal(&mut translator.out, high);
    }
    Ok(())
}

/// The character that the next item stands for; `None` where it was a set, which is appended at once, or nothing.
fn single(translator: &mut Translator<'_>, next: char) -> Result<Option<char>, String> {
    if next != '\\' {
        return Ok(Some(next));
    }
    let escaped = translator.rest.next().ok_or("\\ at the end of the pattern")?;
    if let Some(set) = short_class(escaped, translator.unicode) {
        translator.out.push_str(&format!("[{set}]"));
        return Ok(None);
    }
    match escaped {
        'b' => Ok(Some('\u{8}')),
        'E' => Ok(None),
        'p' | 'P' => {
            let property = property(escaped, &mut translator.rest)?;
            translator.out.push_str(&property);
            Ok(None)
        }
        'Q' | 'R' | 'X' | 'B' | 'N' => Err(format!("\\{escaped} is not supported inside […]")),
        '1'..='7' => octal(escaped, &mut translator.rest).map(Some),
        other => escaped_char(other, &mut translator.rest).map(Some),
    }
}

fn is_set(letter: char) -> bool {
    short_class(letter, false).is_some() || matches!(letter, 'p' | 'P')
}

/// `[:alpha:]` and its like are written the same in both syntaxes.
fn named_class(translator: &mut Translator<'_>) -> Result<(), String> {
    const NAMES: [&str; 14] = [
        "alpha", "lower", "upper", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "print", "punct", "space",
        "word", "xdigit",
    ];
    let name: String = translator.rest.clone().skip(1).take_while(|next| *next != ':').take(8).collect();
    let known = NAMES.contains(&name.trim_start_matches('^'));
    let closed = translator.rest.clone().skip(name.chars().count() + 1).take(2).eq([':', ']']);
    if translator.rest.peek() != Some(&':') || (closed && !known) {
        return Err("unknown named class in […]".to_owned());
    }
    if !closed {
        put_literal(&mut translator.out, '[');
        return Ok(());
    }
    translator.rest.by_ref().nth(name.len() + 2);
    translator.out.push_str(&format!("[:{name}:]"));
    Ok(())
}

/// The property after `\p` or `\P`: `L` or `{Han}` or `{^Lu}`.
pub(super) fn property(letter: char, rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let name: String = match rest.next() {
        Some('{') => rest.by_ref().take_while(|next| *next != '}').collect(),
        Some(one) => one.to_string(),
        None => return Err("a property name is missing".to_owned()),
    };
    let negated = (letter == 'P') != name.starts_with('^');
    let name = name.trim_start_matches('^');
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'&') {
        return Err("malformed property name".to_owned());
    }
    let name = if name == "L&" { "LC" } else { name };
    Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
}

/// The character that an escape stands for.
pub(super) fn escaped_char(letter: char, rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    Ok(match letter {
        'a' => '\u{7}',
        'e' => '\u{1B}',
        'f' => '\u{C}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => return octal('0', rest),
        'x' => return hexadecimal(rest),
        'o' if rest.peek() == Some(&'{') => return braced(rest, 8),
        'c' => {
            let control = rest.next().filter(char::is_ascii).ok_or("\\c must be followed by an ASCII character")?;
            char::from(control.to_ascii_uppercase() as u8 ^ 0x40)
        }
        letter if letter.is_ascii_alphanumeric() => return Err(format!("\\{letter} is not an escape")),
        other => other,
    })
}

/// Up to three octal digits, the first of which is read already.
pub(super) fn octal(first: char, rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let mut code = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = rest.peek().and_then(|next| next.to_digit(8)) else { break };
        code = code * 8 + digit;
        rest.next();
    }
    char::from_u32(code).ok_or_else(|| "no such character".to_owned())
}

fn hexadecimal(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    if rest.peek() == Some(&'{') {
        return braced(rest, 16);
    }
    let mut code = 0;
    for _ in 0..2 {
        let Some(digit) = rest.peek().and_then(|next| next.to_digit(16)) else { break };
        code = code * 16 + digit;
        rest.next();
    }
    char::from_u32(code).ok_or_else(|| "no such character".to_owned())
}

fn braced(rest: &mut Peekable<Chars<'_>>, radix: u32) -> Result<char, String> {
    let digits: String = rest.by_ref().skip(1).take_while(|next| *next != '}').collect();
    u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32).ok_or_else(|| "no such character".to_owned())
}
