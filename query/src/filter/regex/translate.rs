//! PCRE's syntax, rewritten as the `regex` crate's.
//!
//! Both agree on most constructs. They differ in what the short classes cover (ASCII in PCRE), in `$` (which also
//! matches before a final line end), in what stands for itself unescaped, and in the constructs that need
//! backtracking, which have no counterpart.

use std::iter::Peekable;
use std::str::Chars;

use super::class;

/// Rewrites a pattern.
///
/// # Errors
/// A sentence about what is wrong or cannot be matched in linear time.
pub(super) fn translate(source: &str, options: &str) -> Result<String, String> {
    let (source, unicode) = leading_verbs(source)?;
    let flags = Flags { extended: options.contains('x'), lines: options.contains('m') };
    let mut translator = Translator {
        rest: source.chars().peekable(),
        out: String::with_capacity(source.len() + 16),
        unicode,
        flags,
        groups_max: u32::try_from(source.matches('(').count()).unwrap_or(u32::MAX),
        groups: Vec::new(),
        repeatable: false,
    };
    while let Some(next) = translator.rest.next() {
        translator.item(next)?;
    }
    match translator.groups.is_empty() {
        true => Ok(translator.out),
        false => Err("a closing ) is missing".to_owned()),
    }
}

pub(super) struct Translator<'s> {
    pub(super) rest: Peekable<Chars<'s>>,
    pub(super) out: String,
    pub(super) unicode: bool,
    flags: Flags,
    /// No more groups than this can be referred to.
    groups_max: u32,
    /// The flags to return to at the end of each open group.
    groups: Vec<Flags>,
    /// May a quantifier follow here?
    repeatable: bool,
}

#[derive(Clone, Copy)]
struct Flags {
    /// White space and comments are left out.
    extended: bool,
    /// `$` matches at each line end.
    lines: bool,
}

/// `(*UTF8)` changes nothing, `(*UCP)` makes short classes cover all of Unicode; other verbs steer backtracking.
fn leading_verbs(mut source: &str) -> Result<(&str, bool), String> {
    let mut unicode = false;
    while let Some(rest) = source.strip_prefix("(*") {
        let (verb, rest) = rest.split_once(')').ok_or("a closing ) is missing")?;
        match verb {
            "UTF8" | "UTF" => {}
            "UCP" => unicode = true,
            other => return Err(format!("(*{other}) is not supported")),
        }
        source = rest;
    }
    Ok((source, unicode))
}

impl Translator<'_> {
    fn item(&mut self, next: char) -> Result<(), String> {
        match next {
            '\\' => return self.escape(),
            '[' => {
                class::class(self)?;
                self.repeatable = true;
            }
            '(' => return self.open(),
            ')' => {
                self.flags = self.groups.pop().ok_or("a ) has no opening (")?;
                self.out.push(')');
                self.repeatable = true;
            }
            '*' | '+' | '?' => return self.quantifier(next),
            '{' => return self.brace(),
            '|' | '^' => {
                self.out.push(next);
                self.repeatable = next == '^';
            }
            '$' => {
                // Outside of line mode `$` also matches before a line end that closes the text.
                self.out.push_str(if self.flags.lines { "$" } else { r"(?:\n?\z)" });
                self.repeatable = true;
            }
            '.' => {
                self.out.push('.');
                self.repeatable = true;
            }
            '#' if self.flags.extended => while self.rest.next().is_some_and(|comment| comment != '\n') {},
            space if self.flags.extended && space.is_ascii_whitespace() => {}
            plain => self.literal(plain),
        }
        Ok(())
    }

    fn literal(&mut self, plain: char) {
        put_literal(&mut self.out, plain);
        self.repeatable = true;
    }

    fn emit(&mut self, text: &str) {
        self.out.push_str(text);
        self.repeatable = true;
    }

    fn quantifier(&mut self, sign: char) -> Result<(), String> {
        if !self.repeatable {
            return Err(format!("nothing stands before {sign} to be repeated"));
        }
        self.out.push(sign);
        self.after_quantifier()
    }

    /// A quantifier may be followed by `?` (as few as possible); `+` would forbid backtracking into it.
    fn after_quantifier(&mut self) -> Result<(), String> {
        self.repeatable = false;
        match self.rest.peek() {
            Some('?') => {
                self.rest.next();
                self.out.push('?');
                Ok(())
            }
            Some('+') => Err("possessive quantifiers such as a++ cannot be matched in linear time".to_owned()),
            _ => Ok(()),
        }
    }

    /// `{3}`, `{3,}` and `{3,5}` repeat; any other `{` is itself.
    fn brace(&mut self) -> Result<(), String> {
        let ahead: String = self.rest.clone().take_while(|next| *next != '}').take(16).collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (low, high) = ahead.split_once(',').unwrap_or((&ahead, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !closed || low.is_empty() || !digits(low) || !digits(high) {
            self.literal('{');
            return Ok(());
        }
        if !self.repeatable {
            return Err("nothing stands before { to be repeated".to_owned());
        }
        self.rest.by_ref().nth(ahead.len());
        self.out.push('{');
        self.out.push_str(&ahead);
        self.out.push('}');
        self.after_quantifier()
    }

    fn open(&mut self) -> Result<(), String> {
        self.repeatable = false;
        match self.rest.peek() {
            Some('?') => {
                self.rest.next();
                self.special_group()
            }
            Some('*') => Err("backtracking verbs are not supported".to_owned()),
            _ => self.group("("),
        }
    }

    /// Groups are never referred to, so none needs to be captured.
    fn group(&mut self, opening: &str) -> Result<(), String> {
        self.groups.push(self.flags);
        self.out.push_str(opening);
        Ok(())
    }

    fn special_group(&mut self) -> Result<(), String> {
        match self.rest.next() {
            Some('#') => match self.rest.by_ref().any(|next| next == ')') {
                true => Ok(()),
                false => Err("a comment is not closed".to_owned()),
            },
            Some(':' | '|') => self.group("(?:"),
            Some('=' | '!') => Err(LOOK_AROUND.to_owned()),
            Some('>') => Err("atomic groups (?>…) cannot be matched in linear time".to_owned()),
            Some('<') if matches!(self.rest.peek(), Some('=' | '!')) => Err(LOOK_AROUND.to_owned()),
            Some('<') => self.named('>'),
            Some('\'') => self.named('\''),
            Some('P') if self.rest.peek() == Some(&'<') => {
                self.rest.next();
                self.named('>')
            }
            Some(flag) if flag.is_ascii_lowercase() || matches!(flag, 'U' | 'J' | '-' | '^') => self.inline_flags(flag),
            Some(other) => Err(format!("groups of the form (?{other} are not supported")),
            None => Err("a closing ) is missing".to_owned()),
        }
    }

    fn named(&mut self, close: char) -> Result<(), String> {
        let mut name = self.rest.by_ref().take_while(|next| *next != close).peekable();
        if name.peek().is_none_or(char::is_ascii_digit) || !name.all(|next| next == '_' || next.is_alphanumeric()) {
            return Err("a group has a malformed name".to_owned());
        }
        self.group("(")
    }

    /// `(?i)` up to the end of the group, or `(?i:…)`.
    fn inline_flags(&mut self, first: char) -> Result<(), String> {
        let (mut on, mut written) = (true, String::new());
        let outer = self.flags;
        let mut next = Some(first);
        let close = loop {
            match next {
                Some('-') => {
                    on = false;
                    written.push('-');
                }
                Some('x') => self.flags.extended = on,
                Some('m') => {
                    self.flags.lines = on;
                    written.push('m');
                }
                Some(flag @ ('i' | 's')) => written.push(flag),
                Some('n' | 'U' | 'J') => {} // they change what is captured, never whether it matches
                Some(close @ (')' | ':')) => break close,
                _ => return Err("unknown flag in (?…)".to_owned()),
            }
            next = self.rest.next();
        };
        let written = written.trim_end_matches('-');
        match (close, written) {
            (':', _) => {
                self.groups.push(outer);
                self.out.push_str(&format!("(?{written}:"));
            }
            (_, "") => {}
            _ => self.out.push_str(&format!("(?{written})")),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(escaped) = self.rest.next() else { return Err("\\ at the end of the pattern".to_owned()) };
        if let Some(set) = class::short_class(escaped, self.unicode) {
            self.emit(&format!("[{set}]"));
            return Ok(());
        }
        match escaped {
            'b' if self.unicode => self.out.push_str(r"\b"),
            'b' => self.out.push_str(r"(?-u:\b)"),
            'B' => self.out.push_str(r"\B"),
            'A' | 'G' => self.out.push_str(r"\A"),
            'z' => self.out.push_str(r"\z"),
            'Z' => self.out.push_str(r"(?:\n?\z)"),
            'K' | 'E' => {} // where the match is said to begin does not change whether there is one
            'R' => self.emit(r"(?:\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])"),
            'N' => self.emit(r"[^\n]"),
            'p' | 'P' => {
                let property = class::property(escaped, &mut self.rest)?;
                self.emit(&property);
            }
            'Q' => self.quoted(),
            'k' | 'g' => return Err(REFERENCE.to_owned()),
            '1'..='9' => return self.numbered(escaped),
            other => {
                let literal = class::escaped_char(other, &mut self.rest)?;
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// `\12` refers to a group if there are so many, and else is a character written in octal.
    fn numbered(&mut self, first: char) -> Result<(), String> {
        let more = self.rest.clone().take_while(char::is_ascii_digit).take(2);
        let number =
            std::iter::once(first).chain(more).fold(0, |sum, digit| sum * 10 + digit.to_digit(10).unwrap_or(0));
        if number < 10 || number <= self.groups_max || first > '7' {
            return Err(REFERENCE.to_owned());
        }
        let literal = class::octal(first, &mut self.rest)?;
        self.literal(literal);
        Ok(())
    }

    /// `\Q…\E`: everything stands for itself.
    fn quoted(&mut self) {
        while let Some(next) = self.rest.next() {
            if next == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                return;
            }
            self.literal(next);
        }
    }
}

const REFERENCE: &str = "references to groups cannot be matched in linear time";
const LOOK_AROUND: &str = "look-ahead and look-behind cannot be matched in linear time; \
                           combine several conditions instead";

/// Appends a character that stands for itself.
pub(super) fn put_literal(out: &mut String, plain: char) {
    if plain.is_ascii_punctuation() && plain != '_' && !"<>\"'`,;:=@/%!".contains(plain) {
        out.push('\\');
    }
    out.push(plain);
}
