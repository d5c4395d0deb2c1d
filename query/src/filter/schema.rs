//! `$jsonSchema`: JSON Schema draft 4 with MongoDB's additions, as a list of rules that a value must keep.
//!
//! A rule speaks only of values of its own kind (`maxLength` of texts, `required` of documents); any other value
//! keeps it. Field order inside documents does not matter to `enum` and `uniqueItems`.

mod parse;

use storage::{RawArray, RawDoc, Value, ValueRef, compare_documents};

use super::matches::compares;
use super::{CmpOp, KindSet, Pattern};
use crate::cx::Cx;
use crate::error::Result;

pub use parse::SCHEMA_KEYWORDS;

/// A schema: every rule must be kept.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Kinds(KindSet),
    Enum(Vec<Value>),
    All(Vec<Schema>),
    Any(Vec<Schema>),
    One(Vec<Schema>),
    Not(Box<Schema>),
    /// The number compares so with the limit.
    Range(CmpOp, Value),
    MultipleOf(Value),
    Count(Counted, CmpOp, u64),
    Pattern(Pattern),
    Items(Box<Schema>),
    /// A schema for each of the first elements, then one for the rest; no rest allowed where there is none.
    Positions(Vec<Schema>, Option<Box<Schema>>),
    Unique,
    Required(Vec<Box<str>>),
    Properties(Vec<(Box<str>, Schema)>),
    Names(Names),
    Dependencies(Vec<(Box<str>, Dependency)>),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Characters,
    Elements,
    Fields,
}

/// Rules for fields by name: patterns, and what holds for names that nothing else mentions.
#[derive(Clone, Debug)]
struct Names {
    known: Vec<Box<str>>,
    patterns: Vec<(Pattern, Schema)>,
    /// `None` forbids other fields.
    others: Option<Schema>,
}

/// What the presence of a field asks of the document.
#[derive(Clone, Debug)]
enum Dependency {
    Fields(Vec<Box<str>>),
    Schema(Schema),
}

impl Schema {
    /// Does the document keep every rule?
    pub(super) fn holds(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        self.kept(ValueRef::Document(doc), cx)
    }

    fn kept(&self, value: ValueRef<'_>, cx: &Cx<'_>) -> Result<bool> {
        for rule in &self.rules {
            cx.tick()?;
            if !rule.kept(value, cx)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Rule {
    fn kept(&self, value: ValueRef<'_>, cx: &Cx<'_>) -> Result<bool> {
        Ok(match self {
            Rule::Kinds(kinds) => kinds.contains(value.kind()),
            Rule::Enum(values) => values.iter().any(|member| equal(member.as_ref(), value)),
            Rule::All(schemas) => count_kept(schemas, value, cx)? == schemas.len(),
            Rule::Any(schemas) => count_kept(schemas, value, cx)? > 0,
            Rule::One(schemas) => count_kept(schemas, value, cx)? == 1,
            Rule::Not(schema) => !schema.kept(value, cx)?,
            Rule::Range(op, limit) => {
                !value.kind().is_number() || compares(*op, Some(value), limit.as_ref(), cx.collation)
            }
            Rule::MultipleOf(divisor) => !value.kind().is_number() || is_multiple(value, divisor.as_ref()),
            Rule::Count(counted, op, limit) => counted.count(value).is_none_or(|count| match op {
                CmpOp::Lte => count <= *limit,
                _ => count >= *limit,
            }),
            Rule::Pattern(pattern) => value.as_str().map_or(Ok(true), |text| pattern.is_match(text, cx))?,
            _ => match value {
                ValueRef::Document(doc) => self.kept_by_document(doc, cx)?,
                ValueRef::Array(array) => self.kept_by_array(array, cx)?,
                _ => true,
            },
        })
    }

    fn kept_by_array(&self, array: RawArray<'_>, cx: &Cx<'_>) -> Result<bool> {
        match self {
            Rule::Items(schema) => all_kept(array.iter().map(|element| (element, &**schema)), cx),
            Rule::Positions(first, rest) => {
                let has_rest = array.iter().nth(first.len()).is_some();
                let Some(rest) = rest else {
                    return Ok(!has_rest && all_kept(array.iter().zip(first), cx)?);
                };
                let schemas = first.iter().chain(std::iter::repeat(&**rest));
                all_kept(array.iter().zip(schemas), cx)
            }
            Rule::Unique => Ok(all_different(array)),
            _ => Ok(true),
        }
    }

    fn kept_by_document(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        match self {
            Rule::Required(names) => Ok(names.iter().all(|name| doc.get(name).is_some())),
            Rule::Properties(schemas) => {
                all_kept(schemas.iter().filter_map(|(name, schema)| Some((doc.get(name)?, schema))), cx)
            }
            Rule::Names(names) => names.kept(doc, cx),
            Rule::Dependencies(list) => {
                for (name, dependency) in list {
                    if doc.get(name).is_some() && !dependency.kept(doc, cx)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }
}

impl Counted {
    fn count(self, value: ValueRef<'_>) -> Option<u64> {
        let count = match (self, value) {
            (Counted::Characters, ValueRef::String(text)) => text.chars().count(),
            (Counted::Elements, ValueRef::Array(array)) => array.len(),
            (Counted::Fields, ValueRef::Document(doc)) => doc.elements().count(),
            _ => return None,
        };
        u64::try_from(count).ok()
    }
}

impl Names {
    fn kept(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        for (name, value) in doc.iter() {
            cx.tick()?;
            let mut mentioned = self.known.iter().any(|known| &**known == name);
            for (pattern, schema) in &self.patterns {
                let meant = pattern.is_match(name, cx)?;
                mentioned |= meant;
                if meant && !schema.kept(value, cx)? {
                    return Ok(false);
                }
            }
            let kept = mentioned || self.others.as_ref().map_or(Ok(false), |schema| schema.kept(value, cx))?;
            if !kept {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Dependency {
    fn kept(&self, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<bool> {
        match self {
            Dependency::Fields(names) => Ok(names.iter().all(|name| doc.get(name).is_some())),
            Dependency::Schema(schema) => schema.kept(ValueRef::Document(doc), cx),
        }
    }
}

fn count_kept(schemas: &[Schema], value: ValueRef<'_>, cx: &Cx<'_>) -> Result<usize> {
    let mut count = 0;
    for schema in schemas {
        count += usize::from(schema.kept(value, cx)?);
    }
    Ok(count)
}

fn all_kept<'s, 'v>(pairs: impl Iterator<Item = (ValueRef<'v>, &'s Schema)>, cx: &Cx<'_>) -> Result<bool> {
    for (value, schema) in pairs {
        if !schema.kept(value, cx)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A value whose documents have their fields in order of name, so that comparing ignores their order.
fn sorted(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Document(doc) => {
            let mut fields: Vec<_> = doc.iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            let mut builder = storage::DocBuilder::with_capacity(doc.as_bytes().len());
            fields.iter().for_each(|(name, value)| builder.put(name, value.as_ref()));
            Value::Document(builder.finish())
        }
        ValueRef::Array(array) => {
            let mut builder = storage::ArrayBuilder::new();
            array.iter().for_each(|element| builder.push(sorted(element).as_ref()));
            Value::Array(builder.finish())
        }
        other => other.to_value(),
    }
}

fn equal(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a, b) {
        (ValueRef::Document(x), ValueRef::Document(y)) if compare_documents(x, y, None).is_eq() => true,
        (ValueRef::Document(_), ValueRef::Document(_)) | (ValueRef::Array(_), ValueRef::Array(_)) => {
            sorted(a) == sorted(b)
        }
        _ => a == b,
    }
}

fn all_different(array: RawArray<'_>) -> bool {
    let mut values: Vec<Value> = array.iter().map(sorted).collect();
    values.sort_by(|a, b| storage::compare(a.as_ref(), b.as_ref()));
    !values.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Is the number a whole multiple? Decided in decimal digits, so 0.3 is a multiple of 0.1.
fn is_multiple(value: ValueRef<'_>, divisor: ValueRef<'_>) -> bool {
    let (Some((mut dividend, mut exponent)), Some((divisor, by))) = (digits(value), digits(divisor)) else {
        return false;
    };
    if divisor == 0 {
        return false;
    }
    // More zeros on the dividend's side: dividend * 10^n, reduced at each step.
    while exponent > by && dividend != 0 {
        dividend = (dividend % divisor) * 10;
        exponent -= 1;
    }
    // More zeros on the divisor's side: all digits of the dividend that lie below must be zeros.
    while exponent < by && dividend != 0 {
        if !dividend.is_multiple_of(10) {
            return false;
        }
        dividend /= 10;
        exponent += 1;
    }
    dividend.is_multiple_of(divisor)
}

/// Magnitude as digits and a power of ten; doubles by their 15 significant digits.
fn digits(value: ValueRef<'_>) -> Option<(u128, i32)> {
    match value {
        ValueRef::Decimal128(number) => match number.decode() {
            storage::Decimal::Finite { coefficient, exponent, .. } => Some((coefficient, exponent)),
            _ => None,
        },
        ValueRef::Double(number) if number.is_finite() => {
            let text = format!("{:.14e}", number.abs());
            let (mantissa, exponent) = text.split_once('e')?;
            Some((mantissa.replace('.', "").parse().ok()?, exponent.parse::<i32>().ok()? - 14))
        }
        ValueRef::Double(_) => None,
        other => Some((u128::from(other.as_i64()?.unsigned_abs()), 0)),
    }
}

#[cfg(test)]
mod tests;
