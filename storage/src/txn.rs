//! Transactions: changes of several documents over one snapshot that become visible together or not at all.
//!
//! A transaction reads its snapshot and its own changes. Conflicts are decided once, when it commits, above the engine
//! and by commit numbers: if any document that it changed has a newer version than its snapshot saw, the first
//! committer has won and the transaction leaves nothing behind. Nothing is locked before that moment, so an abandoned
//! transaction hinders nobody. Isolation is snapshot isolation: two transactions that read what the other writes, and
//! write different documents, may both commit (write skew).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::Collection;
use crate::commit::Ticket;
use crate::doc::Doc;
use crate::error::{Error, Result};
use crate::key::{CollId, Rid, Seq};
use crate::store::{Store, View};
use crate::value::ValueRef;
use crate::write::{Edit, Prepared};

/// A transaction under way. Dropping it forgets its changes.
pub struct Txn {
    store: Store,
    view: View,
    staged: BTreeMap<(CollId, Rid), Staged>,
    /// What they make of unique keys: given up, or held by a document.
    unique: HashMap<Vec<u8>, Option<Rid>>,
}

/// A document as the transaction will leave it.
struct Staged {
    coll: Arc<Collection>,
    /// The version in the snapshot; `None` for a new document.
    before: Option<(Seq, Doc)>,
    after: Option<Doc>,
    replaced: bool,
    /// What it makes of unique keys.
    unique: Vec<(Vec<u8>, Option<Rid>)>,
}

impl Store {
    /// Opens a transaction on the newest published moment.
    pub fn begin(&self) -> Txn {
        Txn { store: self.clone(), view: self.view(), staged: BTreeMap::new(), unique: HashMap::new() }
    }
}

impl Txn {
    /// The snapshot, without the transaction's own changes.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Moves the snapshot to the newest moment. The caller answers for it that everything read before reads the same
    /// there, else the transaction would see two moments.
    pub fn renew(&mut self) {
        self.view = self.store.view();
    }

    /// The documents of a collection that the transaction has changed so far, as it would leave them, by place;
    /// `None` for those that it removes.
    pub fn staged(&self, coll: &Collection) -> Vec<(Rid, Option<Doc>)> {
        let of_coll = (coll.id, Rid(0))..=(coll.id, Rid(u64::MAX));
        self.staged.range(of_coll).map(|((_, rid), staged)| (*rid, staged.after.clone())).collect()
    }

    /// How many documents it has changed so far.
    pub fn len(&self) -> usize {
        self.staged.len()
    }

    /// Has it changed nothing yet?
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// Adds a new document; it must have an `_id`. Unique keys are checked against the snapshot and the transaction's
    /// own changes now, and against everybody's when it commits.
    ///
    /// # Errors
    /// `Duplicate`, `TooLarge`, `ParallelArrays`, `Unindexable`.
    pub fn insert(&mut self, coll: &Arc<Collection>, doc: &Doc) -> Result<Rid> {
        let rid = self.store.inner.pipeline.next_rid();
        let (before, after, unique) = (None, Some(doc.clone()), Vec::new());
        self.stage(rid, Staged { coll: coll.clone(), before, after, replaced: false, unique })?;
        Ok(rid)
    }

    /// Changes a document as the transaction sees it. `None` if it is not there or stays as it is.
    ///
    /// # Errors
    /// What `edit` answers, and as for [`Txn::insert`].
    pub fn change<E: From<Error>>(
        &mut self,
        coll: &Arc<Collection>,
        rid: Rid,
        edit: impl FnOnce(&Doc) -> Result<Edit, E>,
    ) -> Result<Option<(Doc, Option<Doc>)>, E> {
        let (before, current) = match self.staged.get(&(coll.id, rid)) {
            Some(staged) => (staged.before.clone(), staged.after.clone()),
            None => {
                let found = self.view.versioned(coll, rid)?;
                (found.clone(), found.map(|(_, doc)| doc))
            }
        };
        let Some(current) = current else { return Ok(None) };
        let (after, replaced) = match edit(&current)? {
            Edit::Keep => return Ok(None),
            Edit::Update(doc) => (Some(doc), false),
            Edit::Replace(doc) => (Some(doc), true),
            Edit::Remove => (None, false),
        };
        if before.is_none() && after.is_none() {
            self.staged.remove(&(coll.id, rid)); // made and removed by the same transaction
            self.unique = own_keys(self.staged.values());
            return Ok(Some((current, None)));
        }
        let staged = Staged { coll: coll.clone(), before, after: after.clone(), replaced, unique: Vec::new() };
        self.stage(rid, staged)?;
        Ok(Some((current, after)))
    }

    /// The document with this `_id`, as the transaction sees it.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn doc_by_id(&self, coll: &Collection, id: ValueRef<'_>) -> Result<Option<(Rid, Doc)>> {
        let mut own = self.staged(coll).into_iter().filter_map(|(rid, doc)| Some((rid, doc?)));
        if let Some(found) = own.find(|(_, doc)| doc.get("_id").is_some_and(|own| own == id)) {
            return Ok(Some(found));
        }
        let found = self.view.doc_by_id(coll, id)?;
        Ok(found.filter(|(rid, _)| !self.staged.contains_key(&(coll.id, *rid))))
    }

    /// Makes all changes visible together.
    ///
    /// # Errors
    /// `Overtaken` where somebody else changed one of the documents since the snapshot; `Duplicate`; `Gone` where a
    /// collection was dropped. Nothing is left behind then. `Halted`, `Closed`.
    pub fn commit(self) -> Result<Option<Ticket>> {
        if self.staged.is_empty() {
            return Ok(None);
        }
        loop {
            let _locks = self.store.inner.locks.docs(self.staged.keys().map(|(_, rid)| *rid));
            let mut prepared = self.store.prepare();
            for ((_, rid), staged) in &self.staged {
                let coll = self.store.current(&staged.coll)?;
                let newest = self.store.newest(&coll, *rid)?.map(|(seq, _)| seq);
                if newest != staged.before.as_ref().map(|(seq, _)| *seq) {
                    return Err(self.overtaken(staged, newest));
                }
                let before = staged.before.as_ref().map(|(_, doc)| doc);
                prepared.document(&coll, *rid, before, staged.after.as_ref(), staged.replaced)?;
            }
            match self.store.commit(prepared) {
                // The documents are locked and unchanged: an index came or went meanwhile, or a waiting group was undone.
                Err(Error::Conflict) => {}
                outcome => return outcome.map(Some),
            }
        }
    }

    fn overtaken(&self, staged: &Staged, newest: Option<Seq>) -> Error {
        let doc = staged.before.as_ref().map(|(_, doc)| doc).or(staged.after.as_ref());
        let id = doc.and_then(|doc| doc.get("_id")).unwrap_or(ValueRef::Null).to_string();
        let (by, snapshot) = (newest.map(|seq| seq.0), self.view.seq().0);
        Error::Overtaken { collection: staged.coll.name.clone(), id, by, snapshot }
    }

    /// Puts a change on the stage if it breaks no rule of an index, as far as the transaction can see.
    fn stage(&mut self, rid: Rid, staged: Staged) -> Result<()> {
        let mut prepared = Prepared::default();
        let before = staged.before.as_ref().map(|(_, doc)| doc);
        prepared.document(&staged.coll, rid, before, staged.after.as_ref(), staged.replaced)?;
        let key = (staged.coll.id, rid);
        if let Some(earlier) = self.staged.remove(&key) {
            self.unique = own_keys(self.staged.values());
            if let Err(error) = self.check(&prepared) {
                self.staged.insert(key, earlier);
                self.unique = own_keys(self.staged.values());
                return Err(error);
            }
        } else {
            self.check(&prepared)?;
        }
        let unique: Vec<(Vec<u8>, Option<Rid>)> =
            prepared.unique_keys().map(|(key, holder)| (key.to_vec(), holder)).collect();
        add_keys(&mut self.unique, &unique);
        self.staged.insert(key, Staged { unique, ..staged });
        Ok(())
    }

    fn check(&self, prepared: &Prepared) -> Result<()> {
        prepared.check_claims(|key| match self.unique.get(key) {
            Some(holder) => Ok(*holder),
            None => self.view.holder(key),
        })
    }
}

/// What the staged changes make of unique keys, all together.
fn own_keys<'s>(staged: impl Iterator<Item = &'s Staged>) -> HashMap<Vec<u8>, Option<Rid>> {
    let mut keys = HashMap::new();
    staged.for_each(|staged| add_keys(&mut keys, &staged.unique));
    keys
}

/// A key that one change gives up and another takes is taken, whichever comes first.
fn add_keys(keys: &mut HashMap<Vec<u8>, Option<Rid>>, changes: &[(Vec<u8>, Option<Rid>)]) {
    for (key, holder) in changes {
        let now = keys.entry(key.clone()).or_insert(None);
        *now = holder.or(*now);
    }
}
