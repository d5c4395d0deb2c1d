//! Regular expressions: MongoDB's patterns, matched in time linear in the text.
//!
//! Patterns are written in PCRE's syntax; `translate` turns them into that of the `regex` crate, whose automata never
//! backtrack. What no automaton can do (look-around, references to groups, atomic groups) is refused.

mod class;
mod translate;

use storage::ValueRef;

use crate::cx::Cx;
use crate::error::{Error, Result, number::BAD_VALUE};

/// A pattern, compiled.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Box<str>,
    options: Box<str>,
    program: ::regex::Regex,
}

/// The fixed text that every match of a pattern begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The text, not empty.
    pub text: String,
    /// Does every text that begins so match?
    pub complete: bool,
}

/// MongoDB's number for a pattern that does not compile.
const INVALID_PATTERN: i32 = 51091;
/// MongoDB's number for an unknown option letter.
const INVALID_OPTION: i32 = 51108;

impl Pattern {
    /// Compiles a pattern with options out of `imsxu`.
    ///
    /// # Errors
    /// 51091 where the pattern is malformed, too large or needs backtracking; 51108 for another option; 2 for a NUL.
    pub fn new(source: &str, options: &str, cx: &Cx<'_>) -> Result<Pattern> {
        if source.contains('\0') {
            return Err(Error::mongo(BAD_VALUE, "a regular expression must not contain a NUL character"));
        }
        if let Some(letter) = options.chars().find(|letter| !"imsxu".contains(*letter)) {
            return Err(Error::mongo(
                INVALID_OPTION,
                format!("unknown option {letter:?} of a regular expression; the options are i, m, s and x"),
            ));
        }
        if u64::try_from(source.len()).unwrap_or(u64::MAX) >= cx.limits.regex_bytes_max {
            return Err(invalid(source, &format!("it is longer than {} bytes", cx.limits.regex_bytes_max)));
        }
        let program = compile(source, options, cx)?;
        Ok(Pattern { source: source.into(), options: options.into(), program })
    }

    /// The pattern as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The option letters as they were written.
    pub fn options(&self) -> &str {
        &self.options
    }

    /// The compiled pattern, for finding where it matches.
    pub(crate) const fn program(&self) -> &::regex::Regex {
        &self.program
    }

    /// Is there a match anywhere in the text?
    pub fn is_match(&self, text: &str) -> bool {
        self.program.is_match(text)
    }

    /// Does a value match: a text with a match in it, or a regular expression written the same?
    pub fn matches(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::String(text) | ValueRef::Symbol(text) => self.program.is_match(text),
            ValueRef::Regex { pattern, options } => pattern == &*self.source && options == &*self.options,
            _ => false,
        }
    }

    /// The text that every match must begin with, for a case-sensitive pattern such as `^abc`.
    pub fn prefix(&self) -> Option<Prefix> {
        if !self.options.bytes().all(|option| option == b's' || option == b'u') {
            return None;
        }
        prefix_of(&self.source)
    }
}

fn compile(source: &str, options: &str, cx: &Cx<'_>) -> Result<::regex::Regex> {
    let translated = translate::translate(source, options).map_err(|reason| invalid(source, &reason))?;
    let bytes_max = usize::try_from(cx.limits.regex_program_bytes_max).unwrap_or(usize::MAX);
    ::regex::RegexBuilder::new(&translated)
        .case_insensitive(options.contains('i'))
        .multi_line(options.contains('m'))
        .dot_matches_new_line(options.contains('s'))
        .size_limit(bytes_max)
        .nest_limit(u32::try_from(cx.limits.request_depth_max).unwrap_or(u32::MAX))
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => invalid(source, "it is too large once compiled"),
            other => invalid(source, &other.to_string()),
        })
}

fn invalid(source: &str, reason: &str) -> Error {
    let shown: String = source.chars().take(80).collect();
    Error::mongo(INVALID_PATTERN, format!("regular expression /{shown}/ is invalid: {reason}"))
}

/// Reads `^` and the plain characters after it, as far as they go.
fn prefix_of(source: &str) -> Option<Prefix> {
    let rest = source.strip_prefix('^').or_else(|| source.strip_prefix("\\A"))?;
    // An alternative may begin differently, so any `|` makes the prefix uncertain.
    if rest.contains('|') {
        return None;
    }
    let mut text = String::new();
    let mut chars = rest.chars().peekable();
    let complete = loop {
        let literal = match chars.next() {
            None => break true,
            Some('\\') => match chars.next() {
                Some(escaped) if !escaped.is_ascii_alphanumeric() => escaped,
                _ => break false,
            },
            Some(meta) if "^$.[]()*+?{}".contains(meta) => break false,
            Some(plain) => plain,
        };
        match chars.peek() {
            // The character is optional, so it is not part of the prefix.
            Some('*' | '?' | '{') => break false,
            _ => text.push(literal),
        }
    };
    (!text.is_empty()).then_some(Prefix { text, complete })
}

#[cfg(test)]
mod tests;
