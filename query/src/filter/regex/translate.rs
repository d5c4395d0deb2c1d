//! PCRE's syntax, rewritten as the `regex` crate's.
//!
//! Both agree on most constructs. They differ in what the short classes cover (ASCII in PCRE), in `$` (which also
//! matches before a final line end), in what stands for itself unescaped, in look-around (which `look` does apart),
//! and in the constructs that need backtracking, which have no counterpart.

use std::iter::Peekable;
use std::str::Chars;

use super::class;
use super::look::{self, Around};

/// Rewrites a pattern; look-arounds are taken out, with stand-ins left in their places.
///
/// # Errors
/// A sentence about what is wrong or cannot be matched in linear time.
pub(super) fn translate(source: &str, options: &str) -> Result<(String, Vec<Around>), String> {
    let (source, unicode) = leading_verbs(source)?;
    let flags = Flags {
        extended: options.contains('x'),
        lines: options.contains('m'),
        caseless: options.contains('i'),
        dot_all: options.contains('s'),
    };
    let mut translator = Translator {
        rest: source.chars().peekable(),
        out: String::with_capacity(source.len() + 16),
        unicode,
        flags,
        groups_max: u32::try_from(source.matches('(').count()).unwrap_or(u32::MAX),
        groups: Vec::new(),
        repeatable: false,
        opened: Vec::new(),
        arounds: Vec::new(),
        names: Vec::new(),
    };
    while let Some(next) = translator.rest.next() {
        translator.item(next)?;
    }
    match translator.groups.is_empty() {
        false => Err("a closing ) is missing".to_owned()),
        true if !translator.arounds.is_empty() && look::uses_stand_in(source) => {
            Err("private-use characters cannot be combined with look-ahead and look-behind".to_owned())
        }
        true => Ok((translator.out, translator.arounds)),
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
    /// The look-arounds that are open: how many groups are open around each, and what was written before it.
    opened: Vec<(usize, String, Around)>,
    arounds: Vec<Around>,
    /// The names of groups so far.
    names: Vec<String>,
    /// May a quantifier follow here?
    repeatable: bool,
}

#[derive(Clone, Copy)]
struct Flags {
    /// White space and comments are left out.
    extended: bool,
    /// `^` and `$` match at each line.
    lines: bool,
    caseless: bool,
    dot_all: bool,
}

impl Flags {
    /// The flags as they are written in a group, for a part that is compiled by itself.
    fn written(self) -> String {
        let mark = |on: bool, letter: &str| if on { letter.to_owned() } else { String::new() };
        let list = |on: bool| {
            [mark(self.caseless == on, "i"), mark(self.lines == on, "m"), mark(self.dot_all == on, "s")].concat()
        };
        match list(false).is_empty() {
            true => list(true),
            false => format!("{}-{}", list(true), list(false)),
        }
    }
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
            ')' => return self.close(),
            '*' | '+' | '?' => return self.quantifier(next),
            '{' => return self.brace(),
            '|' => self.assertion("|"),
            '^' => return self.start_of_line(),
            '$' if self.flags.lines => self.assertion("$"),
            '$' => return self.end_of_text(),
            '.' => self.emit("."),
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

    /// Something that takes no character, and so cannot be repeated.
    fn assertion(&mut self, text: &str) {
        self.out.push_str(text);
        self.repeatable = false;
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
        while self.flags.extended && self.rest.next_if(char::is_ascii_whitespace).is_some() {}
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
        let before = std::mem::replace(&mut self.repeatable, false);
        match self.rest.peek() {
            Some('?') => {
                self.rest.next();
                self.repeatable = before && self.rest.peek() == Some(&'#');
                self.special_group()
            }
            Some('*') => Err("backtracking verbs are not supported".to_owned()),
            _ => self.group("("),
        }
    }

    fn group(&mut self, opening: &str) -> Result<(), String> {
        self.groups.push(self.flags);
        self.out.push_str(opening);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        self.flags = self.groups.pop().ok_or("a ) has no opening (")?;
        self.repeatable = true;
        match self.opened.pop_if(|(depth, ..)| *depth == self.groups.len()) {
            None => self.out.push(')'),
            Some((_, before, mut around)) => {
                let pattern = std::mem::replace(&mut self.out, before);
                around.pattern = format!("(?{}:{pattern})", self.flags.written());
                self.stand_in_for(around)?;
            }
        }
        Ok(())
    }

    fn stand_in_for(&mut self, around: Around) -> Result<(), String> {
        let stand_in = look::stand_in(self.arounds.len()).ok_or("it has too many look-arounds")?;
        self.arounds.push(around);
        // Twice, so that the parser does not put a single character into a class.
        self.emit(&format!("(?:{stand_in}{stand_in})"));
        Ok(())
    }

    /// The end of the text, or the line end that closes it. As nothing may come after, it is written as taking that
    /// line end; where something does come after, it must be looked at without taking it.
    fn end_of_text(&mut self) -> Result<(), String> {
        let next = self.rest.peek().copied();
        let last = match self.groups.is_empty() {
            true => matches!(next, None | Some('|')),
            false => self.rest.clone().all(|next| next == ')'),
        };
        match last {
            true => {
                self.assertion(r"(?:\n?\z)");
                Ok(())
            }
            false => self.zero_width(Around { behind: false, negated: false, pattern: r"\n?\z".to_owned() }),
        }
    }

    /// A line starts at the start of the text and after each line end but the one that closes the text. That last
    /// place only matters where nothing needs to follow.
    fn start_of_line(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        let literal = ahead.next().is_some_and(|next| next.is_alphanumeric() && !self.flags.extended);
        let needed = literal && !matches!(ahead.next(), Some('*' | '?' | '{'));
        if !self.flags.lines || needed {
            self.assertion("^");
            return Ok(());
        }
        self.out.push_str(r"(?:\A|^");
        self.zero_width(Around { behind: false, negated: true, pattern: r"\z".to_owned() })?;
        self.out.push(')');
        Ok(())
    }

    fn zero_width(&mut self, around: Around) -> Result<(), String> {
        self.stand_in_for(around)?;
        self.repeatable = false;
        Ok(())
    }

    /// A look-around is written apart from the rest.
    fn look(&mut self, behind: bool, negated: bool) -> Result<(), String> {
        let before = std::mem::take(&mut self.out);
        self.opened.push((self.groups.len(), before, Around { behind, negated, pattern: String::new() }));
        self.groups.push(self.flags);
        Ok(())
    }

    fn special_group(&mut self) -> Result<(), String> {
        match self.rest.next() {
            Some('#') => match self.rest.by_ref().any(|next| next == ')') {
                true => Ok(()),
                false => Err("a comment is not closed".to_owned()),
            },
            Some(':' | '|') => self.group("(?:"),
            Some(sign @ ('=' | '!')) => self.look(false, sign == '!'),
            Some('>') => Err("atomic groups (?>…) cannot be matched in linear time".to_owned()),
            Some('<') => match self.rest.next_if(|sign| matches!(sign, '=' | '!')) {
                Some(sign) => self.look(true, sign == '!'),
                None => self.named('>'),
            },
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
        let name: String = self.rest.by_ref().take_while(|next| *next != close).collect();
        let letters = name.chars().all(|next| next == '_' || next.is_alphanumeric());
        if !letters || name.chars().next().is_none_or(|first| first.is_ascii_digit()) || name.len() > NAME_BYTES_MAX {
            return Err("a group has a malformed name".to_owned());
        }
        if self.names.contains(&name) {
            return Err(format!("two groups are named {name}"));
        }
        self.names.push(name);
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
                Some('i') => {
                    self.flags.caseless = on;
                    written.push('i');
                }
                Some('s') => {
                    self.flags.dot_all = on;
                    written.push('s');
                }
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
            'b' if self.unicode => self.assertion(r"\b"),
            'b' => self.assertion(r"(?-u:\b)"),
            'B' if self.unicode => self.assertion(r"\B"),
            // Between bytes of a character the parser would see such a place too, so it takes no ASCII `\B`.
            'B' => {
                let boundary = r"(?-u:\b)".to_owned();
                return self.zero_width(Around { behind: false, negated: true, pattern: boundary });
            }
            'A' | 'G' => self.assertion(r"\A"),
            'z' => self.assertion(r"\z"),
            'Z' => return self.end_of_text(),
            'E' => {}
            'K' => self.assertion(""), // where the match is said to begin does not change whether there is one
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

/// Longest name of a group.
const NAME_BYTES_MAX: usize = 32;
const REFERENCE: &str = "references to groups cannot be matched in linear time";
/// Appends a character that stands for itself.
pub(super) fn put_literal(out: &mut String, plain: char) {
    if plain.is_ascii_punctuation() && plain != '_' && !"<>\"'`,;:=@/%!".contains(plain) {
        out.push('\\');
    }
    out.push(plain);
}
