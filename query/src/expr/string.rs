//! Strings: joining, cutting, searching, by bytes and by characters (Unicode code points).

use std::cmp::Ordering;

use storage::{ArrayBuilder, ValueRef};

use super::array::bound_of;
use super::call::{Algebra, Call, Named, Op, Shape};
use super::operand::{int32, push};
use super::read::Reading;
use super::text::coerced;
use super::{Computed, Env, Expr, bounded};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new("$concat", Shape::Any, concat, "the strings one after another").algebra(Algebra::Associative),
    Op::new(
        "$indexOfBytes",
        Shape::Between(2, 4),
        index_of_bytes,
        "the first byte position of a string in a range of another, or -1",
    )
    .since(34),
    Op::new(
        "$indexOfCP",
        Shape::Between(2, 4),
        index_of_chars,
        "the first character position of a string in a range of another, or -1",
    )
    .since(34),
    Op::new("$ltrim", Shape::Named(&TRIM), trim, "the string without white space, or given characters, at its start")
        .since(40),
    Op::new("$replaceAll", Shape::Named(&REPLACE), replace, "the string with every occurrence of another replaced")
        .since(44),
    Op::new("$replaceOne", Shape::Named(&REPLACE), replace, "the string with the first occurrence of another replaced")
        .since(44),
    Op::new("$rtrim", Shape::Named(&TRIM), trim, "the string without white space, or given characters, at its end")
        .since(40),
    Op::new("$split", Shape::Fixed(2), split, "the parts of a string between separators").since(34),
    Op::new("$strLenBytes", Shape::Fixed(1), length_in_bytes, "how many bytes of UTF-8").since(34),
    Op::new("$strLenCP", Shape::Fixed(1), length_in_chars, "how many characters").since(34),
    Op::new("$strcasecmp", Shape::Fixed(2), compare_caseless, "-1, 0 or 1: how two strings compare, ASCII case aside"),
    Op::new("$substr", Shape::Own(read_substr), substring_of_bytes, "the same as $substrBytes"),
    Op::new(
        "$substrBytes",
        Shape::Fixed(3),
        substring_of_bytes,
        "so many bytes from a byte position; a negative number means the rest",
    )
    .since(34),
    Op::new("$substrCP", Shape::Fixed(3), substring_of_chars, "so many characters from a character position").since(34),
    Op::new("$toLower", Shape::Fixed(1), to_lower, "the string with ASCII letters in lower case"),
    Op::new("$toUpper", Shape::Fixed(1), to_upper, "the string with ASCII letters in upper case"),
    Op::new("$trim", Shape::Named(&TRIM), trim, "the string without white space, or given characters, at both ends")
        .since(40),
];

const TRIM: Named = Named { not_document: 50696, unknown: 50694, names: &[("input", Some(50695)), ("chars", None)] };
const REPLACE: Named = Named {
    not_document: 51751,
    unknown: 51750,
    names: &[("input", Some(51749)), ("find", Some(51748)), ("replacement", Some(51747))],
};

/// The text of a string operand; anything else is refused.
fn text<'v>(call: &Call, value: &'v Computed<'_>, number: i32, what: &str) -> Result<&'v str> {
    let wrong = || {
        Error::mongo(number, format!("the {what} of {} must be a string, but is {}", call.op.name, value.type_name()))
    };
    value.as_ref().and_then(ValueRef::as_str).ok_or_else(wrong)
}

fn concat<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let mut joined = String::new();
    for arg in call.args() {
        let value = arg.compute(env)?;
        if value.is_nullish() {
            return Ok(Computed::null());
        }
        joined.push_str(text(call, &value, 16702, "arguments")?);
        bounded(joined.len())?;
    }
    Ok(joined.into())
}

fn position(place: Option<usize>) -> Computed<'static> {
    place.and_then(|place| i32::try_from(place).ok()).unwrap_or(-1).into()
}

fn index_of_bytes<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let subject = call.arg(0, env)?;
    if subject.is_nullish() {
        return Ok(Computed::null());
    }
    let subject = text(call, &subject, 40091, "first argument")?.as_bytes();
    let sought = call.arg(1, env)?;
    let sought = text(call, &sought, 40092, "second argument")?.as_bytes();
    let start = bound_of(call, env, 2)?.unwrap_or(0);
    let end = bound_of(call, env, 3)?.unwrap_or(subject.len()).min(subject.len());
    let found = subject.get(start..end).and_then(|range| memchr::memmem::find(range, sought));
    Ok(position(found.map(|place| place + start)))
}

fn index_of_chars<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let subject = call.arg(0, env)?;
    if subject.is_nullish() {
        return Ok(Computed::null());
    }
    let subject = text(call, &subject, 40093, "first argument")?;
    let sought = call.arg(1, env)?;
    let sought = text(call, &sought, 40094, "second argument")?;
    let start = bound_of(call, env, 2)?.unwrap_or(0);
    let end = bound_of(call, env, 3)?.unwrap_or(usize::MAX);
    if start > end || (sought.is_empty() && start > 0 && start >= subject.chars().count().min(end)) {
        return Ok(position(None));
    }
    let range = char_range(subject, start, end - start);
    let found = range.find(sought).and_then(|place| range.get(..place)).map(|before| before.chars().count() + start);
    Ok(position(found))
}

/// So many characters from a character position.
fn char_range(text: &str, start: usize, count: usize) -> &str {
    let offset = |text: &str, chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(place, _)| place);
    let rest = text.get(offset(text, start)..).unwrap_or_default();
    rest.get(..offset(rest, count)).unwrap_or_default()
}

/// What is trimmed where no characters are given.
const WHITE: &[char] = &[
    '\0', ' ', '\t', '\n', '\u{b}', '\u{c}', '\r', '\u{a0}', '\u{1680}', '\u{2000}', '\u{2001}', '\u{2002}',
    '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}', '\u{2008}', '\u{2009}', '\u{200a}',
];

fn trim<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let input = call.arg(0, env)?;
    if input.is_nullish() {
        return Ok(Computed::null());
    }
    let subject = text(call, &input, 50699, "input")?;
    let chars: Vec<char> = match call.given(1) {
        None => WHITE.to_vec(),
        Some(chars) => {
            let chars = chars.compute(env)?;
            if chars.is_nullish() {
                return Ok(Computed::null());
            }
            text(call, &chars, 50700, "chars")?.chars().collect()
        }
    };
    let trimmed = match call.op.name {
        "$ltrim" => subject.trim_start_matches(&*chars),
        "$rtrim" => subject.trim_end_matches(&*chars),
        _ => subject.trim_matches(&*chars),
    };
    Ok(trimmed.to_owned().into())
}

fn replace<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (input, find, replacement) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let given = |value: &Computed<'_>, number: i32, what: &str| match value.is_nullish() {
        true => Ok(None),
        false => text(call, value, number, what).map(|text| Some(text.to_owned())),
    };
    let input = given(&input, 51746, "input")?;
    let find = given(&find, 51745, "find")?;
    let replacement = given(&replacement, 51744, "replacement")?;
    let (Some(input), Some(find), Some(replacement)) = (input, find, replacement) else { return Ok(Computed::null()) };
    if call.op.name == "$replaceOne" {
        bounded(input.len() + replacement.len())?;
        return Ok(input.replacen(&find, &replacement, 1).into());
    }
    let count = input.matches(&find).count();
    bounded(input.len().saturating_add(count.saturating_mul(replacement.len())))?;
    Ok(input.replace(&find, &replacement).into())
}

fn split<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (subject, separator) = (call.arg(0, env)?, call.arg(1, env)?);
    if subject.is_nullish() || separator.is_nullish() {
        return Ok(Computed::null());
    }
    let subject = text(call, &subject, 40085, "first argument")?;
    let separator = text(call, &separator, 40086, "separator")?;
    if separator.is_empty() {
        return Err(Error::mongo(40087, "the separator of $split must not be empty"));
    }
    let mut parts = ArrayBuilder::new();
    for part in subject.split(separator) {
        push(&mut parts, ValueRef::String(part))?;
    }
    Ok(parts.finish().into())
}

fn length_in_bytes<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    Ok(position(Some(text(call, &value, 34473, "argument")?.len())))
}

fn length_in_chars<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    Ok(position(Some(text(call, &value, 34471, "argument")?.chars().count())))
}

fn compare_caseless<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (left, right) = (call.arg(0, env)?, call.arg(1, env)?);
    let upper = |value: &Computed<'_>| coerced(value).map(|text| text.to_ascii_uppercase());
    let order: Ordering = upper(&left)?.cmp(&upper(&right)?);
    Ok((order as i32).into())
}

/// The old name: faults speak of `$substrBytes`, as MongoDB's do.
fn read_substr(_: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    reading.operator("$substrBytes", value)
}

/// A number of bytes: fractions are cut off, and so is what does not fit.
fn byte_count(call: &Call, value: &Computed<'_>, number: i32, what: &str) -> Result<i64> {
    let wrong = || {
        Error::mongo(number, format!("the {what} of {} must be a number, but is {}", call.op.name, value.type_name()))
    };
    match value.or_null() {
        ValueRef::Double(number) => ValueRef::Double(number.trunc())
            .as_i64()
            .ok_or_else(|| Error::mongo(31109, format!("the {what} of {} does not fit a long", call.op.name))),
        ValueRef::Decimal128(number) => {
            let whole = crate::decimal::round_to_place(number, 0, crate::decimal::Rounding::HalfEven);
            Ok(whole.to_i64_exact().unwrap_or(i64::MIN))
        }
        other => other.as_i64().ok_or_else(wrong),
    }
}

fn substring_of_bytes<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (subject, start, count) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let subject = coerced(&subject)?;
    let start = byte_count(call, &start, 16034, "start")?;
    let count = byte_count(call, &count, 16035, "length")?;
    let start = usize::try_from(start)
        .map_err(|_| Error::mongo(50752, format!("the start of $substrBytes must not be below 0, but is {start}")))?;
    if start >= subject.len() {
        return Ok(String::new().into());
    }
    if !subject.is_char_boundary(start) {
        return Err(Error::mongo(28656, "the start of $substrBytes lies inside a character; use $substrCP"));
    }
    let end = usize::try_from(count).map_or(subject.len(), |count| start.saturating_add(count).min(subject.len()));
    match subject.get(start..end) {
        Some(part) => Ok(part.to_owned().into()),
        None => Err(Error::mongo(28657, "the end of $substrBytes lies inside a character; use $substrCP")),
    }
}

fn substring_of_chars<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (subject, start, count) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    let subject = coerced(&subject)?;
    let whole = |value: &Computed<'_>, what: &str, number: i32| {
        if !value.or_null().kind().is_number() {
            let message = format!("the {what} of $substrCP must be a number, but is {}", value.type_name());
            return Err(Error::mongo(number, message));
        }
        let message = || format!("the {what} of $substrCP must be a whole number in the range of int");
        int32(value.or_null()).ok_or_else(|| Error::mongo(number + 1, message()))
    };
    let start = whole(&start, "start", 34450)?;
    let count = whole(&count, "length", 34452)?;
    let count =
        usize::try_from(count).map_err(|_| Error::mongo(34454, "the length of $substrCP must not be below 0"))?;
    let start =
        usize::try_from(start).map_err(|_| Error::mongo(34455, "the start of $substrCP must not be below 0"))?;
    Ok(char_range(&subject, start, count).to_owned().into())
}

fn to_lower<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    Ok(coerced(&value)?.to_ascii_lowercase().into())
}

fn to_upper<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let value = call.arg(0, env)?;
    Ok(coerced(&value)?.to_ascii_uppercase().into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::check;

    #[test]
    fn joining_and_cutting() {
        check(&[
            ("{$concat: ['a', 'b', 'c']}", "'abc'"),
            ("{$concat: ['a', null]}", "null"),
            ("{$concat: ['a', 1]}", "16702"),
            ("{$split: ['-a--b', '-']}", "['', 'a', '', 'b']"),
            ("{$split: ['a', '']}", "40087"),
            ("{$substrCP: ['日本語', 1, 1]}", "'本'"),
            ("{$substrCP: ['日本語', 5, 1]}", "''"),
            ("{$substrCP: ['a', -1, 1]}", "34455"),
            ("{$substr: ['hello', 1.7, 2.9]}", "'el'"),
            ("{$substr: ['hello', 1, -1]}", "'ello'"),
            ("{$substrBytes: ['éa', 1, 1]}", "28656"),
            ("{$substrBytes: ['éa', 0, 1]}", "28657"),
            ("{$substrBytes: ['a', -1, 1]}", "50752"),
            ("{$substr: ['a', 1]}", "16020"),
            ("{$trim: {input: ' a b \\n'}}", "'a b'"),
            ("{$ltrim: {input: 'xyaxy', chars: 'yx'}}", "'axy'"),
            ("{$rtrim: {input: 'xyaxy', chars: 'yx'}}", "'xya'"),
            ("{$trim: {input: 'a', chars: null}}", "null"),
            ("{$trim: 'a'}", "50696"),
        ]);
    }

    #[test]
    fn searching_and_replacing() {
        check(&[
            ("{$indexOfBytes: ['éa', 'a']}", "2"),
            ("{$indexOfBytes: ['éa', 'a', 5]}", "-1"),
            ("{$indexOfBytes: ['ab', '', 2]}", "2"),
            ("{$indexOfCP: ['éa', 'a']}", "1"),
            ("{$indexOfCP: ['日本語', '語', 0, 2]}", "-1"),
            ("{$indexOfCP: ['', '']}", "0"),
            ("{$indexOfCP: ['a', 5]}", "40094"),
            ("{$indexOfCP: ['a', 'a', -1]}", "40097"),
            ("{$replaceAll: {input: 'aaa', find: 'aa', replacement: 'b'}}", "'ba'"),
            ("{$replaceAll: {input: 'ab', find: '', replacement: '-'}}", "'-a-b-'"),
            ("{$replaceOne: {input: 'aaa', find: 'a', replacement: 'b'}}", "'baa'"),
            ("{$replaceOne: {input: null, find: 5, replacement: 'b'}}", "51745"),
            ("{$strLenBytes: 'é'}", "2"),
            ("{$strLenCP: 'é'}", "1"),
            ("{$strLenCP: null}", "34471"),
        ]);
    }

    #[test]
    fn case_and_other_kinds() {
        check(&[
            ("{$toLower: 'ÀB'}", "'Àb'"),
            ("{$toUpper: d0}", "'1970-01-01T00:00:00.000Z'"),
            ("{$toUpper: 1e20}", "'1E+20'"),
            ("{$toUpper: null}", "''"),
            ("{$toUpper: true}", "16007"),
            ("{$strcasecmp: ['a', 'A']}", "0"),
            ("{$strcasecmp: [null, 'a']}", "-1"),
            ("{$strcasecmp: [5, '5']}", "0"),
        ]);
    }
}
