//! Regular expressions over strings: whether, where and what they match.

use std::borrow::Cow;

use ::regex::Captures;
use storage::{ArrayBuilder, DocBuilder, ValueRef};

use super::call::{Call, Named, Op, Shape};
use super::operand::push;
use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::{Error, Result};
use crate::filter::Pattern;

pub(super) const OPS: &[Op] = &[
    Op::new("$regexFind", Shape::Own(read), find, "the first match: its text, character position and groups").since(42),
    Op::new("$regexFindAll", Shape::Own(read), find_all, "an array of all matches").since(42),
    Op::new("$regexMatch", Shape::Own(read), matches, "does the pattern match anywhere?").since(42),
];

const REGEX: Named = Named {
    not_document: 51103,
    unknown: 31024,
    names: &[("input", Some(31022)), ("regex", Some(31023)), ("options", None)],
};

/// A pattern that is known is compiled once, while the call is read.
fn read(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let mut call = reading.named_call(op, value, &REGEX)?;
    let (input, pattern) = (call.given(0), [call.given(1), call.given(2)]);
    let known = |arg: &Expr| arg.as_constant().is_some();
    if pattern.into_iter().flatten().all(known) && !input.is_some_and(known) {
        let env = Env { root: storage::RawDoc::empty(), frame: None, cx: reading.cx };
        match pattern_of(&call, &env) {
            Ok(pattern) => call.pattern = pattern.map(Box::new),
            Err(fault) => reading.note(fault),
        }
    }
    Ok(reading.call(call))
}

/// Input and pattern of a call; `None` where one is nullish.
fn operands<'a>(call: &'a Call, env: &Env<'a>) -> Result<Option<(Computed<'a>, Cow<'a, Pattern>)>> {
    let input = call.arg(0, env)?;
    let text = match input.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => false,
        Some(ValueRef::String(_)) => true,
        Some(_) => return Err(wrong(call, 51104, "input", &input)),
    };
    let pattern = match &call.pattern {
        Some(pattern) => Some(Cow::Borrowed(&**pattern)),
        None => pattern_of(call, env)?.map(Cow::Owned),
    };
    Ok(pattern.filter(|_| text).map(|pattern| (input, pattern)))
}

fn wrong(call: &Call, number: i32, what: &str, value: &Computed<'_>) -> Error {
    Error::mongo(number, format!("the {what} of {} must be a string, but is {}", call.op.name, value.type_name()))
}

/// The pattern of a call; `None` where it is nullish.
fn pattern_of(call: &Call, env: &Env<'_>) -> Result<Option<Pattern>> {
    let name = call.op.name;
    let wrong = |number, what: &str, value: &Computed<'_>| wrong(call, number, what, value);
    let (regex, options) = (call.arg(1, env)?, call.arg(2, env)?);
    let given = match options.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => None,
        Some(ValueRef::String(options)) => Some(options),
        Some(_) => return Err(wrong(51106, "options", &options)),
    };
    let (source, letters) = match regex.as_ref() {
        None | Some(ValueRef::Null | ValueRef::Undefined) => return Ok(None),
        Some(ValueRef::String(source)) => (source, given.unwrap_or_default()),
        Some(ValueRef::Regex { options: own, .. }) if !own.is_empty() && given.is_some() => {
            return Err(Error::mongo(51107, format!("{name} takes options in 'regex' or in 'options', not in both")));
        }
        Some(ValueRef::Regex { pattern, options: own }) => (pattern, given.unwrap_or(own)),
        Some(_) => return Err(wrong(51105, "regex", &regex)),
    };
    compile(name, source, letters, env).map(Some)
}

/// Patterns of filters have other numbers for the same faults.
fn compile(name: &str, source: &str, options: &str, env: &Env<'_>) -> Result<Pattern> {
    if source.contains('\0') {
        return Err(Error::mongo(51109, format!("the pattern of {name} must not contain a NUL character")));
    }
    Pattern::new(source, options, env.cx).map_err(renumbered)
}

fn finder(pattern: &Pattern) -> Result<&::regex::Regex> {
    pattern.finder().map_err(renumbered)
}

fn renumbered(fault: Error) -> Error {
    match fault.number {
        51091 => Error { number: 51111, ..fault },
        _ => fault,
    }
}

fn text_of<'v>(input: &'v Computed<'_>) -> &'v str {
    input.as_ref().and_then(ValueRef::as_str).unwrap_or_default()
}

fn matches<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    match operands(call, env)? {
        Some((input, pattern)) => Ok(pattern.is_match(text_of(&input), env.cx)?.into()),
        None => Ok(false.into()),
    }
}

fn find<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some((input, pattern)) = operands(call, env)? else { return Ok(Computed::null()) };
    let input = text_of(&input);
    let found = finder(&pattern)?.captures(input);
    Ok(found.map_or(Computed::null(), |found| described(&found, input, &mut (0, 0)).finish().into()))
}

fn find_all<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let Some((input, pattern)) = operands(call, env)? else { return Ok(storage::Array::empty().into()) };
    let input = text_of(&input);
    let mut all = ArrayBuilder::new();
    let mut counted = (0, 0);
    for found in finder(&pattern)?.captures_iter(input) {
        env.cx.tick()?;
        let whole = found.get(0).map_or(0..0, |whole| whole.range());
        if whole.is_empty() && whole.start == input.len() && !input.is_empty() {
            break; // MongoDB does not look behind the last character.
        }
        push(&mut all, ValueRef::Document(described(&found, input, &mut counted).finish().raw()))?;
    }
    Ok(all.finish().into())
}

/// A match as a document. `counted` is a byte position and how many characters stand before it.
fn described(found: &Captures<'_>, input: &str, counted: &mut (usize, usize)) -> DocBuilder {
    let (start, text) = found.get(0).map_or((0, ""), |whole| (whole.start(), whole.as_str()));
    counted.1 += input.get(counted.0..start).map_or(0, |between| between.chars().count());
    counted.0 = start;
    let mut builder = DocBuilder::new();
    builder.put("match", ValueRef::String(text));
    builder.put("idx", ValueRef::Int32(i32::try_from(counted.1).unwrap_or(i32::MAX)));
    let captures = builder.open_array("captures");
    for (place, group) in found.iter().skip(1).enumerate() {
        builder.put_at(place, group.map_or(ValueRef::Null, |group| ValueRef::String(group.as_str())));
    }
    builder.close(captures);
    builder
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn matching() {
        check(&[
            ("{$regexMatch: {input: 'ABC', regex: /b/i}}", "true"),
            ("{$regexMatch: {input: 'ABC', regex: 'b', options: 'i'}}", "true"),
            ("{$regexMatch: {input: '$a', regex: 'b'}}", "false"),
            ("{$regexFind: {input: 'abcabc', regex: 'b(c)?(x)?'}}", "{match: 'bc', idx: 1, captures: ['c', null]}"),
            ("{$regexFind: {input: 'a', regex: null}}", "null"),
            (
                "{$regexFindAll: {input: '日本b', regex: 'b|本'}}",
                "[{match: '本', idx: 1, captures: []}, {match: 'b', idx: 2, captures: []}]",
            ),
            ("{$size: {$regexFindAll: {input: 'abc', regex: ''}}}", "3"),
            ("{$size: {$regexFindAll: {input: '', regex: ''}}}", "1"),
        ]);
    }

    #[test]
    fn faults() {
        check(&[
            ("{$regexMatch: 1}", "51103"),
            ("{$regexMatch: {input: 5, regex: 'a'}}", "51104"),
            ("{$regexMatch: {input: 'a', regex: 5}}", "51105"),
            ("{$regexMatch: {input: 'a', regex: 'a', options: 5}}", "51106"),
            ("{$regexMatch: {input: 'a', regex: /a/i, options: ''}}", "51107"),
            ("{$regexMatch: {input: 'a', regex: 'a', options: 'z'}}", "51108"),
            ("{$regexMatch: {input: 'a', regex: 'a\\0'}}", "51109"),
            ("{$regexMatch: {input: null, regex: '('}}", "51111"),
        ]);
    }
}
