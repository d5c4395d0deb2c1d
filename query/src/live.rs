//! Open transactions: found by id, bound to their environment and credential, gone after their time.
//!
//! A request inside a transaction works on the transaction's snapshot and staged changes; one request at a time. An
//! operation that fails poisons its transaction: the commit then refuses and names the reason. A transaction whose
//! time is over, or that lost a conflict, is forgotten by itself. Commits are remembered for a while, so that a
//! repeated commit gets the same answer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use storage::{Collection, Doc, Edit, EnvId, Rid, Store, Ticket, Txn, Value, View};

use crate::command::Command;
use crate::db::Durable;
use crate::error::{Code, Error, Result};
use crate::session::{Caller, Session, TransactionId};
use crate::turns::{Spot, Turn, Turns};

/// How long a finished commit is remembered, in milliseconds.
const REMEMBERED_MS: i64 = 60_000;

/// Most documents at which turns are taken because one transaction lost.
const HEATED_MAX: usize = 16;

/// The open transactions of a database.
#[derive(Default)]
pub(crate) struct Live {
    open: Mutex<HashMap<TransactionId, Arc<Slot>>>,
    turns: Arc<Turns>,
}

/// One transaction.
struct Slot {
    env: EnvId,
    caller: Caller,
    key: Option<Arc<str>>,
    ends: i64,
    life_ms: u64,
    state: Mutex<State>,
    reads: Mutex<Reads>,
}

/// What a transaction has read so far.
#[derive(Default)]
struct Reads {
    /// Documents by their ids, with their collections.
    docs: Vec<(String, Value)>,
    /// Has it read anything else?
    more: bool,
}

enum State {
    Open(Box<Txn>),
    /// An operation failed: nothing can be committed any more.
    Poisoned(Error),
    /// Committed; the tickets are kept for repeated commits.
    Committed(Option<Ticket>),
    Ended,
}

/// Where a request reads and writes: the newest moment, or an open transaction.
pub(crate) enum Ground<'g> {
    Plain { store: &'g Store, view: View },
    Inside { txn: MappedMutexGuard<'g, Txn>, docs_max: u64 },
}

/// An open transaction that a request has found. It keeps the transaction alive while the request works on it.
pub(crate) struct Found(Option<Arc<Slot>>);

/// What became of a document: before, after, and the commit to wait for if it is on its way.
pub(crate) type Changed = (Doc, Option<Doc>, Option<Ticket>);

impl Live {
    /// Opens a transaction for the session's caller.
    pub(crate) fn begin(&self, store: &Store, session: &Session) -> TransactionId {
        let random = &session.random;
        let id = TransactionId(u128::from(random.next_bits()) << 64 | u128::from(random.next_bits()));
        let life_ms = session.limits.transaction_life_ms;
        let slot = Slot {
            env: session.env,
            caller: session.caller.clone(),
            key: session.key.clone(),
            ends: session.now.saturating_add_unsigned(life_ms),
            life_ms,
            state: Mutex::new(State::Open(Box::new(store.begin()))),
            reads: Mutex::default(),
        };
        let mut open = self.open.lock();
        open.retain(|_, slot| session.now < slot.ends + REMEMBERED_MS);
        open.insert(id, Arc::new(slot));
        id
    }

    /// The transaction that the session names, or none if it names none.
    ///
    /// # Errors
    /// `TransactionMissing` for one that does not exist, is over, or belongs to somebody else.
    pub(crate) fn find(&self, session: &Session) -> Result<Found> {
        match session.transaction {
            None => Ok(Found(None)),
            Some(id) => self.slot(session, id).map(|slot| Found(Some(slot))),
        }
    }

    /// Makes a transaction's changes visible.
    ///
    /// # Errors
    /// `TransactionConflict`, `TransactionMissing`, `DuplicateKey`, and faults of the store.
    pub(crate) fn commit(&self, session: &Session, id: TransactionId) -> Result<Durable> {
        let slot = self.slot(session, id)?;
        let mut state = slot.state.lock();
        let txn = match std::mem::replace(&mut *state, State::Ended) {
            State::Open(txn) => txn,
            State::Committed(ticket) => {
                *state = State::Committed(ticket.clone());
                return Ok(Durable::of(ticket));
            }
            State::Poisoned(error) => return Err(poisoned(&error)),
            State::Ended => return Err(missing(slot.life_ms)),
        };
        let ticket = txn.commit().inspect_err(|error| self.lost(session, &slot, error))?;
        *state = State::Committed(ticket.clone());
        Ok(Durable::of(ticket))
    }

    /// Forgets a transaction's changes. One that is over already needs no forgetting.
    pub(crate) fn abort(&self, session: &Session, id: TransactionId) {
        if let Ok(slot) = self.slot(session, id) {
            let mut state = slot.state.lock();
            if !matches!(*state, State::Committed(_)) {
                *state = State::Ended;
            }
        }
    }

    /// A transaction lost: from now on others take turns at the document, and at the others that it came to, or they
    /// would wait for the one with an old sight of the others.
    fn lost(&self, session: &Session, slot: &Slot, error: &storage::Error) {
        let storage::Error::Overtaken { collection, id, .. } = error else { return };
        let heat = |collection: &str, id: String| {
            self.turns.heat(Spot { env: session.env, collection: collection.to_owned(), id }, session.now);
        };
        heat(collection, id.clone());
        let reads = slot.reads.lock();
        reads.docs.iter().take(HEATED_MAX).for_each(|(collection, id)| heat(collection, id.as_ref().to_string()));
    }

    /// The turn that a command inside a transaction needs first: where it is about one document, by its id, over which
    /// transactions fight.
    pub(crate) fn turn(&self, session: &Session, command: &Command) -> Option<Turn> {
        let who = session.transaction?;
        let (collection, id) = command.one_document()?;
        let spot = Spot { env: session.env, collection: collection.to_owned(), id: id.to_string() };
        self.turns.ask(&spot, who, session.now)
    }

    /// Its turn has come: the transaction looks at the newest moment, if everything that it has read is the same there.
    ///
    /// # Errors
    /// `TransactionMissing`, and faults of the store.
    pub(crate) fn renew(&self, store: &Store, session: &Session) -> Result<()> {
        let Some(id) = session.transaction else { return Ok(()) };
        let slot = self.slot(session, id)?;
        let mut state = slot.state.lock();
        let State::Open(txn) = &mut *state else { return Ok(()) };
        let reads = slot.reads.lock();
        let (then, now) = (txn.view(), store.view());
        if reads.more || then.seq() == now.seq() {
            return Ok(());
        }
        for (collection, id) in &reads.docs {
            let read = |view: &View| -> Result<Option<(Rid, Doc)>> {
                let Some(coll) = view.collection(session.env, collection) else { return Ok(None) };
                Ok(view.doc_by_id(coll, id.as_ref())?)
            };
            let same = match (read(then)?, read(&now)?) {
                (None, None) => true,
                (Some((rid, doc)), Some((newest, other))) => rid == newest && doc.as_bytes() == other.as_bytes(),
                _ => false,
            };
            if !same {
                return Ok(());
            }
        }
        txn.renew();
        Ok(())
    }

    /// The transaction has ended and what it did can be read: the next one takes its turn.
    pub(crate) fn end_turns(&self, id: TransactionId, now: i64) {
        self.turns.end(id, now);
    }

    fn slot(&self, session: &Session, id: TransactionId) -> Result<Arc<Slot>> {
        let slot = self.open.lock().get(&id).cloned();
        let own = slot.filter(|slot| slot.is_of(session));
        let slot = own.ok_or_else(|| missing(session.limits.transaction_life_ms))?;
        if session.now >= slot.ends {
            let mut state = slot.state.lock();
            if !matches!(*state, State::Committed(_)) {
                *state = State::Ended;
            }
        }
        Ok(slot)
    }
}

impl Slot {
    /// Does it belong to whoever asks? One key pair of an environment does not reach into the work of another.
    fn is_of(&self, session: &Session) -> bool {
        self.env == session.env && self.caller == session.caller && self.key == session.key
    }
}

impl Found {
    /// Takes the ground that the request works on; a second request of the same transaction waits.
    ///
    /// # Errors
    /// `TransactionMissing` where the transaction is over or poisoned.
    pub(crate) fn ground<'g>(&'g self, store: &'g Store, session: &Session) -> Result<Ground<'g>> {
        let Some(slot) = &self.0 else { return Ok(Ground::Plain { store, view: store.view() }) };
        let open = MutexGuard::try_map(slot.state.lock(), |state| match state {
            State::Open(txn) => Some(&mut **txn),
            State::Poisoned(_) | State::Committed(_) | State::Ended => None,
        });
        match open {
            Ok(txn) => Ok(Ground::Inside { txn, docs_max: session.limits.transaction_docs_max }),
            Err(state) => match &*state {
                State::Poisoned(error) => Err(poisoned(error)),
                _ => Err(missing(slot.life_ms)),
            },
        }
    }

    /// Notes what a command is going to read.
    pub(crate) fn note(&self, command: &Command) {
        let Some(slot) = &self.0 else { return };
        let mut reads = slot.reads.lock();
        match command.one_document() {
            _ if matches!(command, Command::Insert(_)) => {}
            Some((collection, id)) => {
                let read = (collection.to_owned(), id.to_value());
                if !reads.more && !reads.docs.contains(&read) {
                    reads.docs.push(read);
                }
            }
            None => {
                reads.more = true;
                reads.docs = Vec::new();
            }
        }
    }

    /// An operation inside the transaction failed: nothing of it can be committed.
    pub(crate) fn poison(&self, error: &Error) {
        let Some(slot) = &self.0 else { return };
        let mut state = slot.state.lock();
        if matches!(*state, State::Open(_)) {
            *state = State::Poisoned(error.clone());
        }
    }
}

impl Ground<'_> {
    /// The moment that is read.
    pub(crate) fn view(&self) -> View {
        match self {
            Ground::Plain { view, .. } => view.clone(),
            Ground::Inside { txn, .. } => txn.view().clone(),
        }
    }

    /// Documents of a collection that the transaction has changed, as it would leave them.
    pub(crate) fn staged(&self, coll: &Collection) -> Vec<(Rid, Option<Doc>)> {
        match self {
            Ground::Plain { .. } => Vec::new(),
            Ground::Inside { txn, .. } => txn.staged(coll),
        }
    }

    /// Looks at the newest moment again; a transaction keeps its own.
    ///
    /// # Errors
    /// Faults of the store.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        if let Ground::Plain { store, view } = self {
            store.settle()?; // let the quicker commit become visible
            *view = store.view();
        }
        Ok(())
    }

    /// Adds a document.
    ///
    /// # Errors
    /// Faults of the store; `TooLarge` where the transaction has changed as many documents as it may.
    pub(crate) fn insert(&mut self, coll: &Arc<Collection>, doc: &Doc) -> Result<Option<Ticket>> {
        match self {
            Ground::Plain { store, .. } => Ok(Some(store.insert(coll, doc)?.1)),
            Ground::Inside { txn, docs_max } => {
                check_room(txn, *docs_max)?;
                txn.insert(coll, doc)?;
                Ok(None)
            }
        }
    }

    /// Changes a document's newest version, or the transaction's own.
    ///
    /// # Errors
    /// What `edit` answers, and as for [`Ground::insert`].
    pub(crate) fn change(
        &mut self,
        coll: &Arc<Collection>,
        rid: Rid,
        edit: impl FnMut(&Doc) -> Result<Edit>,
    ) -> Result<Option<Changed>> {
        match self {
            Ground::Plain { store, .. } => {
                let changed = store.change(coll, rid, edit)?;
                Ok(changed.map(|changed| (changed.before, changed.after, Some(changed.ticket))))
            }
            Ground::Inside { txn, docs_max } => {
                check_room(txn, *docs_max)?;
                let changed = txn.change(coll, rid, edit)?;
                Ok(changed.map(|(before, after)| (before, after, None)))
            }
        }
    }
}

fn check_room(txn: &Txn, docs_max: u64) -> Result<()> {
    match (txn.len() as u64) < docs_max {
        true => Ok(()),
        false => Err(Error::new(
            Code::TooLarge,
            format!(
                "a transaction may change at most {docs_max} documents; split the work or raise `transaction_docs_max`"
            ),
        )),
    }
}

/// The words that callers of the original test for.
fn missing(life_ms: u64) -> Error {
    let seconds = life_ms / 1000;
    Error {
        number: 251,
        ..Error::new(
            Code::TransactionMissing,
            format!(
                "Transaction does not exist on the server, transaction must be commit or abort in {seconds} seconds."
            ),
        )
    }
}

fn poisoned(cause: &Error) -> Error {
    let message = format!(
        "the transaction was ended by an operation that failed, so nothing of it can be committed; the failure was: {}",
        cause.message
    );
    Error { number: 251, ..Error::new(Code::TransactionMissing, message) }
}
