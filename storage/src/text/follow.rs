//! The thread that keeps text indexes up to date: it follows the change log, builds indexes that are missing or
//! damaged, and clears away those that were dropped.
//!
//! An index can always be made anew from the documents, so nothing here is ever in the way of a write: a fault drops
//! the index from memory, and a later round takes it up again or rebuilds it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fields::TextFields;
use super::search::scores;
use super::shadow::{self, Shadow, Writer};
use super::standing::{Signal, Standing, Texts, concerns, is_in};
use super::words::warm_up;
use crate::catalog::{Catalog, Collection, Index, IndexState, codec};
use crate::doc::RawDoc;
use crate::engine::{Scan, Snap};
use crate::error::{Error, Result};
use crate::key::{self, CollId, IndexId, Rid, Seq, Space};
use crate::store::{Inner, Store, View};

/// How long the thread rests where nobody calls it: with and without text indexes.
const REST: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(2);
/// How long changes gather before they are taken over, at least.
const GATHER: Duration = Duration::from_millis(300);
/// Changes that are taken over at once.
const CHANGED_MAX: usize = 256;
/// How long a writer stays open after its last change.
const WRITER_IDLE: Duration = Duration::from_secs(10);
/// How long a faulty index is left alone.
const AFTER_FAULT: Duration = Duration::from_secs(5);
/// Documents between two looks at the rest of the world while an index is built.
const BUILD_STEP_DOCS: usize = 256;

impl Texts {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Io` where it cannot be started.
    pub(crate) fn start(store: &Store) -> Result<()> {
        let signal = store.inner.texts.signal.clone();
        let follower = Follower { store: Arc::downgrade(&store.inner), signal, ..Follower::default() };
        let thread = std::thread::Builder::new()
            .name("text".to_owned())
            .spawn(move || follower.run())
            .map_err(|error| Error::Io(error.to_string()))?;
        *store.inner.texts.thread.lock() = Some(thread);
        Ok(())
    }

    fn forget(&self, id: IndexId) {
        self.standings.lock().remove(&id);
    }
}

impl Signal {
    /// Rests until somebody calls, at most so long. Tells whether the thread is to go on.
    fn rest(&self, at_most: Duration) -> bool {
        let mut wanted = self.wanted.lock();
        if !*wanted {
            self.called.wait_for(&mut wanted, at_most);
        }
        *wanted = false;
        !self.stop.load(Ordering::SeqCst)
    }
}

/// A text index and its collection.
#[derive(Clone)]
struct Target {
    coll: Arc<Collection>,
    index: Arc<Index>,
    fields: TextFields,
}

#[derive(Default)]
struct Follower {
    store: Weak<Inner>,
    signal: Arc<Signal>,
    catalog: Arc<Catalog>,
    targets: Vec<Target>,
    writers: HashMap<IndexId, (Writer, Instant)>,
    faulty: HashMap<IndexId, Instant>,
    /// Indexes that this process has brought up to date before.
    met: HashSet<IndexId>,
    is_cleared: bool,
}

impl Follower {
    fn run(mut self) {
        loop {
            match self.store.upgrade() {
                // There is nobody to tell of a fault; the next round meets it again if it lasts.
                Some(inner) => drop(self.round(&Store { inner })),
                None => return,
            }
            if !self.signal.rest(if self.targets.is_empty() { IDLE } else { REST }) {
                return;
            }
        }
    }

    fn round(&mut self, store: &Store) -> Result<()> {
        let view = store.view();
        self.learn(store, &view);
        for target in self.targets.clone() {
            if !store.inner.texts.standings.lock().contains_key(&target.index.id) && self.is_due_again(&target) {
                let outcome = self.take_up(store, &target);
                self.note_fault(store, &target, outcome);
            }
        }
        let view = store.view();
        self.sweep(store, &view)?;
        for target in self.targets.clone() {
            let outcome = self.take_over(store, &view, &target);
            self.note_fault(store, &target, outcome);
        }
        self.writers.retain(|_, (_, used)| used.elapsed() < WRITER_IDLE);
        Ok(())
    }

    fn is_due_again(&self, target: &Target) -> bool {
        self.faulty.get(&target.index.id).is_none_or(|since| since.elapsed() > AFTER_FAULT)
    }

    fn note_fault(&mut self, store: &Store, target: &Target, outcome: Result<()>) {
        let id = target.index.id;
        match outcome {
            Ok(()) => drop(self.faulty.remove(&id)),
            Err(_) => {
                self.writers.remove(&id);
                store.inner.texts.forget(id);
                self.faulty.insert(id, Instant::now());
            }
        }
    }

    /// Reads the catalog where it has changed.
    fn learn(&mut self, store: &Store, view: &View) {
        if Arc::ptr_eq(&self.catalog, view.catalog()) && self.is_cleared {
            return;
        }
        self.catalog = view.catalog().clone();
        self.targets.clear();
        for env in self.catalog.envs() {
            for coll in env.collections() {
                let texts = coll.indexes.iter().filter_map(|index| Some((index, index.text.as_deref()?)));
                self.targets.extend(texts.map(|(index, fields)| Target {
                    coll: coll.clone(),
                    index: index.clone(),
                    fields: fields.clone(),
                }));
            }
        }
        self.clear(&store.inner.texts);
        if !self.targets.is_empty() {
            warm_up();
        }
    }

    /// Removes what belongs to indexes that do not exist any more.
    fn clear(&mut self, texts: &Texts) {
        let targets = &self.targets;
        let exists = |id: &IndexId| targets.iter().any(|target| target.index.id == *id);
        self.writers.retain(|id, _| exists(id));
        self.met.retain(exists);
        texts.standings.lock().retain(|id, _| exists(id));
        self.is_cleared = true;
        let Some(folders) = texts.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok()) else { return };
        for folder in folders.flatten() {
            let id = folder.file_name().to_str().and_then(|name| name.parse().ok()).map(IndexId);
            if id.is_none_or(|id| !exists(&id)) {
                drop(shadow::remove(&folder.path())); // tried again at the next change of the catalog
            }
        }
    }

    /// Opens an index that is there, or builds it.
    fn take_up(&mut self, store: &Store, target: &Target) -> Result<()> {
        if target.index.state == IndexState::Building {
            return self.build(store, target);
        }
        let texts = &store.inner.texts;
        let opened = match folder(texts, target) {
            Some(folder) => Shadow::open(&folder).unwrap_or_default(),
            None => None,
        };
        // An index ahead of the store belongs to commits that a power cut has taken away.
        let is_met = self.met.contains(&target.index.id);
        let Some((shadow, committed)) = opened.filter(|(_, seq)| is_met || *seq <= texts.opened_at) else {
            return store.finish_index(&target.coll, target.index.id, &IndexState::Building, 0);
        };
        let mut standing = Standing::new(shadow, committed, true);
        let noted: Option<(u64, u64)> = match store.view().moment.snap.get(Space::Meta, &progress(target))? {
            Some(record) => codec::decode(&record).ok(),
            None => None,
        };
        if let Some((of, swept)) = noted.filter(|(of, _)| *of == committed.0) {
            standing.swept = Seq(swept.max(of));
            standing.noted = standing.swept;
        }
        texts.standings.lock().insert(target.index.id, Arc::new(Mutex::new(standing)));
        self.met.insert(target.index.id);
        Ok(())
    }

    fn build(&mut self, store: &Store, target: &Target) -> Result<()> {
        let (texts, view) = (&store.inner.texts, store.view());
        self.writers.remove(&target.index.id);
        let shadow = Shadow::create(folder(texts, target).as_deref())?;
        let mut writer = shadow.writer()?;
        let standing = Arc::new(Mutex::new(Standing::new(shadow, view.seq(), false)));
        // Known from now on, so that the changes of the meantime gather with it.
        texts.standings.lock().insert(target.index.id, standing.clone());
        target.index.progress.store(0, Ordering::Relaxed);
        let mut docs = view.scan(&target.coll, None, Scan::Forward);
        let mut count = 0;
        while let Some((rid, doc)) = docs.next_doc()? {
            add(&writer, target, rid, doc)?;
            count += 1;
            if count % BUILD_STEP_DOCS == 0 {
                target.index.progress.fetch_add(BUILD_STEP_DOCS as u64, Ordering::Relaxed);
                if self.signal.stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
                self.sweep(store, &store.view())?;
            }
        }
        writer.commit(view.seq())?;
        let mut built = standing.lock();
        built.lookup = Some(built.shadow.lookup()?);
        built.is_filled = true;
        drop(built);
        self.writers.insert(target.index.id, (writer, Instant::now()));
        self.met.insert(target.index.id);
        store.finish_index(&target.coll, target.index.id, &IndexState::Ready, 0)
    }

    /// Notes which documents have changed since the last sweep.
    fn sweep(&self, store: &Store, view: &View) -> Result<()> {
        let texts = &store.inner.texts;
        let standings = texts.standings.lock().clone();
        let mut known: HashMap<CollId, (&Target, Arc<Mutex<Standing>>, Seq)> = HashMap::new();
        for target in &self.targets {
            if let Some(standing) = standings.get(&target.index.id) {
                let swept = standing.lock().swept;
                known.insert(target.coll.id, (target, standing.clone(), swept));
            }
        }
        let Some(from) = known.values().map(|(_, _, swept)| *swept).min() else { return Ok(()) };
        let (mut changes, mut expected) = (view.changes(from), from.0 + 1);
        while expected <= view.seq().0 {
            let Some(commit) = changes.next_commit()? else { break };
            if commit.seq.0 != expected {
                lose(&known, commit.seq);
            }
            expected = commit.seq.0 + 1;
            for change in &commit.changes {
                if let Some((target, standing, swept)) = known.get(&change.coll)
                    && commit.seq > *swept
                    && concerns(&target.index, &target.fields, change)
                {
                    standing.lock().changed.insert(change.rid);
                }
            }
        }
        for (_, standing, _) in known.values() {
            let mut standing = standing.lock();
            standing.swept = standing.swept.max(view.seq());
        }
        *texts.moves.lock() += 1;
        texts.moved.notify_all();
        Ok(())
    }

    /// Brings an index up to a moment that was swept.
    fn take_over(&mut self, store: &Store, view: &View, target: &Target) -> Result<()> {
        let texts = &store.inner.texts;
        let Some(standing) = texts.standings.lock().get(&target.index.id).cloned() else { return Ok(()) };
        let (shadow, changed) = {
            let standing = standing.lock();
            if standing.is_damaged {
                drop(standing);
                texts.forget(target.index.id);
                self.writers.remove(&target.index.id);
                return store.finish_index(&target.coll, target.index.id, &IndexState::Building, 0);
            }
            let is_due = standing.changed.len() >= CHANGED_MAX || standing.due <= Instant::now();
            if standing.changed.is_empty() || !standing.is_filled || !is_due {
                return Ok(());
            }
            (standing.shadow.clone(), standing.changed.clone())
        };
        let started = Instant::now();
        let (mut writer, _) = match self.writers.remove(&target.index.id) {
            Some(open) => open,
            None => {
                shadow.check()?;
                (shadow.writer()?, started)
            }
        };
        for rid in &changed {
            writer.remove(*rid);
            if let Some(doc) = view.doc(&target.coll, *rid)? {
                add(&writer, target, *rid, doc.raw())?;
            }
        }
        writer.commit(view.seq())?;
        let lookup = shadow.lookup()?;
        let mut standing = standing.lock();
        standing.lookup = Some(lookup);
        standing.committed = view.seq();
        standing.changed.clear(); // nobody else adds to it
        standing.due = Instant::now() + GATHER.max(started.elapsed() * 10);
        self.writers.insert(target.index.id, (writer, Instant::now()));
        Ok(())
    }
}

/// The log has a gap: whoever stands before it can only be built anew.
fn lose(known: &HashMap<CollId, (&Target, Arc<Mutex<Standing>>, Seq)>, first: Seq) {
    for (_, standing, swept) in known.values() {
        if swept.0 + 1 < first.0 {
            standing.lock().is_damaged = true;
        }
    }
}

fn add(writer: &Writer, target: &Target, rid: Rid, doc: RawDoc<'_>) -> Result<()> {
    if !is_in(&target.index, doc) {
        return Ok(());
    }
    let mut tick = || Ok::<(), Error>(());
    let scores = scores(&target.fields, doc, |_| true, &mut tick)?;
    if scores.is_empty() { Ok(()) } else { writer.add(rid, &scores) }
}

fn folder(texts: &Texts, target: &Target) -> Option<std::path::PathBuf> {
    texts.folder.as_ref().map(|folder| folder.join(target.index.id.0.to_string()))
}

fn progress(target: &Target) -> Vec<u8> {
    key::meta_progress(target.index.id)
}
