//! What a query says about the documents that it matches: branches of conditions, and what a condition implies.
//!
//! Knows filters, no rules' syntax and no documents. It may know less than is true, never more.

use storage::{Value, ValueRef, compare};

use crate::filter::{CmpOp, Filter, Pred};
use crate::js::Op;

/// Most branches of a query.
const BRANCHES_MAX: usize = 256;

/// How two values relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rel {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    Nin,
}

/// A condition on a path: one of the values (`In`), none of them (`Nin`), or a bound.
type Condition = (Rel, Vec<Value>);

/// Conditions of a query that hold together.
#[derive(Clone, Debug, Default)]
pub(super) struct Branch(Vec<(String, Condition)>);

impl Rel {
    pub(super) const fn of(op: Op) -> Option<Rel> {
        Some(match op {
            Op::Eq => Rel::Eq,
            Op::Ne => Rel::Ne,
            Op::Lt => Rel::Lt,
            Op::Lte => Rel::Lte,
            Op::Gt => Rel::Gt,
            Op::Gte => Rel::Gte,
            Op::In => Rel::In,
            Op::Or | Op::And | Op::Add => return None,
        })
    }

    pub(super) const fn negated(self) -> Rel {
        match self {
            Rel::Eq => Rel::Ne,
            Rel::Ne => Rel::Eq,
            Rel::Lt => Rel::Gte,
            Rel::Lte => Rel::Gt,
            Rel::Gt => Rel::Lte,
            Rel::Gte => Rel::Lt,
            Rel::In => Rel::Nin,
            Rel::Nin => Rel::In,
        }
    }

    /// The relation of the right side to the left.
    pub(super) const fn flipped(self) -> Rel {
        match self {
            Rel::Lt => Rel::Gt,
            Rel::Lte => Rel::Gte,
            Rel::Gt => Rel::Lt,
            Rel::Gte => Rel::Lte,
            same => same,
        }
    }
}

impl Branch {
    /// The branches of a query; `None` where there are too many. With `split`, every value of an `$in` is one.
    pub(super) fn all(filter: &Filter, split: bool) -> Option<Vec<Branch>> {
        match filter {
            Filter::And(members) => {
                let mut product = vec![Branch::default()];
                for member in members {
                    let branches = Branch::all(member, split)?;
                    if product.len() * branches.len() > BRANCHES_MAX {
                        return None;
                    }
                    let joined = |left: &Branch| branches.iter().map(|right| left.joined(right)).collect::<Vec<_>>();
                    product = product.iter().flat_map(joined).collect();
                }
                Some(product)
            }
            Filter::Or(members) => {
                let mut branches = Vec::new();
                for member in members {
                    branches.extend(Branch::all(member, split)?);
                    if branches.len() > BRANCHES_MAX {
                        return None;
                    }
                }
                Some(branches)
            }
            Filter::Field(path, Pred::In(members)) if split && members.patterns().is_empty() => {
                let one = |value: &Value| Branch(vec![(path.as_str().to_owned(), (Rel::In, vec![value.clone()]))]);
                let fits = (1..=BRANCHES_MAX).contains(&members.values().len());
                fits.then(|| members.values().iter().map(one).collect())
            }
            Filter::Field(path, pred) => {
                let mut branch = Branch::default();
                branch.learn(path.as_str(), pred);
                Some(vec![branch])
            }
            _ => Some(vec![Branch::default()]),
        }
    }

    fn joined(&self, other: &Branch) -> Branch {
        Branch(self.0.iter().chain(&other.0).cloned().collect())
    }

    fn learn(&mut self, path: &str, pred: &Pred) {
        match pred {
            Pred::Cmp(CmpOp::Eq, value) => self.learn_equal(path, value),
            Pred::Cmp(op, value) if is_bound(value) => {
                let rel = match op {
                    CmpOp::Lt => Rel::Lt,
                    CmpOp::Lte => Rel::Lte,
                    CmpOp::Gt => Rel::Gt,
                    CmpOp::Gte => Rel::Gte,
                    CmpOp::Eq => return,
                };
                self.0.push((path.to_owned(), (rel, vec![value.clone()])));
            }
            Pred::In(members) if members.patterns().is_empty() => {
                self.0.push((path.to_owned(), (Rel::In, members.values().to_vec())));
            }
            Pred::Not(inner) => match &**inner {
                Pred::Cmp(CmpOp::Eq, value) => self.0.push((path.to_owned(), (Rel::Nin, vec![value.clone()]))),
                Pred::In(members) => self.0.push((path.to_owned(), (Rel::Nin, members.values().to_vec()))),
                _ => {}
            },
            Pred::All(preds) => preds.iter().for_each(|pred| self.learn(path, pred)),
            _ => {}
        }
    }

    /// What is equal to a document has its fields.
    fn learn_equal(&mut self, path: &str, value: &Value) {
        self.0.push((path.to_owned(), (Rel::In, vec![value.clone()])));
        let Value::Document(doc) = value else { return };
        for (name, inner) in doc.raw().iter().filter(|(name, _)| !name.is_empty() && !name.contains('.')) {
            self.learn_equal(&format!("{path}.{name}"), &inner.to_value());
        }
    }

    pub(super) fn conditions(&self, path: &str) -> Vec<&Condition> {
        self.0.iter().filter(|(known, _)| known == path).map(|(_, condition)| condition).collect()
    }

    /// The one value that a path must have.
    pub(super) fn fixed(&self, path: &str) -> Option<Value> {
        self.conditions(path).into_iter().find_map(|condition| match condition {
            (Rel::In, values) => match values.as_slice() {
                [value @ (Value::String(_) | Value::Int32(_) | Value::Int64(_) | Value::Double(_))] => {
                    Some(value.clone())
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// Can the value not be there, alone or in an array?
    pub(super) fn excludes(&self, path: &str, value: &Value) -> bool {
        self.conditions(path).into_iter().any(|(rel, values)| *rel == Rel::Nin && contains(values, value))
    }
}

/// Does one of the conditions alone imply the relation to the value?
pub(super) fn implied(conditions: &[&Condition], rel: Rel, value: &Value) -> bool {
    conditions.iter().any(|condition| implies(condition, rel, value))
}

fn implies((known, values): &Condition, rel: Rel, value: &Value) -> bool {
    match known {
        Rel::In => !values.is_empty() && values.iter().all(|one| related(one, rel, value)),
        Rel::Nin => match rel {
            Rel::Ne => contains(values, value),
            Rel::Nin => members(value).is_some_and(|wanted| wanted.iter().all(|one| contains(values, one))),
            _ => false,
        },
        _ => values.first().is_some_and(|bound| bound_implies(*known, bound, rel, value)),
    }
}

fn bound_implies(known: Rel, bound: &Value, rel: Rel, value: &Value) -> bool {
    if rel == Rel::Nin {
        let all = |wanted: Vec<Value>| wanted.iter().all(|one| bound_implies(known, bound, Rel::Ne, one));
        return members(value).is_some_and(|wanted| !wanted.is_empty() && all(wanted));
    }
    let beyond = |rel| related(bound, rel, value);
    match (known, rel) {
        (Rel::Gt, Rel::Gt | Rel::Gte | Rel::Ne) | (Rel::Gte, Rel::Gte) => beyond(Rel::Gte),
        (Rel::Gte, Rel::Gt | Rel::Ne) => beyond(Rel::Gt),
        (Rel::Lt, Rel::Lt | Rel::Lte | Rel::Ne) | (Rel::Lte, Rel::Lte) => beyond(Rel::Lte),
        (Rel::Lte, Rel::Lt | Rel::Ne) => beyond(Rel::Lt),
        _ => false,
    }
}

/// Do two values relate so? Dates count as their milliseconds; null and missing are equal.
pub(super) fn related(left: &Value, rel: Rel, right: &Value) -> bool {
    match rel {
        Rel::Eq => equal(left, right),
        Rel::Ne => !equal(left, right),
        Rel::In => members(right).is_some_and(|members| contains(&members, left)),
        Rel::Nin => !members(right).is_some_and(|members| contains(&members, left)),
        Rel::Lt | Rel::Lte | Rel::Gt | Rel::Gte => ordered(left, rel, right),
    }
}

fn ordered(left: &Value, rel: Rel, right: &Value) -> bool {
    let (left, right) = (plain(left.as_ref()), plain(right.as_ref()));
    let same = left.kind().rank() == right.kind().rank() && is_bound(&left.to_value()) && is_bound(&right.to_value());
    let order = compare(left, right);
    same && match rel {
        Rel::Lt => order.is_lt(),
        Rel::Lte => order.is_le(),
        Rel::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_ref(), right.as_ref()) {
        (left, right) if left.is_nullish() || right.is_nullish() => left.is_nullish() && right.is_nullish(),
        (left, right) => compare(plain(left), plain(right)).is_eq(),
    }
}

fn contains(values: &[Value], value: &Value) -> bool {
    values.iter().any(|one| equal(one, value))
}

fn members(value: &Value) -> Option<Vec<Value>> {
    value.as_ref().as_array().map(|array| array.iter().map(ValueRef::to_value).collect())
}

const fn plain(value: ValueRef<'_>) -> ValueRef<'_> {
    match value {
        ValueRef::DateTime(at) => ValueRef::Int64(at),
        other => other,
    }
}

/// Can the value bound others? NaN and values of other kinds compare in ways of their own.
fn is_bound(value: &Value) -> bool {
    match value.as_ref() {
        ValueRef::String(_) | ValueRef::Bool(_) | ValueRef::DateTime(_) => true,
        value => value.kind().is_number() && value.as_f64().is_some_and(|number| !number.is_nan()),
    }
}
