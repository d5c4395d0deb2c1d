//! Export: documents as a stream of JSON lines of any length, in bounded memory.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use query::{Caller, Code, Command, Doc, DocBuilder, EnvId, Error, Find, RawDoc, Reply, Result, Value, ValueRef};
use serde::Deserialize;

use super::Answered;
use crate::app::App;
use crate::wire::ejson::{Form, Reader, Writer};

/// Documents of one piece.
const PAGE_DOCS: u64 = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExportOptions {
    /// A filter as Extended JSON.
    query: Option<String>,
    /// Names of fields, separated by commas.
    fields: Option<String>,
    /// Every number wrapped, so that nothing about types is lost.
    canonical: bool,
}

/// Sends documents, one JSON object a line, in the order of their ids.
pub(super) async fn send_out(
    State(app): State<Arc<App>>,
    Path((env, collection)): Path<(String, String)>,
    Query(options): Query<ExportOptions>,
) -> Answered {
    let mut export = Export::new(&app, &env, collection, &options)?;
    // The first page is read before the answer begins, so that a fault still gets its status.
    let first = export.next_page().await?;
    let pages = futures_util::stream::unfold((Some(export), first), |(export, page)| async move {
        let bytes = page?;
        let mut export = export?;
        let next = export.next_page().await;
        match next {
            Ok(next) => Some((Ok::<_, Error>(bytes), (Some(export), next))),
            // The connection breaks off, which the receiver notices; a status is sent already.
            Err(error) => {
                tracing::warn!(error = %error, "an export broke off");
                Some((Err(error), (None, None)))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pages));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// An export under way: pages by id, one class of values after the other, because `$gt` compares within a class.
struct Export {
    app: Arc<App>,
    env: EnvId,
    collection: String,
    filter: Option<Doc>,
    projection: Option<Doc>,
    form: Form,
    classes: VecDeque<Class>,
    last: Option<Value>,
}

/// Ids that compare with each other.
struct Class {
    /// The filter that begins with the first of them.
    first: Doc,
    /// Is there one such id only? Behind it lies another class.
    single: bool,
}

impl Export {
    fn new(app: &Arc<App>, env: &str, collection: String, options: &ExportOptions) -> Result<Export> {
        let env = app.tenants.env(env)?;
        let reader = Reader::new(app.session(env, Caller::Admin).now);
        let filter = options.query.as_deref().filter(|text| !text.is_empty());
        let filter = filter.map(|text| reader.document(text).map_err(|error| error.at("`query`"))).transpose()?;
        let form = if options.canonical { Form::Canonical } else { Form::Relaxed };
        Ok(Export {
            app: app.clone(),
            env,
            collection,
            filter,
            projection: options.fields.as_deref().map(projection).transpose()?,
            form,
            classes: id_classes(),
            last: None,
        })
    }

    /// The next lines; `None` at the end.
    async fn next_page(&mut self) -> Result<Option<Bytes>> {
        while let Some(class) = self.classes.front() {
            let by_id = match &self.last {
                Some(last) => by_id("$gt", last.as_ref()),
                None => class.first.clone(),
            };
            let single = class.single;
            let docs = self.read_page(by_id).await?;
            self.last = docs.last().and_then(|doc| doc.get("_id")).map(ValueRef::to_value);
            if single || self.last.is_none() {
                self.last = None;
                self.classes.pop_front();
            }
            if !docs.is_empty() {
                return Ok(Some(self.lines(&docs)));
            }
        }
        Ok(None)
    }

    async fn read_page(&self, by_id: Doc) -> Result<Vec<Doc>> {
        let filter = match &self.filter {
            Some(filter) => both(&by_id, filter),
            None => by_id,
        };
        let mut sort = DocBuilder::new();
        sort.put("_id", ValueRef::Int32(1));
        let find = Find {
            projection: self.projection.clone(),
            sort: Some(sort.finish()),
            limit: Some(PAGE_DOCS),
            ..Find::new(self.collection.clone(), filter)
        };
        match self.app.run(&self.app.session(self.env, Caller::Admin), Command::Find(find)).await? {
            Reply::Rows(docs) => Ok(docs),
            other => Err(unexpected(&other)),
        }
    }

    fn lines(&self, docs: &[Doc]) -> Bytes {
        let mut out = Vec::with_capacity(docs.iter().map(|doc| doc.as_bytes().len() + 1).sum());
        for doc in docs {
            Writer::<0>::new(&mut out, self.form).document(doc.raw());
            out.push(b'\n');
        }
        out.into()
    }
}

/// The classes of values that an id can have, in their order.
fn id_classes() -> VecDeque<Class> {
    let one = |value: ValueRef<'_>| Class { first: by_id("$eq", value), single: true };
    let from = |value: ValueRef<'_>| Class { first: by_id("$gte", value), single: false };
    VecDeque::from([
        one(ValueRef::MinKey),
        one(ValueRef::Null),
        one(ValueRef::Double(f64::NAN)),
        from(ValueRef::Double(f64::NEG_INFINITY)),
        from(ValueRef::String("")),
        from(ValueRef::Document(RawDoc::empty())),
        from(ValueRef::Binary { subtype: 0, bytes: &[] }),
        from(ValueRef::ObjectId([0; 12])),
        from(ValueRef::Bool(false)),
        from(ValueRef::DateTime(i64::MIN)),
        from(ValueRef::Timestamp { seconds: 0, increment: 0 }),
        one(ValueRef::MaxKey),
    ])
}

/// `{_id: {operator: value}}`
fn by_id(operator: &str, value: ValueRef<'_>) -> Doc {
    let mut filter = DocBuilder::new();
    let inner = filter.open_document("_id");
    filter.put(operator, value);
    filter.close(inner);
    filter.finish()
}

fn both(first: &Doc, second: &Doc) -> Doc {
    let mut filter = DocBuilder::new();
    let list = filter.open_array("$and");
    filter.put_at(0, ValueRef::Document(first.raw()));
    filter.put_at(1, ValueRef::Document(second.raw()));
    filter.close(list);
    filter.finish()
}

/// The named fields; the id always comes along, because pages go on from it.
fn projection(fields: &str) -> Result<Doc> {
    let mut projection = DocBuilder::new();
    for field in fields.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        if let Some(fault) = query::name_fault(field) {
            return Err(Error::new(Code::InvalidParam, format!("`fields`: {fault}")));
        }
        projection.put(field, ValueRef::Int32(1));
    }
    Ok(projection.finish())
}

fn unexpected(reply: &Reply) -> Error {
    Error::new(Code::Internal, format!("a command was answered with {reply:?}"))
}
