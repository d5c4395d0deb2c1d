//! How far each text index is, and what it answers at a moment.
//!
//! An index lags behind the store, so an answer has two parts: documents that the index knows as they are at that
//! moment, and documents that have changed on the way between the two, which must be looked at themselves. The second
//! part comes from the change log, so the answer is exact however far the index lags.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::fields::{Passage, TextFields};
use super::language::Language;
use super::search::Search;
use super::shadow::{Lookup, Shadow};
use crate::catalog::{Collection, Index};
use crate::changes::Change;
use crate::doc::{Doc, RawDoc};
use crate::error::{Error, Result};
use crate::key::{IndexId, Rid, Seq};
use crate::store::{Store, View};

/// Commits that a search looks through by itself; beyond this many it waits for the index first.
const LAG_MAX: u64 = 1000;
/// How long a search waits for an index that lags far behind.
const WAIT: Duration = Duration::from_secs(1);

/// The documents that a text index answers with.
#[derive(Clone, Debug, Default)]
pub struct TextHits {
    /// Documents with one of the words, and about how well each fits; in insertion order.
    pub found: Vec<(Rid, f32)>,
    /// Documents that have changed beside the index: whether they match only they themselves can say.
    pub unknown: Vec<Rid>,
}

/// The text indexes of a store.
pub(crate) struct Texts {
    /// Where the indexes are kept; `None` means in memory.
    pub(super) folder: Option<PathBuf>,
    /// The last commit that the store had when it was opened.
    pub(super) opened_at: Seq,
    pub(super) standings: Mutex<HashMap<IndexId, Arc<Mutex<Standing>>>>,
    pub(super) thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) signal: Arc<Signal>,
    /// Counts the sweeps, for those who wait for an index.
    pub(super) moves: Mutex<u64>,
    pub(super) moved: Condvar,
}

/// How the thread is told what to do; it holds this and not the store while it rests, so that the store can close.
#[derive(Default)]
pub(super) struct Signal {
    pub(super) stop: AtomicBool,
    /// Is there something to do at once?
    pub(super) wanted: Mutex<bool>,
    pub(super) called: Condvar,
}

/// How far one index is: it holds the documents as of `committed`, but for those that have changed up to `swept`.
pub(super) struct Standing {
    pub(super) shadow: Arc<Shadow>,
    pub(super) lookup: Option<Lookup>,
    /// Are all documents in?
    pub(super) is_filled: bool,
    /// Files that cannot be read: the index is to be built anew.
    pub(super) is_damaged: bool,
    pub(super) committed: Seq,
    pub(super) swept: Seq,
    pub(super) changed: BTreeSet<Rid>,
    /// When the changes are to be taken over.
    pub(super) due: Instant,
    /// What the store has noted of `swept`.
    pub(super) noted: Seq,
}

impl Texts {
    /// The indexes of a store in this folder, or in memory.
    pub(crate) fn new(folder: Option<PathBuf>, opened_at: Seq) -> Texts {
        Texts {
            folder: folder.map(|folder| folder.join("text")),
            opened_at,
            standings: Mutex::default(),
            thread: Mutex::default(),
            signal: Arc::default(),
            moves: Mutex::default(),
            moved: Condvar::default(),
        }
    }

    /// Has the thread look at once.
    pub(crate) fn call(&self) {
        *self.signal.wanted.lock() = true;
        self.signal.called.notify_all();
    }

    /// Which commits of the log may go, of those up to `last`, and what to note in the same commit: how far each index
    /// is.
    pub(crate) fn release(&self, last: Seq) -> (Seq, Vec<(IndexId, Seq, Seq)>) {
        let (mut free, mut notes) = (last, Vec::new());
        for (id, standing) in &*self.standings.lock() {
            let mut standing = standing.lock();
            if standing.is_filled && standing.changed.is_empty() && standing.swept >= last {
                if standing.noted < last && standing.committed < last {
                    standing.noted = standing.swept;
                    notes.push((*id, standing.committed, standing.swept));
                }
            } else {
                free = free.min(standing.committed.max(standing.noted));
            }
        }
        (free, notes)
    }

    fn standing(&self, index: &Index) -> Option<Arc<Mutex<Standing>>> {
        self.standings.lock().get(&index.id).cloned()
    }

    /// Waits a little for an index that lags far behind a commit.
    fn wait(&self, standing: &Mutex<Standing>, seq: Seq) {
        let until = Instant::now() + WAIT;
        let mut moves = self.moves.lock();
        while standing.lock().swept.0.saturating_add(LAG_MAX) < seq.0 {
            self.call();
            if self.moved.wait_until(&mut moves, until).timed_out() {
                return;
            }
        }
    }
}

impl Standing {
    pub(super) fn new(shadow: Shadow, at: Seq, is_filled: bool) -> Standing {
        Standing {
            shadow: Arc::new(shadow),
            lookup: None,
            is_filled,
            is_damaged: false,
            committed: at,
            swept: at,
            changed: BTreeSet::new(),
            due: Instant::now(),
            noted: Seq(0),
        }
    }

    /// What the index holds; its files are checked when they are first needed.
    fn look(&mut self) -> Option<Lookup> {
        if !self.is_filled || self.is_damaged {
            return None;
        }
        if self.lookup.is_none() {
            match self.shadow.check().and_then(|()| self.shadow.lookup()) {
                Ok(lookup) => self.lookup = Some(lookup),
                Err(_) => self.is_damaged = true,
            }
        }
        self.lookup.clone()
    }
}

impl View {
    /// What a text index knows about a search at this moment. `None` where it cannot answer now (it is being built, or
    /// this moment lies before the change log): every document must be looked at then.
    ///
    /// # Errors
    /// `Io` or `Corrupt`; what `tick` answers, which is asked now and then.
    pub fn text_hits<E: From<Error>>(
        &self,
        coll: &Collection,
        index: &Index,
        search: &Search,
        tick: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<TextHits>, E> {
        let texts = &self.store.texts;
        let (Some(standing), Some(fields)) = (texts.standing(index), &index.text) else { return Ok(None) };
        texts.wait(&standing, self.seq());
        // Taken together: the three belong to one moment of the index.
        let (lookup, swept, changed) = {
            let mut standing = standing.lock();
            (standing.look(), standing.swept, standing.changed.clone())
        };
        let Some(lookup) = lookup else {
            texts.call();
            return Ok(None);
        };
        let Some(mut unknown) = self.changed_beside(coll, index, fields, swept, tick)? else { return Ok(None) };
        unknown.extend(changed);
        let hits = lookup.hits(search, tick)?;
        let found = hits.into_iter().filter(|hit| !unknown.contains(&hit.rid)).map(|hit| (hit.rid, hit.score));
        Ok(Some(TextHits { found: found.collect(), unknown: unknown.into_iter().collect() }))
    }

    /// The documents whose texts have changed between this moment and a commit, whichever is earlier. `None` where
    /// the log does not reach back so far.
    fn changed_beside<E: From<Error>>(
        &self,
        coll: &Collection,
        index: &Index,
        fields: &TextFields,
        swept: Seq,
        tick: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Option<BTreeSet<Rid>>, E> {
        let (from, to) = (self.seq().min(swept), self.seq().max(swept));
        let newest = Store { inner: self.store.clone() }.view();
        let view = if swept > self.seq() { &newest } else { self };
        let (mut changed, mut expected) = (BTreeSet::new(), from.0 + 1);
        let mut changes = view.changes(from);
        while expected <= to.0 {
            let Some(commit) = changes.next_commit()?.filter(|commit| commit.seq.0 == expected) else {
                return Ok(None);
            };
            expected += 1;
            for change in commit.changes.iter().filter(|change| change.coll == coll.id) {
                tick()?;
                if concerns(index, fields, change) {
                    changed.insert(change.rid);
                }
            }
        }
        Ok(Some(changed))
    }
}

/// Does a change make a difference to a text index?
pub(super) fn concerns(index: &Index, fields: &TextFields, change: &Change) -> bool {
    texts(index, fields, change.before.as_ref()) != texts(index, fields, change.after.as_ref())
}

fn texts<'d>(index: &Index, fields: &TextFields, doc: Option<&'d Doc>) -> Vec<(&'d str, Language, u32)> {
    let mut texts = Vec::new();
    let Some(doc) = doc.filter(|doc| is_in(index, doc.raw())) else { return texts };
    let taken: Result<(), Infallible> = fields.each(doc.raw(), |_, Passage { text, language, weight }| {
        texts.push((text, language, weight));
        Ok(())
    });
    let Ok(()) = taken;
    texts
}

/// Is the document one of those that the index is about?
pub(super) fn is_in(index: &Index, doc: RawDoc<'_>) -> bool {
    index.partial.as_ref().is_none_or(|partial| (partial.matches)(doc))
}

impl Drop for Texts {
    fn drop(&mut self) {
        self.end();
    }
}

impl Texts {
    /// Ends the thread after its current step.
    pub(crate) fn end(&self) {
        self.signal.stop.store(true, Ordering::SeqCst);
        self.call();
        let Some(thread) = self.thread.lock().take() else { return };
        if thread.thread().id() != std::thread::current().id() {
            drop(thread.join());
        }
    }
}
