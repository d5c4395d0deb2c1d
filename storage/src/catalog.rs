//! What exists: environments, collections, indexes. Records on disk, and the same as a frozen map in memory.
//!
//! A [`Catalog`] never changes; a change makes a new one that is published together with the commit that stored it,
//! so a reader's view and its catalog belong to the same moment. Records are encoded in [`codec`] and nowhere else.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::collation::{Collation, CollationSpec};
use crate::doc::{Doc, RawDoc};
use crate::error::{Error, Result};
use crate::geo::{Grid, Stored};
use crate::key::{CollId, Direction, EnvId, IndexId};
use crate::path::Path;
use crate::stats::CollectionStats;
use crate::text::{TextFields, TextSpec};

/// Everything that exists at one moment.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub(crate) envs: HashMap<EnvId, Arc<Env>>,
    pub(crate) names: HashMap<String, EnvId>,
    pub(crate) counters: Counters,
}

/// Next free numbers; never given out twice, because space of dropped things is given back later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub(crate) env: u32,
    pub(crate) coll: u32,
    pub(crate) index: u32,
    pub(crate) dropped: u64,
}

/// An environment: one tenant's collections.
#[derive(Clone, Debug)]
pub struct Env {
    /// Its number, part of every key.
    pub id: EnvId,
    /// Its name, as callers know it.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    pub(crate) collections: BTreeMap<String, Arc<Collection>>,
}

/// A collection with its indexes.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Its number, part of its documents' keys.
    pub id: CollId,
    /// The environment that it belongs to.
    pub env: EnvId,
    /// Its name.
    pub name: String,
    /// Rises with each change of the record; a write made for an older version is prepared again.
    pub version: u64,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// Its indexes; the first is the unique one on `_id`.
    pub indexes: Vec<Arc<Index>>,
    /// Permission policy, opaque here.
    pub policy: Option<Bytes>,
    /// Counts kept up to date by every commit.
    pub stats: Arc<CollectionStats>,
    /// Set once a newer version of this record is on its way: commits prepared for this one must be prepared again.
    pub(crate) superseded: Arc<AtomicBool>,
}

/// An index.
#[derive(Clone)]
pub struct Index {
    /// Its number, part of its entries' keys.
    pub id: IndexId,
    /// Its name.
    pub name: String,
    /// What it is ordered by.
    pub fields: Vec<IndexField>,
    /// No two documents may have the same key; a missing field counts as null.
    pub unique: bool,
    /// Documents without any of the fields are left out.
    pub sparse: bool,
    /// Only documents that satisfy this filter are in.
    pub partial: Option<Partial>,
    /// Documents are removed so many seconds after the date in the field.
    pub expire_after_s: Option<u32>,
    /// How texts compare.
    pub collation: Option<Arc<Collation>>,
    /// Is it complete?
    pub state: IndexState,
    /// Bit `i` is set once a document has had an array on the way to field `i`.
    pub multikey: u32,
    /// How many documents a running build has been through.
    pub progress: Arc<AtomicU64>,
    /// How a legacy geo field divides the plane.
    pub grid: Grid,
    /// The texts of a text index.
    pub text: Option<Arc<TextFields>>,
}

/// One field of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexField {
    /// Where the value is.
    pub path: Path,
    /// How it is ordered.
    pub order: FieldOrder,
}

/// How a field of an index is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FieldOrder {
    /// By value, least first.
    Ascending,
    /// By value, greatest first.
    Descending,
    /// By the cells that a geometry touches.
    Sphere,
    /// By the cells of a legacy coordinate pair.
    Plane,
    /// By value, for equality only.
    Hashed,
    /// By the words of a text.
    Text,
}

impl FieldOrder {
    /// The direction of the field's bytes in a key.
    pub const fn direction(self) -> Direction {
        match self {
            FieldOrder::Descending => Direction::Descending,
            _ => Direction::Ascending,
        }
    }
}

/// Where an index stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexState {
    /// Writes keep it up to date; older documents are being added.
    Building,
    /// Complete: queries may use it.
    Ready,
    /// The build ended with a fault; it serves no query and is to be dropped.
    Failed {
        /// What stopped it.
        reason: String,
    },
}

/// A filter that decides whether a document is in an index. Its language belongs to the layer above.
#[derive(Clone)]
pub struct Partial {
    /// The filter as it was given.
    pub filter: Doc,
    /// The filter, ready to run.
    pub matches: Predicate,
}

/// Does a document satisfy a filter?
pub type Predicate = Arc<dyn Fn(RawDoc<'_>) -> bool + Send + Sync>;

/// Makes a predicate of a stored filter; given by the layer that knows the filter language.
pub type CompilePartial = fn(&Doc) -> Option<Predicate>;

/// What to make an index of.
#[derive(Clone, Debug)]
pub struct IndexSpec {
    /// Its name.
    pub name: String,
    /// What it is ordered by.
    pub fields: Vec<(String, FieldOrder)>,
    /// No two documents may have the same key.
    pub unique: bool,
    /// Documents without any of the fields are left out.
    pub sparse: bool,
    /// Only documents that satisfy this filter are in.
    pub partial: Option<Doc>,
    /// Documents are removed so many seconds after the date in the field.
    pub expire_after_s: Option<u32>,
    /// How texts compare.
    pub collation: Option<CollationSpec>,
    /// How a legacy geo field divides the plane.
    pub grid: Grid,
    /// What a text index looks at; `None` for every other index.
    pub text: Option<TextSpec>,
}

impl Catalog {
    /// The environment of this name.
    pub fn env(&self, name: &str) -> Option<&Arc<Env>> {
        self.envs.get(self.names.get(name)?)
    }

    /// The environment with this number.
    pub fn env_by_id(&self, env: EnvId) -> Option<&Arc<Env>> {
        self.envs.get(&env)
    }

    /// All environments, by name.
    pub fn envs(&self) -> Vec<Arc<Env>> {
        let mut envs: Vec<Arc<Env>> = self.envs.values().cloned().collect();
        envs.sort_by(|a, b| a.name.cmp(&b.name));
        envs
    }

    /// The collection of this name.
    pub fn collection(&self, env: EnvId, name: &str) -> Option<&Arc<Collection>> {
        self.envs.get(&env)?.collections.get(name)
    }

    pub(crate) fn with_env(&self, env: Env) -> Catalog {
        let mut next = self.clone();
        next.names.insert(env.name.clone(), env.id);
        next.envs.insert(env.id, Arc::new(env));
        next
    }

    pub(crate) fn without_env(&self, env: EnvId) -> Catalog {
        let mut next = self.clone();
        if let Some(env) = next.envs.remove(&env) {
            next.names.remove(&env.name);
        }
        next
    }

    pub(crate) fn with_collection(&self, collection: Collection) -> Catalog {
        self.edit_env(collection.env, |env| {
            env.collections.insert(collection.name.clone(), Arc::new(collection));
        })
    }

    /// Adds a collection to a catalog that nobody else sees yet.
    pub(crate) fn add_collection(&mut self, collection: Collection) {
        if let Some(env) = self.envs.get_mut(&collection.env) {
            Arc::make_mut(env).collections.insert(collection.name.clone(), Arc::new(collection));
        }
    }

    pub(crate) fn without_collection(&self, env: EnvId, name: &str) -> Catalog {
        self.edit_env(env, |env| {
            env.collections.remove(name);
        })
    }

    /// Marks what the next catalog replaces or drops.
    pub(crate) fn supersede(&self, next: &Catalog) {
        for (id, env) in &self.envs {
            match next.envs.get(id) {
                Some(kept) if Arc::ptr_eq(kept, env) => {}
                kept => env.supersede(kept.map(AsRef::as_ref)),
            }
        }
    }

    /// Takes back every mark: the next catalog did not reach the disk.
    pub(crate) fn reinstate(&self) {
        let all = self.envs.values().flat_map(|env| env.collections.values());
        all.for_each(|collection| collection.superseded.store(false, Ordering::SeqCst));
    }

    fn edit_env(&self, env: EnvId, edit: impl FnOnce(&mut Env)) -> Catalog {
        let mut next = self.clone();
        if let Some(env) = next.envs.get_mut(&env) {
            edit(Arc::make_mut(env));
        }
        next
    }
}

impl Env {
    /// The collections, by name.
    pub fn collections(&self) -> impl ExactSizeIterator<Item = &Arc<Collection>> {
        self.collections.values()
    }

    fn supersede(&self, next: Option<&Env>) {
        for (name, collection) in &self.collections {
            let kept = next.and_then(|env| env.collections.get(name));
            if !kept.is_some_and(|kept| Arc::ptr_eq(kept, collection)) {
                collection.superseded.store(true, Ordering::SeqCst);
            }
        }
    }
}

impl Collection {
    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<&Arc<Index>> {
        self.indexes.iter().find(|index| index.name == name)
    }

    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::SeqCst)
    }

    /// The next version of this record, to be edited.
    pub(crate) fn next_version(&self) -> Collection {
        Collection { version: self.version + 1, superseded: Arc::default(), ..self.clone() }
    }

    /// The unique index on `_id`.
    pub(crate) fn id_index(&self) -> Option<&Arc<Index>> {
        self.indexes.first()
    }

    /// The indexes that queries may use.
    pub fn ready_indexes(&self) -> impl Iterator<Item = &Arc<Index>> {
        self.indexes.iter().filter(|index| index.state == IndexState::Ready)
    }
}

impl Index {
    /// Is there an array on the way to this field in some document, or, in a 2dsphere field, more than a point?
    pub const fn is_multikey(&self, field: usize) -> bool {
        field < 32 && self.multikey >> field & 1 == 1
    }

    /// What a 2dsphere field of this index holds.
    pub const fn stored(&self, field: usize) -> Stored {
        if self.is_multikey(field) { Stored::Areas } else { Stored::Points }
    }

    /// The description that it was made of.
    pub fn spec(&self) -> IndexSpec {
        IndexSpec {
            name: self.name.clone(),
            fields: self.fields.iter().map(|field| (field.path.as_str().to_owned(), field.order)).collect(),
            unique: self.unique,
            sparse: self.sparse,
            partial: self.partial.as_ref().map(|partial| partial.filter.clone()),
            expire_after_s: self.expire_after_s,
            collation: self.collation.as_ref().map(|collation| collation.spec().clone()),
            grid: self.grid,
            text: self.text.as_ref().map(|text| text.spec().clone()),
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("id", &self.id).field("spec", &self.spec()).field("state", &self.state).finish()
    }
}

/// Records of the catalog as they are stored: postcard behind a version byte.
pub(crate) mod codec {
    use super::{
        Arc, Bytes, CollId, Collation, CollationSpec, Collection, CollectionStats, CompilePartial, Deserialize, Doc,
        Env, EnvId, Error, FieldOrder, Grid, Index, IndexField, IndexId, IndexState, Partial, Path, Result, Serialize,
        TextFields, TextSpec,
    };

    const VERSION: u8 = 1;

    #[derive(Serialize, Deserialize)]
    struct EnvRecord {
        name: String,
        created_ms: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct CollectionRecord {
        name: String,
        version: u64,
        created_ms: i64,
        indexes: Vec<IndexRecord>,
        policy: Option<Vec<u8>>,
    }

    #[derive(Serialize, Deserialize)]
    struct IndexRecord {
        id: u32,
        name: String,
        fields: Vec<(String, FieldOrder)>,
        unique: bool,
        sparse: bool,
        partial: Option<Vec<u8>>,
        expire_after_s: Option<u32>,
        collation: Option<CollationSpec>,
        grid: Grid,
        text: Option<TextSpec>,
        state: IndexState,
        multikey: u32,
    }

    /// Encodes a record.
    pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
        // Writing plain data into a growing buffer cannot fail; an empty record would be refused when it is read.
        postcard::to_extend(record, vec![VERSION]).unwrap_or_default()
    }

    /// Decodes a record.
    pub(crate) fn decode<T: for<'r> Deserialize<'r>>(bytes: &[u8]) -> Result<T> {
        let body = match bytes.split_first() {
            Some((&VERSION, body)) => body,
            _ => return Err(corrupt("unknown record version")),
        };
        postcard::from_bytes(body).map_err(|error| corrupt(&error.to_string()))
    }

    pub(crate) fn env_record(env: &Env) -> Vec<u8> {
        encode(&EnvRecord { name: env.name.clone(), created_ms: env.created_ms })
    }

    pub(crate) fn read_env(id: EnvId, bytes: &[u8]) -> Result<Env> {
        let record: EnvRecord = decode(bytes)?;
        Ok(Env { id, name: record.name, created_ms: record.created_ms, collections: Default::default() })
    }

    pub(crate) fn collection_record(collection: &Collection) -> Vec<u8> {
        encode(&CollectionRecord {
            name: collection.name.clone(),
            version: collection.version,
            created_ms: collection.created_ms,
            indexes: collection.indexes.iter().map(|index| index_record(index)).collect(),
            policy: collection.policy.as_ref().map(|policy| policy.to_vec()),
        })
    }

    pub(crate) fn read_collection(env: EnvId, id: CollId, bytes: &[u8], compile: CompilePartial) -> Result<Collection> {
        let record: CollectionRecord = decode(bytes)?;
        let indexes: Result<Vec<Arc<Index>>> =
            record.indexes.into_iter().map(|index| read_index(index, compile).map(Arc::new)).collect();
        Ok(Collection {
            id,
            env,
            name: record.name,
            version: record.version,
            created_ms: record.created_ms,
            indexes: indexes?,
            policy: record.policy.map(Bytes::from),
            stats: Arc::new(CollectionStats::default()),
            superseded: Arc::default(),
        })
    }

    fn index_record(index: &Index) -> IndexRecord {
        let spec = index.spec();
        IndexRecord {
            id: index.id.0,
            name: spec.name,
            fields: spec.fields,
            unique: spec.unique,
            sparse: spec.sparse,
            partial: spec.partial.map(|filter| filter.as_bytes().to_vec()),
            expire_after_s: spec.expire_after_s,
            collation: spec.collation,
            grid: spec.grid,
            text: spec.text,
            state: index.state.clone(),
            multikey: index.multikey,
        }
    }

    fn read_index(record: IndexRecord, compile: CompilePartial) -> Result<Index> {
        let partial = record.partial.map(|bytes| partial(Doc::from_bytes(bytes)?, compile)).transpose()?;
        let text = record.text.map(|spec| TextFields::new(spec).ok_or_else(|| corrupt("language of a text index")));
        let collation = record.collation.map(|spec| Collation::new(spec).ok_or_else(|| corrupt("collation")));
        Ok(Index {
            id: IndexId(record.id),
            name: record.name,
            fields: record.fields.iter().map(|(path, order)| field(path, *order)).collect(),
            unique: record.unique,
            sparse: record.sparse,
            partial,
            expire_after_s: record.expire_after_s,
            collation: collation.transpose()?.map(Arc::new),
            state: record.state,
            multikey: record.multikey,
            progress: Arc::default(),
            grid: record.grid,
            text: text.transpose()?.map(Arc::new),
        })
    }

    pub(crate) fn field(path: &str, order: FieldOrder) -> IndexField {
        IndexField { path: Path::new(path), order }
    }

    pub(crate) fn partial(filter: Doc, compile: CompilePartial) -> Result<Partial> {
        let matches = compile(&filter).ok_or_else(|| corrupt("partial filter"))?;
        Ok(Partial { filter, matches })
    }

    fn corrupt(detail: &str) -> Error {
        Error::Corrupt { place: "catalog record", detail: detail.to_owned() }
    }
}
