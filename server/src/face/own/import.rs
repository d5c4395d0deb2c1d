//! Import: documents from a stream of JSON of any length, in bounded memory.
//!
//! Records are written in batches; while one is on its way to the disk the next is read.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use http_body_util::BodyExt;
use query::insert::Names;
use query::{
    Caller, Change, Code, Command, Doc, DocBuilder, Durable, EnvId, Error, Insert, Reply, Result, Session, Started,
    Update, ValueRef,
};
use serde::{Deserialize, Serialize};

use super::{Answered, shown};
use crate::app::App;
use crate::wire::ejson::Reader;
use crate::wire::records::Splitter;

/// Records that are written together.
const BATCH_DOCS: usize = 1000;
/// Bytes of BSON after which a batch is written, however few its records.
const BATCH_BYTES: usize = 4 << 20;
/// Batches whose commits may be on their way to the disk at once.
const PENDING_MAX: usize = 8;
/// Faults that are told one by one; more are only counted.
const FAULTS_MAX: usize = 20;
/// Longest text of one record, in bytes: the largest document with every value wrapped.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// What an import does with a document whose id exists.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// It is a fault.
    #[default]
    Insert,
    /// The document is replaced.
    Upsert,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ImportOptions {
    mode: Mode,
    stop_on_error: bool,
}

/// Takes in documents: JSON objects one after the other.
pub(super) async fn take_in(
    State(app): State<Arc<App>>,
    Path((env, collection)): Path<(String, String)>,
    Query(options): Query<ImportOptions>,
    request: Request,
) -> Answered {
    let env = app.tenants.env(&env)?;
    let mut import = Import::new(&app, env, collection, options);
    let mut splitter = Splitter::new(RECORD_BYTES_MAX);
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|fault| Error::new(Code::Cancelled, format!("the file broke off: {fault}")))?;
        let Some(bytes) = frame.data_ref() else { continue };
        let mut records = Vec::new();
        let split = splitter.push(bytes, |record| {
            records.push(record.to_vec());
            Ok(())
        });
        for record in records {
            import.take(&record).await?;
        }
        if let Err(error) = split {
            // What comes behind cannot be told apart any more.
            import.fault_behind(&error).await?;
            import.stop();
        }
        if import.stopped {
            break;
        }
    }
    if let (Err(error), false) = (splitter.finish(), import.stopped) {
        import.fault_behind(&error).await?;
    }
    import.flush().await?;
    import.settle(0).await?;
    shown(&import.report)
}

/// An import under way.
struct Import<'a> {
    app: &'a App,
    env: EnvId,
    collection: String,
    options: ImportOptions,
    batch: Vec<Doc>,
    batch_bytes: usize,
    pending: VecDeque<Durable>,
    report: Report,
    stopped: bool,
}

/// What became of the records.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    read: u64,
    inserted: u64,
    updated: u64,
    failed: u64,
    stopped: bool,
    faults: Vec<RecordFault>,
}

#[derive(Debug, Serialize)]
struct RecordFault {
    /// Counted from 1.
    record: u64,
    message: String,
}

impl<'a> Import<'a> {
    fn new(app: &'a App, env: EnvId, collection: String, options: ImportOptions) -> Import<'a> {
        Import {
            app,
            env,
            collection,
            options,
            batch: Vec::new(),
            batch_bytes: 0,
            pending: VecDeque::new(),
            report: Report::default(),
            stopped: false,
        }
    }

    async fn take(&mut self, record: &[u8]) -> Result<()> {
        if self.stopped {
            return Ok(());
        }
        let number = self.report.read + 1;
        match self.read(record) {
            Ok(doc) => {
                self.batch_bytes += doc.as_bytes().len();
                self.batch.push(doc);
                self.report.read = number;
            }
            Err(error) => self.fault_behind(&error).await?,
        }
        if self.batch.len() >= BATCH_DOCS || self.batch_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    fn read(&self, record: &[u8]) -> Result<Doc> {
        let text = std::str::from_utf8(record).map_err(|_| Error::new(Code::InvalidParam, "it is not UTF-8"))?;
        Reader::new(self.session().now).document(text)
    }

    /// Writes the batch. Its commits are waited for later, so that reading goes on meanwhile.
    async fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() || self.stopped {
            return Ok(());
        }
        let first = self.report.read + 1 - batch.len() as u64;
        match self.options.mode {
            Mode::Insert => self.insert(batch, first).await?,
            Mode::Upsert => self.upsert(batch, first).await?,
        }
        self.settle(PENDING_MAX).await
    }

    /// Inserts in order, so that it is known which record a fault is about, and goes on behind it.
    async fn insert(&mut self, mut docs: Vec<Doc>, mut first: u64) -> Result<()> {
        while !docs.is_empty() && !self.stopped {
            let insert =
                Insert { collection: self.collection.clone(), docs: docs.clone(), ordered: true, names: Names::Plain };
            let (inserted, fault) = match self.app.start(&self.session(), Command::Insert(insert)).await {
                Ok(Started { reply: Reply::Inserted { ids, fault }, durable }) => {
                    self.pending.push_back(durable);
                    (ids.len(), fault)
                }
                Ok(Started { reply, .. }) => return Err(unexpected(&reply)),
                Err(error) => (0, Some(error)),
            };
            self.report.inserted += inserted as u64;
            let Some(fault) = fault else { break };
            self.fault(first + inserted as u64, &about_record(fault)?);
            docs.drain(..=inserted.min(docs.len() - 1));
            first += inserted as u64 + 1;
        }
        Ok(())
    }

    async fn upsert(&mut self, docs: Vec<Doc>, first: u64) -> Result<()> {
        for (number, doc) in (first..).zip(docs) {
            if let Err(error) = self.upsert_one(doc).await {
                self.fault(number, &about_record(error)?);
            }
            if self.stopped {
                break;
            }
        }
        Ok(())
    }

    async fn upsert_one(&mut self, doc: Doc) -> Result<()> {
        let Some(id) = doc.get("_id") else {
            let insert =
                Insert { collection: self.collection.clone(), docs: vec![doc], ordered: true, names: Names::Plain };
            let Started { reply, durable } = self.app.start(&self.session(), Command::Insert(insert)).await?;
            self.pending.push_back(durable);
            let Reply::Inserted { fault, .. } = reply else { return Err(unexpected(&reply)) };
            self.report.inserted += u64::from(fault.is_none());
            return fault.map_or(Ok(()), Err);
        };
        let update = Update {
            collection: self.collection.clone(),
            filter: by_id(id),
            change: Change::Replacement(doc),
            multi: false,
            upsert: true,
            array_filters: Vec::new(),
            collation: None,
            variables: None,
        };
        let Started { reply, durable } = self.app.start(&self.session(), Command::Update(update)).await?;
        self.pending.push_back(durable);
        let Reply::Updated(updated) = reply else { return Err(unexpected(&reply)) };
        self.report.inserted += u64::from(updated.upserted.is_some());
        self.report.updated += updated.matched;
        Ok(())
    }

    /// Waits until no more than so many commits are on their way.
    async fn settle(&mut self, pending_max: usize) -> Result<()> {
        while self.pending.len() > pending_max {
            if let Some(durable) = self.pending.pop_front() {
                durable.await?;
            }
        }
        Ok(())
    }

    /// Counts a record that cannot even be read. What stands before it is written first, so that faults come in order
    /// and a stop at this one leaves the others behind.
    async fn fault_behind(&mut self, error: &Error) -> Result<()> {
        self.flush().await?;
        self.report.read += 1;
        self.fault(self.report.read, error);
        Ok(())
    }

    fn fault(&mut self, record: u64, error: &Error) {
        self.report.failed += 1;
        if self.report.faults.len() < FAULTS_MAX {
            self.report.faults.push(RecordFault { record, message: error.message.clone() });
        }
        if self.options.stop_on_error {
            self.stop();
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.report.stopped = true;
    }

    fn session(&self) -> Session {
        self.app.session(self.env, Caller::Admin)
    }
}

/// `{_id: id}`
fn by_id(id: ValueRef<'_>) -> Doc {
    let mut filter = DocBuilder::new();
    let inner = filter.open_document("_id");
    filter.put("$eq", id);
    filter.close(inner);
    filter.finish()
}

/// A fault of one record; any other ends the import.
fn about_record(error: Error) -> Result<Error> {
    match error.code {
        Code::DuplicateKey | Code::BadRequest | Code::InvalidParam | Code::InvalidOperator | Code::TooLarge => {
            Ok(error)
        }
        _ => Err(error),
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::new(Code::Internal, format!("a command was answered with {reply:?}"))
}
