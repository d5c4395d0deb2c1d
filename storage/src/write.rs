//! The only writer of documents and index entries.
//!
//! Each call reads the newest version of a document under its lock, works out the difference of index entries, checks
//! unique keys and hands one commit to the pipeline. The caller gets a [`Ticket`] and answers after it. What a caller
//! reads here may still wait for the disk; since its own commit stands behind, it can never become durable without it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{Collection, Index, IndexState};
use crate::changes::Change;
use crate::commit::{DocWrite, Submission, Ticket};
use crate::doc::{Doc, Element, RawDoc};
use crate::engine::Batch;
use crate::error::{Error, Result};
use crate::index::{self, Entry, EntrySet};
use crate::key::{self, IndexId, Note, Rid, Seq, Space};
use crate::limits::DOC_BYTES_MAX;
use crate::store::Store;
use crate::text::LanguageFault;

/// What becomes of a document.
#[derive(Clone, Debug)]
pub enum Edit {
    /// It stays as it is.
    Keep,
    /// Some of its fields change.
    Update(Doc),
    /// It is replaced as a whole; watchers tell this from an update.
    Replace(Doc),
    /// It goes.
    Remove,
}

/// A change that is on its way to the disk.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The document before.
    pub before: Doc,
    /// The document after; `None` if it was removed.
    pub after: Option<Doc>,
    /// Resolves when the change is durable.
    pub ticket: Ticket,
}

/// A commit under preparation: documents, entries, and the unique keys that must be free.
#[derive(Default)]
pub(crate) struct Prepared {
    docs: Vec<DocWrite>,
    removed: Vec<(Entry, bool)>,
    added: Vec<Entry>,
    claims: Vec<Claim>,
    multikey: Vec<(Arc<Collection>, IndexId, u32)>,
    /// How many groups had been undone when the preparation began.
    undone: Option<u64>,
    /// Further changes of the same commit.
    pub(crate) batch: Batch,
}

/// A unique key that a document wants.
struct Claim {
    index: Arc<Index>,
    key: Vec<u8>,
    rid: Rid,
}

impl Claim {
    fn duplicate(&self) -> Error {
        Error::Duplicate { index: self.index.name.clone(), key: describe(&self.index, &self.key) }
    }
}

impl Store {
    /// Stores a new document. It must have an `_id`.
    ///
    /// # Errors
    /// `Duplicate`, `TooLarge`, `ParallelArrays`, `Unindexable`, `Gone` (the collection), `Halted`, `Closed`.
    pub fn insert(&self, coll: &Collection, doc: &Doc) -> Result<(Rid, Ticket)> {
        let rid = self.inner.pipeline.next_rid();
        loop {
            let coll = self.current(coll)?;
            let mut prepared = self.prepare();
            prepared.document(&coll, rid, None, Some(doc), false)?;
            match self.commit(prepared) {
                Err(Error::Conflict) => {}
                outcome => return outcome.map(|ticket| (rid, ticket)),
            }
        }
    }

    /// Changes the newest version of a document. `edit` decides under the document's lock; it may be asked again if
    /// the collection's indexes change meanwhile. `None` if the document is not there or stays as it is.
    ///
    /// # Errors
    /// What `edit` answers, and as for [`Store::insert`].
    pub fn change<E: From<Error>>(
        &self,
        coll: &Collection,
        rid: Rid,
        mut edit: impl FnMut(&Doc) -> Result<Edit, E>,
    ) -> Result<Option<Changed>, E> {
        loop {
            let coll = self.current(coll)?;
            let _lock = self.inner.locks.docs(std::iter::once(rid));
            let mut prepared = self.prepare();
            let Some((_, before)) = self.newest(&coll, rid)? else { return Ok(None) };
            let (after, replaced) = match edit(&before)? {
                Edit::Keep => return Ok(None),
                Edit::Update(doc) => (Some(doc), false),
                Edit::Replace(doc) => (Some(doc), true),
                Edit::Remove => (None, false),
            };
            prepared.document(&coll, rid, Some(&before), after.as_ref(), replaced)?;
            match self.commit(prepared) {
                Err(Error::Conflict) => {}
                outcome => return Ok(Some(Changed { before, after, ticket: outcome? })),
            }
        }
    }

    /// The newest version of a document, published or waiting, with the commit that wrote it.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub(crate) fn newest(&self, coll: &Collection, rid: Rid) -> Result<Option<(Seq, Doc)>> {
        // The waiting commits first: what leaves them is published before.
        match self.inner.pipeline.waiting_doc(rid) {
            Some((seq, doc)) => Ok(doc.map(|doc| (seq, doc))),
            None => self.view().versioned(coll, rid),
        }
    }

    /// The newest record of a collection.
    ///
    /// # Errors
    /// `Gone` where it was dropped.
    pub(crate) fn current(&self, coll: &Collection) -> Result<Arc<Collection>> {
        let newest = self.inner.pipeline.newest_catalog().collection(coll.env, &coll.name).cloned();
        newest.filter(|newest| newest.id == coll.id).ok_or(Error::Gone("collection"))
    }

    /// Puts the entries of some documents into an index that is being built. Returns the multikey bits that they set.
    ///
    /// # Errors
    /// `Duplicate` and the like: the index cannot be built on this data.
    pub(crate) fn index_documents(
        &self,
        coll: &Collection,
        index: &Arc<Index>,
        rids: &[Rid],
        note: impl Fn(u32, &mut Batch),
    ) -> Result<(u32, Ticket)> {
        loop {
            let _locks = self.inner.locks.docs(rids.iter().copied());
            let mut prepared = self.prepare();
            let mut multikey = 0;
            for rid in rids {
                let Some((_, doc)) = self.newest(coll, *rid)? else { continue };
                let set = index::entries(coll.env, index, doc.raw(), *rid)?;
                multikey |= set.multikey;
                prepared.add(index, *rid, set.entries);
            }
            note(multikey, &mut prepared.batch);
            match self.commit(prepared) {
                Err(Error::Conflict) => {}
                outcome => return outcome.map(|ticket| (multikey, ticket)),
            }
        }
    }

    /// Begins the preparation of a commit. What is read for it from now on may be a waiting commit that the disk has no
    /// room for in the end: then the preparation is refused, and made again from what is there.
    pub(crate) fn prepare(&self) -> Prepared {
        Prepared { undone: Some(self.inner.pipeline.undone()), ..Prepared::default() }
    }

    /// Checks unique keys and hands the commit in.
    ///
    /// # Errors
    /// `Conflict`: prepare it again, the collection's indexes changed or a group was undone. `Duplicate`, `Halted`, `Closed`.
    pub(crate) fn commit(&self, prepared: Prepared) -> Result<Ticket> {
        if !prepared.multikey.is_empty() {
            for (coll, index, bits) in &prepared.multikey {
                self.mark_multikey(coll, *index, *bits)?;
            }
            return Err(Error::Conflict); // to be prepared again with the marked index
        }
        check_claims(&prepared.claims)?;
        let _locks = self.inner.locks.keys(prepared.claims.iter().map(|claim| claim.key.as_slice()));
        for claim in &prepared.claims {
            if !prepared.frees(&claim.key) {
                self.check_free(claim)?;
            }
        }
        self.inner.pipeline.submit(prepared.into_submission())
    }

    fn check_free(&self, claim: &Claim) -> Result<()> {
        // The waiting commits first: what leaves them is published before.
        let holder = match self.inner.pipeline.waiting_holder(&claim.key) {
            Some(holder) => holder,
            None => self.view().holder(&claim.key)?,
        };
        match holder {
            Some(holder) if holder != claim.rid => Err(claim.duplicate()),
            _ => Ok(()),
        }
    }
}

impl Prepared {
    /// The unique keys that these changes give up and take.
    pub(crate) fn unique_keys(&self) -> impl Iterator<Item = (&[u8], Option<Rid>)> {
        let given_up = self.removed.iter().filter(|(_, unique)| *unique).map(|(entry, _)| (entry.key.as_slice(), None));
        given_up.chain(self.claims.iter().map(|claim| (claim.key.as_slice(), Some(claim.rid))))
    }

    /// Checks each unique key that is wanted; `holder` says who holds it.
    ///
    /// # Errors
    /// `Duplicate`, and what `holder` answers.
    pub(crate) fn check_claims(&self, holder: impl Fn(&[u8]) -> Result<Option<Rid>>) -> Result<()> {
        for claim in self.claims.iter().filter(|claim| !self.frees(&claim.key)) {
            if holder(&claim.key)?.is_some_and(|holder| holder != claim.rid) {
                return Err(claim.duplicate());
            }
        }
        Ok(())
    }

    fn frees(&self, key: &[u8]) -> bool {
        self.removed.iter().any(|(entry, unique)| *unique && entry.key == key)
    }

    /// Removals first: a key that one document gives up may be taken by another in the same commit.
    fn into_submission(self) -> Submission {
        let Prepared { docs, undone, .. } = self;
        let mut submission = Submission { docs, undone, ..Submission::default() };
        for (entry, unique) in self.removed {
            submission.batch.delete(Space::Index, &entry.key);
            if unique {
                submission.unique.push((entry.key, None));
            }
        }
        for entry in &self.added {
            submission.batch.put(Space::Index, &entry.key, &entry.value);
        }
        submission.unique.extend(self.claims.into_iter().map(|claim| (claim.key, Some(claim.rid))));
        submission.batch.append(&self.batch);
        submission
    }

    /// Adds what happens to one document and its entries.
    ///
    /// # Errors
    /// `TooLarge`, `ParallelArrays`, `Unindexable`.
    pub(crate) fn document(
        &mut self,
        coll: &Arc<Collection>,
        rid: Rid,
        before: Option<&Doc>,
        after: Option<&Doc>,
        replaced: bool,
    ) -> Result<()> {
        if let Some(bytes) = after.map(|doc| doc.as_bytes().len())
            && bytes > DOC_BYTES_MAX
        {
            return Err(Error::TooLarge { what: "document", bytes, bytes_max: DOC_BYTES_MAX });
        }
        for index in coll.indexes.iter().filter(|index| !matches!(index.state, IndexState::Failed { .. })) {
            self.entries(coll, index, rid, before, after)?;
        }
        let (before, after) = (before.cloned(), after.cloned());
        let change = Change { env: coll.env, coll: coll.id, rid, before, after, replaced };
        self.docs.push(DocWrite { coll: coll.clone(), change });
        Ok(())
    }

    /// Adds the difference of a document's entries in one index.
    fn entries(
        &mut self,
        coll: &Arc<Collection>,
        index: &Arc<Index>,
        rid: Rid,
        before: Option<&Doc>,
        after: Option<&Doc>,
    ) -> Result<()> {
        if let Some(text) = &index.text {
            let checked = after.map_or(Ok(()), |after| text.check_languages(after.raw()));
            let unindexable =
                |LanguageFault { reason, number }| Error::Unindexable { index: index.name.clone(), reason, number };
            return checked.map_err(unindexable); // its thread reads the change log
        }
        if let (Some(before), Some(after)) = (before, after)
            && is_untouched(index, before.raw(), after.raw())
        {
            return Ok(());
        }
        let of = |doc: Option<&Doc>| match doc {
            Some(doc) => index::entries(coll.env, index, doc.raw(), rid),
            None => Ok(EntrySet::default()),
        };
        let (old, new) = (of(before)?, of(after)?);
        if new.multikey & !index.multikey != 0 {
            self.multikey.push((coll.clone(), index.id, new.multikey));
        }
        let (gone, added) = difference(old.entries, new.entries);
        self.removed.extend(gone.into_iter().map(|entry| (entry, index.unique)));
        self.add(index, rid, added);
        Ok(())
    }

    fn add(&mut self, index: &Arc<Index>, rid: Rid, entries: Vec<Entry>) {
        if index.unique {
            let claim = |entry: &Entry| Claim { index: index.clone(), key: entry.key.clone(), rid };
            self.claims.extend(entries.iter().map(claim));
        }
        self.added.extend(entries);
    }
}

/// No two documents of one commit may want the same key.
fn check_claims(claims: &[Claim]) -> Result<()> {
    let mut wanted: HashMap<&[u8], Rid> = HashMap::with_capacity(claims.len());
    for claim in claims {
        if wanted.insert(&claim.key, claim.rid).is_some_and(|other| other != claim.rid) {
            return Err(claim.duplicate());
        }
    }
    Ok(())
}

/// Do two versions of a document have the same bytes under every field that the index looks at?
fn is_untouched(index: &Index, before: RawDoc<'_>, after: RawDoc<'_>) -> bool {
    index.partial.is_none()
        && index.fields.iter().all(|field| {
            let (a, b) = (before.element(field.path.head()), after.element(field.path.head()));
            a.map(Element::kind) == b.map(Element::kind) && a.map(Element::value_bytes) == b.map(Element::value_bytes)
        })
}

/// What is only in the old entries, and what is new or has another value. Both come sorted by key.
fn difference(old: Vec<Entry>, new: Vec<Entry>) -> (Vec<Entry>, Vec<Entry>) {
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    let mut new = new.into_iter().peekable();
    for entry in old {
        while let Some(next) = new.next_if(|next| next.key < entry.key) {
            added.push(next);
        }
        match new.next_if(|next| next.key == entry.key) {
            None => gone.push(entry),
            Some(same) if same.value != entry.value => added.push(same),
            Some(_) => {}
        }
    }
    added.extend(new);
    (gone, added)
}

/// The key as MongoDB's message shows it: `{ email: "a@b.c" }`.
fn describe(index: &Index, key: &[u8]) -> String {
    let mut rest = key.get(8..).unwrap_or_default();
    let mut shown = Vec::new();
    for field in &index.fields {
        let direction = field.order.direction();
        let value = match key::decode(rest, direction, Note::Plain) {
            Some((value, _)) if index.collation.is_none() => value.as_ref().to_string(),
            _ => "…".to_owned(),
        };
        shown.push(format!("{}: {value}", field.path));
        rest = key::skip(rest, direction).and_then(|size| rest.get(size..)).unwrap_or_default();
    }
    format!("{{ {} }}", shown.join(", "))
}
