//! The hub: one thread that follows the change log and brings each commit to the watches that it concerns.
//!
//! It sleeps while nobody watches, so that writes cost nothing more then. A commit meets only the watches that could
//! care ([`Interest`]); what it means is decided by `query::watch`, with the permission of this very moment; what comes
//! of it is rendered once and put into the feeds. Everything is done in the order of commits under one lock, so that a
//! watch that begins or goes on falls into place between two of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use query::watch::{Did, Queue, Step, Watch, WatchEvent, WatchSpec};
use query::{Code, Doc, EnvId, Error, Result, Session};
use storage::{Commit, Seq, View};
use tokio::sync::watch;

use super::feed::{Feed, INIT_ID, Listener, RING_BYTES_MAX, RING_KEEP_MS, Text};
use super::interest::Interest;
use super::kept::Place;
use super::marks::Beginnings;
use super::query_id::{Key, QueryId};
use super::questions::{self, Questions};
use super::replay::{PIECE_BYTES, replay, size};
use super::talk::Again;
use super::ticket::Credential;
use super::{frames, is_still_valid, marks};
use crate::app::App;
use crate::chance;

/// How long the thread waits for a commit before it looks at permissions again.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often permissions, lost connections and memory are looked at.
const REVIEW_EVERY: Duration = Duration::from_millis(400);
/// Commits that come in so short a time are worked on together.
const REST: Duration = Duration::from_millis(1);
/// How long one watch may work on one commit, in milliseconds: the others wait for it.
const STEP_MS: u64 = 1000;
/// How long a watch is followed after its connection was lost, in milliseconds. Beyond that it goes on from the log.
const DETACHED_MS: i64 = 120_000;
/// How often is noted how far watches have come, for the next start of the server.
const MARK_EVERY_MS: i64 = 60_000;

/// Greatest number of an event: SDKs count in doubles.
const EVENT_MAX: u64 = 1 << 53;

/// Follows the log for all watches.
pub struct Hub {
    state: Mutex<State>,
    wake: Condvar,
    running: AtomicBool,
    followers: AtomicUsize,
    news: watch::Sender<u64>,
    numbers: AtomicU64,
    questions: Questions,
    beginnings: Beginnings,
    /// Bytes of rendered events in all feeds.
    total: Arc<AtomicU64>,
    bytes_max: u64,
}

#[derive(Default)]
struct State {
    at: Seq,
    watches: HashMap<u64, Followed>,
    keys: HashMap<Key, u64>,
    interest: Interest,
    reviewed: Option<Instant>,
    marked_ms: i64,
}

struct Followed {
    watch: Watch,
    credential: Credential,
    feed: Arc<Feed>,
    key: Key,
    /// Its question, where that is kept.
    kept: Option<Place>,
    /// A window that missed commits begins anew.
    behind: bool,
    /// Since when nobody reads it.
    detached_ms: Option<i64>,
}

/// A piece of the log on its way to those whom it concerns.
struct Piece<'p> {
    app: &'p App,
    /// The moment after it, or a later one.
    view: &'p View,
    /// Is that the moment right after it?
    is_last: bool,
}

/// Who asks to watch.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The environment.
    pub env: EnvId,
    /// By what the caller was let in.
    pub credential: Credential,
    /// Where news go.
    pub listener: Listener,
}

/// A watch that goes on.
#[derive(Debug)]
pub struct Rebuilt {
    /// Its events.
    pub feed: Arc<Feed>,
    /// The last event that the client has.
    pub after: u64,
}

/// Somebody who reads the log himself and wants to hear of new commits.
pub struct Follower {
    app: Arc<App>,
    news: watch::Receiver<u64>,
}

impl Hub {
    /// A hub whose feeds hold at most so many bytes together.
    pub fn new(bytes_max: u64) -> Hub {
        Hub {
            state: Mutex::default(),
            wake: Condvar::new(),
            running: AtomicBool::new(false),
            followers: AtomicUsize::new(0),
            news: watch::Sender::new(0),
            numbers: AtomicU64::new(1),
            questions: Questions::default(),
            beginnings: Beginnings::default(),
            total: Arc::default(),
            bytes_max,
        }
    }

    /// Begins a watch. Answers its feed and the texts of the documents that match now. May take as long as a query.
    ///
    /// # Errors
    /// As for `Db::watch`.
    pub fn begin(&self, app: &Arc<App>, asker: Asker, spec: WatchSpec) -> Result<(Arc<Feed>, Vec<String>)> {
        let session = app.session(asker.env, asker.credential.caller());
        let (watch, docs) = app.db.watch(&session, spec)?;
        let question = self.questions.told(app, asker.env, watch.spec())?;
        let id = QueryId { key: chance::bytes()?, base: watch.at(), question };
        let feed = Arc::new(Feed::new(self.number(), id.text(), INIT_ID, watch.at()));
        feed.attach(INIT_ID, asker.listener);
        self.add(app, &session, Followed::new(watch, asker.credential, feed.clone(), &id))?;
        Ok((feed, docs.iter().map(frames::first).collect()))
    }

    /// Goes on with a watch after the last event that the client has: from the feed if that is there, else by counting
    /// again in the log, else by beginning anew under the next number.
    ///
    /// # Errors
    /// As for `Db::watch`; `InvalidParam` where the name of the watch tells too little.
    pub fn rebuild(&self, app: &Arc<App>, asker: Asker, again: &Again) -> Result<Rebuilt> {
        let unknown = || Error::new(Code::InvalidParam, "this watch is not known any more: watch again");
        let id = QueryId::read(&again.query_id).filter(|_| again.event_id <= EVENT_MAX).ok_or_else(unknown)?;
        let session = app.session(asker.env, asker.credential.caller());
        if let Some(feed) = self.resume(&session, &asker, &id, again)? {
            return Ok(Rebuilt { feed, after: again.event_id });
        }
        let spec = self.questions.find(app, asker.env, &id, &again.collection)?.ok_or_else(unknown)?;
        let (watch, feed) = match self.recount(app, &session, &id, &spec, again)? {
            Some(counted) => counted,
            None => self.anew(app, &session, spec, (&id, again))?,
        };
        feed.attach(again.event_id, asker.listener);
        self.add(app, &session, Followed::new(watch, asker.credential, feed.clone(), &id))?;
        Ok(Rebuilt { feed, after: again.event_id })
    }

    /// Ends a watch that nobody wants any more.
    pub fn close(&self, feed: &Feed) {
        self.state.lock().remove(feed.number);
    }

    /// From now on the caller hears of commits.
    pub fn follow(&self, app: &Arc<App>) -> Follower {
        self.followers.fetch_add(1, Ordering::SeqCst);
        self.start(app);
        Follower { app: app.clone(), news: self.news.subscribe() }
    }

    /// How many watches are followed.
    pub fn watches(&self) -> usize {
        self.state.lock().watches.len()
    }

    /// Bytes of events that wait or may be repeated.
    pub fn bytes(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Notes how far the watches have come, so that they go on after a restart.
    pub fn leave_marks(&self, app: &App) {
        let mut state = self.state.lock();
        state.leave_marks(app);
    }

    /// The feed that is there, for its owner.
    fn resume(&self, session: &Session, asker: &Asker, id: &QueryId, again: &Again) -> Result<Option<Arc<Feed>>> {
        let mut state = self.state.lock();
        let Some(number) = state.keys.get(&id.key).copied() else { return Ok(None) };
        let Some(followed) = state.watches.get_mut(&number) else { return Ok(None) };
        let own = followed.watch.place().0 == session.env && followed.credential.caller() == session.caller;
        if !own || followed.watch.spec().collection != again.collection {
            return Err(Error::new(Code::InvalidParam, "this watch belongs to somebody else"));
        }
        if followed.feed.attach(again.event_id, asker.listener.clone()) {
            followed.credential = asker.credential.clone();
            followed.detached_ms = None;
            return Ok(Some(followed.feed.clone()));
        }
        state.remove(number);
        Ok(None)
    }

    /// Counts the events again that a watch had since it began, or since the last mark that a server left. `None` where
    /// that cannot be told.
    fn recount(
        &self,
        app: &App,
        session: &Session,
        id: &QueryId,
        spec: &WatchSpec,
        again: &Again,
    ) -> Result<Option<(Watch, Arc<Feed>)>> {
        let begun = self.beginnings.find(app, session.env, &id.key)?.unwrap_or((INIT_ID, id.base));
        let is_after = |mark: &(u64, Seq)| begun.0 <= mark.0 && begun.1 <= mark.1 && mark.0 <= again.event_id;
        let (mut last, from) = marks::find(app, &id.key)?.filter(is_after).unwrap_or(begun);
        if again.event_id < last {
            return Ok(None);
        }
        let Some(mut watch) = app.db.watch_on(session, spec.clone(), from)? else { return Ok(None) };
        let (mut missed, mut bytes, mut known) = (Vec::new(), 0, from);
        let view = app.db.store().view();
        replay(app, session, &view, &mut watch, |step| {
            last += 1;
            if last <= again.event_id {
                known = step.seq;
            }
            if last > again.event_id && bytes <= RING_BYTES_MAX {
                let texts = self.texts(&step, None);
                bytes += texts.iter().map(|text| text.as_str().len()).sum::<usize>();
                missed.push((step.seq, texts));
            }
        })?;
        if last < again.event_id || bytes > RING_BYTES_MAX {
            return Ok(None);
        }
        let feed = Arc::new(Feed::new(self.number(), again.query_id.clone(), again.event_id, known));
        let now = app.now_ms();
        missed.into_iter().for_each(|(seq, texts)| {
            feed.push(seq, texts, now);
        });
        Ok(Some((watch, feed)))
    }

    /// Begins anew: one event that holds everything.
    fn anew(
        &self,
        app: &App,
        session: &Session,
        spec: WatchSpec,
        (id, again): (&QueryId, &Again),
    ) -> Result<(Watch, Arc<Feed>)> {
        let (watch, docs) = app.db.watch(session, spec)?;
        if !watch.is_window() {
            let event = again.event_id.saturating_add(1);
            self.beginnings.note(app, session.env, &id.key, (event, watch.at()))?;
        }
        let feed = Feed::new(self.number(), again.query_id.clone(), again.event_id, watch.at());
        feed.push(watch.at(), self.everything(&docs), app.now_ms());
        Ok((watch, Arc::new(feed)))
    }

    fn everything(&self, docs: &[Doc]) -> Vec<Arc<Text>> {
        match docs.is_empty() {
            true => frames::nothing_left().into_iter().map(|text| Text::new(text, &self.total)).collect(),
            false => docs.iter().map(|doc| Text::new(frames::first(doc), &self.total)).collect(),
        }
    }

    /// Puts a watch in its place in the order of commits.
    fn add(&self, app: &Arc<App>, session: &Session, mut followed: Followed) -> Result<()> {
        let mut state = self.state.lock();
        if state.watches.is_empty() {
            // Nobody followed until now: what lies before need not be read.
            state.at = state.at.max(followed.watch.at());
        }
        if followed.watch.at() < state.at {
            let (feed, now) = (followed.feed.clone(), app.now_ms());
            let view = app.db.store().view();
            replay(app, session, &view, &mut followed.watch, |step| {
                feed.push(step.seq, self.texts(&step, None), now);
            })?;
        }
        let number = followed.feed.number;
        state.interest.add(number, &followed.watch);
        state.keys.insert(followed.key, number);
        state.watches.insert(number, followed);
        drop(state);
        self.start(app);
        Ok(())
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts the thread at the first need; it ends with the server.
    fn start(&self, app: &Arc<App>) {
        if !self.running.swap(true, Ordering::SeqCst) {
            let weak = Arc::downgrade(app);
            let started = std::thread::Builder::new().name("hub".to_owned()).spawn(move || run(&weak));
            if let Err(fault) = started {
                tracing::error!(%fault, "nobody follows the change log");
                self.running.store(false, Ordering::SeqCst);
            }
        }
        self.wake.notify_one();
    }

    /// One turn of the thread: waits for something to do, and does it.
    fn turn(&self, app: &App) {
        let at = {
            let mut state = self.state.lock();
            if self.is_idle(&state) {
                self.wake.wait_for(&mut state, LOOK_EVERY);
                if self.is_idle(&state) {
                    return;
                }
            }
            state.at
        };
        let newest = app.db.store().wait_beyond(at, LOOK_EVERY);
        if newest > at {
            self.news.send_replace(newest.0);
            if let Err(error) = self.catch_up(app) {
                tracing::error!(%error, "the change log could not be followed");
                std::thread::sleep(LOOK_EVERY);
            }
            std::thread::sleep(REST);
        }
        let mut state = self.state.lock();
        if state.reviewed.is_none_or(|then| then.elapsed() >= REVIEW_EVERY) {
            state.reviewed = Some(Instant::now());
            self.review(app, &mut state);
        }
    }

    fn is_idle(&self, state: &MutexGuard<'_, State>) -> bool {
        state.watches.is_empty() && self.followers.load(Ordering::SeqCst) == 0
    }

    /// Brings all commits since the last turn to those whom they concern.
    fn catch_up(&self, app: &App) -> Result<()> {
        let mut state = self.state.lock();
        let view = app.db.store().view();
        if state.watches.is_empty() {
            state.at = view.seq();
            return Ok(());
        }
        let mut log = view.changes(state.at);
        loop {
            let (mut piece, mut bytes, mut is_last) = (Vec::new(), 0, true);
            while let Some(commit) = log.next_commit()? {
                state.at = commit.seq;
                if commit.changes.iter().any(|change| state.interest.is_watched(change)) {
                    bytes += size(&commit);
                    piece.push(commit);
                }
                if bytes > PIECE_BYTES {
                    is_last = false;
                    break;
                }
            }
            self.bring(&Piece { app, view: &view, is_last }, &mut state, &piece);
            if is_last {
                state.at = state.at.max(view.seq());
                return Ok(());
            }
        }
    }

    fn bring(&self, piece: &Piece<'_>, state: &mut State, commits: &[Commit]) {
        let mut concerned: HashMap<u64, Vec<&Commit>> = HashMap::new();
        for commit in commits {
            let mut add = |number| {
                let theirs = concerned.entry(number).or_default();
                if theirs.last().is_none_or(|last| last.seq != commit.seq) {
                    theirs.push(commit);
                }
            };
            commit.changes.iter().for_each(|change| state.interest.concerned(change, &mut add));
        }
        if piece.is_last {
            // Windows that could not be brought along piece by piece.
            concerned.extend(state.watches.iter().filter(|(_, f)| f.behind).map(|(number, _)| (*number, Vec::new())));
        }
        let mut cache = Cache::new();
        let mut over = Vec::new();
        for (number, commits) in concerned {
            let Some(followed) = state.watches.get_mut(&number) else { continue };
            match self.step(piece, followed, &commits, &mut cache) {
                Ok(true) => {}
                Ok(false) => over.push(number),
                Err(error) => {
                    followed.feed.end(error);
                    over.push(number);
                }
            }
        }
        over.into_iter().for_each(|number| state.remove(number));
    }

    /// Brings one watch along. False where nobody can read its feed any more.
    fn step(&self, piece: &Piece<'_>, followed: &mut Followed, commits: &[&Commit], cache: &mut Cache) -> Result<bool> {
        let Piece { app, view, is_last } = *piece;
        let session = app.session_within(followed.watch.place().0, followed.credential.caller(), STEP_MS);
        if followed.watch.is_window() && (followed.behind || !is_last) {
            followed.behind = !is_last;
            return if is_last { self.renew(app, &session, followed) } else { Ok(true) };
        }
        let shared = !followed.watch.is_window();
        let steps = followed.watch.advance(&app.db, &session, view, commits)?;
        let now = app.now_ms();
        let feed = &followed.feed;
        Ok(steps.iter().all(|step| feed.push(step.seq, self.texts(step, shared.then_some(&mut *cache)), now)))
    }

    /// Begins a window anew that fell behind.
    fn renew(&self, app: &App, session: &Session, followed: &mut Followed) -> Result<bool> {
        let (watch, docs) = app.db.watch(session, followed.watch.spec().clone())?;
        let seq = watch.at();
        followed.watch = watch;
        Ok(followed.feed.push(seq, self.everything(&docs), app.now_ms()))
    }

    /// Looks whether everybody may still watch, and forgets what nobody will ask for.
    fn review(&self, app: &App, state: &mut State) {
        let (now, view) = (app.now_ms(), app.db.store().view());
        let mut over = Vec::new();
        for (number, followed) in &mut state.watches {
            let env = followed.watch.place().0;
            let session = app.session_within(env, followed.credential.caller(), STEP_MS);
            let fault = match is_still_valid(app, env, &followed.credential) {
                true => followed.watch.check(&session, &view).err(),
                false => Some(Error::new(Code::Unauthenticated, "the login of this connection is not valid any more")),
            };
            if let Some(error) = fault {
                followed.feed.end(error);
                over.push(*number);
            }
            followed.feed.forget_before(now - RING_KEEP_MS);
            match followed.feed.is_attached() {
                true => followed.detached_ms = None,
                false if now - *followed.detached_ms.get_or_insert(now) > DETACHED_MS => over.push(*number),
                false => {}
            }
        }
        over.into_iter().for_each(|number| state.remove(number));
        self.keep_within(state);
        if state.marked_ms == 0 {
            state.marked_ms = now; // those of the last server are still wanted
        } else if now - state.marked_ms > MARK_EVERY_MS {
            state.leave_marks(app);
            self.forget_kept(app, state);
        }
    }

    fn forget_kept(&self, app: &App, state: &State) {
        let questions = state.watches.values().filter_map(|followed| followed.kept.clone()).collect();
        let keys = state.watches.values().map(|followed| (followed.watch.place().0, followed.key.to_vec())).collect();
        let forgotten = self.questions.0.forget_unused(app, &questions);
        if let Err(error) = forgotten.and_then(|()| self.beginnings.0.forget_unused(app, &keys)) {
            tracing::warn!(%error, "what is kept for watches could not be looked through");
        }
    }

    /// Makes every feed smaller until all together fit.
    fn keep_within(&self, state: &mut State) {
        let mut each = RING_BYTES_MAX / 2;
        while self.bytes() > self.bytes_max && each > 1024 {
            let full = state.watches.iter().filter(|(_, followed)| !followed.feed.shrink(each));
            let full: Vec<u64> = full.map(|(number, _)| *number).collect();
            full.into_iter().for_each(|number| state.remove(number));
            each /= 2;
        }
    }

    fn texts(&self, step: &Step, cache: Option<&mut Cache>) -> Vec<Arc<Text>> {
        let render = |event: &WatchEvent| Text::new(frames::event(event), &self.total);
        let Some(cache) = cache else { return step.events.iter().map(render).collect() };
        let shared = step.events.iter().map(|event| {
            let change = Shown::of(step.seq, event);
            cache.entry(change).or_insert_with(|| render(event)).clone()
        });
        shared.collect()
    }
}

/// Texts of one piece of the log: a change reads the same for everybody to whom it means the same.
type Cache = HashMap<Shown, Arc<Text>>;

#[derive(PartialEq, Eq, Hash)]
struct Shown {
    seq: Seq,
    did: Did,
    queue: Queue,
    id: String,
    /// Where the document's bytes lie, which differs between the documents of one piece.
    doc: usize,
}

impl Shown {
    fn of(seq: Seq, event: &WatchEvent) -> Shown {
        let doc = event.doc.as_ref().map_or(0, |doc| doc.as_bytes().as_ptr().addr());
        Shown { seq, did: event.did, queue: event.queue, id: event.id.as_ref().to_string(), doc }
    }
}

impl State {
    fn remove(&mut self, number: u64) {
        if let Some(followed) = self.watches.remove(&number) {
            self.interest.remove(number, &followed.watch);
            self.keys.remove(&followed.key);
        }
    }

    fn leave_marks(&mut self, app: &App) {
        let now = app.now_ms();
        self.marked_ms = now;
        let lasting = self.watches.values().filter(|followed| !followed.watch.is_window());
        let marks = lasting.map(|followed| {
            followed.feed.pass(self.at);
            let (last, seq) = followed.feed.mark(now - marks::SETTLED_MS);
            (followed.key, last, seq)
        });
        let marks: Vec<_> = marks.collect();
        if let Err(error) = marks::leave(app, &marks) {
            tracing::warn!(%error, "it could not be noted how far watches have come");
        }
    }
}

impl Followed {
    fn new(watch: Watch, credential: Credential, feed: Arc<Feed>, id: &QueryId) -> Followed {
        let kept = questions::place(watch.place().0, id);
        Followed { watch, credential, feed, key: id.key, kept, behind: false, detached_ms: None }
    }
}

impl Follower {
    /// Waits for a commit that was not heard of yet.
    pub async fn next(&mut self) {
        // The sender lives in the hub, which outlives its followers.
        let _ = self.news.changed().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.app.realtime.hub.followers.fetch_sub(1, Ordering::SeqCst);
    }
}

fn run(app: &Weak<App>) {
    while let Some(app) = app.upgrade() {
        app.realtime.hub.turn(&app);
    }
}
