//! The normal form of filters. Planning and positional matching rely on it, and the rules reason about it.

use std::cmp::Ordering;

use storage::{Collation, Path};

use super::{BitTest, CmpOp, Filter, Members, Pred};

/// The filter that holds where every member does.
pub(super) fn conjunction(members: Vec<Filter>) -> Filter {
    let mut flat = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Filter::And(inner) => flat.extend(inner),
            Filter::Always(true) => {}
            other => flat.push(other),
        }
    }
    flat.sort_by(canonical);
    single_or(flat, Filter::And)
}

/// The filter that holds where any member does.
pub(super) fn disjunction(mut members: Vec<Filter>, collation: Option<&Collation>) -> Filter {
    members.sort_by(canonical);
    match single_or(members, Filter::Or) {
        Filter::Or(members) => equalities(members, collation),
        single => single,
    }
}

/// The filter without members whose outcome is known.
pub(super) fn simplified(filter: Filter, collation: Option<&Collation>) -> Filter {
    match filter {
        Filter::Field(_, Pred::Never) => Filter::Always(false),
        Filter::Field(_, Pred::Not(inner)) if matches!(*inner, Pred::Never) => Filter::Always(true),
        Filter::And(members) => {
            let members: Vec<Filter> = members.into_iter().map(|member| simplified(member, collation)).collect();
            match members.iter().any(|member| matches!(member, Filter::Always(false))) {
                true => Filter::Always(false),
                false => conjunction(members),
            }
        }
        Filter::Or(members) => {
            let mut members: Vec<Filter> = members.into_iter().map(|member| simplified(member, collation)).collect();
            if members.iter().any(|member| matches!(member, Filter::Always(true))) {
                return Filter::Always(true);
            }
            members.retain(|member| !matches!(member, Filter::Always(false)));
            match members.is_empty() {
                true => Filter::Always(false),
                false => disjunction(members, collation),
            }
        }
        other => other,
    }
}

/// The filter that holds where no member does.
pub(super) fn negation(mut members: Vec<Filter>) -> Filter {
    members.sort_by(canonical);
    Filter::Nor(members)
}

/// The filter that holds where the path meets every predicate.
pub(super) fn field(path: &Path, preds: Vec<Pred>) -> Filter {
    let parts = preds.into_iter().flat_map(|pred| match pred {
        Pred::All(inner) => inner,
        other => vec![other],
    });
    conjunction(parts.map(|pred| Filter::Field(path.clone(), pred)).collect())
}

fn single_or(mut members: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match members.len() {
        1 => members.pop().unwrap_or(Filter::And(Vec::new())),
        _ => many(members),
    }
}

/// `{$or: [{a: 1}, {a: 2}]}` is `{a: {$in: [1, 2]}}`.
fn equalities(members: Vec<Filter>, collation: Option<&Collation>) -> Filter {
    let mut paths = members.iter().map(|member| match member {
        Filter::Field(path, Pred::Cmp(CmpOp::Eq, _) | Pred::Regex(_)) => Some(path),
        Filter::Field(path, Pred::In(one)) if one.values().len() == 1 && one.patterns().is_empty() => Some(path),
        _ => None,
    });
    let first: Option<Path> = paths.next().flatten().cloned();
    let Some(path) = first.filter(|first| paths.all(|path| path == Some(first))) else { return Filter::Or(members) };
    let (mut values, mut patterns) = (Vec::new(), Vec::new());
    for member in members {
        match member {
            Filter::Field(_, Pred::Cmp(_, value)) => values.push(value),
            Filter::Field(_, Pred::Regex(pattern)) => patterns.push(pattern),
            Filter::Field(_, Pred::In(one)) => values.extend(one.values().iter().cloned()),
            _ => {}
        }
    }
    Filter::Field(path, Pred::In(Members::sorted(values, patterns, collation)))
}

/// MongoDB's order of the members of a list: by kind of condition, then by path, then by their own members. It decides
/// which condition is evaluated last, and so what `$` in an update's path refers to.
fn canonical(a: &Filter, b: &Filter) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| path(a).cmp(path(b))).then_with(|| {
        let (a, b) = (members(a), members(b));
        let inner = a.iter().zip(b).map(|(a, b)| canonical(a, b)).find(|order| order.is_ne());
        inner.unwrap_or_else(|| a.len().cmp(&b.len()))
    })
}

fn path(filter: &Filter) -> &str {
    match filter {
        Filter::Field(_, Pred::Not(_)) => "",
        Filter::Field(path, _) => path.as_str(),
        _ => "",
    }
}

fn members(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::And(members) | Filter::Or(members) | Filter::Nor(members) => members,
        Filter::Field(_, Pred::ElemMatch(inner)) => std::slice::from_ref(inner),
        _ => &[],
    }
}

fn rank(filter: &Filter) -> u8 {
    match filter {
        Filter::And(_) => 0,
        Filter::Or(_) => 1,
        Filter::Field(_, pred) => rank_of(pred),
        Filter::Nor(_) => 41,
        Filter::Expr(_) => 44,
        Filter::Schema(_) => 48,
        Filter::Sample(_) | Filter::Always(_) => 45,
        Filter::Text(_) => 47,
    }
}

fn rank_of(pred: &Pred) -> u8 {
    match pred {
        Pred::All(_) => 0,
        Pred::ElemMatch(_) => 2,
        Pred::ElemValue(_) => 3,
        Pred::Size(_) => 4,
        Pred::Cmp(CmpOp::Eq, _) => 5,
        Pred::Cmp(CmpOp::Lte, _) => 6,
        Pred::Cmp(CmpOp::Lt, _) => 7,
        Pred::Cmp(CmpOp::Gt, _) => 8,
        Pred::Cmp(CmpOp::Gte, _) => 9,
        Pred::Regex(_) => 10,
        Pred::Mod { .. } => 11,
        Pred::Exists => 12,
        Pred::In(_) => 13,
        Pred::Bits(bits) => match bits.test() {
            BitTest::AllSet => 14,
            BitTest::AllClear => 15,
            BitTest::AnySet => 16,
            BitTest::AnyClear => 17,
        },
        Pred::Not(_) => 40,
        Pred::Type(_) => 42,
        Pred::Geo(_) => 43,
        Pred::Never => 45,
        Pred::Near(_) => 46,
    }
}
