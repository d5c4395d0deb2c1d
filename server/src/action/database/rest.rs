//! The REST interface of databases: method and path instead of an action, the result as it is instead of an envelope.
//!
//! What a path holds in braces joins the members of the query or the body, so the readers of the other dialects serve
//! here as well.

use query::{Admin, Change, Command, Find, Reply, Result, TransactionId, Update};
use storage::{Doc, DocBuilder, Value, ValueRef};

use super::{
    insert_docs, needed_document, pipeline_command, read_find, read_update, remove_docs, rows, total, update_docs,
};
use crate::action::{ActionRow, Call, Gate, Run, here, unexpected};
use crate::wire::ejson::{Form, text};

/// What stands before every path below.
pub const BASE: &str = "/v1/database/instances/{instance}/databases/{database}/";

/// Method and path behind [`BASE`].
pub const CALLS: &[ActionRow] = &[
    row("GET collections/{collectionName}/documents", here!(list), "documents of a query; with `count=true` how many"),
    row("POST collections/{collectionName}/documents", here!(insert), "new documents"),
    row("PATCH collections/{collectionName}/documents", here!(update), "changes documents"),
    row("POST collections/{collectionName}/documents/remove", here!(remove), "removes documents"),
    row("POST collections/{collectionName}/documents/aggregations", here!(aggregate), "the result of a pipeline"),
    row("GET collections/{collectionName}/documents/{documentId}", here!(get), "one document"),
    row("PATCH collections/{collectionName}/documents/{documentId}", here!(update_one), "changes one document"),
    row("DELETE collections/{collectionName}/documents/{documentId}", here!(remove_one), "removes one document"),
    ActionRow {
        name: "POST collections",
        gate: Gate::Admin,
        joins: false,
        run: here!(create_collection),
        help: "makes a collection",
    },
    outside("POST transactions", here!(begin), "opens a transaction"),
    outside("POST transactions/{transactionId}/commit", here!(commit), "makes its writes visible"),
    outside("POST transactions/{transactionId}/rollback", here!(abort), "forgets its writes"),
    outside("POST commands", Run::Missing("INVALID_ACTION"), "commands of MongoDB"),
];

const fn row(name: &'static str, run: Run, help: &'static str) -> ActionRow {
    ActionRow { name, gate: Gate::Guest, joins: true, run, help }
}

const fn outside(name: &'static str, run: Run, help: &'static str) -> ActionRow {
    ActionRow { name, gate: Gate::Guest, joins: false, run, help }
}

async fn list(call: &Call<'_>) -> Result<Vec<u8>> {
    let find = read_find(call)?;
    if call.members.flag("count")? {
        let total = total(call, find).await?;
        return Ok(with_number(call, "total", total));
    }
    let (limit, offset) = (find.limit.unwrap_or(call.session.limits.rows_default_client), find.skip);
    let docs = rows(call, Command::Find(Find { limit: Some(limit), ..find })).await?;
    let mut answer = call.answer();
    answer.documents("list", Form::Sdk, docs.iter().map(Doc::raw));
    answer.number("offset", offset);
    answer.number("limit", limit);
    Ok(answer.finish())
}

/// An empty answer means that there is no such document: no document is without its braces.
async fn get(call: &Call<'_>) -> Result<Vec<u8>> {
    let find = Find { filter: by_id(call)?, limit: Some(1), ..read_find(call)? };
    let docs = rows(call, Command::Find(find)).await?;
    Ok(docs.first().map(|doc| text(doc.raw(), Form::Sdk).into_bytes()).unwrap_or_default())
}

async fn insert(call: &Call<'_>) -> Result<Vec<u8>> {
    let docs = call.members.documents("data", &call.reader)?;
    let ids = insert_docs(call, docs).await?;
    let mut answer = call.answer();
    answer.values("insertedIds", ids.iter().map(Value::as_ref));
    Ok(answer.finish())
}

async fn update(call: &Call<'_>) -> Result<Vec<u8>> {
    let multi = call.members.flag("multi")?;
    change(call, |update| Update { multi, ..update }).await
}

async fn update_one(call: &Call<'_>) -> Result<Vec<u8>> {
    let filter = by_id(call)?;
    change(call, |update| Update { filter, ..update }).await
}

/// Operators, or fields: these are set, or with `replaceMode` they are the whole new document.
async fn change(call: &Call<'_>, aim: impl FnOnce(Update) -> Update) -> Result<Vec<u8>> {
    let data = needed_document(call, "data")?;
    let operators = data.raw().elements().next().is_none_or(|first| first.name_bytes().starts_with(b"$"));
    let upsert = call.members.flag("upsert")?;
    let updated = match (operators, call.members.flag("replaceMode")?) {
        (true, false) if data.raw().is_empty() => query::Updated::default(),
        (_, true) => {
            let update = aim(read_update(call, Change::Replacement(data))?);
            update_docs(call, Update { upsert, multi: false, ..update }).await?
        }
        (_, false) => {
            let data = if operators { data } else { setting(&data) };
            let update = aim(read_update(call, Change::Operators(data))?);
            update_docs(call, Update { upsert, ..update }).await?
        }
    };
    let mut answer = call.answer();
    answer.number("matched", updated.matched);
    answer.number("updated", updated.modified);
    for name in ["upsert_id", "upserted_id"] {
        answer.value(name, updated.upserted.as_ref().map_or(ValueRef::Null, Value::as_ref));
    }
    Ok(answer.finish())
}

fn setting(fields: &Doc) -> Doc {
    let mut change = DocBuilder::with_capacity(fields.as_bytes().len() + 16);
    change.put("$set", ValueRef::Document(fields.raw()));
    change.finish()
}

async fn remove(call: &Call<'_>) -> Result<Vec<u8>> {
    let deleted = remove_docs(call).await?;
    Ok(with_number(call, "deleted", deleted))
}

async fn remove_one(call: &Call<'_>) -> Result<Vec<u8>> {
    let delete = query::Delete {
        collection: super::collection(call)?,
        filter: by_id(call)?,
        multi: false,
        collation: None,
        variables: None,
    };
    match call.run(Command::Delete(delete)).await? {
        Reply::Deleted(deleted) => Ok(with_number(call, "deleted", deleted)),
        other => Err(unexpected(&other)),
    }
}

async fn aggregate(call: &Call<'_>) -> Result<Vec<u8>> {
    let pipeline = call.members.documents("pipeline", &call.reader)?;
    let docs = rows(call, pipeline_command(call, pipeline)?).await?;
    let mut answer = call.answer();
    answer.documents("list", Form::Sdk, docs.iter().map(Doc::raw));
    Ok(answer.finish())
}

async fn create_collection(call: &Call<'_>) -> Result<Vec<u8>> {
    let name = super::collection(call)?;
    done(call, Command::Admin(Admin::CreateCollection { name })).await
}

async fn begin(call: &Call<'_>) -> Result<Vec<u8>> {
    match call.run(Command::Begin).await? {
        Reply::Begun(TransactionId(id)) => {
            let mut answer = call.answer();
            answer.text("transactionId", &format!("{id:032x}"));
            Ok(answer.finish())
        }
        other => Err(unexpected(&other)),
    }
}

async fn commit(call: &Call<'_>) -> Result<Vec<u8>> {
    done(call, Command::Commit(super::transaction::needed(call.members)?)).await
}

async fn abort(call: &Call<'_>) -> Result<Vec<u8>> {
    super::transaction::abort(call).await
}

async fn done(call: &Call<'_>, command: Command) -> Result<Vec<u8>> {
    call.run(command).await?;
    Ok(call.answer().finish())
}

fn with_number(call: &Call<'_>, name: &str, number: u64) -> Vec<u8> {
    let mut answer = call.answer();
    answer.number(name, number);
    answer.finish()
}

/// A path cannot tell a text from a number, so an id that reads as a number means both.
fn by_id(call: &Call<'_>) -> Result<Doc> {
    let text = call.members.needed_text("documentId")?;
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    let mut filter = DocBuilder::new();
    let condition = filter.open_document("_id");
    let ids = filter.open_array("$in");
    filter.put("0", ValueRef::String(&text));
    if let Some(number) = number {
        filter.put("1", ValueRef::Double(number));
    }
    filter.close(ids);
    filter.close(condition);
    Ok(filter.finish())
}
