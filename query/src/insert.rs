//! Preparing new documents: the id comes first and is of a kind that can be one.

use storage::limits::DOC_BYTES_MAX;
use storage::{Doc, DocBuilder, RawDoc, Value, ValueRef};

use crate::cx::Cx;
use crate::error::{Code, Error, Result, number};
use crate::update::id_names;

/// Which field names a new document may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As MongoDB: any.
    Any,
    /// None at the top may begin with `$`: operators could not reach it afterwards, and CloudBase refuses it.
    Plain,
}

/// MongoDB's number for an id of a kind that cannot be one.
const INVALID_ID: i32 = 53;

/// The document as it is stored: `_id` first, made by `new_id` where it is missing, zero timestamps filled in.
///
/// # Errors
/// 53 for an id that is an array, a regular expression or undefined; 52 for `$` names in the id; 10334 beyond 16 MiB;
/// `BadRequest` for names that `names` refuses.
pub fn prepare(doc: RawDoc<'_>, new_id: impl FnOnce() -> Value, names: Names, cx: &Cx<'_>) -> Result<Doc> {
    cx.tick()?;
    let made = match doc.get("_id") {
        Some(_) => None,
        None => Some(new_id()),
    };
    let id = made.as_ref().map(Value::as_ref).or_else(|| doc.get("_id")).unwrap_or(ValueRef::Null);
    check_id(id)?;
    let mut builder = DocBuilder::with_capacity(doc.as_bytes().len() + 32);
    builder.put("_id", id);
    for element in doc.elements().filter(|element| element.name_bytes() != b"_id") {
        check_name(element.name(), names)?;
        match element.value() {
            ValueRef::Timestamp { seconds: 0, increment: 0 } => builder.put(element.name(), timestamp(cx.now)),
            _ => builder.put_element(element),
        }
    }
    let bytes = builder.len() + 1;
    if bytes > DOC_BYTES_MAX {
        let message = format!("the document takes {bytes} bytes, at most {DOC_BYTES_MAX} are allowed");
        return Err(Error::mongo(number::OBJECT_TOO_LARGE, message).with_code(Code::TooLarge));
    }
    Ok(builder.finish())
}

/// The instant as a timestamp.
pub(crate) fn timestamp(now: i64) -> ValueRef<'static> {
    ValueRef::Timestamp { seconds: u32::try_from(now / 1000).unwrap_or_default(), increment: 1 }
}

fn check_id(id: ValueRef<'_>) -> Result<()> {
    match id {
        ValueRef::Array(_) | ValueRef::Regex { .. } | ValueRef::Undefined => {
            let message = format!("`_id` cannot be of type {}; use a string, a number or a document", id.kind().name());
            Err(Error::mongo(INVALID_ID, message))
        }
        other => id_names(other),
    }
}

fn check_name(name: &str, names: Names) -> Result<()> {
    if names == Names::Plain && name.starts_with('$') {
        let message = format!("the field name {name:?} must not begin with $, which is kept for operators");
        return Err(Error::new(Code::BadRequest, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn check(json: bson::Document, names: Names) -> Result<bson::Document, (Code, i32)> {
        let doc = Doc::from_bytes(json.to_vec().expect("BSON")).expect("valid");
        let surroundings = crate::expr::testing::Surroundings::default();
        prepare(doc.raw(), || Value::from("new"), names, &surroundings.cx())
            .map(|doc| bson::Document::from_reader(doc.as_bytes()).expect("BSON"))
            .map_err(|error| (error.code, error.number))
    }

    #[test]
    fn the_id_comes_first() {
        assert_eq!(check(doc! {"a": 1, "_id": 5}, Names::Any), Ok(doc! {"_id": 5, "a": 1}));
        assert_eq!(check(doc! {"a": 1}, Names::Any), Ok(doc! {"_id": "new", "a": 1}));
        assert_eq!(check(doc! {"_id": bson::Bson::Null}, Names::Any), Ok(doc! {"_id": bson::Bson::Null}));
    }

    #[test]
    fn ids_that_cannot_be() {
        assert_eq!(check(doc! {"_id": [1]}, Names::Any), Err((Code::BadRequest, 53)));
        assert_eq!(check(doc! {"_id": {"a": {"$b": 1}}}, Names::Any), Err((Code::BadRequest, 52)));
    }

    #[test]
    fn plain_names_are_asked_for_by_the_caller() {
        assert!(check(doc! {"$a": 1, "b.c": 1}, Names::Any).is_ok());
        assert_eq!(check(doc! {"$a": 1}, Names::Plain), Err((Code::BadRequest, 0)));
        assert!(check(doc! {"b.c": 1}, Names::Plain).is_ok());
    }
}
