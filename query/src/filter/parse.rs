//! Reads MongoDB's query language into a filter: the top-level operators and the walk over fields.

use storage::{Path, RawArray, RawDoc, ValueRef};

use super::field::{equality, is_operator_document};
use super::number::integer;
use super::{Filter, OperatorHelp, Schema, Text, leak, normal};
use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::expr::Expr;

/// MongoDB's number for an operator that a place does not allow.
const NOT_ALLOWED: i32 = 224;

/// The operators that stand in place of a field name.
pub const TOP_OPERATORS: &[OperatorHelp] = &[
    OperatorHelp { name: "$and", help: "every filter of the array holds" },
    OperatorHelp { name: "$or", help: "at least one filter of the array holds" },
    OperatorHelp { name: "$nor", help: "no filter of the array holds" },
    OperatorHelp { name: "$expr", help: "an aggregation expression over the document is true" },
    OperatorHelp { name: "$jsonSchema", help: "the document meets a JSON schema (draft 4 with MongoDB's extensions)" },
    OperatorHelp { name: "$text", help: "the document holds the words, by a text index" },
    OperatorHelp { name: "$comment", help: "a remark without effect" },
    OperatorHelp { name: "$sampleRate", help: "a share of the documents, from 0 to 1, by chance" },
    OperatorHelp { name: "$alwaysTrue", help: "holds for every document; its operand is 1" },
    OperatorHelp { name: "$alwaysFalse", help: "holds for no document; its operand is 1" },
];

impl Filter {
    /// Reads a filter. Texts in it compare by the collation of `cx`, which must be the same when it is evaluated.
    ///
    /// # Errors
    /// MongoDB's numbers: 2 for most malformed operands, 9 and 14 for wrong shapes and types, 51091 and 51108 for
    /// regular expressions, 15 for too deep nesting; `TooLarge` beyond the limits of conditions and `$in` values.
    pub fn parse(doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Filter> {
        let filter = Reader { cx, nodes: 0, depth: 0, place: Place::Document }.filter(doc)?;
        let filter = normal::simplified(filter, cx.collation);
        filter.check_near()?;
        filter.check_text()?;
        Ok(filter)
    }

    /// Reads the condition of `$pull` or an array filter, which speaks of array elements.
    ///
    /// # Errors
    /// As [`Filter::parse`]; 224 for `$expr`, 2 for `$text`.
    pub(crate) fn parse_for_element(doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Filter> {
        Reader { cx, nodes: 0, depth: 0, place: Place::Update }.filter(doc)
    }
}

/// State of one reading.
pub(super) struct Reader<'c> {
    pub(super) cx: &'c Cx<'c>,
    nodes: u64,
    depth: u64,
    pub(super) place: Place,
}

/// What the filter being read is about; some operators only make sense for a document as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole document.
    Document,
    /// An element, inside of `$elemMatch`.
    Element,
    /// An element, in an update.
    Update,
}

impl Reader<'_> {
    /// Reads a filter at the top or inside an operator, one level deeper than what stands around it.
    pub(super) fn filter(&mut self, doc: RawDoc<'_>) -> Result<Filter> {
        self.nested(|reader| {
            let mut members = Vec::new();
            for (name, value) in doc.iter() {
                reader.count()?;
                members.extend(reader.member(name, value)?);
            }
            Ok(normal::conjunction(members))
        })
    }

    /// Runs a reading one level deeper.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > self.cx.limits.request_depth_max {
            let message = format!("the filter is nested deeper than {} levels", self.cx.limits.request_depth_max);
            return Err(Error::mongo(number::OVERFLOW, message).with_code(Code::TooLarge));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Counts a condition against the limit.
    pub(super) fn count(&mut self) -> Result<()> {
        self.cx.tick()?;
        self.nodes += 1;
        if self.nodes > self.cx.limits.filter_nodes_max {
            let message = format!("the filter has more than {} conditions", self.cx.limits.filter_nodes_max);
            return Err(Error::mongo(number::BAD_VALUE, message).with_code(Code::TooLarge));
        }
        Ok(())
    }

    fn member(&mut self, name: &str, value: ValueRef<'_>) -> Result<Option<Filter>> {
        if !name.starts_with('$') || matches!(name, "$ref" | "$id" | "$db") {
            return self.field(name, value).map(Some);
        }
        let filter = match name {
            "$and" => normal::conjunction(self.list(name, value)?),
            "$or" => normal::disjunction(self.list(name, value)?, self.cx.collation),
            "$nor" => normal::negation(self.list(name, value)?),
            "$jsonSchema" => Filter::Schema(Box::new(Schema::parse(value, self.cx)?)),
            "$expr" => {
                self.whole_document_only(name)?;
                Filter::Expr(Box::new(Expr::parse(value, self.cx)?))
            }
            "$text" => {
                self.whole_document_only(name)?;
                Filter::Text(Box::new(Text::read(value)?))
            }
            "$comment" => return Ok(None),
            "$sampleRate" => Filter::Sample(sample_rate(value)?),
            "$alwaysTrue" | "$alwaysFalse" => always(name, value)?,
            "$where" => return Err(no_script(name)),
            _ => return Err(unknown(name)),
        };
        Ok(Some(filter))
    }

    fn list(&mut self, name: &str, value: ValueRef<'_>) -> Result<Vec<Filter>> {
        let ValueRef::Array(array) = value else { return Err(bad(format!("{name} must be an array"))) };
        if array.is_empty() {
            return Err(bad("$and, $or and $nor need an array with at least one filter"));
        }
        self.filters(array)
    }

    fn filters(&mut self, array: RawArray<'_>) -> Result<Vec<Filter>> {
        let mut filters = Vec::new();
        for member in array.iter() {
            let ValueRef::Document(doc) = member else {
                return Err(bad(format!("the members of $and, $or and $nor must be filters, found {member:?}")));
            };
            filters.push(self.filter(doc)?);
        }
        Ok(filters)
    }

    /// A field with its condition: operators, a pattern, a leaked command of an SDK, or a value to equal.
    fn field(&mut self, name: &str, value: ValueRef<'_>) -> Result<Filter> {
        let path = Path::new(name);
        if let ValueRef::Document(doc) = value {
            if is_operator_document(doc) {
                return Ok(normal::field(&path, self.preds(doc)?));
            }
            if let Some(branches) = leak::branches(doc)? {
                return self.branches(&path, &branches);
            }
        }
        Ok(Filter::Field(path, equality(value, self.cx)?))
    }

    /// Any of several operator documents on one path.
    pub(super) fn branches(&mut self, path: &Path, branches: &[storage::Doc]) -> Result<Filter> {
        let mut members = Vec::new();
        for branch in branches {
            members.push(normal::field(path, self.preds(branch.raw())?));
        }
        Ok(normal::disjunction(members, self.cx.collation))
    }

    fn whole_document_only(&self, name: &str) -> Result<()> {
        match (self.place, name) {
            (Place::Document, _) => Ok(()),
            (Place::Update, "$expr") => Err(Error::mongo(NOT_ALLOWED, "$expr cannot stand in an update's condition")),
            _ => Err(bad(format!("{name} can only be applied to the top-level document"))),
        }
    }
}

/// The predicate of `$sampleRate`.
fn sample_rate(value: ValueRef<'_>) -> Result<f64> {
    let rate = value.as_f64().ok_or_else(|| bad(format!("$sampleRate takes a number, found {value:?}")))?;
    match (0.0..=1.0).contains(&rate) {
        true => Ok(rate),
        false => Err(bad(format!("$sampleRate must be between 0 and 1, found {rate}"))),
    }
}

fn always(name: &str, value: ValueRef<'_>) -> Result<Filter> {
    match integer(name, value)? {
        1 => Ok(Filter::Always(name == "$alwaysTrue")),
        other => Err(Error::mongo(number::FAILED_TO_PARSE, format!("{name} must be 1, found {other}"))),
    }
}

fn unknown(name: &str) -> Error {
    let known = TOP_OPERATORS.iter().map(|operator| operator.name).collect::<Vec<_>>().join(", ");
    bad(format!("unknown top-level operator {name}; known are {known}; a field whose name begins with $ is reached with $getField"))
        .with_code(Code::InvalidOperator)
}

pub(super) fn no_script(name: &str) -> Error {
    bad(format!("{name} runs JavaScript, which this server does not; use $expr")).with_code(Code::NotSupported)
}

/// MongoDB's most common fault of filters.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::mongo(number::BAD_VALUE, message)
}
