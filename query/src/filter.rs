//! Filters: which documents a request means, as a closed tree that can be evaluated, planned and reasoned about.
//!
//! `parse` reads MongoDB's query language into the tree, `matches` evaluates it over a document's bytes. The planner
//! derives index bounds from the same tree and the rules reason about it, so it holds plain data only. Nothing here
//! knows plans, stores or rules.
//!
//! A filter comes out of the reader in a normal form: no `And` directly under an `And`, no `And` or `Or` with a single
//! member, the members of `And`, `Or` and `Nor` in MongoDB's canonical order (which decides what the positional
//! operator `$` refers to), and an `Or` of equalities on one path written as `In`.

mod bits;
mod field;
mod geo;
mod leak;
mod matches;
mod members;
mod normal;
mod number;
mod parse;
mod regex;
mod schema;
mod text;
mod types;

use storage::geo::{Near, Shape};
use storage::{Collation, Path, Value};

use crate::expr::{Expr, FieldPath};

pub use bits::{BitTest, Bits};
pub use field::FIELD_OPERATORS;
pub(crate) use field::is_field_operator;
pub use geo::nearest;
pub use matches::Matched;
pub use members::Members;
pub(crate) use number::integer as whole_number;
pub use parse::TOP_OPERATORS;
pub use regex::{Pattern, Prefix};
pub use schema::{SCHEMA_KEYWORDS, Schema};
pub use text::Text;
pub(crate) use text::no_index as no_text_index;
pub use types::KindSet;

/// A condition on a document.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every member holds; without members it holds for every document.
    And(Vec<Filter>),
    /// At least one member holds.
    Or(Vec<Filter>),
    /// No member holds.
    Nor(Vec<Filter>),
    /// What the path leads to meets the predicate.
    Field(Path, Pred),
    /// The expression is true of the document.
    Expr(Box<Expr>),
    /// The document meets a JSON schema.
    Schema(Box<Schema>),
    /// The document holds words, found through a text index.
    Text(Box<Text>),
    /// A share of the documents, from 0 (none) to 1 (all), chosen by chance.
    Sample(f64),
    /// Holds for every document, or for none.
    Always(bool),
}

/// A condition on the values that a path leads to. Unless said otherwise it holds where any one of them meets it: the
/// value itself or, where it is an array, one of its elements.
#[derive(Clone, Debug)]
pub enum Pred {
    /// A value that compares so with the operand and is of its class.
    Cmp(CmpOp, Value),
    /// A value equal to one of these, or matching one of the patterns.
    In(Members),
    /// A text that matches the pattern, or an equal regular expression.
    Regex(Pattern),
    /// The predicate does not hold; so it holds where nothing is found.
    Not(Box<Pred>),
    /// Every predicate holds, each perhaps through another value.
    All(Vec<Pred>),
    /// Nothing meets it; what `$all` without members means.
    Never,
    /// Something is found.
    Exists,
    /// A value of one of these kinds.
    Type(KindSet),
    /// A number that leaves this remainder.
    Mod {
        /// Divisor, not 0.
        divisor: i64,
        /// Remainder, with the sign of the dividend.
        remainder: i64,
    },
    /// An array with so many elements.
    Size(u64),
    /// An array with an element, itself a document or array, that meets the filter.
    ElemMatch(Box<Filter>),
    /// An array with an element that meets every predicate by itself.
    ElemValue(Vec<Pred>),
    /// A number or binary value with these bits.
    Bits(Bits),
    /// A geometry in the shape, or meeting it.
    Geo(Box<Shape>),
    /// A geometry within the distances; the results are ordered by distance.
    Near(Box<Near>),
}

/// How a value compares with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CmpOp {
    /// Equal; null also equals what is missing.
    Eq,
    /// Less or equal.
    Lte,
    /// Less.
    Lt,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
}

/// An operator of the language, for the docs.
#[derive(Clone, Copy, Debug)]
pub struct OperatorHelp {
    /// How it is written, e.g. `$gt`.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
}

impl Filter {
    /// The filter that every document meets.
    pub const fn all() -> Filter {
        Filter::And(Vec::new())
    }

    /// Does the filter hold for every document, by its form alone?
    pub fn is_all(&self) -> bool {
        match self {
            Filter::And(members) => members.is_empty(),
            Filter::Always(truth) => *truth,
            _ => false,
        }
    }

    /// The filter that holds where both hold.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        normal::conjunction(vec![self, other])
    }

    /// The ids that a document must have one of, where the filter names them: `{_id: 5}` or `{_id: {$in: […]}}`, alone
    /// or with further conditions. `None` where any id may match, and where the collation makes different texts equal.
    pub fn ids(&self, collation: Option<&Collation>) -> Option<Vec<&Value>> {
        match self {
            Filter::And(members) => members.iter().find_map(|member| member.ids(collation)),
            Filter::Field(path, pred) if path.as_str() == "_id" => pred.values(collation),
            _ => None,
        }
    }

    /// The first parts of all paths in the filter, in order of appearance.
    pub(crate) fn heads<'f>(&'f self, into: &mut Vec<&'f str>) {
        match self {
            Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => {
                members.iter().for_each(|member| member.heads(into));
            }
            Filter::Field(_, Pred::Never) => {}
            Filter::Field(_, Pred::Not(inner)) if matches!(**inner, Pred::Never) => {}
            Filter::Field(path, _) => into.push(path.head()),
            _ => {}
        }
    }

    /// Calls `found` with every path whose values decide, and with `None` where the whole document may.
    pub(crate) fn paths(&self, found: &mut dyn FnMut(Option<&Path>)) {
        match self {
            Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => {
                members.iter().for_each(|member| member.paths(found));
            }
            Filter::Field(path, _) => found(Some(path)),
            Filter::Expr(expr) => expr.fields(&mut |field| found(field.map(FieldPath::as_path))),
            Filter::Schema(_) | Filter::Text(_) => found(None),
            Filter::Sample(_) | Filter::Always(_) => {}
        }
    }

    /// A field and values of which a document must have one there, whatever else it must meet; for sorting filters by
    /// what they can match. Values that also match what is missing do not count.
    pub fn only(&self) -> Option<(&Path, Vec<&Value>)> {
        let fields = self
            .required_fields()
            .into_iter()
            .filter(|(path, _)| path.parts().iter().all(|part| part.index().is_none()));
        let mut known = fields.filter_map(|(path, pred)| Some((path, pred.values(None)?)));
        known.find(|(_, values)| !values.iter().any(|value| matches!(value, Value::Null | Value::Undefined)))
    }

    /// Every field condition that must hold, at the top or inside `And`.
    pub fn required_fields(&self) -> Vec<(&Path, &Pred)> {
        match self {
            Filter::Field(path, pred) => vec![(path, pred)],
            Filter::And(members) => members.iter().flat_map(Filter::required_fields).collect(),
            _ => Vec::new(),
        }
    }
}

impl Pred {
    fn values(&self, collation: Option<&Collation>) -> Option<Vec<&Value>> {
        let values = match self {
            Pred::Cmp(CmpOp::Eq, value) => vec![value],
            Pred::In(members) if members.patterns().is_empty() => members.values().iter().collect(),
            _ => return None,
        };
        let exact = collation.is_none() || values.iter().all(|value| value.as_ref().kind().is_number());
        exact.then_some(values)
    }
}
