//! Paths of updates, with their positional parts.

use crate::error::{Error, Result, number::BAD_VALUE};

/// MongoDB's number for a path with an empty part.
const EMPTY_FIELD_NAME: i32 = 56;

/// One part of an update's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    /// A field name, or a position written as a number.
    Name(&'p str),
    /// `$`: the position that the filter found.
    Matched,
    /// `$[]`: every element.
    Every,
    /// `$[name]`: every element that the array filter of this name meets.
    Filtered(&'p str),
}

impl Step<'_> {
    const fn is_name(&self) -> bool {
        matches!(self, Step::Name(_))
    }
}

/// Splits a path and checks its form.
///
/// # Errors
/// 56 for an empty path or part; 2 for `$` first or more than once, and `$[…]` first.
pub(super) fn steps(path: &str) -> Result<Vec<Step<'_>>> {
    if path.is_empty() {
        return Err(Error::mongo(EMPTY_FIELD_NAME, "an update path must not be empty"));
    }
    let steps: Vec<Step<'_>> = path.split('.').map(step).collect();
    if steps.contains(&Step::Name("")) {
        return Err(Error::mongo(EMPTY_FIELD_NAME, format!("the update path {path:?} has an empty part")));
    }
    if steps.iter().filter(|step| **step == Step::Matched).count() > 1 {
        return Err(bad(format!("the update path {path:?} has more than one $")));
    }
    match steps.first() {
        Some(Step::Name(_)) | None => Ok(steps),
        Some(_) => Err(bad(format!("the update path {path:?} must not begin with a positional part"))),
    }
}

/// Refuses positional parts, which `$rename` cannot follow.
pub(super) fn check_static(path: &str) -> Result<()> {
    match path.split('.').map(step).all(|step| step.is_name()) {
        true => Ok(()),
        false => Err(bad(format!("$rename cannot use positional parts: {path:?}"))),
    }
}

fn step(part: &str) -> Step<'_> {
    let identifier = part.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']'));
    match (part, identifier) {
        ("$", _) => Step::Matched,
        (_, Some("")) => Step::Every,
        (_, Some(name)) => Step::Filtered(name),
        _ => Step::Name(part),
    }
}

/// A part as an array position: any digits, leading zeros included, up to 32 bits.
pub(super) fn position(part: &str) -> Option<u32> {
    if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    part.parse().ok()
}

pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::mongo(BAD_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(steps("a.$[].b").expect("a path"), [Step::Name("a"), Step::Every, Step::Name("b")]);
        assert_eq!(steps("a.$[x").expect("a path"), [Step::Name("a"), Step::Name("$[x")]);
        assert_eq!(steps("a.$[x].$").expect("a path"), [Step::Name("a"), Step::Filtered("x"), Step::Matched]);
        for (path, number) in [("", 56), ("a..b", 56), ("a.", 56), ("$", 2), ("$[]", 2), ("a.$.b.$", 2)] {
            assert_eq!(steps(path).map(drop).map_err(|error| error.number), Err(number), "{path}");
        }
    }

    #[test]
    fn positions_may_have_leading_zeros() {
        assert_eq!(
            [position("01"), position("4294967295"), position("4294967296"), position("1a")],
            [Some(1), Some(u32::MAX), None, None]
        );
    }
}
