//! The operators that stand under a field name, as one table, and how each reads its operand.

use storage::{RawArray, RawDoc, Value, ValueRef};

use super::geo::{read_intersects, read_within};
use super::number::{non_negative_integer, truncated};
use super::parse::{Place, Reader, bad, no_script};
use super::{BitTest, Bits, CmpOp, KindSet, Members, Pattern, Pred, leak};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};

/// One operator under a field name.
#[derive(Debug)]
pub struct FieldOperator {
    /// How it is written.
    pub name: &'static str,
    /// What it means, in one line.
    pub help: &'static str,
    read: Read,
}

type Read = fn(&mut Reader<'_>, ValueRef<'_>, RawDoc<'_>) -> Result<Option<Pred>>;

/// The operators under a field name.
pub const FIELD_OPERATORS: &[FieldOperator] = &[
    operator("$eq", "equal to the value; null also equals what is missing", |_, value, _| {
        Ok(Some(Pred::Cmp(CmpOp::Eq, operand(value)?)))
    }),
    operator("$ne", "not equal to the value, or missing", read_ne),
    operator("$gt", "greater than the value, within its class", |_, value, _| range(CmpOp::Gt, value)),
    operator("$gte", "greater than or equal to the value, within its class", |_, value, _| range(CmpOp::Gte, value)),
    operator("$lt", "less than the value, within its class", |_, value, _| range(CmpOp::Lt, value)),
    operator("$lte", "less than or equal to the value, within its class", |_, value, _| range(CmpOp::Lte, value)),
    operator("$in", "equal to one of the values, or matching one of the patterns", |reader, value, _| {
        Ok(Some(Pred::In(members(reader, "$in", value)?)))
    }),
    operator("$nin", "equal to none of the values, or missing", |reader, value, _| {
        Ok(Some(not(Pred::In(members(reader, "$nin", value)?))))
    }),
    operator("$not", "the operators under it do not hold", read_not),
    operator("$exists", "the field is there (true), even with null, or is not (false)", |_, value, _| {
        Ok(Some(if is_true(value) { Pred::Exists } else { not(Pred::Exists) }))
    }),
    operator("$type", "of one of the types, given by name or number", |_, value, _| {
        Ok(Some(Pred::Type(KindSet::read(value)?)))
    }),
    operator("$mod", "[divisor, remainder]: a number that leaves the remainder, both cut to whole numbers", read_mod),
    operator("$regex", "a text that matches the pattern (PCRE syntax, linear time)", read_regex),
    operator("$options", "letters i, m, s, x for $regex", read_options),
    operator("$size", "an array of exactly so many elements", read_size),
    operator("$all", "an array that holds every value, or an element for every $elemMatch", read_all),
    operator("$elemMatch", "an array with one element that meets every condition", read_elem_match),
    operator("$bitsAllSet", "every bit of the mask is 1", |_, value, _| bits(BitTest::AllSet, value)),
    operator("$bitsAnySet", "at least one bit of the mask is 1", |_, value, _| bits(BitTest::AnySet, value)),
    operator("$bitsAllClear", "every bit of the mask is 0", |_, value, _| bits(BitTest::AllClear, value)),
    operator("$bitsAnyClear", "at least one bit of the mask is 0", |_, value, _| bits(BitTest::AnyClear, value)),
    operator("$geoWithin", "a geometry inside of the shape", read_within),
    operator("$within", "old name of $geoWithin", read_within),
    operator("$geoIntersects", "a geometry that meets the shape", read_intersects),
    operator("$near", "documents nearest first, through a geo index", near_not_first),
    operator("$nearSphere", "as $near, on the globe", near_not_first),
    operator("$geoNear", "old name of $near", near_not_first),
];

const fn operator(name: &'static str, help: &'static str, read: Read) -> FieldOperator {
    FieldOperator { name, help, read }
}

impl Reader<'_> {
    /// The predicates of an operator document such as `{$gt: 1, $lt: 5}`.
    pub(super) fn preds(&mut self, doc: RawDoc<'_>) -> Result<Vec<Pred>> {
        if let Some(near) = self.near(doc)? {
            return Ok(vec![near]);
        }
        let mut preds = Vec::new();
        for (name, value) in doc.iter() {
            self.count()?;
            let operator =
                FIELD_OPERATORS.iter().find(|operator| operator.name == name).ok_or_else(|| unknown(name))?;
            preds.extend((operator.read)(self, value, doc)?);
        }
        Ok(preds)
    }
}

/// The predicate of a plain value: equality, or a match where it is a regular expression.
pub(super) fn equality(value: ValueRef<'_>, cx: &Cx<'_>) -> Result<Pred> {
    match value {
        ValueRef::Regex { pattern, options } => Ok(Pred::Regex(Pattern::new(pattern, options, cx)?)),
        _ => Ok(Pred::Cmp(CmpOp::Eq, operand(value)?)),
    }
}

/// Does the document hold operators rather than being a value? A reference `{$ref, $id}` is a value.
pub(super) fn is_operator_document(doc: RawDoc<'_>) -> bool {
    begins_with_operator(doc) && !(doc.get("$ref").is_some() && doc.get("$id").is_some())
}

/// Is the name that of an operator under a field?
pub(crate) fn is_field_operator(name: &str) -> bool {
    FIELD_OPERATORS.iter().any(|operator| operator.name == name)
}

fn begins_with_operator(doc: RawDoc<'_>) -> bool {
    doc.elements().next().is_some_and(|first| first.name_bytes().first() == Some(&b'$'))
}

fn not(pred: Pred) -> Pred {
    Pred::Not(Box::new(pred))
}

fn operand(value: ValueRef<'_>) -> Result<Value> {
    match value {
        ValueRef::Undefined => Err(bad("cannot compare to undefined; use null or $exists")),
        _ => Ok(value.to_value()),
    }
}

fn range(op: CmpOp, value: ValueRef<'_>) -> Result<Option<Pred>> {
    match value {
        ValueRef::Regex { .. } => Err(bad("a regular expression cannot be the operand of a comparison")),
        _ => Ok(Some(Pred::Cmp(op, operand(value)?))),
    }
}

fn read_ne(_: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    match value {
        ValueRef::Regex { .. } => Err(bad("$ne cannot take a regular expression; use $not")),
        _ => Ok(Some(not(Pred::Cmp(CmpOp::Eq, operand(value)?)))),
    }
}

fn members(reader: &mut Reader<'_>, name: &str, value: ValueRef<'_>) -> Result<Members> {
    let ValueRef::Array(array) = value else { return Err(bad(format!("{name} needs an array"))) };
    let (mut values, mut patterns) = (Vec::new(), Vec::new());
    for member in array.iter() {
        reader.cx.tick()?;
        match member {
            ValueRef::Document(doc) if is_operator_document(doc) => {
                return Err(bad(format!("{name} takes values, not operators; found {doc:?}")));
            }
            ValueRef::Regex { pattern, options } => patterns.push(Pattern::new(pattern, options, reader.cx)?),
            _ => values.push(operand(member)?),
        }
    }
    let count = u64::try_from(values.len() + patterns.len()).unwrap_or(u64::MAX);
    if count > reader.cx.limits.in_values_max {
        let message = format!("{name} has {count} values, at most {} are allowed", reader.cx.limits.in_values_max);
        return Err(bad(message).with_code(Code::TooLarge));
    }
    Ok(Members::new(values, patterns, reader.cx.collation))
}

fn read_not(reader: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    let doc = match value {
        ValueRef::Regex { .. } => return Ok(Some(not(equality(value, reader.cx)?))),
        ValueRef::Document(doc) if doc.is_empty() => return Err(bad("$not cannot be empty")),
        ValueRef::Document(doc) => doc,
        _ => return Err(bad("$not needs a regular expression or a document of operators")),
    };
    let mut preds = reader.nested(|reader| reader.preds(doc))?;
    let inner = if preds.len() == 1 { preds.pop() } else { None };
    Ok(Some(not(inner.unwrap_or(Pred::All(preds)))))
}

/// MongoDB counts null and undefined as false here, unlike in expressions only that missing cannot occur.
fn is_true(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Bool(truth) => truth,
        ValueRef::Null | ValueRef::Undefined => false,
        number => number.as_f64().is_none_or(|number| number != 0.0),
    }
}

fn read_mod(_: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    let ValueRef::Array(array) = value else { return Err(bad("$mod needs an array [divisor, remainder]")) };
    let mut parts = array.iter();
    let (Some(divisor), Some(remainder), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad("$mod needs exactly two numbers [divisor, remainder]"));
    };
    let whole = |what: &str, value: ValueRef<'_>| {
        truncated(value).ok_or_else(|| bad(format!("the {what} of $mod must be a 64-bit number, found {value:?}")))
    };
    let (divisor, remainder) = (whole("divisor", divisor)?, whole("remainder", remainder)?);
    match divisor {
        0 => Err(bad("the divisor of $mod cannot be 0")),
        _ => Ok(Some(Pred::Mod { divisor, remainder })),
    }
}

/// MongoDB's numbers for options given twice: beside the pattern, and before or after a value with its own.
const OPTIONS_BEFORE: i32 = 51074;
const OPTIONS_AFTER: i32 = 51075;

fn read_regex(reader: &mut Reader<'_>, value: ValueRef<'_>, siblings: RawDoc<'_>) -> Result<Option<Pred>> {
    let (pattern, own) = match value {
        ValueRef::String(pattern) => (pattern, ""),
        ValueRef::Regex { pattern, options } => (pattern, options),
        _ => return Err(bad(format!("$regex has to be a string or a regular expression, found {value:?}"))),
    };
    let beside = match siblings.get("$options") {
        None => None,
        Some(ValueRef::String(options)) => Some(options),
        Some(other) => return Err(bad(format!("$options has to be a string, found {other:?}"))),
    };
    let options_first = siblings.iter().find(|(name, _)| matches!(*name, "$options" | "$regex"));
    match (beside, own) {
        (Some(_), own) if !own.is_empty() => {
            let before = options_first.is_some_and(|(name, _)| name == "$options");
            let number = if before { OPTIONS_BEFORE } else { OPTIONS_AFTER };
            Err(Error::mongo(number, "options stand both in $regex and in $options; leave one out"))
        }
        (beside, own) => Ok(Some(Pred::Regex(Pattern::new(pattern, beside.unwrap_or(own), reader.cx)?))),
    }
}

/// `$options` is read together with `$regex`.
fn read_options(_: &mut Reader<'_>, _: ValueRef<'_>, siblings: RawDoc<'_>) -> Result<Option<Pred>> {
    match siblings.get("$regex") {
        Some(_) => Ok(None),
        None => Err(bad("$options needs a $regex beside it")),
    }
}

fn read_size(_: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    let size = non_negative_integer("$size", value).map_err(|error| Error { number: number::BAD_VALUE, ..error })?;
    match i32::try_from(size) {
        Ok(_) => Ok(Some(Pred::Size(size))),
        Err(_) => Err(bad(format!("$size must be a number of 32 bits, found {size}"))),
    }
}

fn read_all(reader: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    let ValueRef::Array(array) = value else { return Err(bad("$all needs an array")) };
    if array.is_empty() {
        return Ok(Some(Pred::Never));
    }
    let first_is_elem_match = array.iter().next().is_some_and(|first| elem_match_of(first).is_some());
    let preds = match first_is_elem_match {
        true => all_elements(reader, array)?,
        false => all_values(reader, array)?,
    };
    Ok(Some(Pred::All(preds)))
}

fn elem_match_of(member: ValueRef<'_>) -> Option<ValueRef<'_>> {
    let (name, operand) = member.as_doc()?.iter().next()?;
    (name == "$elemMatch").then_some(operand)
}

fn all_elements(reader: &mut Reader<'_>, array: RawArray<'_>) -> Result<Vec<Pred>> {
    let mut preds = Vec::new();
    for member in array.iter() {
        reader.count()?;
        let operand = elem_match_of(member).ok_or_else(|| bad("$all mixes $elemMatch with other members"))?;
        preds.extend(read_elem_match(reader, operand, RawDoc::empty())?);
    }
    Ok(preds)
}

fn all_values(reader: &mut Reader<'_>, array: RawArray<'_>) -> Result<Vec<Pred>> {
    let mut preds = Vec::new();
    for member in array.iter() {
        reader.count()?;
        if let ValueRef::Document(doc) = member {
            if doc.iter().next().is_some_and(|(name, _)| is_field_operator(name) && name != "$not") {
                return Err(bad("$all takes values or $elemMatch, no other operators"));
            }
            if let Some(branches) = leak::branches(doc)? {
                preds.push(leaked(reader, &branches)?);
                continue;
            }
        }
        preds.push(equality(member, reader.cx)?);
    }
    Ok(preds)
}

/// Any of the branches, said through negation because predicates know no alternative.
fn leaked(reader: &mut Reader<'_>, branches: &[storage::Doc]) -> Result<Pred> {
    let mut misses = Vec::new();
    for branch in branches {
        misses.push(not(Pred::All(reader.nested(|reader| reader.preds(branch.raw()))?)));
    }
    Ok(not(Pred::All(misses)))
}

fn read_elem_match(reader: &mut Reader<'_>, value: ValueRef<'_>, _: RawDoc<'_>) -> Result<Option<Pred>> {
    let ValueRef::Document(doc) = value else { return Err(bad("$elemMatch needs an object")) };
    let outer = reader.place;
    if outer == Place::Document {
        reader.place = Place::Element;
    }
    let pred = elem_match(reader, doc)?;
    reader.place = outer;
    Ok(Some(pred))
}

fn elem_match(reader: &mut Reader<'_>, doc: RawDoc<'_>) -> Result<Pred> {
    if let Some(branches) = leak::branches(doc)? {
        return Ok(Pred::ElemValue(vec![leaked(reader, &branches)?]));
    }
    match holds_value_operators(doc) {
        true => Ok(Pred::ElemValue(reader.nested(|reader| reader.preds(doc))?)),
        false => Ok(Pred::ElemMatch(Box::new(reader.filter(doc)?))),
    }
}

/// `{$gt: 1}` is about elements themselves; `{x: 1}`, `{$or: […]}` and references are about documents.
fn holds_value_operators(doc: RawDoc<'_>) -> bool {
    let is_reference = doc.iter().any(|(name, _)| matches!(name, "$ref" | "$id" | "$db"));
    let first = doc.iter().next().map(|(name, _)| name).unwrap_or_default();
    let at_top = super::TOP_OPERATORS.iter().any(|operator| operator.name == first) || first == "$where";
    begins_with_operator(doc) && !is_reference && !at_top
}

/// Reached only where the operator does not begin its document: [`Reader::near`] reads it otherwise.
fn near_not_first(_: &mut Reader<'_>, _: ValueRef<'_>, siblings: RawDoc<'_>) -> Result<Option<Pred>> {
    Err(bad(format!("$near takes a point, and stands first under its field; found {}", ValueRef::Document(siblings))))
}

fn bits(test: BitTest, value: ValueRef<'_>) -> Result<Option<Pred>> {
    Ok(Some(Pred::Bits(Bits::read(test, value)?)))
}

fn unknown(name: &str) -> Error {
    match name {
        "$where" => no_script(name),
        _ => bad(format!("unknown operator {name}")).with_code(Code::InvalidOperator),
    }
}
