//! What a document must keep to after a change: its id, the names of its fields, its size and depth.

use storage::limits::{DOC_BYTES_MAX, DOC_DEPTH_MAX};
use storage::{RawDoc, ValueRef};

use super::ChangedPath;
use crate::error::number::{FAILED_TO_PARSE, IMMUTABLE_FIELD, OVERFLOW};
use crate::error::{Code, Error, Result};

/// MongoDB's number for a document that an update made too large.
const GREW_TOO_LARGE: i32 = 17419;
/// MongoDB's number for a field name that begins with `$`.
pub(crate) const DOLLAR_NAME: i32 = 52;
/// MongoDB's number for a malformed reference to another document.
const INVALID_REFERENCE: i32 = 55;

/// Checks a replacement as it is written, before any document is at hand.
pub(super) fn replacement(doc: RawDoc<'_>) -> Result<()> {
    match doc.elements().next() {
        Some(first) if first.name().starts_with('$') => {
            let message = format!("{:?} is not an update operator", first.name());
            Err(Error::mongo(FAILED_TO_PARSE, message).with_code(Code::InvalidOperator))
        }
        _ => Ok(()),
    }
}

/// Checks a document that a replacement or pipeline made.
pub(super) fn whole(doc: RawDoc<'_>) -> Result<()> {
    for element in doc.elements() {
        top_name(element.name())?;
    }
    if let Some(id) = doc.get("_id") {
        id_names(id)?;
    }
    bounded(doc)
}

/// Checks a document that operators made. Only what they changed can have become wrong.
pub(super) fn changed(doc: RawDoc<'_>, paths: &[ChangedPath], moved: bool) -> Result<()> {
    let depth = paths.iter().map(|path| path.path.split('.').count()).max().unwrap_or(0);
    size(doc)?;
    // Values are shallow in nearly every update: only a document that could be too deep is measured.
    let may_be_deep = moved || doc.as_bytes().len() / 8 + depth > DOC_DEPTH_MAX;
    if may_be_deep { bounded(doc) } else { Ok(()) }
}

/// The fault of an update that would change the id.
pub(super) fn immutable_id() -> Error {
    Error::mongo(IMMUTABLE_FIELD, "`_id` cannot be changed; insert a new document instead")
}

/// A name at the top of a document that an update writes.
pub(super) fn top_name(name: &str) -> Result<()> {
    match name {
        "$ref" | "$id" | "$db" => {
            Err(Error::mongo(INVALID_REFERENCE, format!("{name} is only for references inside of a field")))
        }
        _ if name.starts_with('$') => Err(Error::mongo(
            DOLLAR_NAME,
            format!("an update cannot write the field {name:?}: names at the top must not begin with $"),
        )),
        _ => Ok(()),
    }
}

/// No field name inside an id may begin with `$`.
pub(crate) fn id_names(id: ValueRef<'_>) -> Result<()> {
    let fields = match id {
        ValueRef::Document(doc) => doc,
        ValueRef::Array(array) => array.as_doc(),
        _ => return Ok(()),
    };
    for (name, value) in fields.iter() {
        if name.starts_with('$') {
            return Err(Error::mongo(DOLLAR_NAME, format!("a field inside of `_id` must not begin with $: {name:?}")));
        }
        id_names(value)?;
    }
    Ok(())
}

/// A document must not outgrow what can be stored.
pub(super) fn size(doc: RawDoc<'_>) -> Result<()> {
    let bytes = doc.as_bytes().len();
    match bytes <= DOC_BYTES_MAX {
        true => Ok(()),
        false => {
            let message = format!("the document would take {bytes} bytes, at most {DOC_BYTES_MAX} are allowed");
            Err(Error::mongo(GREW_TOO_LARGE, message).with_code(Code::TooLarge))
        }
    }
}

pub(super) fn bounded(doc: RawDoc<'_>) -> Result<()> {
    size(doc)?;
    match deeper_than(doc, DOC_DEPTH_MAX) {
        false => Ok(()),
        true => {
            let message = format!("the document would be nested deeper than {DOC_DEPTH_MAX} levels");
            Err(Error::mongo(OVERFLOW, message).with_code(Code::TooLarge))
        }
    }
}

fn deeper_than(doc: RawDoc<'_>, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return true };
    doc.elements().any(|element| match element.value() {
        ValueRef::Document(inner) => deeper_than(inner, left),
        ValueRef::Array(inner) => deeper_than(inner.as_doc(), left),
        _ => false,
    })
}
