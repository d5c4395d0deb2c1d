//! Database actions of the second wire generation: parameters become commands, replies become answers.

pub mod first;
pub mod rest;
pub mod transaction;
pub mod wx;

use query::insert::Names;
use query::{Aggregate, Change, Command, Delete, Find, FindAndModify, Insert, Reply, Result, Update, Updated};
use serde::Deserialize;
use serde_json::value::RawValue;
use storage::{Doc, DocBuilder, Value, ValueRef};

use super::{Call, unexpected};
use crate::wire::answer::Answer;
use crate::wire::codes::Dialect;
use crate::wire::ejson::Reader;
use crate::wire::members::Members;

/// `database.getDocument`
pub async fn get(call: &Call<'_>) -> Result<Vec<u8>> {
    let find = read_find(call)?;
    let (limit, offset) = (find.limit, find.skip);
    let docs = rows(call, Command::Find(find)).await?;
    let bytes: usize = docs.iter().map(|doc| doc.as_bytes().len()).sum();
    let mut answer = Answer::with_capacity(call.request_id, bytes + bytes / 2);
    answer.object("data", |data| data.document_texts("list", docs.iter().map(Doc::raw)));
    if let Some(limit) = limit.filter(|_| !is_one(call.members)) {
        answer.number("limit", limit);
        answer.number("offset", offset);
    }
    Ok(answer.finish())
}

/// `database.calculateDocument`, `database.countDocument`
pub async fn count(call: &Call<'_>) -> Result<Vec<u8>> {
    let total = total(call, read_find(call)?).await?;
    Ok(data(call, |data| data.number("total", total)))
}

/// How many documents match, whatever the limit.
async fn total(call: &Call<'_>, find: Find) -> Result<u64> {
    match call.run(Command::Count(Find { limit: None, ..find })).await? {
        Reply::Total(total) => Ok(total),
        other => Err(unexpected(&other)),
    }
}

/// `database.insertDocument`
pub async fn insert(call: &Call<'_>) -> Result<Vec<u8>> {
    let docs = call.members.documents("data", &call.reader)?;
    let ids = insert_docs(call, docs).await?;
    Ok(data(call, |data| data.values("insertedIds", ids.iter().map(Value::as_ref))))
}

/// `database.modifyDocument`
pub async fn modify(call: &Call<'_>) -> Result<Vec<u8>> {
    let updated = modify_docs(call).await?;
    Ok(data(call, |data| put_updated(data, &updated, &["upsert_id"])))
}

/// `database.modifyAndReturnDoc`
pub async fn modify_and_return(call: &Call<'_>) -> Result<Vec<u8>> {
    let change = needed_document(call, "data")?;
    let (doc, updated) = match change.raw().is_empty() {
        // Nothing to change: the document as it is.
        true => {
            let found = rows(call, Command::Find(Find { limit: Some(1), ..read_find(call)? })).await?;
            (found.into_iter().next(), Updated::default())
        }
        false => find_and_modify(call, Change::Operators(change)).await?,
    };
    Ok(data(call, |data| {
        data.number("updated", updated.modified);
        match &doc {
            Some(doc) => data.document_text("doc", doc.raw()),
            None => data.value("doc", ValueRef::Null),
        }
    }))
}

/// `database.removeDocument`, `database.deleteDocument`
pub async fn remove(call: &Call<'_>) -> Result<Vec<u8>> {
    let deleted = remove_docs(call).await?;
    Ok(data(call, |data| data.number("deleted", deleted)))
}

/// `database.aggregateDocuments`
pub async fn aggregate(call: &Call<'_>) -> Result<Vec<u8>> {
    let docs = rows(call, read_aggregate(call)?).await?;
    Ok(data(call, |data| data.document_texts("list", docs.iter().map(Doc::raw))))
}

/// `database.addCollection`
pub async fn add_collection(call: &Call<'_>) -> Result<Vec<u8>> {
    let name = call.members.needed_text("collectionName")?.into_owned();
    match call.run(Command::Admin(query::Admin::CreateCollection { name })).await? {
        Reply::Done => Ok(call.answer().finish()),
        other => Err(unexpected(&other)),
    }
}

/// An answer with one object `data`.
fn data(call: &Call<'_>, fill: impl FnOnce(&mut Answer)) -> Vec<u8> {
    let mut answer = call.answer();
    answer.object("data", fill);
    answer.finish()
}

async fn rows(call: &Call<'_>, command: Command) -> Result<Vec<Doc>> {
    match call.run(command).await? {
        Reply::Rows(docs) => Ok(docs),
        other => Err(unexpected(&other)),
    }
}

/// Inserts; a document that is refused refuses the call, those before it stay.
async fn insert_docs(call: &Call<'_>, docs: Vec<Doc>) -> Result<Vec<Value>> {
    let collection = collection(call)?;
    let insert = Insert { collection, docs, ordered: true, names: Names::Plain };
    match call.run(Command::Insert(insert)).await? {
        Reply::Inserted { fault: Some(fault), .. } => Err(fault),
        Reply::Inserted { ids, .. } => Ok(ids),
        other => Err(unexpected(&other)),
    }
}

/// `merge` tells operators from a whole new document. An empty change is none, where MongoDB would read an empty
/// document as a replacement.
async fn modify_docs(call: &Call<'_>) -> Result<Updated> {
    let change = needed_document(call, "data")?;
    let merge = call.members.flag("merge")?;
    if merge && change.raw().is_empty() {
        return Ok(Updated::default());
    }
    let change = if merge { Change::Operators(change) } else { Change::Replacement(change) };
    let multi = merge && call.members.flag("multi")?;
    update_docs(call, Update { multi, upsert: call.members.flag("upsert")?, ..read_update(call, change)? }).await
}

async fn update_docs(call: &Call<'_>, update: Update) -> Result<Updated> {
    match call.run(Command::Update(update)).await? {
        Reply::Updated(updated) => Ok(updated),
        other => Err(unexpected(&other)),
    }
}

async fn find_and_modify(call: &Call<'_>, change: Change) -> Result<(Option<Doc>, Updated)> {
    let update = read_update(call, change)?;
    let modify = FindAndModify { update, remove: false, return_new: true, sort: None, projection: None };
    match call.run(Command::FindAndModify(modify)).await? {
        Reply::Modified { doc, updated } => Ok((doc, updated)),
        other => Err(unexpected(&other)),
    }
}

async fn remove_docs(call: &Call<'_>) -> Result<u64> {
    let delete = Delete {
        collection: collection(call)?,
        filter: filter(call)?,
        multi: call.members.flag("multi")?,
        collation: None,
        variables: None,
    };
    match call.run(Command::Delete(delete)).await? {
        Reply::Deleted(deleted) => Ok(deleted),
        other => Err(unexpected(&other)),
    }
}

fn put_updated(data: &mut Answer, updated: &Updated, id_names: &[&str]) {
    data.number("updated", updated.modified);
    for name in id_names {
        data.value(name, updated.upserted.as_ref().map_or(ValueRef::Null, Value::as_ref));
    }
}

fn collection(call: &Call<'_>) -> Result<String> {
    let member = if call.dialect == Dialect::Wx { "collection_name" } else { "collectionName" };
    call.members.needed_text(member).map(|name| name.into_owned())
}

/// Absent, `""` and `{}` all mean everything.
fn filter(call: &Call<'_>) -> Result<Doc> {
    Ok(call.members.document("query", &call.reader)?.unwrap_or_else(Doc::empty))
}

fn needed_document(call: &Call<'_>, name: &str) -> Result<Doc> {
    let doc = call.members.document(name, &call.reader)?;
    doc.ok_or_else(|| query::Error::new(query::Code::InvalidParam, format!("`{name}` is missing: expected a document")))
}

/// Is the call about one document by its id?
fn is_one(members: &Members<'_>) -> bool {
    let named = members.text("queryType").is_ok_and(|text| text.as_deref() == Some("DOC"));
    named || members.count("query_type").is_ok_and(|number| number == Some(1))
}

fn read_find(call: &Call<'_>) -> Result<Find> {
    let members = call.members;
    let projection = members.document("projection", &call.reader)?;
    let limit = if is_one(members) { Some(1) } else { members.count("limit")? };
    Ok(Find {
        projection: projection.filter(|projection| !projection.raw().is_empty()),
        sort: read_sort(call)?,
        skip: members.count("offset")?.unwrap_or(0),
        limit,
        ..Find::new(collection(call)?, filter(call)?)
    })
}

fn read_update(call: &Call<'_>, change: Change) -> Result<Update> {
    Ok(Update {
        collection: collection(call)?,
        filter: filter(call)?,
        change,
        multi: false,
        upsert: false,
        array_filters: Vec::new(),
        collation: None,
        variables: None,
    })
}

/// A document of paths and directions (second generation), or a list of `{field, direction}` (first, and `wx.cloud`
/// with numbers).
fn read_sort(call: &Call<'_>) -> Result<Option<Doc>> {
    #[derive(Deserialize)]
    struct By<'b> {
        field: String,
        #[serde(borrow)]
        direction: &'b RawValue,
    }
    let is_list = call.members.inner_json("order")?.is_some_and(|text| text.starts_with('['));
    if !is_list {
        return call.members.document("order", &call.reader).map(|sort| sort.filter(|sort| !sort.raw().is_empty()));
    }
    let mut sort = DocBuilder::new();
    for item in call.members.items("order")? {
        let by: By<'_> = read_json("order", item)?;
        let direction = match by.direction.get() {
            "\"asc\"" | "0" => 1,
            "\"desc\"" | "1" => -1,
            other => return Err(invalid(format!("`order`: expected `asc` or `desc`, found {other}"))),
        };
        if let Some(fault) = storage::name_fault(&by.field) {
            return Err(invalid(format!("`order`: {fault}")));
        }
        sort.put(&by.field, ValueRef::Int32(direction));
    }
    Ok(Some(sort.finish()).filter(|sort| !sort.raw().is_empty()))
}

/// The stages: `[{stageKey, stageValue}]`, a value being JSON text of any kind.
fn read_aggregate(call: &Call<'_>) -> Result<Command> {
    let stages = call.members.items("stages")?;
    let stages_max = usize::try_from(call.session.limits.pipeline_stages_max).unwrap_or(usize::MAX);
    if stages.len() > stages_max {
        return Err(invalid(format!("`stages`: {} stages, at most {stages_max} are allowed", stages.len())));
    }
    let pipeline = stages.into_iter().enumerate().map(|(index, stage)| read_stage(index, stage, &call.reader));
    pipeline_command(call, pipeline.collect::<Result<_>>()?)
}

fn pipeline_command(call: &Call<'_>, pipeline: Vec<Doc>) -> Result<Command> {
    Ok(Command::Aggregate(Aggregate {
        collection: Some(collection(call)?),
        pipeline,
        collation: None,
        variables: None,
        explain: false,
    }))
}

fn read_stage(index: usize, stage: &RawValue, reader: &Reader) -> Result<Doc> {
    #[derive(Deserialize)]
    struct Stage<'s> {
        #[serde(alias = "stageKey")]
        stage_key: String,
        #[serde(borrow, alias = "stageValue")]
        stage_value: &'s RawValue,
    }
    let place = format!("stages[{index}]");
    let stage: Stage<'_> = read_json(&place, stage)?;
    let raw = stage.stage_value.get();
    let text: String = if raw.starts_with('"') { read_json(&place, stage.stage_value)? } else { raw.to_owned() };
    let value = reader.value(&text).map_err(|error| error.at(&format!("`{place}.stageValue`")))?;
    if let Some(fault) = storage::name_fault(&stage.stage_key) {
        return Err(invalid(format!("`{place}.stageKey`: {fault}")));
    }
    let mut doc = DocBuilder::new();
    doc.put(&stage.stage_key, value.as_ref());
    Ok(doc.finish())
}

fn read_json<'r, T: Deserialize<'r>>(place: &str, raw: &'r RawValue) -> Result<T> {
    serde_json::from_str(raw.get()).map_err(|fault| invalid(format!("`{place}`: {fault}")))
}

fn invalid(message: String) -> query::Error {
    query::Error::new(query::Code::InvalidParam, message)
}
