//! Watched queries: what a commit means to somebody who watches.
//!
//! A watch begins with the documents that match now and goes on with one step for each commit that touches one of
//! them, in the order of commits. It reads the change log and nothing else, so the same log gives the same steps, after
//! a restart as well. A query with a limit is a window: its steps are the differences between what it held and what
//! it holds, however many commits lie between. Nothing here knows sockets, queues or threads.

mod fields;
mod window;

use storage::{Change, CollId, Commit, Doc, EnvId, Path, RawDoc, Seq, Value, View};

use crate::asked::{Asked, Wanting, collection, missing};
use crate::cx::Cx;
use crate::db::{Db, rows};
use crate::error::{Code, Error, Result};
use crate::exec::{Fetch, Row};
use crate::plan::{RowsWanted, choose};
use crate::rules::{Action, client_query, grant_with};
use crate::session::{Caller, Session};
pub use fields::FieldsChanged;
use window::Window;

/// What is watched.
#[derive(Clone, Debug)]
pub struct WatchSpec {
    /// The collection's name.
    pub collection: String,
    /// Which documents; empty means all.
    pub filter: Doc,
    /// The order of a window; `None` means newest `_id` first.
    pub sort: Option<Doc>,
    /// Size of the window; `None` means all documents that match.
    pub limit: Option<u64>,
}

/// A watched query, as far as it has been followed.
pub struct Watch {
    spec: WatchSpec,
    asked: Asked,
    env: EnvId,
    coll: CollId,
    at: Seq,
    /// How many documents match; too many end the watch.
    matched: u64,
    window: Option<Window>,
}

/// What one commit means to a watch; for a window, what all commits since the last step mean.
#[derive(Clone, Debug)]
pub struct Step {
    /// The last commit that it covers.
    pub seq: Seq,
    /// What happened, in order; never empty.
    pub events: Vec<WatchEvent>,
}

/// Something that happened to a watched document.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    /// What was done to the document.
    pub did: Did,
    /// What that means to the watched set.
    pub queue: Queue,
    /// The document's `_id`.
    pub id: Value,
    /// The document as it is now. One that left because of a change comes as it was before: what it is now need not be
    /// for this watcher's eyes. `None` where it was removed or pushed out.
    pub doc: Option<Doc>,
    /// Which fields differ, where the document was updated in parts and stays.
    pub fields: Option<FieldsChanged>,
}

/// What was done to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Did {
    /// It was inserted.
    Add,
    /// Parts of it were changed.
    Update,
    /// It was replaced as a whole.
    Replace,
    /// It was removed.
    Remove,
    /// Nothing: another document's change moved it across the limit of a window.
    Limit,
}

/// What a change means to the watched set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// It stays.
    Update,
    /// It comes in.
    Enqueue,
    /// It goes out.
    Dequeue,
}

impl Db {
    /// Begins to watch. Also gives the documents that match now, in order.
    ///
    /// # Errors
    /// `CollectionMissing`, `PermissionDenied`, `TooLarge` where more documents match, more are wanted or more fields
    /// order them than the limits `watch_docs_max`, `watch_limit_max` and `watch_sort_fields_max` allow; faults of the
    /// filter and the order.
    pub fn watch(&self, session: &Session, spec: WatchSpec) -> Result<(Watch, Vec<Doc>)> {
        let view = self.store.view();
        let mut watch = Watch::read(&view, session, spec)?;
        let rows = watch.query(self, session, &view)?;
        watch.at = view.seq();
        watch.matched = rows.len() as u64;
        watch.check_size(session)?;
        watch.window = watch.spec.limit.map(|_| Window::of(&rows));
        Ok((watch, rows.into_iter().map(|row| row.doc).collect()))
    }

    /// Goes on with a watch that was followed up to a commit, as if it had never stopped; `None` where the change log
    /// does not reach back to it, or the watch is a window: begin again then.
    ///
    /// # Errors
    /// As for [`Db::watch`].
    pub fn watch_on(&self, session: &Session, spec: WatchSpec, from: Seq) -> Result<Option<Watch>> {
        let view = self.store.view();
        let mut watch = Watch::read(&view, session, spec)?;
        let reaches = from == view.seq() || self.first_commit_after(&view, from)? == Some(Seq(from.0 + 1));
        if watch.spec.limit.is_some() || !reaches {
            return Ok(None);
        }
        watch.at = from;
        Ok(Some(watch))
    }

    fn first_commit_after(&self, view: &View, from: Seq) -> Result<Option<Seq>> {
        Ok(view.changes(from).next_commit()?.map(|commit| commit.seq))
    }
}

impl Watch {
    fn read(view: &View, session: &Session, spec: WatchSpec) -> Result<Watch> {
        let limits = &session.limits;
        let coll = collection(view, session, &spec.collection)?;
        let filter = client_query(session, &spec.filter);
        let newest = newest_first();
        let sort = spec.sort.as_ref().filter(|sort| !sort.raw().is_empty()).unwrap_or(&newest);
        check_most(sort.raw().iter().count() as u64, limits.watch_sort_fields_max, "fields order a watch", SORT)?;
        check_most(spec.limit.unwrap_or(0), limits.watch_limit_max, "documents are the limit of a watch", LIMIT)?;
        let asked = Asked::read(session, &filter, Some(sort), None, None)?;
        if asked.filter.near().is_some() {
            return Err(Error::new(Code::BadRequest, "a search for the nearest documents cannot be watched"));
        }
        if asked.filter.text().is_some() {
            return Err(Error::new(Code::BadRequest, "a search for words cannot be watched"));
        }
        let asked = asked.permitted(view, session, (&spec.collection, &filter), Wanting::reading())?;
        let coll = coll.id;
        Ok(Watch { spec, asked, env: session.env, coll, at: Seq(0), matched: 0, window: None })
    }

    /// The environment and collection whose changes matter.
    pub const fn place(&self) -> (EnvId, CollId) {
        (self.env, self.coll)
    }

    /// What is watched.
    pub const fn spec(&self) -> &WatchSpec {
        &self.spec
    }

    /// The commit up to which it was followed.
    pub const fn at(&self) -> Seq {
        self.at
    }

    /// A field and the values that it must have, one of them, in every document that matters to this watch: a change of
    /// documents with none of them need not be shown to it. `None` where any document may matter.
    pub fn only(&self) -> Option<(&Path, Vec<&Value>)> {
        self.asked.filter.only()
    }

    /// Is it a window, whose steps need the moment after the last commit?
    pub const fn is_window(&self) -> bool {
        self.window.is_some()
    }

    /// May the session still watch this, and is it still there?
    ///
    /// # Errors
    /// `PermissionDenied`, `CollectionMissing`, `EnvMissing`; there is no going on after one.
    pub fn check(&self, session: &Session, view: &View) -> Result<()> {
        let coll = collection(view, session, &self.spec.collection)?;
        if coll.id != self.coll {
            return Err(missing(&self.spec.collection));
        }
        if session.caller == Caller::Admin {
            return Ok(());
        }
        // The rules may have changed since it began; they are asked about what was sent.
        let filter = client_query(session, &self.spec.filter);
        let sent = Asked::read(session, &filter, None, None, None)?;
        sent.permitted(view, session, (&self.spec.collection, &filter), Wanting::reading()).map(drop)
    }

    /// Follows commits: those after the last one seen, in order; commits that do not concern it may be left out. `view`
    /// is a moment not before the last of them; for a window it must be the moment right after it.
    ///
    /// # Errors
    /// `PermissionDenied` from now on, `CollectionMissing`, `TooLarge`; there is no going on after one.
    pub fn advance(&mut self, db: &Db, session: &Session, view: &View, commits: &[&Commit]) -> Result<Vec<Step>> {
        self.check(session, view)?;
        let last = commits.last().map_or(self.at, |commit| commit.seq);
        let fresh = commits.iter().filter(|commit| commit.seq > self.at);
        let mut steps = Vec::new();
        match self.window.take() {
            Some(window) => {
                let changes: Vec<&Change> =
                    fresh.flat_map(|commit| &commit.changes).filter(|c| self.is_here(c)).collect();
                let (window, events) = self.move_window(db, session, view, window, &changes)?;
                self.window = Some(window);
                steps.extend((!events.is_empty()).then(|| Step { seq: view.seq(), events }));
                self.at = self.at.max(view.seq());
            }
            None => {
                let (cx, sight) = (self.asked.cx(session), (session, view));
                for commit in fresh {
                    let here = commit.changes.iter().filter(|change| self.is_here(change));
                    let events: Vec<WatchEvent> =
                        here.filter_map(|change| self.event(change, &sight, &cx).transpose()).collect::<Result<_>>()?;
                    steps.extend((!events.is_empty()).then_some(Step { seq: commit.seq, events }));
                }
                self.at = self.at.max(last);
            }
        }
        self.count(&steps);
        self.check_size(session)?;
        Ok(steps)
    }

    fn is_here(&self, change: &Change) -> bool {
        (change.env, change.coll) == (self.env, self.coll)
    }

    /// Is the document among those watched, and one that this watcher may see?
    fn matches(&self, doc: Option<&Doc>, (session, view): &(&Session, &View), cx: &Cx<'_>) -> Result<bool> {
        let Some(doc) = doc else { return Ok(false) };
        if !self.asked.filter.matches(doc.raw(), cx)? {
            return Ok(false);
        }
        match self.asked.verify(view, session, doc) {
            Err(error) if error.code == Code::PermissionDenied => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    /// What a change means, without a window.
    fn event(&self, change: &Change, sight: &(&Session, &View), cx: &Cx<'_>) -> Result<Option<WatchEvent>> {
        cx.tick()?;
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let queue = match (self.matches(before, sight, cx)?, self.matches(after, sight, cx)?) {
            (false, false) => return Ok(None),
            (true, true) if change.before.as_ref().map(Doc::as_bytes) == change.after.as_ref().map(Doc::as_bytes) => {
                return Ok(None);
            }
            (true, true) => Queue::Update,
            (false, true) => Queue::Enqueue,
            (true, false) => Queue::Dequeue,
        };
        Ok(Some(WatchEvent::new(did(change), queue, before, after)))
    }

    fn count(&mut self, steps: &[Step]) {
        for event in steps.iter().flat_map(|step| &step.events) {
            self.matched = match event.queue {
                Queue::Enqueue => self.matched + 1,
                Queue::Dequeue => self.matched.saturating_sub(1),
                Queue::Update => self.matched,
            };
        }
    }

    fn check_size(&self, session: &Session) -> Result<()> {
        check_most(self.matched, session.limits.watch_docs_max, "documents match a watch", DOCS)
    }

    /// The rows of the watched set at a moment.
    fn query(&self, db: &Db, session: &Session, view: &View) -> Result<Vec<Row>> {
        let coll = collection(view, session, &self.spec.collection)?;
        let need = self.spec.limit.unwrap_or(session.limits.watch_docs_max + 1);
        let wanted = self.asked.wanted(db, Some(need), RowsWanted::Documents);
        let plan = choose(view, &coll, &grant_with(session, Action::Read, self.asked.permit.as_ref(), wanted)?.ask())?;
        let mut fetch = Fetch::new(view, &coll, &plan);
        let rows = rows(&mut fetch, &self.asked, &plan, need, &self.asked.cx(session))?.0;
        rows.iter().try_for_each(|row| self.asked.verify(view, session, &row.doc))?;
        Ok(rows)
    }

    /// The window after changes, and what differs.
    fn move_window(
        &self,
        db: &Db,
        session: &Session,
        view: &View,
        window: Window,
        changes: &[&Change],
    ) -> Result<(Window, Vec<WatchEvent>)> {
        let cx = self.asked.cx(session);
        let mut matters = false;
        for change in changes {
            cx.tick()?;
            matters |= window.holds(change.rid) || self.matches(change.after.as_ref(), &(session, view), &cx)?;
        }
        if !matters {
            return Ok((window, Vec::new()));
        }
        let rows = self.query(db, session, view)?;
        let events = window.difference(&rows, changes);
        Ok((Window::of(&rows), events))
    }
}

impl WatchEvent {
    fn new(did: Did, queue: Queue, before: Option<&Doc>, after: Option<&Doc>) -> WatchEvent {
        let id = [after, before].into_iter().flatten().find_map(|doc| doc.get("_id"));
        let fields = match (did, queue, before, after) {
            (Did::Update, Queue::Update, Some(before), Some(after)) => {
                Some(FieldsChanged::between(before.raw(), after.raw()))
            }
            _ => None,
        };
        let doc = match (queue, did) {
            (Queue::Dequeue, Did::Update | Did::Replace) => before,
            (Queue::Dequeue, _) => None,
            _ => after,
        };
        let doc = doc.cloned();
        WatchEvent { did, queue, id: id.map_or(Value::Null, storage::ValueRef::to_value), doc, fields }
    }
}

fn did(change: &Change) -> Did {
    match (&change.before, &change.after) {
        (None, _) => Did::Add,
        (_, None) => Did::Remove,
        _ if change.replaced => Did::Replace,
        _ => Did::Update,
    }
}

fn newest_first() -> Doc {
    let mut order = storage::DocBuilder::new();
    order.put("_id", storage::ValueRef::Int32(-1));
    order.finish()
}

const SORT: &str = "watch_sort_fields_max";
const LIMIT: &str = "watch_limit_max";
const DOCS: &str = "watch_docs_max";

fn check_most(count: u64, most: u64, what: &str, limit: &str) -> Result<()> {
    match count <= most {
        true => Ok(()),
        false => Err(Error::new(
            Code::TooLarge,
            format!("{count} {what}, which is more than the {most} that are allowed; narrow it or raise `{limit}`"),
        )),
    }
}

/// The value of a document at a path without arrays on the way, for those who sort watches by [`Watch::only`]; an array
/// at its end stands for its elements and itself.
pub fn values_at<'d>(doc: RawDoc<'d>, path: &Path, found: &mut Vec<storage::ValueRef<'d>>) {
    fields::values_at(storage::ValueRef::Document(doc), path.parts(), found);
}

#[cfg(test)]
mod tests;
