//! The key of an index by which a document was found, as `$meta: "indexKey"` shows it.

use storage::key;
use storage::{Doc, DocBuilder, FieldOrder, Index, IndexField, RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::Result;
use crate::expr::{FieldPath, hash};
use crate::filter::Filter;

/// The values of the index's fields. Of an array that was taken apart it is the first element in the order of the index
/// that meets the filter.
///
/// # Errors
/// Those of evaluating the filter.
pub fn index_key(index: &Index, filter: &Filter, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Doc> {
    let mut out = DocBuilder::new();
    for field in &index.fields {
        let value = value_of(field, filter, doc, cx)?;
        match field.order {
            FieldOrder::Hashed => out.put(field.path.as_str(), ValueRef::Int64(hash(value.as_ref()))),
            _ => out.put(field.path.as_str(), value.as_ref()),
        }
    }
    Ok(out.finish())
}

fn value_of(field: &IndexField, filter: &Filter, doc: RawDoc<'_>, cx: &Cx<'_>) -> Result<Value> {
    let path = FieldPath::parse(field.path.as_str())?;
    let elements: Vec<Value> = match path.of(doc).into_value() {
        None => return Ok(Value::Null),
        Some(Value::Array(list)) => list.raw().iter().map(ValueRef::to_value).collect(),
        Some(value) => return Ok(value),
    };
    let mut first: Option<(Vec<u8>, Value)> = None;
    for value in elements {
        cx.tick()?;
        let mut bytes = Vec::new();
        key::encode(value.as_ref(), field.order.direction(), cx.collation, &mut bytes);
        let earlier = first.as_ref().is_none_or(|(other, _)| bytes < *other);
        if earlier && meets(filter, field, &value, cx)? {
            first = Some((bytes, value));
        }
    }
    Ok(first.map_or(Value::Null, |(_, value)| value))
}

/// Does a value alone meet the conditions on its field?
fn meets(filter: &Filter, field: &IndexField, value: &Value, cx: &Cx<'_>) -> Result<bool> {
    match filter {
        Filter::And(members) => {
            for member in members {
                if !meets(member, field, value, cx)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Filter::Field(path, pred) if *path == field.path => {
            let mut alone = DocBuilder::new();
            alone.put("v", value.as_ref());
            let condition = Filter::Field(storage::Path::new("v"), pred.clone());
            condition.matches(alone.finish().raw(), cx)
        }
        _ => Ok(true),
    }
}
