//! Reads a JSON schema document, keyword by keyword.

use storage::{Kind, RawArray, RawDoc, Value, ValueRef};

use super::{Counted, Dependency, Names, Rule, Schema, equal};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::filter::number::non_negative_integer;
use crate::filter::{CmpOp, KindSet, OperatorHelp, Pattern};

/// The keywords of a schema.
pub const SCHEMA_KEYWORDS: &[OperatorHelp] = &[
    keyword("type", "JSON type of the value: object, array, string, number, boolean, null"),
    keyword("bsonType", "BSON type of the value, by its alias"),
    keyword("enum", "the values allowed"),
    keyword("allOf", "the value keeps every schema of the array"),
    keyword("anyOf", "the value keeps at least one schema of the array"),
    keyword("oneOf", "the value keeps exactly one schema of the array"),
    keyword("not", "the value does not keep the schema"),
    keyword("minimum", "least number allowed"),
    keyword("exclusiveMinimum", "the minimum itself is not allowed"),
    keyword("maximum", "greatest number allowed"),
    keyword("exclusiveMaximum", "the maximum itself is not allowed"),
    keyword("multipleOf", "the number is a whole multiple"),
    keyword("minLength", "fewest characters of a text"),
    keyword("maxLength", "most characters of a text"),
    keyword("pattern", "regular expression that a text must match"),
    keyword("items", "schema of the elements of an array, or one for each position"),
    keyword("additionalItems", "schema of elements beyond the positions, or false"),
    keyword("minItems", "fewest elements of an array"),
    keyword("maxItems", "most elements of an array"),
    keyword("uniqueItems", "no two elements are equal"),
    keyword("required", "fields that must be there"),
    keyword("properties", "schemas of fields by name"),
    keyword("patternProperties", "schemas of fields whose names match a pattern"),
    keyword("additionalProperties", "schema of all other fields, or false"),
    keyword("minProperties", "fewest fields of a document"),
    keyword("maxProperties", "most fields of a document"),
    keyword("dependencies", "what the presence of a field asks for"),
    keyword("title", "a remark"),
    keyword("description", "a remark"),
];

const fn keyword(name: &'static str, help: &'static str) -> OperatorHelp {
    OperatorHelp { name, help }
}

/// Keywords of draft 4 that MongoDB refuses too.
const UNSUPPORTED: [&str; 8] =
    ["$ref", "$schema", "default", "definitions", "format", "id", "encrypt", "encryptMetadata"];

impl Schema {
    /// Reads the operand of `$jsonSchema`.
    pub(in crate::filter) fn parse(operand: ValueRef<'_>, cx: &Cx<'_>) -> Result<Schema> {
        match operand {
            ValueRef::Document(doc) => Reader { cx, depth: 0 }.schema(doc),
            _ => Err(mismatch(format!("$jsonSchema must be an object, found {operand:?}"))),
        }
    }
}

struct Reader<'c> {
    cx: &'c Cx<'c>,
    depth: u64,
}

impl Reader<'_> {
    fn schema(&mut self, doc: RawDoc<'_>) -> Result<Schema> {
        self.depth += 1;
        if self.depth > self.cx.limits.request_depth_max {
            let message = format!("the schema is nested deeper than {} levels", self.cx.limits.request_depth_max);
            return Err(Error::mongo(number::OVERFLOW, message).with_code(Code::TooLarge));
        }
        if doc.get("type").is_some() && doc.get("bsonType").is_some() {
            return Err(refused("a schema cannot have both `type` and `bsonType`"));
        }
        let mut rules = Vec::new();
        for (name, value) in doc.iter() {
            self.cx.tick()?;
            rules.extend(self.rule(name, value, doc)?);
        }
        self.depth -= 1;
        Ok(Schema { rules })
    }

    fn rule(&mut self, name: &str, value: ValueRef<'_>, doc: RawDoc<'_>) -> Result<Option<Rule>> {
        Ok(Some(match name {
            "type" => Rule::Kinds(kinds(name, value, json_kind)?),
            "bsonType" => Rule::Kinds(kinds(name, value, KindSet::named)?),
            "enum" => Rule::Enum(enumeration(value)?),
            "allOf" => Rule::All(self.schemas(name, value)?),
            "anyOf" => Rule::Any(self.schemas(name, value)?),
            "oneOf" => Rule::One(self.schemas(name, value)?),
            "not" => Rule::Not(Box::new(self.nested(name, value)?)),
            "minimum" => Rule::Range(bound(doc, "exclusiveMinimum", [CmpOp::Gte, CmpOp::Gt])?, numeric(name, value)?),
            "maximum" => Rule::Range(bound(doc, "exclusiveMaximum", [CmpOp::Lte, CmpOp::Lt])?, numeric(name, value)?),
            "exclusiveMinimum" => return beside(doc, name, "minimum"),
            "exclusiveMaximum" => return beside(doc, name, "maximum"),
            "multipleOf" => Rule::MultipleOf(positive(name, value)?),
            "minLength" => Rule::Count(Counted::Characters, CmpOp::Gte, non_negative_integer(name, value)?),
            "maxLength" => Rule::Count(Counted::Characters, CmpOp::Lte, non_negative_integer(name, value)?),
            "minItems" => Rule::Count(Counted::Elements, CmpOp::Gte, non_negative_integer(name, value)?),
            "maxItems" => Rule::Count(Counted::Elements, CmpOp::Lte, non_negative_integer(name, value)?),
            "minProperties" => Rule::Count(Counted::Fields, CmpOp::Gte, non_negative_integer(name, value)?),
            "maxProperties" => Rule::Count(Counted::Fields, CmpOp::Lte, non_negative_integer(name, value)?),
            "pattern" => Rule::Pattern(Pattern::new(text(name, value)?, "", self.cx)?),
            "items" => return self.items(value, doc).map(Some),
            "additionalItems" => {
                self.schema_or_bool(name, value)?;
                return Ok(None);
            }
            "uniqueItems" => match value {
                ValueRef::Bool(true) => Rule::Unique,
                ValueRef::Bool(false) => return Ok(None),
                _ => return Err(mismatch("`uniqueItems` must be true or false")),
            },
            "required" => Rule::Required(names(name, array(name, value)?)?),
            "properties" => Rule::Properties(self.properties(object(name, value)?)?),
            "patternProperties" => return self.names(doc).map(Some),
            "additionalProperties" if doc.get("patternProperties").is_none() => return self.names(doc).map(Some),
            "additionalProperties" => return Ok(None),
            "dependencies" => Rule::Dependencies(self.dependencies(object(name, value)?)?),
            "title" | "description" => {
                text(name, value)?;
                return Ok(None);
            }
            _ if UNSUPPORTED.contains(&name) => {
                return Err(refused(format!("schema keyword `{name}` is not supported")));
            }
            _ => return Err(refused(format!("unknown schema keyword `{name}`"))),
        }))
    }

    fn nested(&mut self, name: &str, value: ValueRef<'_>) -> Result<Schema> {
        self.schema(object(name, value)?)
    }

    fn schemas(&mut self, name: &str, value: ValueRef<'_>) -> Result<Vec<Schema>> {
        let list = array(name, value)?;
        if list.is_empty() {
            return Err(Error::mongo(number::BAD_VALUE, format!("`{name}` must be a non-empty array")));
        }
        list.iter().map(|member| self.nested(name, member)).collect()
    }

    fn properties(&mut self, doc: RawDoc<'_>) -> Result<Vec<(Box<str>, Schema)>> {
        doc.iter().map(|(name, value)| Ok((name.into(), self.nested(name, value)?))).collect()
    }

    fn items(&mut self, value: ValueRef<'_>, doc: RawDoc<'_>) -> Result<Rule> {
        let list = match value {
            ValueRef::Document(schema) => return Ok(Rule::Items(Box::new(self.schema(schema)?))),
            ValueRef::Array(list) => list,
            _ => return Err(mismatch("`items` must be a schema or an array of schemas")),
        };
        let first = list.iter().map(|member| self.nested("items", member)).collect::<Result<_>>()?;
        let rest = match doc.get("additionalItems") {
            Some(rest) => self.schema_or_bool("additionalItems", rest)?,
            None => Some(Schema::default()),
        };
        Ok(Rule::Positions(first, rest.map(Box::new)))
    }

    /// `true` allows anything, `false` nothing.
    fn schema_or_bool(&mut self, name: &str, value: ValueRef<'_>) -> Result<Option<Schema>> {
        match value {
            ValueRef::Bool(true) => Ok(Some(Schema::default())),
            ValueRef::Bool(false) => Ok(None),
            ValueRef::Document(schema) => self.schema(schema).map(Some),
            _ => Err(mismatch(format!("`{name}` must be a schema, true or false"))),
        }
    }

    fn names(&mut self, doc: RawDoc<'_>) -> Result<Rule> {
        let known = match doc.get("properties") {
            Some(properties) => object("properties", properties)?.iter().map(|(name, _)| name.into()).collect(),
            None => Vec::new(),
        };
        let mut patterns = Vec::new();
        if let Some(value) = doc.get("patternProperties") {
            for (source, schema) in object("patternProperties", value)?.iter() {
                let schema = self.nested("patternProperties", schema)?;
                let pattern = Pattern::new(source, "", self.cx);
                patterns.push((pattern.map_err(|error| Error { number: number::BAD_VALUE, ..error })?, schema));
            }
        }
        let others = match doc.get("additionalProperties") {
            Some(value) => self.schema_or_bool("additionalProperties", value)?,
            None => Some(Schema::default()),
        };
        Ok(Rule::Names(Names { known, patterns, others }))
    }

    fn dependencies(&mut self, doc: RawDoc<'_>) -> Result<Vec<(Box<str>, Dependency)>> {
        let read = |(name, value): (&str, ValueRef<'_>)| {
            let dependency = match value {
                ValueRef::Array(list) => Dependency::Fields(names("dependencies", list)?),
                ValueRef::Document(schema) => Dependency::Schema(self.schema(schema)?),
                _ => return Err(mismatch("a dependency must be a schema or an array of names")),
            };
            Ok((name.into(), dependency))
        };
        doc.iter().map(read).collect()
    }
}

fn kinds(name: &str, value: ValueRef<'_>, read: fn(&str) -> Result<KindSet>) -> Result<KindSet> {
    let list = match value {
        ValueRef::String(kind) => return read(kind),
        ValueRef::Array(list) => list,
        _ => return Err(mismatch(format!("`{name}` must be a string or an array of strings"))),
    };
    if list.is_empty() {
        return Err(refused(format!("`{name}` must name at least one type")));
    }
    let mut seen: Vec<&str> = Vec::new();
    list.iter().try_fold(KindSet::default(), |set, member| {
        let kind = text(name, member)?;
        if seen.contains(&kind) {
            return Err(refused(format!("`{name}` names {kind:?} twice")));
        }
        seen.push(kind);
        Ok(set.union(read(kind)?))
    })
}

fn json_kind(name: &str) -> Result<KindSet> {
    Ok(match name {
        "array" => KindSet::of(Kind::Array),
        "boolean" => KindSet::of(Kind::Bool),
        "null" => KindSet::of(Kind::Null),
        "number" => KindSet::numbers(),
        "object" => KindSet::of(Kind::Document),
        "string" => KindSet::of(Kind::String),
        "integer" => return Err(refused("schema type \"integer\" is not supported; use bsonType \"int\" or \"long\"")),
        _ => return Err(Error::mongo(number::BAD_VALUE, format!("unknown type name {name:?}"))),
    })
}

fn enumeration(value: ValueRef<'_>) -> Result<Vec<Value>> {
    let list = array("enum", value)?;
    if list.is_empty() {
        return Err(refused("`enum` cannot be an empty array"));
    }
    let mut values: Vec<Value> = Vec::new();
    for member in list.iter() {
        if values.iter().any(|seen| equal(seen.as_ref(), member)) {
            return Err(refused("`enum` cannot hold a value twice"));
        }
        values.push(member.to_value());
    }
    Ok(values)
}

fn bound(doc: RawDoc<'_>, exclusive: &str, [inclusive_op, exclusive_op]: [CmpOp; 2]) -> Result<CmpOp> {
    match doc.get(exclusive) {
        None | Some(ValueRef::Bool(false)) => Ok(inclusive_op),
        Some(ValueRef::Bool(true)) => Ok(exclusive_op),
        Some(_) => Err(mismatch(format!("`{exclusive}` must be true or false"))),
    }
}

fn beside(doc: RawDoc<'_>, name: &str, needed: &str) -> Result<Option<Rule>> {
    match doc.get(needed) {
        Some(_) => Ok(None),
        None => Err(refused(format!("`{name}` needs `{needed}` beside it"))),
    }
}

fn numeric(name: &str, value: ValueRef<'_>) -> Result<Value> {
    match value.kind().is_number() {
        true => Ok(value.to_value()),
        false => Err(mismatch(format!("`{name}` must be a number"))),
    }
}

fn positive(name: &str, value: ValueRef<'_>) -> Result<Value> {
    let number = numeric(name, value)?;
    match number.as_ref().as_f64().is_some_and(|number| number <= 0.0) {
        false => Ok(number),
        true => Err(refused(format!("`{name}` must be positive"))),
    }
}

fn names(keyword: &str, list: RawArray<'_>) -> Result<Vec<Box<str>>> {
    if list.is_empty() {
        return Err(refused(format!("`{keyword}` cannot have an empty array")));
    }
    let mut names: Vec<Box<str>> = Vec::new();
    for member in list.iter() {
        let name = text(keyword, member)?;
        if names.iter().any(|seen| &**seen == name) {
            return Err(refused(format!("`{keyword}` names {name:?} twice")));
        }
        names.push(name.into());
    }
    Ok(names)
}

fn text<'v>(name: &str, value: ValueRef<'v>) -> Result<&'v str> {
    value.as_str().ok_or_else(|| mismatch(format!("`{name}` must be a string, found {value:?}")))
}

fn object<'v>(name: &str, value: ValueRef<'v>) -> Result<RawDoc<'v>> {
    value.as_doc().ok_or_else(|| mismatch(format!("`{name}` must be an object, found {value:?}")))
}

fn array<'v>(name: &str, value: ValueRef<'v>) -> Result<RawArray<'v>> {
    value.as_array().ok_or_else(|| mismatch(format!("`{name}` must be an array, found {value:?}")))
}

fn refused(message: impl Into<String>) -> Error {
    Error::mongo(number::FAILED_TO_PARSE, message)
}

fn mismatch(message: impl Into<String>) -> Error {
    Error::mongo(number::TYPE_MISMATCH, message)
}
