//! The table of operators: every family's rows behind one another.

use super::call::Op;
use super::{
    accumulate, arith, array, bits, boolean, compare, convert, date, hashed, object, regex, select, set, string,
    surroundings, trig, variable,
};

/// What the docs tell of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperatorInfo {
    /// How it is written, e.g. `$add`.
    pub name: &'static str,
    /// MongoDB release that brought it, major times ten plus minor: 44 is 4.4; 30 for all older ones.
    pub since: u32,
    /// What it gives, in one line.
    pub help: &'static str,
}

const FAMILIES: &[&[Op]] = &[
    accumulate::OPS,
    arith::OPS,
    array::OPS,
    bits::OPS,
    boolean::OPS,
    compare::OPS,
    convert::OPS,
    date::OPS,
    hashed::OPS,
    surroundings::OPS,
    object::OPS,
    regex::OPS,
    select::OPS,
    set::OPS,
    string::OPS,
    trig::OPS,
    variable::OPS,
];

/// Every expression operator, family by family.
pub fn operators() -> impl Iterator<Item = OperatorInfo> {
    rows().map(|op| OperatorInfo { name: op.name, since: op.since, help: op.help })
}

/// The row of an operator, by its name.
pub(super) fn find(name: &str) -> Option<&'static Op> {
    rows().find(|op| op.name == name)
}

fn rows() -> impl Iterator<Item = &'static Op> {
    FAMILIES.iter().copied().flatten()
}
