//! Replacement: a whole new document that keeps the old `_id`.

use storage::{Doc, DocBuilder, RawDoc, ValueRef};

use super::{Changed, check, diff, seed};
use crate::cx::Cx;
use crate::error::{Error, Result, number::IMMUTABLE_FIELD};
use crate::filter::Filter;

/// MongoDB's numbers for an `_id` that cannot be inserted.
const ID_NOT_EXACT: i32 = 111;
const ID_IS_ARRAY: i32 = 54;

/// The new document with the old one's id; `None` where both are the same.
pub(super) fn replace(old: RawDoc<'_>, new: RawDoc<'_>, cx: &Cx<'_>) -> Result<Option<Changed>> {
    check::whole(new)?;
    let id = match (old.get("_id"), new.get("_id")) {
        (Some(old), Some(new)) if old == new => Some(new),
        (Some(old), Some(new)) => return Err(altered(old, new)),
        (old, new) => old.or(new),
    };
    let doc = with_id(id, new, cx);
    if doc.as_bytes() == old.as_bytes() {
        return Ok(None);
    }
    check::size(doc.raw())?;
    let paths = diff::paths(old, doc.raw());
    Ok(Some(Changed { doc, paths }))
}

/// The document that an upsert inserts: the replacement with the id that the filter gives.
pub(super) fn upsert(filter: &Filter, new: RawDoc<'_>, cx: &Cx<'_>) -> Result<Doc> {
    let seed = seed::seed_of_id(filter)?;
    let id = match (seed.get("_id"), new.get("_id")) {
        (Some(_), _) if seed::id_by_parts(filter) => {
            return Err(Error::mongo(ID_NOT_EXACT, "the filter must give `_id` as a whole for a replacement"));
        }
        (Some(seed), Some(new)) if seed == new => Some(new),
        (Some(seed), Some(new)) => return Err(altered(seed, new)),
        (seed, new) => seed.or(new),
    };
    if let Some(ValueRef::Array(_)) = id {
        return Err(Error::mongo(ID_IS_ARRAY, "`_id` cannot be an array"));
    }
    Ok(with_id(id, new, cx))
}

fn altered(old: ValueRef<'_>, new: ValueRef<'_>) -> Error {
    Error::mongo(IMMUTABLE_FIELD, format!("`_id` cannot be changed from {old} to {new}"))
}

/// The id stands first; a timestamp of zeros at the top means now.
fn with_id(id: Option<ValueRef<'_>>, new: RawDoc<'_>, cx: &Cx<'_>) -> Doc {
    let mut builder = DocBuilder::with_capacity(new.as_bytes().len() + 32);
    if let Some(id) = id {
        builder.put("_id", id);
    }
    for element in new.elements().filter(|element| element.name_bytes() != b"_id") {
        match element.value() {
            ValueRef::Timestamp { seconds: 0, increment: 0 } => {
                builder.put(element.name(), crate::insert::timestamp(cx.now));
            }
            _ => builder.put_element(element),
        }
    }
    builder.finish()
}
