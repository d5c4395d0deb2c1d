//! Database actions of the first wire generation: documents travel as plain JSON, not as texts.
//!
//! Parameters are read by the same functions as in the second generation, which accept both; answers differ.

use query::{Change, Command, Result, Updated};
use storage::{Doc, DocBuilder, Value, ValueRef};

use super::{
    insert_docs, modify_docs, needed_document, put_updated, read_aggregate, read_find, read_update, remove_docs, rows,
    total, update_docs,
};
use crate::action::Call;
use crate::wire::codes::Dialect;
use crate::wire::ejson::{Form, text};

/// `database.queryDocument`
pub async fn query(call: &Call<'_>) -> Result<Vec<u8>> {
    let find = read_find(call)?;
    let (limit, offset) = (find.limit, find.skip);
    let docs = rows(call, Command::Find(find)).await?;
    let mut answer = call.answer();
    answer.object("data", |data| data.documents("list", Form::Plain, docs.iter().map(Doc::raw)));
    if let Some(limit) = limit {
        let names = if call.dialect == Dialect::Web { ["limit", "offset"] } else { ["Limit", "Offset"] };
        names.iter().zip([limit, offset]).for_each(|(name, number)| answer.number(name, number));
    }
    Ok(answer.finish())
}

/// `database.addDocument`: one document, or several in a list. Of several, server SDKs return whatever stands under
/// `_id`, clients look for another name.
pub async fn add(call: &Call<'_>) -> Result<Vec<u8>> {
    let mut docs = call.members.documents("data", &call.reader)?;
    if let [doc] = docs.as_mut_slice() {
        *doc = with_id(call, doc)?;
    }
    let single = !call.members.is_list("data");
    let ids = insert_docs(call, docs).await?;
    let mut answer = call.answer();
    let several = if call.dialect == Dialect::Web { "insertedIds" } else { "_id" };
    answer.object("data", |data| match (single, ids.first()) {
        (true, Some(id)) => data.value("_id", id.as_ref()),
        _ => data.values(several, ids.iter().map(Value::as_ref)),
    });
    Ok(answer.finish())
}

/// `database.updateDocument`. SDKs look for the new id under two names.
pub async fn update(call: &Call<'_>) -> Result<Vec<u8>> {
    let updated = modify_docs(call).await?;
    let mut answer = call.answer();
    answer.object("data", |data| put_updated(data, &updated, &["upserted_id", "upsert_id"]));
    Ok(answer.finish())
}

/// `database.aggregate`
pub async fn aggregate(call: &Call<'_>) -> Result<Vec<u8>> {
    let docs = rows(call, read_aggregate(call)?).await?;
    let mut answer = call.answer();
    answer.object("data", |data| data.nested_texts("list", docs.iter().map(Doc::raw)));
    Ok(answer.finish())
}

/// `database.getInTransaction`: the document as a text, `"null"` if there is none. Clients also ask for documents of a
/// query, then with a limit, and count them, then without one.
pub async fn get_in_transaction(call: &Call<'_>) -> Result<Vec<u8>> {
    let mut find = read_find(call)?;
    let by_id = find.filter.raw().iter().map(|(name, _)| name).eq(["_id"]);
    if call.dialect == Dialect::Web && find.limit.is_some() {
        let docs = rows(call, Command::Find(find)).await?;
        let mut answer = call.answer();
        answer.documents_text("data", Form::Sdk, docs.iter().map(Doc::raw));
        return Ok(answer.finish());
    }
    if call.dialect == Dialect::Web && !by_id {
        let mut answer = call.answer();
        answer.number("total", total(call, find).await?);
        answer.text("data", "[]");
        return Ok(answer.finish());
    }
    find.limit = Some(1);
    let docs = rows(call, Command::Find(find)).await?;
    let mut answer = call.answer();
    match docs.first() {
        Some(doc) => answer.document_text("data", doc.raw()),
        None => answer.text("data", "null"),
    }
    Ok(answer.finish())
}

/// `database.insertDocInTransaction`. One SDK reads `_id`, another `id`.
pub async fn insert_in_transaction(call: &Call<'_>) -> Result<Vec<u8>> {
    let doc = with_id(call, &needed_document(call, "data")?)?;
    let ids = insert_docs(call, vec![doc]).await?;
    let mut answer = call.answer();
    answer.text("inserted", &number_text(call, ids.len() as u64));
    answer.text("ok", &number_text(call, 1));
    if let Some(id) = ids.first() {
        answer.value("_id", id.as_ref());
        answer.value("id", id.as_ref());
    }
    Ok(answer.finish())
}

/// `database.updateDocInTransaction`: operators, or a whole document with `upsert`.
pub async fn update_in_transaction(call: &Call<'_>) -> Result<Vec<u8>> {
    let data = needed_document(call, "data")?;
    let operators = data.raw().elements().next().is_some_and(|first| first.name_bytes().starts_with(b"$"));
    let upsert = call.members.flag("upsert")?;
    let updated = match (operators, data.raw().is_empty() && !upsert) {
        (_, true) => Updated::default(),
        (true, _) => update_docs(call, read_update(call, Change::Operators(data))?).await?,
        (false, _) => {
            let mut update = read_update(call, Change::Replacement(data))?;
            update.upsert = upsert;
            update_docs(call, update).await?
        }
    };
    let mut answer = call.answer();
    answer.text("updated", &number_text(call, updated.modified));
    if let Some(id) = &updated.upserted {
        let mut row = DocBuilder::new();
        if call.dialect == Dialect::Web {
            row.put("index", ValueRef::Int32(0));
        }
        row.put("_id", id.as_ref());
        let row = text(row.finish().raw(), Form::Sdk);
        answer.text("upserted", &if call.dialect == Dialect::Web { row } else { format!("[{row}]") });
    }
    Ok(answer.finish())
}

/// `database.deleteDocInTransaction`
pub async fn delete_in_transaction(call: &Call<'_>) -> Result<Vec<u8>> {
    let deleted = remove_docs(call).await?;
    let mut answer = call.answer();
    answer.text("deleted", &number_text(call, deleted));
    Ok(answer.finish())
}

/// The document with the id that the call names beside it.
fn with_id(call: &Call<'_>, doc: &Doc) -> Result<Doc> {
    let Some(raw) = call.members.raw("_id") else { return Ok(doc.clone()) };
    let id = match raw.text() {
        Ok(text) => text.map(|text| Value::String(text.into_owned())),
        Err(json) => Some(call.reader.value(&json).map_err(|error| error.at("`_id`"))?),
    };
    let Some(id) = id.filter(|_| doc.get("_id").is_none()) else { return Ok(doc.clone()) };
    let mut whole = DocBuilder::with_capacity(doc.as_bytes().len() + 32);
    whole.put("_id", id.as_ref());
    doc.raw().elements().for_each(|element| whole.put_element(element));
    Ok(whole.finish())
}

/// How this generation writes a number in a transaction's answer.
fn number_text(call: &Call<'_>, number: u64) -> String {
    match i32::try_from(number) {
        Ok(number) if call.dialect == Dialect::Web => number.to_string(),
        Ok(number) => format!(r#"{{"$numberInt":"{number}"}}"#),
        Err(_) => format!(r#"{{"$numberLong":"{number}"}}"#),
    }
}
