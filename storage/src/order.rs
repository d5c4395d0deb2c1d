//! The one total order of values: by class, then by content; numbers by exact value across their kinds.
//!
//! Sorting, range bounds, `$min`, group keys and index keys all use this order (MongoDB's, semantics part 1.6).
//! A collation, where a caller brings one, changes only how two texts compare.

use std::cmp::Ordering;

use crate::collation::Collation;
use crate::doc::{Element, RawDoc};
use crate::number::{self, Number};
use crate::value::ValueRef;

/// Compares two values by bytes of text.
#[inline]
pub fn compare(left: ValueRef<'_>, right: ValueRef<'_>) -> Ordering {
    compare_with(left, right, None)
}

/// Compares two values; texts by the collation if there is one.
pub fn compare_with(left: ValueRef<'_>, right: ValueRef<'_>, collation: Option<&Collation>) -> Ordering {
    use ValueRef as V;
    if let (Some(a), Some(b)) = (number(left), number(right)) {
        return number::compare(a, b);
    }
    match (left, right) {
        (V::String(a) | V::Symbol(a), V::String(b) | V::Symbol(b)) => compare_text(a, b, collation),
        (V::Document(a), V::Document(b)) => compare_documents(a, b, collation),
        (V::Array(a), V::Array(b)) => compare_elements(a.elements(), b.elements(), collation, Names::Ignored),
        (V::Binary { subtype: s, bytes: a }, V::Binary { subtype: t, bytes: b }) => {
            a.len().cmp(&b.len()).then(s.cmp(&t)).then_with(|| a.cmp(b))
        }
        (V::ObjectId(a), V::ObjectId(b)) => a.cmp(&b),
        (V::Bool(a), V::Bool(b)) => a.cmp(&b),
        (V::DateTime(a), V::DateTime(b)) => a.cmp(&b),
        (V::Timestamp { seconds: a, increment: i }, V::Timestamp { seconds: b, increment: j }) => (a, i).cmp(&(b, j)),
        (V::Regex { pattern: a, options: o }, V::Regex { pattern: b, options: p }) => (a, o).cmp(&(b, p)),
        (V::DbPointer { namespace: a, id: i }, V::DbPointer { namespace: b, id: j }) => {
            a.len().cmp(&b.len()).then_with(|| (a, i).cmp(&(b, j)))
        }
        (V::JavaScript(a), V::JavaScript(b)) => a.cmp(b),
        (V::CodeWithScope { code: a, scope: s }, V::CodeWithScope { code: b, scope: t }) => {
            a.cmp(b).then_with(|| compare_documents(s, t, None))
        }
        _ => left.kind().rank().cmp(&right.kind().rank()),
    }
}

/// Compares two documents field by field: class of the value, then name, then value.
pub fn compare_documents(left: RawDoc<'_>, right: RawDoc<'_>, collation: Option<&Collation>) -> Ordering {
    compare_elements(left.elements(), right.elements(), collation, Names::Compared)
}

/// The value as a number, if it is one.
#[inline]
pub fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Int32(number) => Some(Number::Int(i64::from(number))),
        ValueRef::Int64(number) => Some(Number::Int(number)),
        ValueRef::Double(number) => Some(Number::Double(number)),
        ValueRef::Decimal128(number) => Some(Number::Decimal(number)),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Names {
    Compared,
    Ignored,
}

fn compare_text(a: &str, b: &str, collation: Option<&Collation>) -> Ordering {
    match collation {
        Some(collation) => collation.compare(a, b),
        None => a.cmp(b),
    }
}

fn compare_elements<'a>(
    mut left: impl Iterator<Item = Element<'a>>,
    mut right: impl Iterator<Item = Element<'a>>,
    collation: Option<&Collation>,
    names: Names,
) -> Ordering {
    loop {
        let (a, b) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let mut order = a.kind().rank().cmp(&b.kind().rank());
        if names == Names::Compared {
            order = order.then_with(|| a.name_bytes().cmp(b.name_bytes()));
        }
        let order = order.then_with(|| compare_with(a.value(), b.value(), collation));
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{ArrayBuilder, DocBuilder};
    use crate::value::Value;

    #[test]
    fn classes_stand_in_their_order() {
        let doc = DocBuilder::new().finish();
        let mut one = ArrayBuilder::new();
        one.push(ValueRef::Int32(1));
        let rising = [
            Value::MinKey,
            Value::Undefined,
            Value::Null,
            Value::Double(f64::NAN),
            Value::Double(f64::NEG_INFINITY),
            Value::Int32(-1),
            Value::Int64(0),
            Value::Double(0.5),
            Value::String("a".into()),
            Value::Symbol("b".into()),
            Value::Document(doc),
            Value::Array(one.finish()),
            Value::Binary { subtype: 0, bytes: vec![9] },
            Value::Binary { subtype: 0, bytes: vec![0, 0] },
            Value::ObjectId([0; 12]),
            Value::Bool(false),
            Value::Bool(true),
            Value::DateTime(0),
            Value::Timestamp { seconds: 0, increment: 1 },
            Value::Regex { pattern: "a".into(), options: String::new() },
            Value::JavaScript("x".into()),
            Value::MaxKey,
        ];
        for (i, a) in rising.iter().enumerate() {
            for (j, b) in rising.iter().enumerate() {
                assert_eq!(compare(a.as_ref(), b.as_ref()), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn documents_compare_by_class_then_name_then_value() {
        let build = |fields: &[(&str, ValueRef<'_>)]| {
            let mut builder = DocBuilder::new();
            fields.iter().for_each(|(name, value)| builder.put(name, *value));
            Value::Document(builder.finish())
        };
        let a = build(&[("b", ValueRef::Int32(9))]);
        let b = build(&[("a", ValueRef::String(""))]);
        let c = build(&[("a", ValueRef::Int32(9)), ("z", ValueRef::Null)]);
        assert_eq!(compare(a.as_ref(), b.as_ref()), Ordering::Less);
        assert_eq!(compare(c.as_ref(), a.as_ref()), Ordering::Less);
    }
}
