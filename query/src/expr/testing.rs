//! The only test code that knows how an expression is read and evaluated.

use storage::Doc;

use super::Expr;
use crate::notation::{doc, text, value};
use crate::{Cx, Deadline, Limits, Random, Variables};

/// Surroundings for tests: everything at its default, the instant 0.
pub(crate) struct Surroundings {
    pub limits: Limits,
    pub deadline: Deadline,
    pub random: Random,
}

impl Default for Surroundings {
    fn default() -> Surroundings {
        Surroundings { limits: Limits::default(), deadline: Deadline::never(), random: Random::seeded(1) }
    }
}

impl Surroundings {
    pub fn cx(&self) -> Cx<'_> {
        Cx {
            now: 0,
            collation: None,
            limits: &self.limits,
            deadline: &self.deadline,
            variables: Variables::none(),
            random: &self.random,
            found: None,
            spill: None,
        }
    }
}

/// The value of an expression over a document, as text: `missing` where there is none, the number of a fault.
pub(crate) fn outcome(expr: &str, given: &Doc) -> String {
    let surroundings = Surroundings::default();
    let cx = surroundings.cx();
    let source = value(expr);
    let parsed = match Expr::parse(source.as_ref(), &cx) {
        Ok(parsed) => parsed,
        Err(fault) => return fault.number.to_string(),
    };
    match parsed.eval(given.raw(), &cx) {
        Ok(computed) => computed.as_ref().map_or("missing".to_owned(), text),
        Err(fault) => fault.number.to_string(),
    }
}

/// Each row: an expression and its value, over the empty document or the one given as third.
pub(crate) fn check(rows: &[(&str, &str)]) {
    check_over("{}", rows);
}

/// As [`check`], over one document.
pub(crate) fn check_over(given: &str, rows: &[(&str, &str)]) {
    let given = doc(given);
    for (expr, expect) in rows {
        assert_eq!(outcome(expr, &given), *expect, "{expr}");
    }
}
