//! The calls of `wx.cloud`: names, members and results of their own, the same commands.
//!
//! Documents come as texts inside the members, which the readers of the other dialects take as well; results are flat.

use query::{Change, Code, Command, Error, Result, Update};
use storage::{Doc, DocBuilder, Value, ValueRef};

use super::{
    insert_docs, needed_document, read_aggregate, read_find, read_update, remove_docs, rows, total, update_docs,
};
use crate::action::{ActionRow, Call, Gate, Run, auth, functions, here, storage as files};
use crate::wire::answer::Answer;
use crate::wire::ejson::Form;

const fn row(name: &'static str, run: Run, help: &'static str) -> ActionRow {
    ActionRow { name, gate: Gate::Guest, joins: false, run, help }
}

const API: &str = "-501012";

/// Every call of `wx.cloud`.
pub const CALLS: &[ActionRow] = &[
    row("tcbapi_db_querydocument", here!(query), "documents of a query or by id"),
    row("tcbapi_db_adddocument", here!(add), "a new document"),
    row("tcbapi_db_updatedocument", here!(update), "changes documents"),
    row("tcbapi_db_setdocument", here!(set), "replaces or makes a document"),
    row("tcbapi_db_deletedocument", here!(remove), "removes documents"),
    row("tcbapi_db_countdocument", here!(count), "how many documents match"),
    row("tcbapi_db_aggregate", here!(aggregate), "the result of a pipeline"),
    row("tcbapi_init", here!(nothing), "greets the server"),
    row("tcbapi_getenvauth", here!(nothing), "asks for nothing that this server restricts"),
    row(
        "tcbapi_db_get_realtime_connection",
        here!(auth::socket_of_wx),
        "a ticket and the address for a socket to watch on",
    ),
    row("tcbapi_slowcallfunction_v2", here!(functions::invoke_wx), "runs a cloud function"),
    row("tcbapi_callfunction", here!(functions::invoke_wx), "runs a cloud function"),
    row("tcbapi_get_service_info", Run::Missing(API), "how to reach functions faster"),
    row("tcbapi_cos_uploadfile", here!(files::wx::upload), "where to upload a file"),
    row("tcbapi_downloadfile", here!(files::wx::download), "the address of a file"),
    row("tcbapi_gettempfileurl", here!(files::wx::links), "addresses of files"),
    row("tcbapi_deletefile", here!(files::wx::remove), "removes files"),
    row("tcbapi_call_container", Run::Missing(API), "a call to a container"),
];

async fn query(call: &Call<'_>) -> Result<Vec<u8>> {
    let mut find = read_find(call)?;
    let limit = find.limit.unwrap_or(u64::MAX).min(call.session.limits.rows_max_wx);
    let offset = find.skip;
    find.limit = Some(limit);
    let docs = rows(call, Command::Find(find)).await?;
    let mut answer = call.answer();
    answer.documents_text("data_list", Form::Plain, docs.iter().map(Doc::raw));
    answer.number("offset", offset);
    answer.number("limit", limit);
    answer.number("total", docs.len() as u64);
    Ok(answer.finish())
}

async fn count(call: &Call<'_>) -> Result<Vec<u8>> {
    let total = total(call, read_find(call)?).await?;
    Ok(with_number(call, "total", total))
}

async fn add(call: &Call<'_>) -> Result<Vec<u8>> {
    let ids = insert_docs(call, vec![needed_document(call, "data")?]).await?;
    let mut answer = call.answer();
    if let Some(id) = ids.first() {
        put_id(&mut answer, id.as_ref());
    }
    Ok(answer.finish())
}

/// `merge` is false where one document is meant, although operators come: SDKs replace by another call.
async fn update(call: &Call<'_>) -> Result<Vec<u8>> {
    let change = needed_document(call, "data")?;
    if change.raw().is_empty() {
        return Ok(with_number(call, "updated", 0));
    }
    let multi = call.members.flag("multi")?;
    let upsert = call.members.flag("upsert")?;
    let update = Update { multi, upsert, ..read_update(call, Change::Operators(change))? };
    let updated = update_docs(call, update).await?;
    Ok(with_number(call, "updated", updated.modified))
}

/// The answer names the id only where the document is new: by that the SDK tells `created` from `updated`.
async fn set(call: &Call<'_>) -> Result<Vec<u8>> {
    let id = read_id(call)?;
    let mut filter = DocBuilder::new();
    filter.put("_id", id.as_ref());
    let replacement = Change::Replacement(needed_document(call, "data")?);
    let update = Update { filter: filter.finish(), upsert: true, ..read_update(call, replacement)? };
    let updated = update_docs(call, update).await?;
    let mut answer = call.answer();
    match updated.upserted {
        Some(id) => put_id(&mut answer, id.as_ref()),
        None => answer.number("_id_type", id_type(id.as_ref())),
    }
    answer.number("updated", updated.modified);
    Ok(answer.finish())
}

async fn remove(call: &Call<'_>) -> Result<Vec<u8>> {
    let deleted = remove_docs(call).await?;
    Ok(with_number(call, "deleted", deleted))
}

async fn aggregate(call: &Call<'_>) -> Result<Vec<u8>> {
    let docs = rows(call, read_aggregate(call)?).await?;
    let mut answer = call.answer();
    answer.nested_texts("list", docs.iter().map(Doc::raw));
    Ok(answer.finish())
}

async fn nothing(call: &Call<'_>) -> Result<Vec<u8>> {
    Ok(call.answer().finish())
}

fn with_number(call: &Call<'_>, name: &str, number: u64) -> Vec<u8> {
    let mut answer = call.answer();
    answer.number(name, number);
    answer.finish()
}

fn read_id(call: &Call<'_>) -> Result<Value> {
    if let Some(number) = call.members.raw("_id_number") {
        let json = number.text().map_or_else(|json| json.into_owned(), |text| text.unwrap_or_default().into_owned());
        let id = call.reader.value(&json).map_err(|error| error.at("`_id_number`"))?;
        return match id.as_ref().kind().is_number() {
            true => Ok(id),
            false => Err(Error::new(Code::InvalidParam, format!("`_id_number`: expected a number, found {json}"))),
        };
    }
    Ok(Value::String(call.members.needed_text("_id")?.into_owned()))
}

fn put_id(answer: &mut Answer, id: ValueRef<'_>) {
    answer.number("_id_type", id_type(id));
    answer.value(if id_type(id) == 2 { "_id_number" } else { "_id" }, id);
}

/// 2 for a number, 1 for anything else.
fn id_type(id: ValueRef<'_>) -> u64 {
    if id.kind().is_number() { 2 } else { 1 }
}
