//! An operator applied to arguments, and the row of the table that describes the operator.

use std::fmt;

use storage::ValueRef;

use super::read::Reading;
use super::{Computed, Env, Expr};
use crate::error::Result;
use crate::filter::Pattern;

/// One operator: a row of the table.
pub(crate) struct Op {
    pub name: &'static str,
    pub shape: Shape,
    pub eval: Eval,
    pub since: Release,
    pub help: &'static str,
    pub algebra: Algebra,
    /// Does it give the same for the same arguments? Only then may it be folded.
    pub pure: bool,
}

/// How the arguments of a call may be regrouped while it is read. MongoDB regroups so, which shows in the last digit of
/// products and in which of two faults is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algebra {
    /// Not at all.
    Fixed,
    /// Constants that stand side by side become one, and inner calls of the same operator dissolve.
    Associative,
    /// As before, and all constants become one at the end.
    Commutative,
    /// As before, for `$and`: a false constant decides, true ones vanish.
    All,
    /// As before, for `$or`: a true constant decides, false ones vanish.
    Any,
}

/// Computes a call.
pub(crate) type Eval = for<'a> fn(&'a Call, &Env<'a>) -> Result<Computed<'a>>;

/// A MongoDB release, major times ten plus minor: 44 is 4.4.
pub(crate) type Release = u32;

/// How an operator's arguments are written.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// An array of exactly so many; a single one may stand without the array.
    Fixed(usize),
    /// An array of so many at least and at most.
    Between(usize, usize),
    /// An array of any length, or one argument without the array.
    Any,
    /// A document with named arguments.
    Named(&'static Named),
    /// Read by the operator's own function.
    Own(for<'a> fn(&'static Op, ValueRef<'_>, &Reading<'a>) -> Result<Expr>),
}

/// Named arguments: their names in the order of their places, and the numbers of what can be wrong.
pub(crate) struct Named {
    /// Raised where the argument is no document.
    pub not_document: i32,
    /// Raised for a name that is not in the list.
    pub unknown: i32,
    /// Names, each with the number raised where it is left out; `None` for those that may be.
    pub names: &'static [(&'static str, Option<i32>)],
}

/// An operator applied to arguments.
#[derive(Clone)]
pub(crate) struct Call {
    pub op: &'static Op,
    args: Box<[Expr]>,
    /// What the reader tells the function: the level of the variables that the call binds, or how many arguments of a kind
    /// there are.
    pub detail: u32,
    /// The compiled pattern, where it is known.
    pub pattern: Option<Box<Pattern>>,
}

impl Op {
    pub const fn new(name: &'static str, shape: Shape, eval: Eval, help: &'static str) -> Op {
        Op { name, shape, eval, since: 30, help, algebra: Algebra::Fixed, pure: true }
    }

    /// The release that brought it, for those younger than 3.0.
    pub const fn since(self, since: Release) -> Op {
        Op { since, ..self }
    }

    /// Lets its arguments be regrouped.
    pub const fn algebra(self, algebra: Algebra) -> Op {
        Op { algebra, ..self }
    }

    /// Gives different values for the same arguments, or must not be folded for another reason.
    pub const fn impure(self) -> Op {
        Op { pure: false, ..self }
    }
}

impl Call {
    pub fn new(op: &'static Op, args: Vec<Expr>) -> Call {
        Call { op, args: args.into(), detail: 0, pattern: None }
    }

    pub fn detailed(self, detail: u32) -> Call {
        Call { detail, ..self }
    }

    pub const fn args(&self) -> &[Expr] {
        &self.args
    }

    pub fn into_args(self) -> Vec<Expr> {
        self.args.into_vec()
    }

    /// The argument at a place, if it was given.
    pub fn given(&self, place: usize) -> Option<&Expr> {
        self.args.get(place).filter(|arg| !arg.is_absent())
    }

    /// Computes the argument at a place; missing where it was not given.
    #[inline]
    pub fn arg<'a>(&'a self, place: usize, env: &Env<'a>) -> Result<Computed<'a>> {
        match self.args.get(place) {
            Some(arg) => arg.compute(env),
            None => Ok(Computed::Missing),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.op.name)?;
        f.debug_list().entries(&self.args).finish()
    }
}
