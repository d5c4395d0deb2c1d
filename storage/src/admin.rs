//! Changes of the catalog: environments, collections, indexes, and records of layers above.
//!
//! Every change is a commit like any other. Whatever is dropped disappears at once for new readers; its space is given
//! back in the background, and a note in the store makes sure that this happens even after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{Catalog, Collection, CompilePartial, Env, FieldOrder, Index, IndexSpec, IndexState, codec};
use crate::collation::Collation;
use crate::commit::{Submission, Ticket};
use crate::engine::Batch;
use crate::error::{Error, Result};
use crate::geo::Grid;
use crate::key::{self, CollId, EnvId, IndexId, KeyRange, Space};
use crate::limits::{INDEX_FIELDS_MAX, INDEXES_MAX};
use crate::store::Store;
use crate::text::TextFields;

/// A change of one record of a layer above.
#[derive(Clone, Debug)]
pub struct RecordChange {
    /// The record's kind.
    pub kind: u8,
    /// Its name.
    pub name: Vec<u8>,
    /// What it holds from now on; `None` removes it.
    pub record: Option<Vec<u8>>,
}

impl Store {
    /// Makes an environment.
    ///
    /// # Errors
    /// `Exists`, `Halted`, `Closed`.
    pub fn create_env(&self, name: &str) -> Result<(EnvId, Ticket)> {
        let created_ms = (self.inner.options.clock)();
        let (ticket, id) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            if catalog.env(name).is_some() {
                return Err(Error::Exists("environment"));
            }
            let mut next = catalog.clone();
            next.counters.env += 1;
            let id = EnvId(next.counters.env);
            let env = Env { id, name: name.to_owned(), created_ms, collections: BTreeMap::new() };
            batch.put(Space::Meta, &key::meta_env(id), &codec::env_record(&env));
            put_counters(&next, batch);
            Ok((next.with_env(env), id))
        })?;
        Ok((id, ticket))
    }

    /// Drops an environment with everything in it.
    ///
    /// # Errors
    /// `Gone`, `Halted`, `Closed`.
    pub fn drop_env(&self, env: EnvId) -> Result<Ticket> {
        let (ticket, dropped) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let record = catalog.env_by_id(env).ok_or(Error::Gone("environment"))?;
            batch.delete(Space::Meta, &key::meta_env(env));
            for collection in record.collections() {
                batch.delete(Space::Meta, &key::meta_collection(env, collection.id));
            }
            batch.delete_range(Space::Meta, &KeyRange::prefix(&key::meta_records(env)));
            let prefix = env.0.to_be_bytes();
            let ranges = [(Space::Doc, KeyRange::prefix(&prefix)), (Space::Index, KeyRange::prefix(&prefix))];
            Ok(drop_ranges(catalog.without_env(env), &ranges, batch))
        })?;
        self.inner.keeper.reclaim(dropped);
        Ok(ticket)
    }

    /// Makes a collection with its index on `_id`.
    ///
    /// # Errors
    /// `Exists`, `Gone` (the environment), `Halted`, `Closed`.
    pub fn create_collection(&self, env: EnvId, name: &str) -> Result<Ticket> {
        let created_ms = (self.inner.options.clock)();
        let (ticket, ()) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            if catalog.env_by_id(env).is_none() {
                return Err(Error::Gone("environment"));
            }
            if catalog.collection(env, name).is_some() {
                return Err(Error::Exists("collection"));
            }
            let mut next = catalog.clone();
            next.counters.coll += 1;
            next.counters.index += 1;
            let collection = Collection {
                id: CollId(next.counters.coll),
                env,
                name: name.to_owned(),
                version: 1,
                created_ms,
                indexes: vec![Arc::new(id_index(IndexId(next.counters.index)))],
                policy: None,
                stats: Arc::default(),
                superseded: Arc::default(),
            };
            put_counters(&next, batch);
            Ok((put_collection(&next, collection, batch), ()))
        })?;
        Ok(ticket)
    }

    /// Drops a collection with its documents and indexes.
    ///
    /// # Errors
    /// `Gone`, `Halted`, `Closed`.
    pub fn drop_collection(&self, env: EnvId, name: &str) -> Result<Ticket> {
        let (ticket, dropped) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let collection = catalog.collection(env, name).ok_or(Error::Gone("collection"))?;
            batch.delete(Space::Meta, &key::meta_collection(env, collection.id));
            Ok(drop_ranges(catalog.without_collection(env, name), &ranges_of(collection), batch))
        })?;
        self.inner.keeper.reclaim(dropped);
        Ok(ticket)
    }

    /// Puts a collection in the place of another, which is dropped if it is there; its policy stays.
    ///
    /// # Errors
    /// `Gone` (the collection to move), `Halted`, `Closed`.
    pub fn move_collection_over(&self, env: EnvId, name: &str, target: &str) -> Result<Ticket> {
        let (ticket, dropped) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let moved = catalog.collection(env, name).ok_or(Error::Gone("collection"))?;
            let mut renamed = Collection { name: target.to_owned(), ..moved.next_version() };
            let without = catalog.without_collection(env, name);
            let Some(old) = catalog.collection(env, target) else {
                return Ok((put_collection(&without, renamed, batch), None));
            };
            renamed.policy.clone_from(&old.policy);
            batch.delete(Space::Meta, &key::meta_collection(env, old.id));
            let (next, dropped) = drop_ranges(without.without_collection(env, target), &ranges_of(old), batch);
            Ok((put_collection(&next, renamed, batch), Some(dropped)))
        })?;
        dropped.into_iter().for_each(|id| self.inner.keeper.reclaim(id));
        Ok(ticket)
    }

    /// Gives a collection another name.
    ///
    /// # Errors
    /// `Gone`, `Exists`, `Halted`, `Closed`.
    pub fn rename_collection(&self, env: EnvId, name: &str, new_name: &str) -> Result<Ticket> {
        let (ticket, ()) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let collection = catalog.collection(env, name).ok_or(Error::Gone("collection"))?;
            if catalog.collection(env, new_name).is_some() {
                return Err(Error::Exists("collection"));
            }
            let renamed = Collection { name: new_name.to_owned(), ..collection.next_version() };
            Ok((put_collection(&catalog.without_collection(env, name), renamed, batch), ()))
        })?;
        Ok(ticket)
    }

    /// Sets the permission policy of a collection, opaque here.
    ///
    /// # Errors
    /// `Gone`, `Halted`, `Closed`.
    pub fn set_policy(&self, env: EnvId, name: &str, policy: Option<Bytes>) -> Result<Ticket> {
        self.edit_collection(env, name, |collection| {
            collection.policy = policy;
            Ok(())
        })
    }

    /// Makes an index and starts to build it in the background. Names and paths are the caller's to check.
    ///
    /// # Errors
    /// `Exists` (the name), `TooLarge` (fields or indexes), `Unindexable` (partial filter or collation), `Gone`.
    pub fn create_index(&self, env: EnvId, collection: &str, spec: &IndexSpec) -> Result<(IndexId, Ticket)> {
        let compile = self.inner.options.compile_partial;
        let (ticket, id) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let record = catalog.collection(env, collection).ok_or(Error::Gone("collection"))?;
            if record.index(&spec.name).is_some() {
                return Err(Error::Exists("index"));
            }
            bounded("number of indexes", record.indexes.len() + 1, INDEXES_MAX)?;
            let mut next = catalog.clone();
            next.counters.index += 1;
            let id = IndexId(next.counters.index);
            let mut edited = record.next_version();
            edited.indexes.push(Arc::new(new_index(id, spec, compile)?));
            put_counters(&next, batch);
            Ok((put_collection(&next, edited, batch), id))
        })?;
        self.inner.keeper.build(env, collection, id);
        Ok((id, ticket))
    }

    /// Drops an index; the one on `_id` stays.
    ///
    /// # Errors
    /// `Gone`, `Halted`, `Closed`.
    pub fn drop_index(&self, env: EnvId, collection: &str, name: &str) -> Result<Ticket> {
        let (ticket, dropped) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let record = catalog.collection(env, collection).ok_or(Error::Gone("collection"))?;
            let index = record.indexes.iter().skip(1).find(|index| index.name == name).ok_or(Error::Gone("index"))?;
            let mut edited = record.next_version();
            edited.indexes.retain(|other| other.id != index.id);
            batch.delete(Space::Meta, &key::meta_progress(index.id));
            let next = put_collection(catalog, edited, batch);
            Ok(drop_ranges(next, &[index_range(env, index.id)], batch))
        })?;
        self.inner.keeper.reclaim(dropped);
        Ok(ticket)
    }

    /// Stores a record of a layer above.
    ///
    /// # Errors
    /// `Halted`, `Closed`.
    pub fn put_record(&self, kind: u8, env: EnvId, name: &[u8], record: &[u8]) -> Result<Ticket> {
        let mut submission = Submission::default();
        submission.batch.put(Space::Meta, &key::meta_record(kind, env, name), record);
        self.inner.pipeline.submit(submission)
    }

    /// Stores and removes records of a layer above, all of them or none.
    ///
    /// # Errors
    /// `Halted`, `Closed`.
    pub fn change_records(&self, env: EnvId, changes: &[RecordChange]) -> Result<Ticket> {
        let mut submission = Submission::default();
        for RecordChange { kind, name, record } in changes {
            let key = key::meta_record(*kind, env, name);
            match record {
                Some(record) => submission.batch.put(Space::Meta, &key, record),
                None => submission.batch.delete(Space::Meta, &key),
            }
        }
        self.inner.pipeline.submit(submission)
    }

    /// Removes a record of a layer above.
    ///
    /// # Errors
    /// `Halted`, `Closed`.
    pub fn delete_record(&self, kind: u8, env: EnvId, name: &[u8]) -> Result<Ticket> {
        let mut submission = Submission::default();
        submission.batch.delete(Space::Meta, &key::meta_record(kind, env, name));
        self.inner.pipeline.submit(submission)
    }

    /// Notes that documents with arrays are about to enter an index.
    pub(crate) fn mark_multikey(&self, coll: &Collection, id: IndexId, bits: u32) -> Result<()> {
        self.edit_index_of(coll, |index| {
            if index.id == id {
                index.multikey |= bits;
            }
        })
    }

    /// Notes how the building of an index ended.
    pub(crate) fn finish_index(&self, coll: &Collection, id: IndexId, state: &IndexState, multikey: u32) -> Result<()> {
        self.edit_index_of(coll, |index| {
            if index.id == id {
                index.state = state.clone();
                index.multikey |= multikey;
            }
        })
    }

    fn edit_index_of(&self, coll: &Collection, edit: impl Fn(&mut Index)) -> Result<()> {
        let id = coll.id;
        let ticket = self.edit_collection(coll.env, &coll.name, |collection| {
            if collection.id != id {
                return Err(Error::Gone("collection"));
            }
            collection.indexes.iter_mut().for_each(|index| edit(Arc::make_mut(index)));
            Ok(())
        })?;
        drop(ticket); // whoever depends on it comes later in the same order
        Ok(())
    }

    fn edit_collection(
        &self,
        env: EnvId,
        name: &str,
        edit: impl FnOnce(&mut Collection) -> Result<()>,
    ) -> Result<Ticket> {
        let (ticket, ()) = self.inner.pipeline.submit_catalog(|catalog, batch| {
            let record = catalog.collection(env, name).ok_or(Error::Gone("collection"))?;
            let mut edited = record.next_version();
            edit(&mut edited)?;
            Ok((put_collection(catalog, edited, batch), ()))
        })?;
        Ok(ticket)
    }
}

fn put_collection(catalog: &Catalog, collection: Collection, batch: &mut Batch) -> Catalog {
    let record = codec::collection_record(&collection);
    batch.put(Space::Meta, &key::meta_collection(collection.env, collection.id), &record);
    catalog.with_collection(collection)
}

fn put_counters(catalog: &Catalog, batch: &mut Batch) {
    batch.put(Space::Meta, key::META_COUNTERS, &codec::encode(&catalog.counters));
}

/// Where the documents and index entries of a collection stand.
fn ranges_of(collection: &Collection) -> Vec<(Space, KeyRange)> {
    let docs = (Space::Doc, KeyRange::prefix(&key::documents(collection.env, collection.id)));
    let indexes = collection.indexes.iter().map(|index| index_range(collection.env, index.id));
    std::iter::once(docs).chain(indexes).collect()
}

fn index_range(env: EnvId, index: IndexId) -> (Space, KeyRange) {
    (Space::Index, KeyRange::prefix(&key::entries(env, index)))
}

/// Deletes ranges and notes that their space is to be given back. The number returned names the note.
fn drop_ranges(mut catalog: Catalog, ranges: &[(Space, KeyRange)], batch: &mut Batch) -> (Catalog, u64) {
    catalog.counters.dropped += 1;
    let id = catalog.counters.dropped;
    ranges.iter().for_each(|(space, range)| batch.delete_range(*space, range));
    let stored: Vec<(bool, &[u8], &[u8])> = ranges
        .iter()
        .map(|(space, range)| (*space == Space::Doc, range.start.as_slice(), range.end.as_slice()))
        .collect();
    batch.put(Space::Meta, &key::meta_dropped(id), &codec::encode(&stored));
    put_counters(&catalog, batch);
    (catalog, id)
}

/// Reads what [`drop_ranges`] noted.
pub(crate) fn read_dropped(record: &[u8]) -> Result<Vec<(Space, KeyRange)>> {
    let stored: Vec<(bool, Vec<u8>, Vec<u8>)> = codec::decode(record)?;
    let space = |is_doc| if is_doc { Space::Doc } else { Space::Index };
    Ok(stored.into_iter().map(|(is_doc, start, end)| (space(is_doc), KeyRange { start, end })).collect())
}

fn id_index(id: IndexId) -> Index {
    Index {
        id,
        name: "_id_".to_owned(),
        fields: vec![codec::field("_id", FieldOrder::Ascending)],
        unique: true,
        sparse: false,
        partial: None,
        expire_after_s: None,
        collation: None,
        state: IndexState::Ready,
        multikey: 0,
        progress: Arc::default(),
        grid: Grid::default(),
        text: None,
    }
}

fn new_index(id: IndexId, spec: &IndexSpec, compile: CompilePartial) -> Result<Index> {
    bounded("number of index fields", spec.fields.len(), INDEX_FIELDS_MAX)?;
    let unindexable = |reason: &str| {
        let number = 67; // MongoDB's CannotCreateIndex
        Error::Unindexable { index: spec.name.clone(), reason: reason.to_owned(), number }
    };
    let collation = match &spec.collation {
        Some(collation) => Some(Collation::new(collation.clone()).ok_or_else(|| unindexable("unknown locale"))?),
        None => None,
    };
    let text = match spec.text.clone() {
        Some(text) => Some(TextFields::new(text).ok_or_else(|| unindexable("unknown language"))?),
        None => None,
    };
    let partial = spec.partial.clone().map(|filter| codec::partial(filter, compile)).transpose();
    Ok(Index {
        id,
        name: spec.name.clone(),
        fields: spec.fields.iter().map(|(path, order)| codec::field(path, *order)).collect(),
        unique: spec.unique,
        sparse: spec.sparse,
        partial: partial.map_err(|_| unindexable("the partial filter cannot be read"))?,
        expire_after_s: spec.expire_after_s,
        collation: collation.map(Arc::new),
        state: IndexState::Building,
        multikey: 0,
        progress: Arc::default(),
        grid: spec.grid,
        text: text.map(Arc::new),
    })
}

fn bounded(what: &'static str, bytes: usize, bytes_max: usize) -> Result<()> {
    match bytes <= bytes_max {
        true => Ok(()),
        false => Err(Error::TooLarge { what, bytes, bytes_max }),
    }
}
