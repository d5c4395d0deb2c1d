//! The page that every request passes: what each command does, from the gate to the reply.
//!
//! A command is read (filter, order, change), passes [`grant`], is planned, carried out on one view, and answered.
//! Writes hand their commits to the store and come back with [`Durable`]: the edge answers only after it resolves.
//! Work that would take long is handed back before it starts, so that the edge can move it off its own threads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use storage::{Doc, Path, Store, Ticket};

use crate::asked::{Asked, Wanting, collection, row_limit};
use crate::command::{Command, Distinct, Find, Reply};
use crate::cx::Cx;
use crate::distinct::Distinct as Values;
use crate::error::{Code, Error, Result};
use crate::exec::{Examined, Fetch, Row, sorted};
use crate::ids::IdStyle;
use crate::live::{Found, Ground, Live};
use crate::pipeline::Spill;
use crate::plan::{Plan, RowsWanted, choose, explain};
use crate::rules::{Action, Permit, client_command, grant, grant_with};
use crate::session::{Session, TransactionId};
use crate::turns::Turn;

/// Steps of work that may run on a thread that others wait for: about a quarter of a millisecond.
const INLINE_WEIGHT_MAX: u64 = 4096;

/// The database: commands in, replies out. Cloning shares it.
#[derive(Clone)]
pub struct Db {
    pub(crate) store: Store,
    pub(crate) ids: IdStyle,
    pub(crate) avoid_scans: bool,
    pub(crate) live: Arc<Live>,
    pub(crate) spill: Option<Arc<dyn Spill>>,
}

/// A reply, and the commits that it must wait for.
#[derive(Debug)]
pub struct Started {
    /// What the caller gets once the commits are durable.
    pub reply: Reply,
    /// Resolves when they are.
    pub durable: Durable,
}

/// What became of a command on a thread that must not be held up.
pub enum Work {
    /// It is done but for its commits.
    Done(Started),
    /// It would take long: run it where waiting does no harm.
    Long(Box<dyn FnOnce() -> Result<Started> + Send>),
}

/// Commits that must be durable before the answer goes out. Await it, or wait on a thread.
#[derive(Debug, Default)]
#[must_use = "a write may be answered only after it is durable"]
pub struct Durable(Vec<Ticket>);

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On a thread that others wait for: long work is handed back.
    Inline,
    /// Where long work does no harm.
    Anywhere,
}

/// What became of a command at its place; `None` means that it is too long for it.
pub(crate) type Attempt = Result<Option<Started>>;

impl Db {
    /// A database on a store. Missing ids are made in the given style.
    pub fn new(store: Store, ids: IdStyle) -> Db {
        Db { store, ids, avoid_scans: false, live: Arc::default(), spill: None }
    }

    /// The same database, but with any index preferred to looking at every document: for tests of indexes, and for
    /// finding out what an index would do.
    #[must_use]
    pub fn avoiding_scans(self) -> Db {
        Db { avoid_scans: true, ..self }
    }

    /// The same database, with temporary files for stages of pipelines that outgrow their memory; without them such
    /// stages are refused.
    #[must_use]
    pub fn with_spill(self, spill: Arc<dyn Spill>) -> Db {
        Db { spill: Some(spill), ..self }
    }

    /// The store below, for what is no request: backup, counts, records of the edge.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Carries out a command, however long it takes.
    ///
    /// # Errors
    /// Whatever the command meets. Documents before the faulty one of a multi-document write stay written.
    pub fn run(&self, session: &Session, command: &Command) -> Result<Started> {
        let started = self.attempt(session, command, Place::Anywhere)?;
        started.ok_or_else(|| Error::new(Code::Internal, "work was handed back where it may take long"))
    }

    /// Carries out a command if that is quick, else hands it back as a job for another thread.
    ///
    /// # Errors
    /// As for [`Db::run`].
    pub fn start(&self, session: &Session, command: Command) -> Result<Work> {
        if let Some(started) = self.attempt(session, &command, Place::Inline)? {
            return Ok(Work::Done(started));
        }
        let (db, session) = (self.clone(), session.clone());
        Ok(Work::Long(Box::new(move || db.run(&session, &command))))
    }

    /// What a command inside a transaction should wait for before it is carried out, if anything; then tell
    /// [`Db::take_turn`].
    pub fn turn(&self, session: &Session, command: &Command) -> Option<Turn> {
        self.live.turn(session, command)
    }

    /// The turn has come: the transaction looks at the newest moment where that changes nothing that it has read.
    ///
    /// # Errors
    /// `TransactionMissing`, and faults of the store.
    pub fn take_turn(&self, session: &Session) -> Result<()> {
        self.live.renew(&self.store, session)
    }

    /// A transaction has ended, and what it did can be read: whoever waits for its turns goes on.
    pub fn end_turns(&self, id: TransactionId, now: i64) {
        self.live.end_turns(id, now);
    }

    fn attempt(&self, session: &Session, command: &Command, place: Place) -> Attempt {
        let found = self.live.find(session)?;
        found.note(command);
        let outcome = self.on(&found, session, command, place);
        if let Err(error) = &outcome {
            found.poison(error);
        }
        outcome
    }

    fn on(&self, found: &Found, session: &Session, command: &Command, place: Place) -> Attempt {
        let ground = || found.ground(&self.store, session);
        let rewritten = client_command(session, command)?;
        let command = rewritten.as_ref().unwrap_or(command);
        match command {
            Command::Find(find) => self.find(&ground()?, session, find, place),
            Command::Count(find) => self.count(&ground()?, session, find, place),
            Command::Distinct(distinct) => self.distinct(&ground()?, session, distinct, place),
            Command::Insert(insert) => self.insert(&mut ground()?, session, insert, place),
            Command::Update(update) => self.update(&mut ground()?, session, update, place),
            Command::FindAndModify(modify) => self.find_and_modify(&mut ground()?, session, modify, place),
            Command::Delete(delete) => self.delete(&mut ground()?, session, delete, place),
            Command::Begin => {
                grant(session, Action::Read, ())?.ask();
                done(Reply::Begun(self.live.begin(&self.store, session)))
            }
            Command::Commit(id) => written(Reply::Done, self.live.commit(session, *id)?),
            Command::Abort(id) => {
                self.live.abort(session, *id);
                done(Reply::Done)
            }
            Command::Admin(admin) => self.admin(session, admin),
            Command::Aggregate(aggregate) => self.aggregate(&ground()?, session, aggregate, place),
        }
    }

    fn find(&self, ground: &Ground<'_>, session: &Session, find: &Find, place: Place) -> Attempt {
        let view = ground.view();
        let coll = collection(&view, session, &find.collection)?;
        let asked = Asked::of_find(session, find)?.permitted(
            &view,
            session,
            (&find.collection, &find.filter),
            Wanting::reading(),
        )?;
        let limit = row_limit(session, find.limit);
        let need = limit.saturating_add(find.skip);
        let wanted = asked.wanted(self, Some(need), RowsWanted::Documents);
        let plan = choose(&view, &coll, &grant_with(session, Action::Read, asked.permit.as_ref(), wanted)?.ask())?;
        if too_long(&plan, place) {
            return Ok(None);
        }
        let cx = asked.cx(session);
        let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(ground.staged(&coll), &asked.filter);
        let (rows, examined) = rows(&mut fetch, &asked, &plan, need, &cx)?;
        if find.explain {
            return done(Reply::Rows(vec![explain(&plan, !asked.sort.is_natural(), &examined)]));
        }
        rows.iter().try_for_each(|row| asked.verify(&view, session, &row.doc))?;
        let rows = rows.into_iter().skip(to_usize(find.skip));
        let docs: Result<Vec<Doc>> = rows.map(|row| asked.shown(row.doc, &cx)).collect();
        done(Reply::Rows(docs?))
    }

    fn count(&self, ground: &Ground<'_>, session: &Session, find: &Find, place: Place) -> Attempt {
        let view = ground.view();
        let coll = collection(&view, session, &find.collection)?;
        let asked = Asked::of_find(session, find)?.permitted(
            &view,
            session,
            (&find.collection, &find.filter),
            Wanting::reading(),
        )?;
        let need = find.limit.map_or(u64::MAX, |limit| limit.saturating_add(find.skip));
        let known = find.limit.map(|_| need);
        let checks = asked.permit.as_ref().is_some_and(Permit::checks);
        let rows = if checks { RowsWanted::Documents } else { RowsWanted::Count };
        let wanted = asked.wanted(self, known, rows);
        let wanted = grant_with(session, Action::Read, asked.permit.as_ref(), wanted)?.ask();
        let staged = ground.staged(&coll);
        if wanted.filter.is_all() && staged.is_empty() && !find.explain {
            return done(Reply::Total(coll.stats.docs().min(need).saturating_sub(find.skip)));
        }
        let plan = choose(&view, &coll, &wanted)?;
        if too_long(&plan, place) {
            return Ok(None);
        }
        let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(staged, &asked.filter);
        if checks {
            let (cx, mut total) = (asked.cx(session), 0);
            while total < need
                && let Some(row) = fetch.next_row(&cx)?
            {
                asked.verify(&view, session, &row.doc)?;
                total += 1;
            }
            return done(Reply::Total(total.saturating_sub(find.skip)));
        }
        let (total, mut examined) = fetch.count(&asked.cx(session), need)?;
        if find.explain {
            examined.returned = total;
            return done(Reply::Rows(vec![explain(&plan, false, &examined)]));
        }
        done(Reply::Total(total.saturating_sub(find.skip)))
    }

    fn distinct(&self, ground: &Ground<'_>, session: &Session, distinct: &Distinct, place: Place) -> Attempt {
        let view = ground.view();
        let coll = collection(&view, session, &distinct.find.collection)?;
        let asked = Asked::of_find(session, &distinct.find)?.permitted(
            &view,
            session,
            (&distinct.find.collection, &distinct.find.filter),
            Wanting::reading(),
        )?;
        let paths = [Path::new(&distinct.key)];
        // A rule about documents needs them whole.
        let checks = asked.permit.as_ref().is_some_and(Permit::checks);
        let rows = if checks { RowsWanted::Documents } else { RowsWanted::Values(&paths) };
        let wanted = asked.wanted(self, None, rows);
        let wanted = grant_with(session, Action::Read, asked.permit.as_ref(), wanted)?.ask();
        let plan = choose(&view, &coll, &wanted)?;
        if too_long(&plan, place) {
            return Ok(None);
        }
        let cx = asked.cx(session);
        let mut fetch = Fetch::new(&view, &coll, &plan).with_staged(ground.staged(&coll), &asked.filter);
        let mut values = Values::new(&distinct.key)?;
        while let Some(row) = fetch.next_row(&cx)? {
            asked.verify(&view, session, &row.doc)?;
            values.add(row.doc.raw(), &cx)?;
        }
        done(Reply::Values(values.into_values()))
    }
}

/// The first rows in the wanted order.
pub(crate) fn rows(
    fetch: &mut Fetch<'_>,
    asked: &Asked,
    plan: &Plan,
    need: u64,
    cx: &Cx<'_>,
) -> Result<(Vec<Row>, Examined)> {
    let by_fields = asked.sort.metas().is_empty();
    let as_planned = plan.ordered && (by_fields || plan.is_best_first());
    let in_order = (as_planned || asked.sort.is_natural()) && !fetch.is_mixed();
    let rows = match in_order {
        // Without sort fields this is the order of places, which is that of insertion.
        false => sorted(fetch, &asked.sort, &asked.filter, Some(need), cx)?,
        true => {
            let mut rows = Vec::new();
            while (rows.len() as u64) < need
                && let Some(row) = fetch.next_row(cx)?
            {
                rows.push(row);
            }
            rows
        }
    };
    let examined = Examined { returned: rows.len() as u64, ..fetch.examined };
    Ok((rows, examined))
}

/// Must work of this weight go elsewhere?
pub(crate) fn too_long(plan: &Plan, place: Place) -> bool {
    place == Place::Inline && plan.weight > INLINE_WEIGHT_MAX
}

/// A reply that waits for nothing.
pub(crate) fn done(reply: Reply) -> Attempt {
    Ok(Some(Started { reply, durable: Durable::default() }))
}

/// A reply that waits for commits.
pub(crate) fn written(reply: Reply, durable: Durable) -> Attempt {
    Ok(Some(Started { reply, durable }))
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Started {
    /// Waits on this thread until the reply may go out.
    ///
    /// # Errors
    /// `OutcomeUnknown`, `StorageFull`, `Halted`.
    pub fn wait(self) -> Result<Reply> {
        self.durable.wait()?;
        Ok(self.reply)
    }
}

impl Durable {
    pub(crate) fn of(ticket: Option<Ticket>) -> Durable {
        Durable(ticket.into_iter().collect())
    }

    /// Adds a commit. Commits of one group end together, so only one ticket of each is kept.
    pub(crate) fn add(&mut self, ticket: Ticket) {
        match self.0.last_mut() {
            Some(last) if last.same_group(&ticket) => *last = ticket,
            _ => self.0.push(ticket),
        }
    }

    /// Adds a commit, if there is one to wait for.
    pub(crate) fn extend(&mut self, ticket: Option<Ticket>) {
        ticket.into_iter().for_each(|ticket| self.add(ticket));
    }

    /// Adds all that another command waits for.
    pub(crate) fn join(&mut self, other: Durable) {
        other.0.into_iter().for_each(|ticket| self.add(ticket));
    }

    /// Blocks until the commits are durable.
    ///
    /// # Errors
    /// `OutcomeUnknown`, `StorageFull`, `Halted`.
    pub fn wait(&self) -> Result<()> {
        self.0.iter().try_for_each(|ticket| ticket.wait().map(drop)).map_err(Error::from)
    }
}

impl Future for Durable {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(ticket) = self.0.last_mut() {
            match Pin::new(ticket).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(_)) => drop(self.0.pop()),
            }
        }
        Poll::Ready(Ok(()))
    }
}
