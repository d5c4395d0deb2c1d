//! Does a query imply the filter of a partial index? Sound, not complete: a doubt counts as no.

use storage::{Partial, Path, RawDoc, ValueRef, compare};

use crate::filter::{CmpOp, Filter, Pred};

/// Does every document that meets all members also meet the partial filter?
pub(super) fn implies(members: &[&Filter], partial: &Partial) -> bool {
    partial.filter.raw().iter().all(|(name, condition)| implies_field(members, name, condition))
}

/// One entry of the partial filter: a path with a value or with comparison operators.
fn implies_field(members: &[&Filter], name: &str, condition: ValueRef<'_>) -> bool {
    if name == "$and" {
        let all =
            condition.as_array().map(|parts| parts.iter().filter_map(ValueRef::as_doc).collect::<Vec<RawDoc<'_>>>());
        return all.is_some_and(|parts| {
            parts.iter().all(|part| part.iter().all(|(name, condition)| implies_field(members, name, condition)))
        });
    }
    if name.starts_with('$') {
        return false;
    }
    let path = Path::new(name);
    match condition.as_doc().filter(|doc| doc.iter().any(|(name, _)| name.starts_with('$'))) {
        Some(operators) => {
            operators.iter().all(|(operator, operand)| implies_operator(members, &path, operator, operand))
        }
        None => implies_operator(members, &path, "$eq", condition),
    }
}

fn implies_operator(members: &[&Filter], path: &Path, operator: &str, operand: ValueRef<'_>) -> bool {
    let about_path = members.iter().filter_map(|member| match member {
        Filter::Field(of, pred) if of == path => Some(pred),
        _ => None,
    });
    about_path.into_iter().any(|pred| pred_implies(pred, operator, operand))
}

/// Does meeting the predicate through some value mean that the same value meets the operator?
fn pred_implies(pred: &Pred, operator: &str, operand: ValueRef<'_>) -> bool {
    match pred {
        Pred::All(preds) => preds.iter().any(|pred| pred_implies(pred, operator, operand)),
        Pred::Cmp(op, value) => comparison_implies(*op, value.as_ref(), operator, operand),
        Pred::In(members) => {
            members.patterns().is_empty()
                && !members.values().is_empty()
                && members.values().iter().all(|value| comparison_implies(CmpOp::Eq, value.as_ref(), operator, operand))
        }
        Pred::Exists => operator == "$exists" && is_true(operand),
        _ => false,
    }
}

fn comparison_implies(op: CmpOp, value: ValueRef<'_>, operator: &str, operand: ValueRef<'_>) -> bool {
    if value.is_nullish() || matches!(value, ValueRef::Array(_)) {
        return false; // null is also met by what is missing, an array by its elements
    }
    if operator == "$exists" {
        return is_true(operand);
    }
    if value.kind().rank() != operand.kind().rank() || is_nan(value) || is_nan(operand) {
        return operator == "$in" && op == CmpOp::Eq && is_member(value, operand);
    }
    let order = compare(value, operand);
    match (op, operator) {
        (CmpOp::Eq, "$eq") => order.is_eq(),
        (CmpOp::Eq | CmpOp::Gte, "$gte") | (CmpOp::Gt, "$gt" | "$gte") => order.is_ge(),
        (CmpOp::Eq | CmpOp::Gte, "$gt") => order.is_gt(),
        (CmpOp::Eq | CmpOp::Lte, "$lte") | (CmpOp::Lt, "$lt" | "$lte") => order.is_le(),
        (CmpOp::Eq | CmpOp::Lte, "$lt") => order.is_lt(),
        _ => false,
    }
}

fn is_member(value: ValueRef<'_>, operand: ValueRef<'_>) -> bool {
    operand.as_array().is_some_and(|members| members.iter().any(|member| member == value))
}

fn is_true(operand: ValueRef<'_>) -> bool {
    match operand {
        ValueRef::Bool(truth) => truth,
        other => other.as_f64().is_some_and(|number| number != 0.0),
    }
}

fn is_nan(value: ValueRef<'_>) -> bool {
    value.as_f64().is_some_and(f64::is_nan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use storage::{Doc, DocBuilder, Value};

    fn partial(build: impl FnOnce(&mut DocBuilder)) -> Partial {
        let mut builder = DocBuilder::new();
        build(&mut builder);
        Partial { filter: builder.finish(), matches: Arc::new(|_| true) }
    }

    fn operator(operator: &'static str, operand: i32) -> Doc {
        let mut builder = DocBuilder::new();
        builder.put(operator, ValueRef::Int32(operand));
        builder.finish()
    }

    fn field(op: CmpOp, value: Value) -> Filter {
        Filter::Field(Path::new("n"), Pred::Cmp(op, value))
    }

    #[test]
    fn only_what_follows_is_implied() {
        let above_five = partial(|filter| filter.put("n", ValueRef::Document(operator("$gt", 5).raw())));
        let cases = [
            (field(CmpOp::Eq, Value::Int32(6)), true),
            (field(CmpOp::Eq, Value::Int32(5)), false),
            (field(CmpOp::Gt, Value::Int32(5)), true),
            (field(CmpOp::Gte, Value::Int32(5)), false),
            (field(CmpOp::Gt, Value::Double(7.5)), true),
            (field(CmpOp::Lt, Value::Int32(9)), false),
            (field(CmpOp::Gt, Value::String("a".into())), false),
            (field(CmpOp::Eq, Value::Null), false),
            (Filter::Field(Path::new("m"), Pred::Cmp(CmpOp::Eq, Value::Int32(6))), false),
        ];
        for (filter, expect) in cases {
            assert_eq!(implies(&[&filter], &above_five), expect, "{filter:?}");
        }
    }
}
