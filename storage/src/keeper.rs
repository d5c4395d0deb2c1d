//! One background thread with one bounded queue and a closed list of chores.
//!
//! It builds indexes, gives back the space of what was dropped, removes expired documents, trims the change log and
//! syncs what was buffered. Chores are short steps: a stop is heeded between two of them, and every chore can be taken
//! up again after a crash from what the store itself notes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::admin::read_dropped;
use crate::catalog::{Collection, FieldOrder, Index, IndexState, codec};
use crate::changes;
use crate::commit::Submission;
use crate::doc::Doc;
use crate::engine::{Cursor, Durability, Kv, Scan, Snap};
use crate::error::{Error, Result};
use crate::index;
use crate::key::{self, EnvId, IndexId, KeyRange, Rid, Seq, Space};
use crate::stats;
use crate::store::{Inner, Store, View};
use crate::value::{Kind, ValueRef};
use crate::write::Edit;

/// Documents that one step of an index build looks at; their locks are held for about a millisecond.
const BUILD_STEP_DOCS: usize = 128;
/// Documents that one step of expiry removes before it waits for the disk.
const EXPIRE_STEP_DOCS: usize = 1000;
/// Change log that is worth a compaction when it is trimmed, in bytes.
const TRIM_WORTH_BYTES: u64 = 32 << 20;
/// How many times longer than usual the log is kept for an index that lags behind.
const LAG_KEEPS: i64 = 4;
/// Chores that may wait; more are taken up from the store's notes at the next start.
const QUEUE_MAX: usize = 4096;
/// Buffered writes that are worth moving to their files in a quiet moment: reads are about twice as quick there.
const SETTLE_WORTH_BYTES: u64 = 4 << 20;
/// Time without a commit that counts as a quiet moment.
const QUIET: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum Chore {
    Build { env: EnvId, collection: String, index: IndexId },
    Reclaim { id: u64 },
}

/// The background thread of a store.
#[derive(Default)]
pub(crate) struct Keeper {
    queue: Mutex<Option<SyncSender<Chore>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
}

impl Keeper {
    /// Starts the thread and queues what an earlier run left unfinished.
    ///
    /// # Errors
    /// `Io` where the thread cannot be started.
    pub(crate) fn start(store: &Store) -> Result<()> {
        let keeper = &store.inner.keeper;
        let (queue, chores) = sync_channel(QUEUE_MAX);
        *keeper.queue.lock() = Some(queue);
        keeper.queue_unfinished(&store.view())?;
        let (store, stop) = (Arc::downgrade(&store.inner), keeper.stop.clone());
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || Round { store, stop, last: Times::default() }.run(&chores))
            .map_err(|error| Error::Io(error.to_string()))?;
        *keeper.thread.lock() = Some(thread);
        Ok(())
    }

    /// Builds an index in the background.
    pub(crate) fn build(&self, env: EnvId, collection: &str, index: IndexId) {
        self.push(Chore::Build { env, collection: collection.to_owned(), index });
    }

    /// Gives back the space that a note in the store speaks of.
    pub(crate) fn reclaim(&self, id: u64) {
        self.push(Chore::Reclaim { id });
    }

    /// Ends the thread after its current step.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.queue.lock().take());
        let Some(thread) = self.thread.lock().take() else { return };
        if thread.thread().id() != std::thread::current().id() {
            drop(thread.join());
        }
    }

    fn push(&self, chore: Chore) {
        if let Some(queue) = &*self.queue.lock() {
            drop(queue.try_send(chore)); // a full queue loses nothing: the store's notes stay
        }
    }

    fn queue_unfinished(&self, view: &View) -> Result<()> {
        for env in view.catalog().envs() {
            for collection in env.collections() {
                let building = collection.indexes.iter().filter(|index| index.state == IndexState::Building);
                building.for_each(|index| self.build(env.id, &collection.name, index.id));
            }
        }
        let mut notes = view.moment.snap.scan(Space::Meta, &KeyRange::prefix(b"d"), Scan::Forward);
        while let Some((key, _)) = notes.next()? {
            self.reclaim(key::trailing_u64(key).unwrap_or_default());
        }
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread carries from tick to tick. It holds the store weakly, so that the store can close.
struct Round {
    store: Weak<Inner>,
    stop: Arc<AtomicBool>,
    last: Times,
}

struct Times {
    sync: Instant,
    expire: Instant,
    trim: Instant,
    /// The newest commit, and since when it is that.
    commit: (Seq, Instant),
}

impl Default for Times {
    fn default() -> Times {
        let now = Instant::now();
        Times { sync: now, expire: now, trim: now, commit: (Seq(0), now) }
    }
}

impl Round {
    fn run(mut self, chores: &Receiver<Chore>) {
        while !self.stop.load(Ordering::SeqCst) {
            match chores.recv_timeout(TICK) {
                Ok(chore) => self.with_store(|round, store| round.chore(store, chore)),
                Err(RecvTimeoutError::Timeout) => self.with_store(|round, store| round.tick(store)),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Background work has nobody to answer to: a fault ends the step, and the next one meets it again if it lasts.
    fn with_store(&mut self, work: impl FnOnce(&mut Round, &Store) -> Result<()>) {
        if let Some(inner) = self.store.upgrade() {
            drop(work(self, &Store { inner }));
        }
    }

    fn chore(&self, store: &Store, chore: Chore) -> Result<()> {
        match chore {
            Chore::Build { env, collection, index } => self.build(store, env, &collection, index),
            Chore::Reclaim { id } => reclaim(store, id),
        }
    }

    fn tick(&mut self, store: &Store) -> Result<()> {
        let now = Instant::now();
        if due(&mut self.last.sync, now, Duration::from_secs(1))
            || store.inner.options.durability == Durability::Buffered
        {
            store.inner.pipeline.sync()?;
        }
        if due(&mut self.last.expire, now, Duration::from_millis(store.inner.options.expire_every_ms)) {
            self.expire(store)?;
        }
        if due(&mut self.last.trim, now, Duration::from_secs(10)) {
            trim_log(store)?;
        }
        self.settle(store, now)
    }

    /// Moves buffered writes to their files once no commit has come for a while.
    fn settle(&mut self, store: &Store, now: Instant) -> Result<()> {
        let newest = store.inner.pipeline.published().seq;
        let (seen, since) = self.last.commit;
        if newest != seen {
            self.last.commit = (newest, now);
            return Ok(());
        }
        let engine = &store.inner.engine;
        if now.duration_since(since) < QUIET || engine.buffered() < SETTLE_WORTH_BYTES {
            return Ok(());
        }
        engine.flush()
    }

    fn build(&self, store: &Store, env: EnvId, collection: &str, id: IndexId) -> Result<()> {
        store.settle()?; // from here on the view holds every document whose writer did not know the index
        let Some(coll) = store.view().collection(env, collection).cloned() else { return Ok(()) };
        let Some(index) = coll.indexes.iter().find(|index| index.id == id).cloned() else { return Ok(()) };
        if index.text.is_some() {
            store.inner.texts.call();
            return Ok(());
        }
        match self.build_steps(store, &coll, &index) {
            Ok(Some(multikey)) => store.finish_index(&coll, id, &IndexState::Ready, multikey),
            Ok(None) => Ok(()),
            Err(error @ (Error::Halted | Error::Closed | Error::Full | Error::Io(_) | Error::Unknown(_))) => Err(error),
            Err(error) => store.finish_index(&coll, id, &IndexState::Failed { reason: error.to_string() }, 0),
        }
    }

    /// Returns the multikey bits at the end; `None` where the store closes first.
    fn build_steps(&self, store: &Store, coll: &Collection, index: &Arc<Index>) -> Result<Option<u32>> {
        let view = store.view();
        let (mut done, mut multikey) = read_progress(&view, index.id)?;
        let mut docs = view.scan(coll, Some(Rid(done + 1)), Scan::Forward);
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let mut rids = Vec::with_capacity(BUILD_STEP_DOCS);
            while rids.len() < BUILD_STEP_DOCS
                && let Some((rid, _)) = docs.next_doc()?
            {
                rids.push(rid);
            }
            let Some(last) = rids.last() else { return Ok(Some(multikey)) };
            done = last.0;
            let (bits, ticket) = store.index_documents(coll, index, &rids, |bits, batch| {
                let progress = codec::encode(&(done, multikey | bits));
                batch.put(Space::Meta, &key::meta_progress(index.id), &progress);
            })?;
            multikey |= bits;
            index.progress.fetch_add(rids.len() as u64, Ordering::Relaxed);
            ticket.wait()?;
        }
    }

    /// Removes documents whose date in an expiring index has passed.
    fn expire(&self, store: &Store) -> Result<()> {
        let view = store.view();
        for env in view.catalog().envs() {
            for coll in env.collections() {
                for index in coll.ready_indexes().filter(|index| index.expire_after_s.is_some()) {
                    self.expire_index(store, coll, index)?;
                }
            }
        }
        Ok(())
    }

    fn expire_index(&self, store: &Store, coll: &Collection, index: &Index) -> Result<()> {
        let after_ms = i64::from(index.expire_after_s.unwrap_or_default()) * 1000;
        let last = (store.inner.options.clock)().saturating_sub(after_ms);
        let Some(range) = dates_until(index, last) else { return Ok(()) };
        loop {
            let view = store.view();
            let mut entries = view.entries(coll, index, &range, Scan::Forward);
            let mut rids = Vec::new();
            while rids.len() < EXPIRE_STEP_DOCS
                && let Some(entry) = entries.next_entry()?
            {
                rids.push(entry.rid);
            }
            let mut ticket = None;
            for rid in &rids {
                let changed = store.change(coll, *rid, |doc| remove_if_expired(coll, index, *rid, doc, &range))?;
                ticket = changed.map(|changed| changed.ticket).or(ticket);
            }
            match ticket {
                Some(ticket) if !self.stop.load(Ordering::SeqCst) => drop(ticket.wait()?),
                _ => return Ok(()),
            }
        }
    }
}

fn due(last: &mut Instant, now: Instant, every: Duration) -> bool {
    let is_due = now.duration_since(*last) >= every;
    if is_due {
        *last = now;
    }
    is_due
}

/// Looked at again under the document's lock: the date may have been moved on since.
fn remove_if_expired(coll: &Collection, index: &Index, rid: Rid, doc: &Doc, range: &KeyRange) -> Result<Edit> {
    let set = index::entries(coll.env, index, doc.raw(), rid)?;
    let expired = set.entries.iter().any(|entry| inside(entry.key.get(8..).unwrap_or_default(), range));
    Ok(if expired { Edit::Remove } else { Edit::Keep })
}

fn inside(key: &[u8], range: &KeyRange) -> bool {
    key >= range.start.as_slice() && key < range.end.as_slice()
}

/// The entries of dates up to a moment; expiring indexes have one field.
fn dates_until(index: &Index, last_ms: i64) -> Option<KeyRange> {
    let [field] = index.fields.as_slice() else { return None };
    let mut bound = Vec::new();
    key::encode(ValueRef::DateTime(last_ms), field.order.direction(), None, &mut bound);
    let (first_byte, _) = key::class_range(Kind::DateTime);
    match field.order {
        FieldOrder::Ascending => Some(KeyRange { start: vec![first_byte], end: key::successor(&bound) }),
        FieldOrder::Descending => Some(KeyRange { start: bound, end: vec![!first_byte + 1] }),
        _ => None,
    }
}

fn read_progress(view: &View, index: IndexId) -> Result<(u64, u32)> {
    match view.moment.snap.get(Space::Meta, &key::meta_progress(index))? {
        Some(record) => codec::decode(&record),
        None => Ok((0, 0)),
    }
}

fn reclaim(store: &Store, id: u64) -> Result<()> {
    store.settle()?;
    let key = key::meta_dropped(id);
    let Some(record) = store.view().moment.snap.get(Space::Meta, &key)? else { return Ok(()) };
    for (space, range) in read_dropped(&record)? {
        store.inner.engine.reclaim(space, &range);
    }
    let mut submission = Submission::default();
    submission.batch.delete(Space::Meta, &key);
    store.inner.pipeline.submit(submission)?.wait().map(drop)
}

/// Drops commits that are older than the log is kept. The last one stays (a start needs it), and so do those that the
/// stored counts have not seen.
pub(crate) fn trim_log(store: &Store) -> Result<()> {
    let view = store.view();
    let oldest = (store.inner.options.clock)().saturating_sub(store.inner.options.log_keep_ms);
    let long_ago = oldest.saturating_sub(store.inner.options.log_keep_ms.saturating_mul(LAG_KEEPS));
    let counted = match view.moment.snap.get(Space::Meta, key::META_COUNTS)? {
        Some(record) => stats::seq_of(&record)?,
        None => return Ok(()),
    };
    let bound = counted.0.min(view.seq().0);
    let all = KeyRange { start: Vec::new(), end: key::log(Seq(bound)).to_vec() };
    let (mut log, mut trimmed) = (view.moment.snap.scan(Space::Log, &all, Scan::Forward), None);
    let (mut bytes, mut overdue) = (0, 0);
    while let Some((key, value)) = log.next()? {
        if changes::at_ms(value).is_none_or(|at_ms| at_ms >= oldest) {
            break;
        }
        bytes += value.len() as u64;
        if changes::at_ms(value).is_some_and(|at_ms| at_ms < long_ago) {
            overdue = key::trailing_u64(key).unwrap_or_default();
        }
        trimmed = Some(key.to_vec());
    }
    let Some(last) = trimmed.as_deref().and_then(key::trailing_u64) else { return Ok(()) };
    let mut submission = Submission::default();
    // Text indexes read the log; one that lags far too long is built anew rather than waited for.
    let (free, notes) = store.inner.texts.release(Seq(last));
    for (index, committed, swept) in notes {
        submission.batch.put(Space::Meta, &key::meta_progress(index), &codec::encode(&(committed.0, swept.0)));
    }
    let range = KeyRange { start: Vec::new(), end: key::log(Seq(free.0.max(overdue) + 1)).to_vec() };
    submission.batch.delete_range(Space::Log, &range);
    store.inner.pipeline.submit(submission)?.wait()?;
    if bytes > TRIM_WORTH_BYTES {
        store.inner.engine.reclaim(Space::Log, &range);
    }
    Ok(())
}
