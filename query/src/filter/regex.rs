//! Regular expressions: MongoDB's patterns, matched in time linear in the text.
//!
//! Patterns are written in PCRE's syntax; `translate` turns them into that of the `regex` crate, whose automata never
//! backtrack; `look` adds look-ahead and look-behind. What no automaton can do (references to groups, atomic groups,
//! possessive quantifiers) is refused.

mod class;
mod look;
mod translate;

use storage::ValueRef;

use crate::cx::Cx;
use crate::error::{Error, Result, number::BAD_VALUE};

/// A pattern, compiled.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Box<str>,
    options: Box<str>,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    Plain(::regex::Regex),
    WithLookAround(Box<look::Program>),
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

    /// The compiled pattern, for finding where it matches and what its groups hold.
    ///
    /// # Errors
    /// 51091 where it holds look-around, which can be tested for but not found.
    pub(crate) fn finder(&self) -> Result<&::regex::Regex> {
        match &self.program {
            Program::Plain(program) => Ok(program),
            Program::WithLookAround(_) => {
                Err(invalid(&self.source, "with look-around, \\B or text after $ it can be tested for, but not found"))
            }
        }
    }

    /// Is there a match anywhere in the text?
    ///
    /// # Errors
    /// The deadline.
    pub fn is_match(&self, text: &str, cx: &Cx<'_>) -> Result<bool> {
        match &self.program {
            Program::Plain(program) => Ok(program.is_match(text)),
            Program::WithLookAround(program) => program.is_match(text, cx),
        }
    }

    /// Does a value match: a text with a match in it, or a regular expression written the same?
    ///
    /// # Errors
    /// The deadline.
    pub fn matches(&self, value: ValueRef<'_>, cx: &Cx<'_>) -> Result<bool> {
        match value {
            ValueRef::String(text) | ValueRef::Symbol(text) => self.is_match(text, cx),
            ValueRef::Regex { pattern, options } => Ok(pattern == &*self.source && options == &*self.options),
            _ => Ok(false),
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

fn compile(source: &str, options: &str, cx: &Cx<'_>) -> Result<Program> {
    let depth_max = u32::try_from(cx.limits.request_depth_max).unwrap_or(u32::MAX);
    let (translated, arounds) = translate::translate(source, options).map_err(|reason| invalid(source, &reason))?;
    if !arounds.is_empty() {
        let parse = |pattern: &str| {
            regex_syntax::ParserBuilder::new()
                .case_insensitive(options.contains('i'))
                .multi_line(options.contains('m'))
                .dot_matches_new_line(options.contains('s'))
                .nest_limit(depth_max)
                .build()
                .parse(pattern)
                .map_err(|error| error.to_string())
        };
        let program = look::Program::new(&translated, arounds, parse).map_err(|reason| invalid(source, &reason))?;
        return Ok(Program::WithLookAround(Box::new(program)));
    }
    let bytes_max = usize::try_from(cx.limits.regex_program_bytes_max).unwrap_or(usize::MAX);
    ::regex::RegexBuilder::new(&translated)
        .case_insensitive(options.contains('i'))
        .multi_line(options.contains('m'))
        .dot_matches_new_line(options.contains('s'))
        .size_limit(bytes_max)
        .nest_limit(depth_max)
        .build()
        .map(Program::Plain)
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
