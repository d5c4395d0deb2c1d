//! Index descriptions: from MongoDB's document to what the store builds, and back.
//!
//! `{key: {a: 1, "b.c": -1}, name?, unique?, sparse?, partialFilterExpression?, expireAfterSeconds?, collation?}`

mod text_index;

use std::sync::Arc;

use storage::geo::Grid;
use storage::text::WILDCARD;
use storage::{
    CollationSpec, Collection, Doc, DocBuilder, FieldOrder, Index, IndexSpec, IndexState, Predicate, RawDoc, ValueRef,
};

use crate::collation::parse_collation;
use crate::cx::Cx;
use crate::error::{Error, Result, number};
use crate::filter::Filter;
use crate::limits::Limits;
use crate::random::Random;
use crate::session::Deadline;
use crate::variables::Variables;

/// InvalidIndexSpecificationOption: an option that does not exist or does not fit the rest.
const INVALID_OPTION: i32 = 197;
/// Longest name of an index, in bytes.
const NAME_BYTES_MAX: usize = 512;
/// Longest time that documents may be kept before they expire: what fits a 32-bit number of seconds.
const EXPIRE_S_MAX: i64 = i32::MAX as i64;

/// Reads an index description.
///
/// # Errors
/// 67 for an impossible key, 197 for a bad option, 14 for a wrong type, 9 where `key` is missing; faults of the
/// partial filter and of the collation.
pub fn parse(description: RawDoc<'_>, cx: &Cx<'_>) -> Result<IndexSpec> {
    let key = match description.get("key") {
        Some(ValueRef::Document(key)) => key,
        Some(other) => return Err(wrong_type("key", "a document such as {age: 1}", other)),
        None => return Err(Error::mongo(number::FAILED_TO_PARSE, "an index needs a `key`, such as {key: {age: 1}}")),
    };
    let fields = parse_key(key)?;
    let text = text_index::parse(description, &fields)?;
    let mut spec = IndexSpec {
        name: default_name(&fields),
        fields,
        unique: false,
        sparse: false,
        partial: None,
        expire_after_s: None,
        collation: None,
        grid: parse_grid(description)?,
        text,
    };
    for (name, value) in description.iter() {
        parse_option(&mut spec, name, value, cx)?;
    }
    check(&spec)?;
    Ok(spec)
}

/// Makes the filter of a partial index ready to run; given to the store as `Options::compile_partial`. A document on
/// which the filter fails to evaluate is not in the index.
pub fn compile_partial(filter: &Doc) -> Option<Predicate> {
    let (limits, deadline, random) = (Limits::default(), Deadline::never(), Random::default());
    let filter = Filter::parse(filter.raw(), &surroundings(&limits, &deadline, &random)).ok()?;
    Some(Arc::new(move |doc| filter.matches(doc, &surroundings(&limits, &deadline, &random)).unwrap_or(false)))
}

/// An index belongs to no request: no instant, no deadline, no variables.
fn surroundings<'a>(limits: &'a Limits, deadline: &'a Deadline, random: &'a Random) -> Cx<'a> {
    Cx { now: 0, collation: None, limits, deadline, variables: Variables::none(), random, found: None, spill: None }
}

/// An index as `listIndexes` shows it, with its state and progress.
pub fn show(index: &Index, docs: u64) -> Doc {
    let spec = index.spec();
    let mut out = DocBuilder::new();
    out.put("v", ValueRef::Int32(2));
    let key = out.open_document("key");
    for (path, order) in &spec.fields {
        out.put(path, order_value(*order));
    }
    out.close(key);
    out.put("name", ValueRef::String(&spec.name));
    put_true(&mut out, "unique", spec.unique && spec.name != "_id_");
    put_true(&mut out, "sparse", spec.sparse);
    if let Some(text) = &spec.text {
        text_index::show(text, &mut out);
    }
    if let Some(filter) = &spec.partial {
        out.put("partialFilterExpression", ValueRef::Document(filter.raw()));
    }
    if let Some(seconds) = spec.expire_after_s {
        out.put("expireAfterSeconds", ValueRef::Int64(i64::from(seconds)));
    }
    if let Some(collation) = &spec.collation {
        out.put("collation", ValueRef::Document(show_collation(collation).raw()));
    }
    let progress = index.progress.load(std::sync::atomic::Ordering::Relaxed).min(docs);
    match &index.state {
        IndexState::Ready => out.put("state", ValueRef::String("ready")),
        IndexState::Building => {
            out.put("state", ValueRef::String("building"));
            out.put("docsDone", ValueRef::Int64(i64::try_from(progress).unwrap_or(i64::MAX)));
            out.put("docsTotal", ValueRef::Int64(i64::try_from(docs).unwrap_or(i64::MAX)));
        }
        IndexState::Failed { reason } => {
            out.put("state", ValueRef::String("failed"));
            out.put("reason", ValueRef::String(reason));
        }
    }
    out.finish()
}

fn show_collation(collation: &CollationSpec) -> Doc {
    let mut out = DocBuilder::new();
    out.put("locale", ValueRef::String(&collation.locale));
    out.put("strength", ValueRef::Int32(i32::from(collation.strength)));
    out.put("caseLevel", ValueRef::Bool(collation.case_level));
    out.put("numericOrdering", ValueRef::Bool(collation.numeric_ordering));
    out.put("alternate", ValueRef::String(if collation.shifted { "shifted" } else { "non-ignorable" }));
    out.put("backwards", ValueRef::Bool(collation.backwards));
    out.finish()
}

const fn order_value(order: FieldOrder) -> ValueRef<'static> {
    match order {
        FieldOrder::Ascending => ValueRef::Int32(1),
        FieldOrder::Descending => ValueRef::Int32(-1),
        FieldOrder::Sphere => ValueRef::String("2dsphere"),
        FieldOrder::Plane => ValueRef::String("2d"),
        FieldOrder::Hashed => ValueRef::String("hashed"),
        FieldOrder::Text => ValueRef::String("text"),
    }
}

fn put_true(out: &mut DocBuilder, name: &str, truth: bool) {
    if truth {
        out.put(name, ValueRef::Bool(true));
    }
}

fn parse_key(key: RawDoc<'_>) -> Result<Vec<(String, FieldOrder)>> {
    let fields: Result<Vec<(String, FieldOrder)>> = key.iter().map(|(path, order)| parse_field(path, order)).collect();
    let fields = fields?;
    if fields.is_empty() {
        return Err(impossible("an index key needs at least one field"));
    }
    let repeated = |at: usize, path: &str| fields.iter().take(at).any(|(earlier, _)| earlier == path);
    if let Some((_, (path, _))) = fields.iter().enumerate().find(|(at, (path, _))| repeated(*at, path)) {
        return Err(impossible(&format!("the field '{path}' stands twice in the index key")));
    }
    Ok(fields)
}

fn parse_field(path: &str, order: ValueRef<'_>) -> Result<(String, FieldOrder)> {
    let order = parse_order(path, order)?;
    match (path, order) {
        (WILDCARD, FieldOrder::Text) => {}
        _ => drop(check_path(path)?),
    }
    Ok((path.to_owned(), order))
}

fn check_path(path: &str) -> Result<&str> {
    let fault = match path {
        "" => "is empty",
        _ if path.starts_with('$') && path != "$**" => "must not start with '$'",
        _ if path.contains("$**") => "is a wildcard; wildcard indexes are not offered, index the fields themselves",
        _ if path.split('.').any(str::is_empty) => "has an empty part",
        _ if path.split('.').any(|part| part.starts_with('$')) => "has a part that starts with '$'",
        _ => return Ok(path),
    };
    Err(impossible(&format!("the index field '{path}' {fault}")))
}

fn parse_order(path: &str, order: ValueRef<'_>) -> Result<FieldOrder> {
    if let Some(number) = order.as_f64() {
        return match number {
            _ if number > 0.0 => Ok(FieldOrder::Ascending),
            _ if number < 0.0 => Ok(FieldOrder::Descending),
            _ => Err(impossible(&format!("the direction of '{path}' must not be 0 or NaN; use 1 or -1"))),
        };
    }
    match order {
        ValueRef::String("2dsphere") => Ok(FieldOrder::Sphere),
        ValueRef::String("2d") => Ok(FieldOrder::Plane),
        ValueRef::String("hashed") => Ok(FieldOrder::Hashed),
        ValueRef::String("text") => Ok(FieldOrder::Text),
        ValueRef::String(kind) => Err(impossible(&format!("'{path}' has the unknown index kind '{kind}'"))),
        other => Err(impossible(&format!(
            "'{path}' needs a direction: 1, -1, \"2dsphere\", \"2d\", \"hashed\" or \"text\"; found {other}"
        ))),
    }
}

fn parse_option(spec: &mut IndexSpec, name: &str, value: ValueRef<'_>, cx: &Cx<'_>) -> Result<()> {
    match name {
        "key" | "v" | "background" | "ns" | "hidden" | "2dsphereIndexVersion" | "textIndexVersion" => {}
        "default_language" | "language_override" | "weights" => {} // read with the text fields
        "bits" | "min" | "max" => {}                               // read with the grid
        "name" => spec.name = parse_name(value)?,
        "unique" => spec.unique = parse_bool(name, value)?,
        "sparse" => spec.sparse = parse_bool(name, value)?,
        "partialFilterExpression" => spec.partial = Some(parse_partial(value, cx)?),
        "expireAfterSeconds" => spec.expire_after_s = Some(parse_expiry(value)?),
        "collation" => {
            let doc = value.as_doc().ok_or_else(|| wrong_type(name, "a document", value))?;
            spec.collation = parse_collation(doc)?.map(|collation| collation.spec().clone());
        }
        _ => {
            return Err(Error::mongo(
                INVALID_OPTION,
                format!(
                    "'{name}' is no option of an index; there are name, unique, sparse, partialFilterExpression, \
                     expireAfterSeconds and collation"
                ),
            ));
        }
    }
    Ok(())
}

/// The bounds of a legacy geo field: `bits`, `min`, `max`.
fn parse_grid(description: RawDoc<'_>) -> Result<Grid> {
    let number = |name: &str, default: f64| match description.get(name) {
        None => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| wrong_type(name, "a number", value)),
    };
    Grid::new(number("bits", 26.0)?, number("min", -180.0)?, number("max", 180.0)?)
        .map_err(|fault| Error::mongo(fault.code(), fault.to_string()))
}

fn parse_name(value: ValueRef<'_>) -> Result<String> {
    let name = value.as_str().ok_or_else(|| wrong_type("name", "a string", value))?;
    match name {
        "" | "*" => Err(impossible(&format!("'{name}' cannot be the name of an index"))),
        _ if name.contains('\0') => Err(impossible("the name of an index must not contain NUL")),
        _ if name.len() > NAME_BYTES_MAX => Err(impossible("the name of an index is limited to 512 bytes")),
        _ => Ok(name.to_owned()),
    }
}

fn parse_bool(name: &str, value: ValueRef<'_>) -> Result<bool> {
    match value {
        ValueRef::Bool(truth) => Ok(truth),
        other => other.as_f64().map(|number| number != 0.0).ok_or_else(|| wrong_type(name, "true or false", value)),
    }
}

/// The operators that a partial filter may use: those whose truth follows from an index's point of view.
fn parse_partial(value: ValueRef<'_>, cx: &Cx<'_>) -> Result<Doc> {
    let doc = value.as_doc().ok_or_else(|| wrong_type("partialFilterExpression", "a document", value))?;
    check_partial(doc)?;
    Filter::parse(doc, cx)?;
    Ok(doc.to_doc())
}

fn check_partial(doc: RawDoc<'_>) -> Result<()> {
    const ALLOWED: [&str; 9] = ["$eq", "$gt", "$gte", "$lt", "$lte", "$exists", "$type", "$in", "$and"];
    for (name, value) in doc.iter() {
        if name == "$or" || name == "$and" {
            let parts = value.as_array().into_iter().flat_map(storage::RawArray::iter);
            parts.filter_map(ValueRef::as_doc).try_for_each(check_partial)?;
            continue;
        }
        let operators = value.as_doc().into_iter().flat_map(RawDoc::iter).filter(|(name, _)| name.starts_with('$'));
        for (operator, operand) in operators {
            let refused =
                !ALLOWED.contains(&operator) || (operator == "$exists" && matches!(operand, ValueRef::Bool(false)));
            if refused {
                return Err(impossible(&format!(
                    "a partial index filter cannot use {operator}; it may use equality, $gt, $gte, $lt, $lte, $in, \
                     $exists: true, $type and $and"
                )));
            }
        }
    }
    Ok(())
}

fn parse_expiry(value: ValueRef<'_>) -> Result<u32> {
    if !value.kind().is_number() {
        return Err(wrong_type("expireAfterSeconds", "a number of seconds", value));
    }
    let seconds = value.as_f64().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the range is checked next")]
    match seconds as i64 {
        seconds @ 0..=EXPIRE_S_MAX => Ok(u32::try_from(seconds).unwrap_or(u32::MAX)),
        other => Err(impossible(&format!("expireAfterSeconds must be between 0 and {EXPIRE_S_MAX}, found {other}"))),
    }
}

fn check(spec: &IndexSpec) -> Result<()> {
    let special = |order: &FieldOrder| !matches!(order, FieldOrder::Ascending | FieldOrder::Descending);
    let is_id = matches!(spec.fields.as_slice(), [(path, _)] if path == "_id");
    if spec.expire_after_s.is_some() {
        if spec.fields.len() > 1 || spec.fields.iter().any(|(_, order)| special(order)) {
            return Err(impossible("expireAfterSeconds works on an index of one plain field only"));
        }
        if is_id {
            return Err(Error::mongo(INVALID_OPTION, "the index on _id cannot expire documents"));
        }
    }
    if spec.sparse && spec.partial.is_some() {
        return Err(impossible("an index is either sparse or partial, not both"));
    }
    if spec.unique && spec.fields.iter().any(|(_, order)| *order == FieldOrder::Hashed) {
        return Err(Error::mongo(16764, "a hashed index cannot be unique"));
    }
    if is_id && (spec.sparse || spec.partial.is_some()) {
        return Err(Error::mongo(INVALID_OPTION, "the index on _id can be neither sparse nor partial"));
    }
    Ok(())
}

/// MongoDB's default: `a_1_b_-1`.
fn default_name(fields: &[(String, FieldOrder)]) -> String {
    let show = |order: &FieldOrder| match order_value(*order) {
        ValueRef::String(kind) => kind.to_owned(),
        other => other.to_string(),
    };
    fields.iter().map(|(path, order)| format!("{path}_{}", show(order))).collect::<Vec<_>>().join("_")
}

fn impossible(reason: &str) -> Error {
    Error::mongo(number::CANNOT_CREATE_INDEX, reason)
}

fn wrong_type(name: &str, expected: &str, found: ValueRef<'_>) -> Error {
    Error::mongo(number::TYPE_MISMATCH, format!("the index option '{name}' must be {expected}, found {found}"))
}

/// The text index of a collection; there is at most one.
pub fn text_index(coll: &Collection) -> Option<&Arc<Index>> {
    coll.indexes.iter().find(|index| index.text.is_some())
}

/// The index of a collection with the same key, collation and partial filter, whatever its name.
pub fn same_key<'c>(coll: &'c Collection, spec: &IndexSpec) -> Option<&'c Arc<Index>> {
    coll.indexes.iter().find(|index| {
        let other = index.spec();
        other.fields == spec.fields
            && other.collation == spec.collation
            && bytes(other.partial.as_ref()) == bytes(spec.partial.as_ref())
    })
}

/// Is it the same index in every respect?
pub fn is_same(index: &Index, spec: &IndexSpec) -> bool {
    let other = index.spec();
    other.name == spec.name
        && other.unique == spec.unique
        && other.sparse == spec.sparse
        && other.expire_after_s == spec.expire_after_s
        && other.text == spec.text
}

fn bytes(doc: Option<&Doc>) -> Option<&[u8]> {
    doc.map(Doc::as_bytes)
}
