//! Updates by a pipeline: the document as its stages make it. Its `_id` stays, named or not.

use storage::{Doc, DocBuilder, RawDoc, ValueRef};

use super::{Changed, check, diff, seed};
use crate::cx::Cx;
use crate::error::{Error, Result, number::IMMUTABLE_FIELD};
use crate::filter::Filter;
use crate::pipeline::Rewrite;

/// MongoDB's numbers for an array in the place of `_id`: of a document that is there, and of one to be inserted.
const ID_IS_ARRAY: i32 = 53;
const NEW_ID_IS_ARRAY: i32 = 54;

/// The document that the stages make of one; `None` where it stays as it is.
pub(super) fn rewrite(rewrite: &Rewrite, old: RawDoc<'_>, cx: &Cx<'_>) -> Result<Option<Changed>> {
    let new = rewrite.apply(old, cx)?;
    if new.as_bytes() == old.as_bytes() {
        return Ok(None);
    }
    // Leaving out the `_id` counts as a change although it comes back: so does MongoDB count.
    let doc = with_id(old, new.raw(), ID_IS_ARRAY)?;
    check::size(doc.raw())?;
    let paths = diff::paths(old, doc.raw());
    Ok(Some(Changed { doc, paths }))
}

/// The document that an upsert inserts: what the stages make of the filter's equalities.
pub(super) fn upsert(rewrite: &Rewrite, filter: &Filter, cx: &Cx<'_>) -> Result<Doc> {
    let seed = seed::seed(filter)?;
    let new = rewrite.apply(seed.raw(), cx)?;
    with_id(seed.raw(), new.raw(), NEW_ID_IS_ARRAY)
}

/// The new document with the old one's id in front.
fn with_id(old: RawDoc<'_>, new: RawDoc<'_>, id_is_array: i32) -> Result<Doc> {
    check::bounded(new)?;
    let id = match (old.get("_id"), new.get("_id")) {
        (_, Some(ValueRef::Array(_))) => return Err(Error::mongo(id_is_array, "`_id` cannot be an array")),
        (Some(old), Some(new)) if old != new => {
            return Err(Error::mongo(IMMUTABLE_FIELD, format!("`_id` cannot be changed from {old} to {new}")));
        }
        (old, new) => new.or(old),
    };
    let mut builder = DocBuilder::with_capacity(new.as_bytes().len() + 32);
    if let Some(id) = id {
        builder.put("_id", id);
    }
    new.elements().filter(|element| element.name_bytes() != b"_id").for_each(|element| builder.put_element(element));
    Ok(builder.finish())
}
