//! Documents as values: their fields as an array and back, merging, fields with names no path can have.

use storage::{ArrayBuilder, Doc, DocBuilder, RawArray, RawDoc, Value, ValueRef, name_fault};

use super::call::{Call, Named, Op, Shape};
use super::operand::{array, part, push};
use super::read::Reading;
use super::{Computed, Env, Expr, bounded};
use crate::error::{Error, Result};

pub(super) const OPS: &[Op] = &[
    Op::new(
        "$arrayToObject",
        Shape::Fixed(1),
        to_document,
        "the document with these fields: pairs, or documents of k and v",
    )
    .since(34),
    Op::new("$getField", Shape::Own(read_get), get_field, "the field of this very name, dots and dollars included")
        .since(50),
    Op::new("$mergeObjects", Shape::Any, merge, "the fields of all documents; of equal names the last counts")
        .since(36),
    Op::new("$objectToArray", Shape::Fixed(1), to_array, "an array of documents of k and v, one for each field")
        .since(34),
    Op::new(
        "$setField",
        Shape::Own(read_set),
        set_field,
        "the document with the field of this very name set, or removed by $$REMOVE",
    )
    .since(50),
    Op::new("$unsetField", Shape::Own(read_unset), set_field, "the document without the field of this very name")
        .since(50),
];

/// Fields in order; a name set again keeps its place.
#[derive(Default)]
pub(crate) struct Fields<'v>(Vec<(&'v str, ValueRef<'v>)>);

impl<'v> Fields<'v> {
    pub fn set(&mut self, name: &'v str, value: ValueRef<'v>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }

    pub fn set_all(&mut self, doc: RawDoc<'v>) {
        // Merging long documents field by field would take the square of their length.
        if self.0.is_empty() {
            self.0.extend(doc.iter());
            return;
        }
        let known: std::collections::HashMap<&str, usize> =
            self.0.iter().enumerate().map(|(place, (name, _))| (*name, place)).collect();
        let mut added = Vec::new();
        for (name, value) in doc.iter() {
            match known.get(name).and_then(|place| self.0.get_mut(*place)) {
                Some((_, old)) => *old = value,
                None => added.push((name, value)),
            }
        }
        self.0.extend(added);
    }

    pub fn finish(self) -> Result<Doc> {
        let mut builder = DocBuilder::new();
        for (name, value) in self.0 {
            builder.put(name, value);
            bounded(builder.len())?;
        }
        Ok(builder.finish())
    }
}

fn to_document<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let list = call.arg(0, env)?;
    if list.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(list) = array(&list) else {
        return Err(Error::mongo(40386, format!("$arrayToObject takes an array, but got {}", list.type_name())));
    };
    let mut pairs: Vec<(&str, ValueRef<'_>)> = Vec::new();
    let mut as_arrays = None;
    for item in list.iter() {
        let is_array = matches!(item, ValueRef::Array(_));
        match (item, as_arrays) {
            (ValueRef::Array(_), Some(false)) => return Err(mixed(40391)),
            (ValueRef::Document(_), Some(true)) => return Err(mixed(40396)),
            (ValueRef::Array(pair), _) => pairs.push(pair_of_array(pair)?),
            (ValueRef::Document(pair), _) => pairs.push(pair_of_document(pair)?),
            (other, Some(true)) => {
                return Err(Error::mongo(
                    40396,
                    format!("$arrayToObject expects only arrays here, but got {}", other.kind().name()),
                ));
            }
            (other, Some(false)) => {
                return Err(Error::mongo(
                    40391,
                    format!("$arrayToObject expects only documents here, but got {}", other.kind().name()),
                ));
            }
            (other, None) => {
                let message =
                    format!("$arrayToObject takes pairs or documents of k and v, but got {}", other.kind().name());
                return Err(Error::mongo(40398, message));
            }
        }
        as_arrays = Some(is_array);
    }
    Ok(Computed::Own(Value::Document(last_of_each(&pairs)?)))
}

/// A document of the pairs; of equal names the first gives the place and the last the value.
fn last_of_each(pairs: &[(&str, ValueRef<'_>)]) -> Result<Doc> {
    let last: std::collections::HashMap<&str, ValueRef<'_>> = pairs.iter().copied().collect();
    let mut seen = std::collections::HashSet::new();
    let mut builder = DocBuilder::new();
    for (name, _) in pairs {
        if let Some(value) = last.get(name).filter(|_| seen.insert(*name)) {
            builder.put(name, *value);
            bounded(builder.len())?;
        }
    }
    Ok(builder.finish())
}

fn mixed(number: i32) -> Error {
    Error::mongo(number, "$arrayToObject takes either pairs or documents, not both in one array")
}

fn pair_of_array(pair: RawArray<'_>) -> Result<(&str, ValueRef<'_>)> {
    let mut values = pair.iter();
    let (Some(name), Some(value), None) = (values.next(), values.next(), values.next()) else {
        return Err(Error::mongo(
            40397,
            format!("a pair of $arrayToObject has 2 elements, but one has {}", pair.len()),
        ));
    };
    let wrong = || {
        Error::mongo(
            40395,
            format!("the first of a pair of $arrayToObject must be a string, but is {}", name.kind().name()),
        )
    };
    Ok((checked(name.as_str().ok_or_else(wrong)?, 4_940_400)?, value))
}

fn pair_of_document(pair: RawDoc<'_>) -> Result<(&str, ValueRef<'_>)> {
    let count = pair.iter().count();
    if count != 2 {
        return Err(Error::mongo(
            40392,
            format!("a document of $arrayToObject has the fields k and v, but one has {count} fields"),
        ));
    }
    let (Some(name), Some(value)) = (pair.get("k"), pair.get("v")) else {
        return Err(Error::mongo(40393, "a document of $arrayToObject has the fields k and v, but one lacks them"));
    };
    let wrong = || {
        Error::mongo(40394, format!("the field k of $arrayToObject must be a string, but is {}", name.kind().name()))
    };
    Ok((checked(name.as_str().ok_or_else(wrong)?, 4_940_401)?, value))
}

/// Refuses names that BSON cannot hold.
fn checked(name: &str, number: i32) -> Result<&str> {
    match name_fault(name) {
        None => Ok(name),
        Some(fault) => Err(Error::mongo(number, fault)),
    }
}

fn to_array<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let doc = call.arg(0, env)?;
    if doc.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(doc) = doc.as_ref().and_then(ValueRef::as_doc) else {
        return Err(Error::mongo(40390, format!("$objectToArray takes a document, but got {}", doc.type_name())));
    };
    let mut pairs = ArrayBuilder::new();
    for (name, value) in doc.iter() {
        let mut pair = DocBuilder::new();
        pair.put("k", ValueRef::String(name));
        pair.put("v", value);
        push(&mut pairs, ValueRef::Document(pair.finish().raw()))?;
    }
    Ok(pairs.finish().into())
}

fn merge<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let values = call.args().iter().map(|arg| arg.compute(env)).collect::<Result<Vec<_>>>()?;
    let single = call.args().len() == 1;
    let mut fields = Fields::default();
    for value in &values {
        env.cx.tick()?;
        match value.as_ref() {
            Some(ValueRef::Array(list)) if single => {
                for item in list.iter() {
                    merge_one(&mut fields, Some(item))?;
                }
            }
            other => merge_one(&mut fields, other)?,
        }
    }
    Ok(fields.finish()?.into())
}

pub(crate) fn merge_one<'v>(fields: &mut Fields<'v>, value: Option<ValueRef<'v>>) -> Result<()> {
    match value {
        None | Some(ValueRef::Null | ValueRef::Undefined) => Ok(()),
        Some(ValueRef::Document(doc)) => {
            fields.set_all(doc);
            Ok(())
        }
        Some(other) => {
            Err(Error::mongo(40400, format!("$mergeObjects takes documents, but got {}", other.kind().name())))
        }
    }
}

/// Numbers for a field name that is no constant, no string, or a path.
struct NameFaults {
    changing: i32,
    no_string: i32,
    path: i32,
}

/// The name that an argument gives; it must be known while the expression is read.
fn constant_name(op: &Op, value: ValueRef<'_>, faults: &NameFaults, reading: &Reading<'_>) -> Result<String> {
    let literal = |doc: RawDoc<'_>| {
        let (name, value) = doc.iter().next().map(|(name, value)| (name.to_owned(), value.to_value()))?;
        matches!(&*name, "$literal" | "$const").then_some(value)
    };
    let name = match value {
        ValueRef::String(text) if text.starts_with('$') => {
            reading.expr(value)?;
            return Err(Error::mongo(
                faults.path,
                format!("the field name of {} must not be a path; use $literal", op.name),
            ));
        }
        ValueRef::Document(doc) => match literal(doc) {
            Some(value) => value,
            None => {
                reading.expr(value)?;
                return Err(Error::mongo(faults.changing, format!("the field name of {} must be a constant", op.name)));
            }
        },
        ValueRef::Array(_) => {
            return Err(Error::mongo(faults.changing, format!("the field name of {} must be a constant", op.name)));
        }
        other => other.to_value(),
    };
    match name {
        Value::String(name) => Ok(name),
        other => {
            let message = format!("the field name of {} must be a string, but is {}", op.name, other.kind().name());
            Err(Error::mongo(faults.no_string, message))
        }
    }
}

const GET: Named = Named {
    not_document: 3_041_704,
    unknown: 3_041_701,
    names: &[("field", Some(3_041_702)), ("input", Some(3_041_703))],
};
const GET_NAME: NameFaults = NameFaults { changing: 5_654_601, no_string: 5_654_602, path: 5_654_600 };

/// The arguments of the call are the input and the name.
fn read_get(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    let operator = value.as_doc().and_then(|doc| doc.iter().next()).is_some_and(|(name, _)| name.starts_with('$'));
    let (field, input) = match value {
        ValueRef::Document(_) if !operator => {
            let doc = reading.arguments(op, value, &GET)?;
            let input = doc.get("input").map_or(Ok(Expr::absent()), |input| reading.expr(input))?;
            (doc.get("field").unwrap_or(ValueRef::Null), input)
        }
        _ => (value, reading.expr(ValueRef::String("$$CURRENT"))?),
    };
    let name = constant_name(op, field, &GET_NAME, reading)?;
    Ok(reading.call(Call::new(op, vec![input, Expr::constant(Some(Value::String(name)))])))
}

fn get_field<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let input = call.arg(0, env)?;
    if matches!(input.as_ref(), Some(ValueRef::Null | ValueRef::Undefined)) {
        return Ok(Computed::null());
    }
    let name = call.arg(1, env)?;
    let name = name.as_ref().and_then(ValueRef::as_str).unwrap_or_default();
    Ok(part(input, |value| value.as_doc()?.get(name)))
}

const SET: Named = Named {
    not_document: 4_161_100,
    unknown: 4_161_101,
    names: &[("field", Some(4_161_102)), ("input", Some(4_161_109)), ("value", Some(4_161_103))],
};
const UNSET: Named = Named {
    not_document: 4_161_100,
    unknown: 4_161_101,
    names: &[("field", Some(4_161_102)), ("input", Some(4_161_109))],
};
const SET_NAME: NameFaults = NameFaults { changing: 4_161_106, no_string: 4_161_107, path: 4_161_108 };

fn read_set(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    read_change(op, value, &SET, reading)
}

fn read_unset(op: &'static Op, value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Expr> {
    read_change(op, value, &UNSET, reading)
}

/// The arguments of the call are the input, the name and the value; no value means that the field is removed.
fn read_change(op: &'static Op, value: ValueRef<'_>, named: &Named, reading: &Reading<'_>) -> Result<Expr> {
    let doc = reading.arguments(op, value, named)?;
    let name = constant_name(op, doc.get("field").unwrap_or(ValueRef::Null), &SET_NAME, reading)?;
    checked(&name, 4_940_402)?;
    let read = |name: &str| doc.get(name).map_or(Ok(Expr::absent()), |value| reading.expr(value));
    Ok(reading.call(Call::new(op, vec![read("input")?, Expr::constant(Some(Value::String(name))), read("value")?])))
}

fn set_field<'a>(call: &'a Call, env: &Env<'a>) -> Result<Computed<'a>> {
    let (input, name, value) = (call.arg(0, env)?, call.arg(1, env)?, call.arg(2, env)?);
    if input.is_nullish() {
        return Ok(Computed::null());
    }
    let Some(doc) = input.as_ref().and_then(ValueRef::as_doc) else {
        let message = format!("the input of {} must be a document, but is {}", call.op.name, input.type_name());
        return Err(Error::mongo(4_161_105, message));
    };
    let name = name.as_ref().and_then(ValueRef::as_str).unwrap_or_default();
    let mut fields = Fields::default();
    fields.set_all(doc);
    match value.as_ref() {
        Some(value) => fields.set(name, value),
        None => fields.remove(name),
    }
    Ok(fields.finish()?.into())
}

#[cfg(test)]
mod tests {
    use crate::expr::testing::{check, check_over};

    #[test]
    fn fields_and_arrays() {
        check(&[
            ("{$objectToArray: {a: 1, b: 2}}", "[{k: 'a', v: 1}, {k: 'b', v: 2}]"),
            ("{$objectToArray: 1}", "40390"),
            ("{$arrayToObject: [[['a', 1], ['b', 2], ['a', 3]]]}", "{a: 3, b: 2}"),
            ("{$arrayToObject: {$literal: [{v: 1, k: 'a'}]}}", "{a: 1}"),
            ("{$arrayToObject: {$literal: [['a', 1], {k: 'b', v: 2}]}}", "40396"),
            ("{$arrayToObject: {$literal: [{k: 'b', v: 2}, ['a', 1]]}}", "40391"),
            ("{$arrayToObject: {$literal: [{k: 'b'}]}}", "40392"),
            ("{$arrayToObject: {$literal: [{a: 1, b: 1}]}}", "40393"),
            ("{$arrayToObject: {$literal: [{k: 1, v: 1}]}}", "40394"),
            ("{$arrayToObject: {$literal: [[1, 1]]}}", "40395"),
            ("{$arrayToObject: {$literal: [['a']]}}", "40397"),
            ("{$arrayToObject: {$literal: [1]}}", "40398"),
            ("{$arrayToObject: {$literal: [['a\\0', 1]]}}", "4940400"),
        ]);
    }

    #[test]
    fn merging() {
        let rows = [
            ("{$mergeObjects: [{a: 1, b: 2}, null, {a: {x: 1}}, {c: 3}]}", "{a: {x: 1}, b: 2, c: 3}"),
            ("{$mergeObjects: '$list'}", "{a: 1, b: 2}"),
            ("{$mergeObjects: ['$list', {}]}", "40400"),
            ("{$mergeObjects: []}", "{}"),
        ];
        check_over("{list: [{a: 1}, {b: 2}]}", &rows);
    }

    #[test]
    fn fields_by_name() {
        let rows = [
            ("{$getField: 'a.b'}", "1"),
            ("{$getField: {field: {$literal: '$c'}, input: '$$ROOT'}}", "2"),
            ("{$getField: {field: 'x', input: '$none'}}", "missing"),
            ("{$getField: '$a'}", "5654600"),
            ("{$getField: {$concat: ['a', 'b']}}", "5654601"),
            ("{$getField: 5}", "5654602"),
            ("{$setField: {field: 'a.b', input: '$$ROOT', value: 9}}", "{a.b: 9, $c: 2}"),
            ("{$setField: {field: '$c', input: {}, value: 1}}", "4161108"),
            ("{$setField: {field: 'x', input: 5, value: 1}}", "4161105"),
            ("{$unsetField: {field: {$literal: '$c'}, input: '$$ROOT'}}", "{a.b: 1}"),
            ("{$setField: {field: 'a\\0', input: {}, value: 1}}", "4940402"),
        ];
        check_over("{'a.b': 1, '$c': 2}", &rows);
    }
}
