//! `$count` and `$sortByCount`: groups that count.

use storage::{ValueRef, name_fault};

use super::group::{Group, Key};
use super::reshape::Reshape;
use super::sort::Sorting;
use super::{Stage, group};
use crate::error::{Error, Result};
use crate::expr::{Expr, Reading};
use crate::project::Projection;
use crate::sort::Sort;

pub(super) fn read(value: ValueRef<'_>, _: &Reading<'_>) -> Result<Vec<Stage>> {
    let fault = |number, what: &str| Err(Error::mongo(number, format!("the field of $count {what}")));
    let ValueRef::String(name) = value else { return fault(40156, "must be a string") };
    match name {
        "" => return fault(40157, "must not be empty"),
        "_id" => return fault(15948, "must not be _id"),
        name if name.starts_with('$') => return fault(40158, "must not start with '$'"),
        name if name_fault(name).is_some() => return fault(40159, "must not contain a NUL character"),
        name if name.contains('.') => return fault(40160, "must not contain a dot"),
        _ => {}
    }
    let counted =
        Group { key: Key::Value(Expr::constant(Some(storage::Value::Null))), fields: vec![group::counter(name)] };
    Ok(vec![Stage::Group(counted), Stage::Reshape(Reshape::Project(Projection::without(["_id"])?))])
}

pub(super) fn read_sort_by_count(value: ValueRef<'_>, reading: &Reading<'_>) -> Result<Vec<Stage>> {
    match value {
        ValueRef::String(text) if text.starts_with('$') => {}
        ValueRef::String(_) => {
            return Err(Error::mongo(40148, "$sortByCount takes a field path: it must start with '$'"));
        }
        ValueRef::Document(doc) if doc.iter().next().is_some_and(|(name, _)| name.starts_with('$')) => {}
        ValueRef::Document(_) => {
            return Err(Error::mongo(40147, "$sortByCount takes a document with an operator, not one with fields"));
        }
        _ => return Err(Error::mongo(40149, "$sortByCount takes a field path or an expression")),
    }
    let counted = Group { key: Key::Value(reading.expr(value)?), fields: vec![group::counter("count")] };
    let mut order = storage::DocBuilder::new();
    order.put("count", ValueRef::Int32(-1));
    let order = Sort::parse(order.finish().raw())?;
    Ok(vec![Stage::Group(counted), Stage::Sort(Sorting { order, limit: None })])
}
