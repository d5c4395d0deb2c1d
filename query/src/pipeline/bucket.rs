//! `$bucket`: groups by ranges with given borders.

use storage::{RawArray, Value, ValueRef, compare_with};

use super::Stage;
use super::group::{Group, Key, counter, read_field};
use super::sort::Sorting;
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading};
use crate::sort::Sort;

pub(super) fn read(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    let doc = value
        .as_doc()
        .ok_or_else(|| Error::mongo(40201, format!("$bucket takes a document, but got {}", value.kind().name())))?;
    let (mut by, mut borders, mut default, mut fields) = (None, None, None, None);
    for (name, value) in doc.iter() {
        match name {
            "groupBy" => by = Some(read_by("$bucket", value, 40202, reading)?),
            "boundaries" => borders = Some(read_borders(value, reading)?),
            "default" => default = Some(constant(value, reading, 40195, "the default")?),
            "output" => fields = Some(read_output("$bucket", value, 40196, reading)?),
            other => return Err(Error::mongo(40197, format!("$bucket knows no argument '{other}'"))),
        }
    }
    let (Some(value), Some(borders)) = (by, borders) else {
        return Err(Error::mongo(40198, "$bucket needs 'groupBy' and 'boundaries'"));
    };
    if let (Some(default), Some(first), Some(last)) = (&default, borders.first(), borders.last()) {
        let compare = |border: &Value| compare_with(default.as_ref(), border.as_ref(), reading.cx.collation);
        if compare(first).is_ge() && compare(last).is_lt() {
            return Err(Error::mongo(40199, "the default of $bucket must lie outside of the borders"));
        }
    }
    let fields = fields.unwrap_or_else(|| vec![counter("count")]);
    let group = Group { key: Key::Range { value, borders, default }, fields };
    Ok(vec![Stage::Group(group), Stage::Sort(by_id()?)])
}

/// The order by `_id`, in which buckets come.
pub(super) fn by_id() -> Result<Sorting> {
    let mut order = storage::DocBuilder::new();
    order.put("_id", ValueRef::Int32(1));
    Ok(Sorting { order: Sort::parse(order.finish().raw())?, limit: None })
}

/// What documents are put into buckets by: a path or an expression.
pub(super) fn read_by(stage: &str, value: ValueRef<'_>, number: i32, reading: &Reading<'_>) -> Result<Expr> {
    let computed = match value {
        ValueRef::String(text) => text.starts_with('$'),
        ValueRef::Document(doc) => doc.iter().next().is_some_and(|(name, _)| name.starts_with('$')),
        _ => false,
    };
    match computed {
        true => reading.expr(value),
        false => Err(Error::mongo(
            number,
            format!("'groupBy' of {stage} must be a path that starts with '$', or an expression"),
        )),
    }
}

/// The accumulators of `output`.
pub(super) fn read_output(
    stage: &str,
    value: ValueRef<'_>,
    number: i32,
    reading: &Reading<'_>,
) -> Result<Vec<(Box<str>, crate::expr::accumulate::Accumulator)>> {
    let wrong =
        || Error::mongo(number, format!("'output' of {stage} must be a document, but is {}", value.kind().name()));
    let doc = value.as_doc().ok_or_else(wrong)?;
    let read = |(name, value): (&str, ValueRef<'_>)| match name {
        "_id" => Err(Error::mongo(15948, format!("'output' of {stage} must not set _id"))),
        name => Ok((name.into(), read_field(name, value, reading)?)),
    };
    doc.iter().map(read).collect()
}

fn constant(value: ValueRef<'_>, reading: &Reading<'_>, number: i32, what: &str) -> Result<Value> {
    let expr = reading.expr(value)?;
    let wrong = || Error::mongo(number, format!("{what} of $bucket must be a constant"));
    Ok(expr.as_constant().ok_or_else(wrong)?.clone().unwrap_or(Value::Null))
}

fn read_borders(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Value>> {
    let list: RawArray<'_> = value.as_array().ok_or_else(|| {
        Error::mongo(40200, format!("'boundaries' of $bucket must be an array, but is {}", value.kind().name()))
    })?;
    let borders = list.iter().map(|border| constant(border, reading, 40191, "a border")).collect::<Result<Vec<_>>>()?;
    if borders.len() < 2 {
        return Err(Error::mongo(40192, format!("$bucket needs at least 2 borders, but got {}", borders.len())));
    }
    for (left, right) in borders.iter().zip(borders.iter().skip(1)) {
        if left.kind().rank() != right.kind().rank() {
            let (left, right) = (left.kind().name(), right.kind().name());
            return Err(Error::mongo(
                40193,
                format!("the borders of $bucket must be of one type, not {left} and {right}"),
            ));
        }
        if compare_with(left.as_ref(), right.as_ref(), reading.cx.collation).is_ge() {
            return Err(Error::mongo(40194, "the borders of $bucket must rise"));
        }
    }
    Ok(borders)
}
