//! The one road to the disk: commits get their number here, wait in a group, and are written and synced together.
//!
//! A writer hands in what it has prepared and gets a [`Ticket`]; from then on the order is fixed. One thread takes the
//! waiting group, gives it to the engine with one sync, publishes the new moment and only then answers the tickets.
//! While it works the next group gathers, so 64 writers share one sync. Writers that read a document in order to
//! change it look into the waiting commits first; readers see published moments only, so
//! nobody ever reads what is not durable.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::cache::DocCache;
use crate::catalog::{Catalog, Collection};
use crate::changes::{self, Change};
use crate::doc::Doc;
use crate::engine::{Batch, Durability, Engine, Kv, Snapshot};
use crate::error::{Error, Result};
use crate::key::{self, Direction, Rid, Seq, Space};
use crate::stats::{self, Tally};
use crate::sync::{self, AtomicBool, AtomicU64, Condvar, JoinHandle, Mutex, Ordering, RwLock};
use crate::witness::Witness;

/// Bytes that may wait for the disk before writers have to wait as well.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// Document writes after which the counts of collections are stored anew.
const COUNTS_KEPT_EVERY: usize = 20_000;
/// Quiet time after which the commit thread does its housekeeping.
const IDLE: Duration = Duration::from_secs(1);

/// A published moment: what readers see.
pub(crate) struct Moment {
    pub(crate) seq: Seq,
    pub(crate) snap: Snapshot,
    pub(crate) catalog: Arc<Catalog>,
}

/// One commit on its way: everything that becomes visible together.
#[derive(Default)]
pub(crate) struct Submission {
    /// What happens to documents.
    pub(crate) docs: Vec<DocWrite>,
    /// Everything else: index entries, catalog records.
    pub(crate) batch: Batch,
    /// Keys of unique entries that later writers must see before they are published: removed or held by a rid.
    pub(crate) unique: Vec<(Vec<u8>, Option<Rid>)>,
    /// How many groups had been undone when its preparation began; `None` where nothing was read for it.
    pub(crate) undone: Option<u64>,
}

/// What happens to one document.
pub(crate) struct DocWrite {
    pub(crate) coll: Arc<Collection>,
    pub(crate) change: Change,
}

/// A promise that a commit becomes durable. Wait on a thread, or await it on any runtime.
#[derive(Clone)]
#[must_use = "a write may be answered only after its ticket"]
pub struct Ticket {
    done: Arc<Done>,
    seq: Seq,
}

#[derive(Default)]
struct Done {
    state: Mutex<(Option<Result<()>>, Vec<Waker>)>,
    finished: Condvar,
}

/// The pipeline of a store: what waits, what is published, and the thread between.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    engine: Arc<Engine>,
    cache: DocCache,
    durability: Durability,
    clock: fn() -> i64,
    waiting: Mutex<Waiting>,
    work: Condvar,
    room: Condvar,
    published: RwLock<Arc<Moment>>,
    next_rid: AtomicU64,
    halted: AtomicBool,
    witness: Option<Mutex<Witness>>,
    unsynced: AtomicBool,
    /// How many groups the engine had no room for. What was prepared on top of one must be prepared again.
    undone: AtomicU64,
    followers: Followers,
}

/// Threads that wait for the next commit.
#[derive(Default)]
struct Followers {
    count: AtomicU64,
    turn: Mutex<()>,
    news: Condvar,
}

struct Waiting {
    next_seq: u64,
    group: Group,
    docs: HashMap<Rid, Overlaid<Option<Doc>>>,
    unique: HashMap<Vec<u8>, Overlaid<Option<Rid>>>,
    catalog: Arc<Catalog>,
    closing: bool,
}

#[derive(Default)]
struct Group {
    batch: Batch,
    docs: Vec<Written>,
    tallies: Vec<Tally>,
    last_seq: Seq,
    done: Arc<Done>,
}

/// A document that a group writes.
struct Written {
    coll: Arc<Collection>,
    rid: Rid,
    version: Seq,
    doc: Option<Doc>,
    is_new: bool,
}

/// What a waiting commit will make of a document or unique key; `None` inside means gone.
#[derive(Clone)]
struct Overlaid<T> {
    seq: Seq,
    now: T,
}

/// What a pipeline starts from.
pub(crate) struct Start {
    pub(crate) seq: Seq,
    pub(crate) next_rid: u64,
    pub(crate) catalog: Catalog,
    pub(crate) cache_bytes: usize,
    pub(crate) durability: Durability,
    pub(crate) clock: fn() -> i64,
    pub(crate) witness: Option<Witness>,
}

impl Pipeline {
    /// Publishes the first moment and starts the commit thread.
    ///
    /// # Errors
    /// `Io` where the thread cannot be started.
    pub(crate) fn start(engine: Arc<Engine>, start: Start) -> Result<Pipeline> {
        let catalog = Arc::new(start.catalog);
        let moment = Moment { seq: start.seq, snap: engine.snapshot(), catalog: catalog.clone() };
        let shared = Arc::new(Shared {
            engine,
            cache: DocCache::new(start.cache_bytes),
            durability: start.durability,
            clock: start.clock,
            waiting: Mutex::new(Waiting {
                next_seq: start.seq.0 + 1,
                group: Group::default(),
                docs: HashMap::new(),
                unique: HashMap::new(),
                catalog,
                closing: false,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            published: RwLock::new(Arc::new(moment)),
            next_rid: AtomicU64::new(start.next_rid),
            halted: AtomicBool::new(false),
            witness: start.witness.map(Mutex::new),
            unsynced: AtomicBool::new(false),
            undone: AtomicU64::new(0),
            followers: Followers::default(),
        });
        let thread = sync::spawn("commit", {
            let shared = shared.clone();
            move || shared.run()
        });
        let thread = thread.map_err(|error| Error::Io(error.to_string()))?;
        Ok(Pipeline { shared, thread: Mutex::new(Some(thread)) })
    }

    /// The last published moment.
    pub(crate) fn published(&self) -> Arc<Moment> {
        self.shared.published.read().clone()
    }

    /// The newest catalog, published or not: what writers prepare for.
    pub(crate) fn newest_catalog(&self) -> Arc<Catalog> {
        self.shared.waiting.lock().catalog.clone()
    }

    pub(crate) fn cache(&self) -> &DocCache {
        &self.shared.cache
    }

    /// Takes the next number of a document.
    pub(crate) fn next_rid(&self) -> Rid {
        Rid(self.shared.next_rid.fetch_add(1, Ordering::Relaxed))
    }

    /// What the waiting commits will make of a document, if they touch it.
    pub(crate) fn waiting_doc(&self, rid: Rid) -> Option<(Seq, Option<Doc>)> {
        self.shared.waiting.lock().docs.get(&rid).map(|overlaid| (overlaid.seq, overlaid.now.clone()))
    }

    /// Who will hold a unique key after the waiting commits, if they touch it.
    pub(crate) fn waiting_holder(&self, key: &[u8]) -> Option<Option<Rid>> {
        self.shared.waiting.lock().unique.get(key).map(|overlaid| overlaid.now)
    }

    /// How many groups have been undone; ask before reading what a commit is prepared from.
    pub(crate) fn undone(&self) -> u64 {
        self.shared.undone.load(Ordering::SeqCst)
    }

    /// Fixes the place of a commit in the order of all commits.
    ///
    /// # Errors
    /// `Conflict` where a collection changed its indexes since the commit was prepared, or a group was undone that it
    /// may build on; `Halted`, `Closed`.
    pub(crate) fn submit(&self, submission: Submission) -> Result<Ticket> {
        self.shared.submit(submission, None)
    }

    /// Changes the catalog: `edit` makes the new one from the newest and says what to store with it.
    ///
    /// # Errors
    /// What `edit` answers; `Halted`, `Closed`.
    pub(crate) fn submit_catalog<T>(
        &self,
        edit: impl FnOnce(&Catalog, &mut Batch) -> Result<(Catalog, T)>,
    ) -> Result<(Ticket, T)> {
        let mut submission = Submission::default();
        let mut waiting = self.shared.waiting.lock();
        let (catalog, made) = edit(&waiting.catalog, &mut submission.batch)?;
        let ticket = self.shared.submit_locked(&mut waiting, submission, Some(Arc::new(catalog)))?;
        Ok((ticket, made))
    }

    /// Waits until everything that was submitted before is durable.
    ///
    /// # Errors
    /// `Halted` or the fault of the last group.
    pub(crate) fn settle(&self) -> Result<()> {
        self.submit(Submission::default())?.wait().map(drop)
    }

    /// Makes buffered commits survive power loss; called about once a second.
    ///
    /// # Errors
    /// `Io`: writes are halted from then on.
    pub(crate) fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    /// Waits until a commit beyond this one is published, at most so long; the newest published commit.
    pub(crate) fn wait_beyond(&self, seq: Seq, timeout: Duration) -> Seq {
        let followers = &self.shared.followers;
        let newest = || self.shared.published.read().seq;
        let mut turn = followers.turn.lock();
        // Counted before looking: who publishes after the look sees the follower and wakes it.
        followers.count.fetch_add(1, Ordering::SeqCst);
        if newest() <= seq {
            followers.news.wait_for(&mut turn, timeout);
        }
        followers.count.fetch_sub(1, Ordering::SeqCst);
        newest()
    }

    /// Has a fault stopped all writes?
    pub(crate) fn is_halted(&self) -> bool {
        self.shared.halted.load(Ordering::SeqCst)
    }

    /// Writes what waits, then ends the thread. Later submissions answer `Closed`.
    pub(crate) fn close(&self) {
        self.shared.waiting.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            drop(thread.join());
        }
        drop(self.shared.sync());
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.close();
    }
}

impl Followers {
    fn wake(&self) {
        if self.count.load(Ordering::SeqCst) > 0 {
            drop(self.turn.lock());
            self.news.notify_all();
        }
    }
}

impl Shared {
    fn submit(&self, submission: Submission, catalog: Option<Arc<Catalog>>) -> Result<Ticket> {
        let mut waiting = self.waiting.lock();
        while waiting.group.batch.bytes() > WAITING_BYTES_MAX && !self.halted.load(Ordering::SeqCst) {
            self.room.wait(&mut waiting);
        }
        self.submit_locked(&mut waiting, submission, catalog)
    }

    fn submit_locked(
        &self,
        waiting: &mut Waiting,
        submission: Submission,
        catalog: Option<Arc<Catalog>>,
    ) -> Result<Ticket> {
        if self.halted.load(Ordering::SeqCst) {
            return Err(Error::Halted);
        }
        if waiting.closing {
            return Err(Error::Closed);
        }
        let built_on_sand = submission.undone.is_some_and(|undone| undone != self.undone.load(Ordering::SeqCst));
        if built_on_sand || submission.docs.iter().any(|write| write.coll.is_superseded()) {
            return Err(Error::Conflict);
        }
        let seq = Seq(waiting.next_seq);
        waiting.next_seq += 1;
        if let Some(catalog) = catalog {
            waiting.catalog.supersede(&catalog);
            waiting.catalog = catalog;
        }
        self.add_to_group(waiting, seq, submission);
        self.work.notify_one();
        Ok(Ticket { done: waiting.group.done.clone(), seq })
    }

    fn add_to_group(&self, waiting: &mut Waiting, seq: Seq, submission: Submission) {
        let group = &mut waiting.group;
        group.last_seq = seq;
        let mut changes = Vec::with_capacity(submission.docs.len());
        for DocWrite { coll, change } in submission.docs {
            let doc_key = key::document(change.env, change.coll, change.rid);
            match &change.after {
                Some(doc) => put_document(&mut group.batch, &doc_key, seq, doc),
                None => group.batch.delete(Space::Doc, &doc_key),
            }
            waiting.docs.insert(change.rid, Overlaid { seq, now: change.after.clone() });
            group.tallies.push(Tally::of(&coll, &change));
            let (doc, is_new) = (change.after.clone(), change.before.is_none());
            group.docs.push(Written { coll, rid: change.rid, version: seq, doc, is_new });
            changes.push(change);
        }
        group.batch.append(&submission.batch);
        for (key, holder) in submission.unique {
            waiting.unique.insert(key, Overlaid { seq, now: holder });
        }
        let record = changes::encode((self.clock)(), self.next_rid.load(Ordering::Relaxed), &changes);
        group.batch.put(Space::Log, &key::log(seq), &record);
    }

    fn run(&self) {
        let mut uncounted = 0;
        while let Some((group, catalog)) = self.next_group(&mut uncounted) {
            uncounted += group.docs.len();
            self.commit(group, catalog);
            if uncounted > COUNTS_KEPT_EVERY {
                self.keep_counts(&mut uncounted);
            }
        }
        self.keep_counts(&mut uncounted);
    }

    /// Stores the counts of all collections with the commit that they belong to, so that a start after a crash has
    /// to look through the last few commits only. Lost counts are no fault: they are made again from the log.
    fn keep_counts(&self, uncounted: &mut usize) {
        if *uncounted == 0 || self.halted.load(Ordering::SeqCst) {
            return;
        }
        let moment = self.published.read().clone();
        let mut batch = Batch::default();
        batch.put(Space::Meta, key::META_COUNTS, &stats::record(moment.seq, &moment.catalog));
        if self.engine.write(&batch, Durability::Buffered).is_ok() {
            *uncounted = 0;
        }
    }

    /// Waits for work; `None` once the store closes and nothing waits.
    fn next_group(&self, uncounted: &mut usize) -> Option<(Group, Arc<Catalog>)> {
        let mut waiting = self.waiting.lock();
        while waiting.group.batch.is_empty() {
            if waiting.closing {
                return None;
            }
            if self.work.wait_for(&mut waiting, IDLE).timed_out() && *uncounted > 0 {
                drop(waiting);
                self.keep_counts(uncounted);
                waiting = self.waiting.lock();
            }
        }
        let group = std::mem::take(&mut waiting.group);
        self.room.notify_all();
        Some((group, waiting.catalog.clone()))
    }

    fn commit(&self, group: Group, catalog: Arc<Catalog>) {
        // Announced first: from here on no cached version of these documents may be used.
        group.docs.iter().for_each(|written| self.cache.write_starts(written.rid, written.version));
        let outcome = self.engine.write(&group.batch, self.durability);
        match outcome {
            Ok(()) => self.publish(&group, catalog),
            Err(Error::Full) => self.undo_waiting(&group),
            Err(_) => self.halt(),
        }
        group.done.finish(outcome.map_err(|error| match error {
            Error::Full => Error::Full,
            other => Error::Unknown(other.to_string()),
        }));
    }

    fn publish(&self, group: &Group, catalog: Arc<Catalog>) {
        for Written { coll, rid, version, doc, is_new } in &group.docs {
            self.cache.write_done(coll.id, *rid, *version, group.last_seq, doc.as_ref());
            // Callers often ask next for what they have just added.
            if let Some(entry) = doc.as_ref().filter(|_| *is_new).and_then(|doc| id_entry(coll, doc)) {
                self.cache.fill_rid(coll.id, &entry, *rid);
            }
        }
        group.tallies.iter().for_each(Tally::apply);
        let moment = Moment { seq: group.last_seq, snap: self.engine.snapshot(), catalog };
        *self.published.write() = Arc::new(moment);
        self.followers.wake();
        // Published before it leaves the overlay, so a writer that misses it here finds it there.
        let mut waiting = self.waiting.lock();
        waiting.docs.retain(|_, overlaid| overlaid.seq > group.last_seq);
        waiting.unique.retain(|_, overlaid| overlaid.seq > group.last_seq);
        drop(waiting);
        match self.durability {
            Durability::Synced => self.note_witness(group.last_seq),
            Durability::Buffered => self.unsynced.store(true, Ordering::SeqCst),
        }
    }

    fn note_witness(&self, seq: Seq) {
        // A witness that cannot be written must not stop commits that are safely on disk; it only lags behind.
        if let Some(witness) = &self.witness {
            drop(witness.lock().note(seq));
        }
    }

    /// The engine refused a group and wrote nothing: whatever was built on top of it fails with it.
    fn undo_waiting(&self, failed: &Group) {
        let mut waiting = self.waiting.lock();
        let published = self.published.read().clone();
        let dependants = std::mem::take(&mut waiting.group);
        self.undone.fetch_add(1, Ordering::SeqCst);
        waiting.docs.clear();
        waiting.unique.clear();
        waiting.next_seq = published.seq.0 + 1;
        waiting.catalog = published.catalog.clone();
        waiting.catalog.reinstate();
        self.room.notify_all();
        drop(waiting);
        if !Arc::ptr_eq(&dependants.done, &failed.done) {
            dependants.done.finish(Err(Error::Full));
        }
    }

    fn halt(&self) {
        self.halted.store(true, Ordering::SeqCst);
        let dependants = std::mem::take(&mut self.waiting.lock().group);
        self.room.notify_all();
        dependants.done.finish(Err(Error::Halted));
    }

    fn sync(&self) -> Result<()> {
        let seq = self.published.read().seq;
        if self.unsynced.swap(false, Ordering::SeqCst) {
            if let Err(error) = self.engine.sync() {
                self.halt();
                return Err(error);
            }
            self.note_witness(seq);
        }
        match &self.witness {
            Some(witness) => witness.lock().sync(),
            None => Ok(()),
        }
    }
}

/// The key of a document's entry in the index of `_id`.
fn id_entry(coll: &Collection, doc: &Doc) -> Option<Vec<u8>> {
    let index = coll.id_index()?;
    let mut entry = Vec::with_capacity(48);
    entry.extend_from_slice(&key::entries(coll.env, index.id));
    key::encode(doc.get("_id")?, Direction::Ascending, None, &mut entry);
    Some(entry)
}

/// Stored form of a document: the commit that wrote it, a checksum, the BSON.
fn put_document(batch: &mut Batch, key: &[u8], seq: Seq, doc: &Doc) {
    let sum = crc32fast::hash(doc.as_bytes());
    batch.put_parts(Space::Doc, key, &[&seq.0.to_le_bytes(), &sum.to_le_bytes(), doc.as_bytes()]);
}

/// Bytes before the BSON in a stored document.
pub(crate) const DOC_HEAD_BYTES: usize = 12;

/// Reads the stored form of a document.
///
/// # Errors
/// `Corrupt` where the checksum does not match.
pub(crate) fn read_document(key: &[u8], stored: &[u8]) -> Result<Seq> {
    let corrupt = || Error::Corrupt { place: "document", detail: format!("key {key:02x?}") };
    let (seq, rest) = stored.split_first_chunk::<8>().ok_or_else(corrupt)?;
    let (sum, bson) = rest.split_first_chunk::<4>().ok_or_else(corrupt)?;
    if crc32fast::hash(bson) != u32::from_le_bytes(*sum) {
        return Err(corrupt());
    }
    Ok(Seq(u64::from_le_bytes(*seq)))
}

/// Reads the stored form of a document and keeps the document, sharing the bytes.
///
/// # Errors
/// `Corrupt` where the checksum does not match.
pub(crate) fn keep_document(key: &[u8], stored: &Bytes) -> Result<(Seq, Doc)> {
    let seq = read_document(key, stored)?;
    Ok((seq, Doc::trusted(stored.slice(DOC_HEAD_BYTES..))))
}

impl Done {
    fn finish(&self, outcome: Result<()>) {
        let wakers = {
            let mut state = self.state.lock();
            state.0 = Some(outcome);
            std::mem::take(&mut state.1)
        };
        self.finished.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Ticket {
    /// The number of the commit.
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Do two tickets end together? Then waiting for one is enough.
    pub fn same_group(&self, other: &Ticket) -> bool {
        Arc::ptr_eq(&self.done, &other.done)
    }

    /// Blocks until the commit is durable.
    ///
    /// # Errors
    /// `Full`: nothing was written. `Unknown`: it may or may not survive. `Halted`.
    pub fn wait(&self) -> Result<Seq> {
        let mut state = self.done.state.lock();
        loop {
            if let Some(outcome) = &state.0 {
                return outcome.clone().map(|()| self.seq);
            }
            self.done.finished.wait(&mut state);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.seq.0)
    }
}

impl Future for Ticket {
    type Output = Result<Seq>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.done.state.lock();
        match &state.0 {
            Some(outcome) => Poll::Ready(outcome.clone().map(|()| self.seq)),
            None => {
                state.1.push(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
