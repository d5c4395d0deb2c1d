//! The update operators as one table, how each reads its operands, and their application together.

use storage::key::Direction;
use storage::{Array, Doc, DocBuilder, Kind, Path, RawDoc, Value, ValueRef, compare_with};

use super::apply::Applier;
use super::array::{AddToSet, Pull, Push, PushSort};
use super::leaf::{BitOp, Leaf};
use super::path::bad;
use super::rename::{Moved, Rename};
use super::tree::Fields;
use super::{ArrayFilter, Changed, check};
use crate::cx::Cx;
use crate::error::number::{FAILED_TO_PARSE, TYPE_MISMATCH};
use crate::error::{Code, Error, Result};
use crate::filter::{Filter, Matched, Pattern, is_field_operator, whole_number};

/// One update operator.
#[derive(Debug)]
pub struct UpdateOperator {
    /// How it is written.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    read: Read,
}

type Read = fn(ValueRef<'_>, &Cx<'_>) -> Result<Leaf>;

/// The update operators. `$rename` is read apart, for it works on two paths.
pub const UPDATE_OPERATORS: &[UpdateOperator] = &[
    operator("$set", "sets the field, creating what is missing on the way", |value, _| Ok(Leaf::Set(value.to_value()))),
    operator("$setOnInsert", "sets the field where an upsert inserts", |value, _| {
        Ok(Leaf::SetOnInsert(value.to_value()))
    }),
    operator("$unset", "removes the field; an array element becomes null", |_, _| Ok(Leaf::Unset)),
    operator("$inc", "adds the number; a missing field is set to it", |value, _| number(value, "$inc").map(Leaf::Add)),
    operator("$mul", "multiplies by the number; a missing field becomes 0", |value, _| {
        number(value, "$mul").map(Leaf::Multiply)
    }),
    operator("$min", "sets the field where the value comes before it", |value, _| Ok(Leaf::Min(value.to_value()))),
    operator("$max", "sets the field where the value comes after it", |value, _| Ok(Leaf::Max(value.to_value()))),
    operator("$rename", "moves the field to another path", |_, _| Ok(Leaf::Unset)),
    operator("$bit", "combines an integer bitwise: {and|or|xor: integer}", |value, _| read_bits(value)),
    operator("$currentDate", "sets the field to the request's instant, as date or timestamp", |value, _| {
        read_date(value)
    }),
    operator("$push", "appends to an array, with $each, $position, $sort and $slice", read_push),
    operator("$addToSet", "appends what the array does not hold yet, with $each", read_add_to_set),
    operator("$pop", "removes the last element (1) or the first (-1)", |value, _| read_pop(value)),
    operator("$pull", "removes the elements that meet a condition or equal a value", read_pull),
    operator("$pullAll", "removes the elements that equal one of the values", |value, _| read_pull_all(value)),
];

const fn operator(name: &'static str, help: &'static str, read: Read) -> UpdateOperator {
    UpdateOperator { name, help, read }
}

/// An update by operators, read.
#[derive(Clone, Debug)]
pub(super) struct Operators {
    root: Fields,
    renames: Vec<Rename>,
    filters: Vec<ArrayFilter>,
    needs_match: bool,
}

impl Operators {
    pub(super) fn parse(doc: RawDoc<'_>, filters: Vec<ArrayFilter>, cx: &Cx<'_>) -> Result<Operators> {
        let mut builder = Builder { root: Fields::default(), renames: Vec::new(), used: vec![false; filters.len()] };
        for (name, operands) in doc.iter() {
            let operator = UPDATE_OPERATORS.iter().find(|row| row.name == name).ok_or_else(|| unknown(name))?;
            let ValueRef::Document(operands) = operands else {
                let message = format!("{name} needs a document of paths, found {}", operands.kind().name());
                return Err(Error::mongo(FAILED_TO_PARSE, message));
            };
            for (path, value) in operands.iter() {
                cx.tick()?;
                match name {
                    "$rename" => builder.rename(path, value, &filters)?,
                    _ => builder.add(path, (operator.read)(value, cx)?, &filters)?,
                }
            }
        }
        if let Some((filter, _)) = filters.iter().zip(&builder.used).find(|(_, used)| !**used) {
            let message = format!("the array filter {:?} is not used in the update", filter.name);
            return Err(Error::mongo(FAILED_TO_PARSE, message));
        }
        let needs_match = builder.root.needs_match();
        Ok(Operators { root: builder.root, renames: builder.renames, filters, needs_match })
    }

    pub(super) const fn needs_match(&self) -> bool {
        self.needs_match
    }

    /// The document after all operators; `None` where none of them changed anything.
    pub(super) fn apply(
        &self,
        doc: RawDoc<'_>,
        matched: Matched,
        inserting: bool,
        cx: &Cx<'_>,
    ) -> Result<Option<Changed>> {
        let moved: Vec<Moved<'_>> = self.renames.iter().map(|rename| rename.source(doc)).collect();
        let mut applier = Applier {
            cx,
            filters: &self.filters,
            matched: matched.position,
            inserting,
            moved: &moved,
            path: String::new(),
            changed: Vec::new(),
            keeps_id: doc.get("_id").is_some(),
            fields_in_order: false,
        };
        let mut out = DocBuilder::with_capacity(doc.as_bytes().len() + 64);
        if let Err(fault) = applier.document(&self.root, doc, &mut out) {
            return Err(applier.first_fault(&self.root, doc).unwrap_or(fault));
        }
        let paths = applier.changed;
        if paths.is_empty() {
            return Ok(None);
        }
        let doc = out.finish();
        check::changed(doc.raw(), &paths, !self.renames.is_empty())?;
        Ok(Some(Changed { doc, paths }))
    }
}

struct Builder {
    root: Fields,
    renames: Vec<Rename>,
    used: Vec<bool>,
}

impl Builder {
    fn add(&mut self, path: &str, leaf: Leaf, filters: &[ArrayFilter]) -> Result<()> {
        let used = &mut self.used;
        self.root.add(path, leaf, &mut |name| {
            let place = filters.iter().position(|filter| &*filter.name == name);
            let place =
                place.ok_or_else(|| bad(format!("no array filter is named {name:?}, as path {path:?} needs")))?;
            if let Some(used) = used.get_mut(place) {
                *used = true;
            }
            Ok(place)
        })
    }

    /// Both ends take part in the update; the source is looked at first, as MongoDB does.
    fn rename(&mut self, from: &str, to: ValueRef<'_>, filters: &[ArrayFilter]) -> Result<()> {
        let place = self.renames.len();
        self.add(from, Leaf::RenameFrom(place), filters)?;
        let rename = Rename::read(from, to)?;
        self.add(rename.to(), Leaf::RenameTo(place), filters)?;
        self.renames.push(rename);
        Ok(())
    }
}

impl ArrayFilter {
    /// Reads the array filters of an update, each under its own name.
    pub(super) fn parse_all(docs: &[Doc], cx: &Cx<'_>) -> Result<Vec<ArrayFilter>> {
        let filters = docs.iter().map(|doc| ArrayFilter::parse(doc.raw(), cx)).collect::<Result<Vec<_>>>()?;
        for (place, filter) in filters.iter().enumerate() {
            if filters.iter().take(place).any(|other| other.name == filter.name) {
                return Err(parse_fault(format!("two array filters are named {:?}", filter.name)));
            }
        }
        Ok(filters)
    }

    /// Reads a filter whose conditions all begin with one name: `{"e.grade": {$gt: 5}}`.
    fn parse(doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<ArrayFilter> {
        let filter = Filter::parse_for_element(doc, cx)?;
        let mut names = Vec::new();
        filter.heads(&mut names);
        names.dedup();
        let name = match names.as_slice() {
            [] => {
                return Err(parse_fault("an array filter needs a condition on a name, as in {\"e.a\": 1}".to_owned()));
            }
            [first, rest @ ..] if rest.iter().any(|name| name != first) => {
                return Err(parse_fault(format!("an array filter must use one name only, found {names:?}")));
            }
            [first, ..] => *first,
        };
        let mut letters = name.chars();
        let well_formed = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|letter| letter.is_ascii_alphanumeric());
        match well_formed {
            true => Ok(ArrayFilter { name: name.into(), filter }),
            false => Err(bad(format!(
                "the name of an array filter begins with a lower-case letter and has only letters and digits, found {name:?}"
            ))),
        }
    }
}

fn parse_fault(message: String) -> Error {
    Error::mongo(FAILED_TO_PARSE, message)
}

fn unknown(name: &str) -> Error {
    let known = UPDATE_OPERATORS.iter().map(|operator| operator.name).collect::<Vec<_>>().join(", ");
    parse_fault(format!("unknown update operator {name:?}; known are {known}")).with_code(Code::InvalidOperator)
}

fn number(value: ValueRef<'_>, name: &str) -> Result<Value> {
    match value.kind().is_number() {
        true => Ok(value.to_value()),
        false => {
            let kind = value.kind().name();
            Err(Error::mongo(TYPE_MISMATCH, format!("{name} needs a number, found a value of type {kind}")))
        }
    }
}

fn read_bits(value: ValueRef<'_>) -> Result<Leaf> {
    const SHAPE: &str = "$bit is written {path: {and|or|xor: integer}}";
    let ValueRef::Document(doc) = value else { return Err(bad(SHAPE)) };
    let mut ops = Vec::new();
    for (name, operand) in doc.iter() {
        let op = match name {
            "and" => BitOp::And,
            "or" => BitOp::Or,
            "xor" => BitOp::Xor,
            _ => return Err(bad(format!("{SHAPE}; {name:?} is not known"))),
        };
        if !matches!(operand.kind(), Kind::Int32 | Kind::Int64) {
            return Err(bad(format!("{SHAPE}; found a value of type {}", operand.kind().name())));
        }
        ops.push((op, operand.to_value()));
    }
    match ops.is_empty() {
        true => Err(bad(SHAPE)),
        false => Ok(Leaf::Bits(ops)),
    }
}

fn read_date(value: ValueRef<'_>) -> Result<Leaf> {
    const SHAPE: &str = "$currentDate takes true or {$type: \"date\"} or {$type: \"timestamp\"}";
    let doc = match value {
        ValueRef::Bool(_) => return Ok(Leaf::CurrentDate),
        ValueRef::Document(doc) => doc,
        _ => return Err(bad(SHAPE)),
    };
    if doc.iter().any(|(name, _)| name != "$type") {
        return Err(bad(SHAPE));
    }
    match doc.get("$type").and_then(ValueRef::as_str) {
        Some("date") => Ok(Leaf::CurrentDate),
        Some("timestamp") => Ok(Leaf::CurrentTimestamp),
        _ => Err(bad(SHAPE)),
    }
}

fn read_push(value: ValueRef<'_>, _: &Cx<'_>) -> Result<Leaf> {
    let Some((doc, each)) = value.as_doc().and_then(|doc| Some((doc, doc.get("$each")?))) else {
        let plain = Push { values: vec![value.to_value()], position: None, sort: None, slice: None };
        return Ok(Leaf::Push(Box::new(plain)));
    };
    let ValueRef::Array(each) = each else {
        return Err(bad(format!("$each of $push needs an array, found a value of type {}", each.kind().name())));
    };
    let mut push =
        Push { values: each.iter().map(ValueRef::to_value).collect(), position: None, sort: None, slice: None };
    for (name, value) in doc.iter() {
        match name {
            "$each" => {}
            "$position" => push.position = Some(whole(name, value)?),
            "$slice" => push.slice = Some(whole(name, value)?),
            "$sort" => push.sort = Some(read_push_sort(value)?),
            _ => {
                return Err(bad(format!(
                    "$push has no modifier {name:?}; known are $each, $position, $sort and $slice"
                )));
            }
        }
    }
    Ok(Leaf::Push(Box::new(push)))
}

fn whole(name: &str, value: ValueRef<'_>) -> Result<i64> {
    value.as_i64().ok_or_else(|| bad(format!("{name} of $push needs a whole number, found {}", value.kind().name())))
}

fn read_push_sort(value: ValueRef<'_>) -> Result<PushSort> {
    let direction = |value: ValueRef<'_>| match value.as_f64() {
        Some(1.0) => Ok(Direction::Ascending),
        Some(-1.0) => Ok(Direction::Descending),
        _ => Err(bad("$sort of $push takes 1 or -1, or {field: 1 or -1}")),
    };
    let ValueRef::Document(doc) = value else { return direction(value).map(PushSort::Whole) };
    if doc.is_empty() {
        return Err(bad("$sort of $push needs at least one field"));
    }
    let mut fields = Vec::new();
    for (path, value) in doc.iter() {
        if path.split('.').any(str::is_empty) {
            return Err(bad(format!("the path {path:?} in $sort of $push has an empty part")));
        }
        fields.push((Path::new(path), direction(value)?));
    }
    Ok(PushSort::Fields(fields))
}

/// `{each: […]}` counts as `$each`: SDKs send it so when their users follow the documentation's parameter table.
fn read_add_to_set(value: ValueRef<'_>, cx: &Cx<'_>) -> Result<Leaf> {
    let mut fields = value.as_doc().map(RawDoc::iter).into_iter().flatten();
    let each = match (fields.next(), fields.next()) {
        (Some(("$each", ValueRef::Array(each))), None) | (Some(("each", ValueRef::Array(each))), None) => each,
        (Some(("$each", ValueRef::Array(_))), Some((name, _))) => {
            return Err(bad(format!("$addToSet takes no modifier beside $each, found {name:?}")));
        }
        (Some(("$each", other)), _) => {
            let kind = other.kind().name();
            return Err(Error::mongo(TYPE_MISMATCH, format!("$each of $addToSet needs an array, found type {kind}")));
        }
        _ => return Ok(Leaf::AddToSet(AddToSet { values: vec![value.to_value()] })),
    };
    Ok(Leaf::AddToSet(AddToSet { values: distinct(each.to_array(), cx)? }))
}

/// Each value once, in the order of their first appearance.
fn distinct(each: Array, cx: &Cx<'_>) -> Result<Vec<Value>> {
    let mut numbered: Vec<(usize, Value)> = each.raw().iter().map(ValueRef::to_value).enumerate().collect();
    cx.tick()?;
    numbered.sort_by(|a, b| compare_with(a.1.as_ref(), b.1.as_ref(), cx.collation).then(a.0.cmp(&b.0)));
    numbered.dedup_by(|a, b| compare_with(a.1.as_ref(), b.1.as_ref(), cx.collation).is_eq());
    numbered.sort_by_key(|(place, _)| *place);
    Ok(numbered.into_iter().map(|(_, value)| value).collect())
}

fn read_pop(value: ValueRef<'_>) -> Result<Leaf> {
    match whole_number("the operand of $pop", value)? {
        1 => Ok(Leaf::Pop { first: false }),
        -1 => Ok(Leaf::Pop { first: true }),
        other => Err(parse_fault(format!("$pop takes 1 or -1, found {other}"))),
    }
}

fn read_pull(value: ValueRef<'_>, cx: &Cx<'_>) -> Result<Leaf> {
    let pull = match value {
        ValueRef::Document(doc)
            if doc.iter().next().is_some_and(|(name, _)| is_field_operator(name) && name != "$not") =>
        {
            let mut wrapped = DocBuilder::new();
            wrapped.put("", value);
            Pull::Elements(Filter::parse_for_element(wrapped.finish().raw(), cx)?)
        }
        ValueRef::Document(doc) => Pull::Documents(Filter::parse_for_element(doc, cx)?),
        ValueRef::Regex { pattern, options } => Pull::Pattern(Pattern::new(pattern, options, cx)?),
        other => Pull::Values(vec![other.to_value()]),
    };
    Ok(Leaf::Pull(Box::new(pull)))
}

fn read_pull_all(value: ValueRef<'_>) -> Result<Leaf> {
    let ValueRef::Array(array) = value else {
        return Err(bad(format!("$pullAll needs an array, found a value of type {}", value.kind().name())));
    };
    Ok(Leaf::Pull(Box::new(Pull::Values(array.iter().map(ValueRef::to_value).collect()))))
}
