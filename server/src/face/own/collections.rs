//! Collections and their indexes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use query::{Admin, Aggregate, Code, Command, Doc, Error, Find, Policy, Reply, Result, ValueRef};
use serde::Deserialize;
use serde_json::json;

use super::{Answered, BODY_BYTES_MAX, asked, session, shown};
use crate::app::App;
use crate::face::{body, json as answer};
use crate::wire::ejson::{Form, Reader, Writer};

/// Every collection with its counts.
pub(super) async fn list(State(app): State<Arc<App>>, Path(env): Path<String>) -> Answered {
    let rows = rows(&app, &env, Admin::ListCollections).await?;
    documents("collections", &rows)
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Makes a collection.
pub(super) async fn create(State(app): State<Arc<App>>, Path(env): Path<String>, request: Request) -> Answered {
    let Named { name } = asked(&app, request).await?;
    done(&app, &env, Admin::CreateCollection { name: name.clone() }).await?;
    shown(&json!({"name": name}))
}

/// One collection with its counts and indexes.
pub(super) async fn stats(State(app): State<Arc<App>>, Path((env, name)): Path<(String, String)>) -> Answered {
    let collections = rows(&app, &env, Admin::ListCollections).await?;
    let is_it = |row: &&Doc| row.get("name").and_then(ValueRef::as_str) == Some(name.as_str());
    let row = collections.iter().find(is_it).ok_or_else(|| missing(&name))?;
    let indexes = rows(&app, &env, Admin::ListIndexes { collection: name.clone() }).await?;
    let mut out = vec![b'{'];
    put_document(&mut out, "collection", row);
    out.push(b',');
    put_documents(&mut out, "indexes", &indexes);
    out.push(b'}');
    Ok(answer(StatusCode::OK, out))
}

/// Drops a collection.
pub(super) async fn remove(State(app): State<Arc<App>>, Path((env, name)): Path<(String, String)>) -> Answered {
    done(&app, &env, Admin::DropCollection { name }).await?;
    shown(&json!({}))
}

/// Indexes with their state and progress.
pub(super) async fn indexes(State(app): State<Arc<App>>, Path((env, name)): Path<(String, String)>) -> Answered {
    let rows = rows(&app, &env, Admin::ListIndexes { collection: name }).await?;
    documents("indexes", &rows)
}

/// Makes an index: the body is MongoDB's index document.
pub(super) async fn create_index(
    State(app): State<Arc<App>>,
    Path((env, name)): Path<(String, String)>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    let held = body::read(&app, &head.headers, body, BODY_BYTES_MAX).await?;
    let index = read_document(&app, &held.bytes)?;
    done(&app, &env, Admin::CreateIndex { collection: name, index }).await?;
    shown(&json!({}))
}

/// What clients may do: the name of a mode, or rules.
pub(super) async fn policy(State(app): State<Arc<App>>, Path((env, collection)): Path<(String, String)>) -> Answered {
    let rows = rows(&app, &env, Admin::GetPolicy { collection }).await?;
    shown(&json!({"policy": rows.first().and_then(|row| row.get("policy")).and_then(ValueRef::as_str)}))
}

#[derive(Deserialize)]
struct PolicyText {
    policy: String,
}

/// Sets what clients may do, from the next request on.
pub(super) async fn set_policy(
    State(app): State<Arc<App>>,
    Path((env, collection)): Path<(String, String)>,
    request: Request,
) -> Answered {
    let PolicyText { policy } = asked(&app, request).await?;
    done(&app, &env, Admin::SetPolicy { collection, policy }).await?;
    shown(&json!({}))
}

/// Reads a policy and says what it lets clients do, without setting it.
pub(super) async fn check_policy(State(app): State<Arc<App>>, request: Request) -> Answered {
    let PolicyText { policy } = asked(&app, request).await?;
    shown(&json!({"summary": Policy::parse(&policy)?.summary()}))
}

/// Drops an index.
pub(super) async fn drop_index(
    State(app): State<Arc<App>>,
    Path((env, collection, name)): Path<(String, String, String)>,
) -> Answered {
    done(&app, &env, Admin::DropIndex { collection, name }).await?;
    shown(&json!({}))
}

/// The plan of a query or a pipeline, and what carrying it out took. The body is `{filter, sort, skip, limit, hint}` or
/// `{pipeline}`. A pipeline that writes is refused.
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Path((env, name)): Path<(String, String)>,
    request: Request,
) -> Answered {
    let (head, body) = request.into_parts();
    let held = body::read(&app, &head.headers, body, BODY_BYTES_MAX).await?;
    let question = Question(read_document(&app, &held.bytes)?);
    let command = match question.0.get("pipeline") {
        Some(stages) => question.pipeline(name, stages)?,
        None => question.find(name)?,
    };
    match app.run(&session(&app, &env)?, command).await? {
        Reply::Rows(rows) => documents("plan", &rows),
        other => Err(Error::new(Code::Internal, format!("an explanation was answered with {other:?}")).into()),
    }
}

/// What is to be explained.
struct Question(Doc);

impl Question {
    fn doc(&self, name: &str) -> Result<Option<Doc>> {
        match self.0.get(name) {
            None => Ok(None),
            Some(ValueRef::Document(doc)) => Ok(Some(doc.to_doc())),
            Some(other) => Err(wrong(name, "a document", other)),
        }
    }

    fn count(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let count = value.as_i64().and_then(|count| u64::try_from(count).ok());
        count.map(Some).ok_or_else(|| wrong(name, "a whole number from 0", value))
    }

    fn find(&self, collection: String) -> Result<Command> {
        Ok(Command::Find(Find {
            sort: self.doc("sort")?,
            projection: self.doc("projection")?,
            skip: self.count("skip")?.unwrap_or(0),
            limit: self.count("limit")?,
            hint: self.0.get("hint").map(ValueRef::to_value),
            explain: true,
            ..Find::new(collection, self.doc("filter")?.unwrap_or_else(Doc::empty))
        }))
    }

    fn pipeline(&self, collection: String, stages: ValueRef<'_>) -> Result<Command> {
        let list = stages.as_array().ok_or_else(|| wrong("pipeline", "an array of stages", stages))?;
        let stage = |stage: ValueRef<'_>| match stage {
            ValueRef::Document(doc) => Ok(doc.to_doc()),
            other => Err(wrong("pipeline", "an array of documents", other)),
        };
        let pipeline = list.iter().map(stage).collect::<Result<Vec<_>>>()?;
        let writes = |stage: &Doc| ["$out", "$merge"].iter().any(|name| stage.get(name).is_some());
        if pipeline.iter().any(writes) {
            let message = "a pipeline with $out or $merge writes when it is explained; leave that stage out";
            return Err(Error::new(Code::InvalidParam, message));
        }
        let collection = Some(collection);
        Ok(Command::Aggregate(Aggregate { collection, pipeline, collation: None, variables: None, explain: true }))
    }
}

fn wrong(name: &str, expected: &str, found: ValueRef<'_>) -> Error {
    Error::new(Code::InvalidParam, format!("`{name}`: expected {expected}, found {}", found.kind().name()))
}

async fn done(app: &App, env: &str, admin: Admin) -> Result<()> {
    app.run(&session(app, env)?, Command::Admin(admin)).await.map(drop)
}

async fn rows(app: &App, env: &str, admin: Admin) -> Result<Vec<Doc>> {
    match app.run(&session(app, env)?, Command::Admin(admin)).await? {
        Reply::Rows(rows) => Ok(rows),
        other => Err(Error::new(Code::Internal, format!("a list was answered with {other:?}"))),
    }
}

fn read_document(app: &App, bytes: &Bytes) -> Result<Doc> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::new(Code::InvalidParam, "the body is not UTF-8"))?;
    Reader::new(app.now_ms()).document(text).map_err(|error| error.at("the body"))
}

fn missing(name: &str) -> Error {
    Error::new(Code::CollectionMissing, format!("the collection {name:?} does not exist"))
}

fn documents(name: &str, docs: &[Doc]) -> Answered {
    let mut out = vec![b'{'];
    put_documents(&mut out, name, docs);
    out.push(b'}');
    Ok(answer(StatusCode::OK, out))
}

fn put_documents(out: &mut Vec<u8>, name: &str, docs: &[Doc]) {
    put_name(out, name);
    out.push(b'[');
    for (index, doc) in docs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        Writer::<0>::new(out, Form::Relaxed).document(doc.raw());
    }
    out.push(b']');
}

fn put_document(out: &mut Vec<u8>, name: &str, doc: &Doc) {
    put_name(out, name);
    Writer::<0>::new(out, Form::Relaxed).document(doc.raw());
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    Writer::<0>::new(out, Form::Relaxed).text(name);
    out.push(b':');
}
