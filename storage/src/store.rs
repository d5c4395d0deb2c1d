//! A data folder and the moments of it that readers see.
//!
//! [`Store::open`] takes the folder, checks its format and its witness, reads the catalog and starts the commit
//! pipeline. A [`View`] is one published moment: documents, indexes and catalog as of one commit, for as long as it is
//! held. Reading is here; writing is in `write`, changing the catalog in `admin`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::catalog::{Catalog, Collection, CompilePartial, Counters, Index, codec};
use crate::changes::{self, Commit};
use crate::commit::{self, DOC_HEAD_BYTES, Moment, Pipeline, Start};
use crate::doc::{Doc, RawDoc};
use crate::engine::{
    Batch, Cursor, Durability, Engine, EngineCursor, Kv, Memory, Rocks, RocksOptions, Scan, Snap, Snapshot,
};
use crate::error::{Error, Result};
use crate::keeper::Keeper;
use crate::key::{self, CollId, Direction, EnvId, KeyRange, Rid, Seq, Space};
use crate::locks::Locks;
use crate::stats;
use crate::text::Texts;
use crate::value::ValueRef;
use crate::witness::Witness;

/// The format of the folder; a folder with a greater number is refused.
pub const FORMAT_VERSION: u32 = 1;

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    /// When a commit counts as done.
    pub durability: Durability,
    /// Memory for documents in use, in bytes.
    pub cache_bytes: usize,
    /// Memory and files of the engine.
    pub rocks: RocksOptions,
    /// Milliseconds since 1970; the only clock below the edge.
    pub clock: fn() -> i64,
    /// Reads filters of partial indexes; given by the layer that knows the language.
    pub compile_partial: CompilePartial,
    /// Open even though acknowledged commits are missing at the end of the log.
    pub accept_loss: bool,
    /// How long the change log is kept, in milliseconds.
    pub log_keep_ms: i64,
    /// How often documents past their expiry are looked for, in milliseconds.
    pub expire_every_ms: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            durability: Durability::Synced,
            cache_bytes: 64 << 20,
            rocks: RocksOptions::default(),
            clock: || 0,
            compile_partial: |_| None,
            accept_loss: false,
            log_keep_ms: 15 * 60 * 1000,
            expire_every_ms: 60_000,
        }
    }
}

/// An open data folder. Cloning shares it; it closes with the last clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    // Order matters: the threads of keeper and texts end before the pipeline, the pipeline before the engine.
    pub(crate) keeper: Keeper,
    pub(crate) texts: Texts,
    pub(crate) pipeline: Pipeline,
    pub(crate) engine: Arc<Engine>,
    pub(crate) locks: Locks,
    pub(crate) options: Options,
    pub(crate) folder: Option<PathBuf>,
}

/// One published moment.
#[derive(Clone)]
pub struct View {
    pub(crate) store: Arc<Inner>,
    pub(crate) moment: Arc<Moment>,
}

impl Store {
    /// Opens a data folder, making it if it is not there.
    ///
    /// # Errors
    /// `NewerFormat`, `LostCommits`, `Corrupt`, `Io` (also where another process holds the folder).
    pub fn open(folder: &Path, options: Options) -> Result<Store> {
        let parent = folder.parent().filter(|parent| !folder.exists() && !parent.as_os_str().is_empty());
        std::fs::create_dir_all(folder).map_err(|error| Error::Io(format!("{}: {error}", folder.display())))?;
        let witness = Witness::open(&folder.join("witness"))?;
        let engine = Engine::Rocks(open_rocks(&folder.join("db"), &options, witness.1)?);
        // The names of `db` and `witness`, and that of a new folder, must last as long as what is in them.
        sync_names(folder)?;
        parent.map_or(Ok(()), sync_names)?;
        Store::start(engine, options, Some(witness), Some(folder.to_path_buf()))
    }

    /// A store without a disk.
    ///
    /// # Errors
    /// `Io` where a thread cannot be started.
    pub fn in_memory(options: Options) -> Result<Store> {
        Store::on(Engine::Memory(Memory::default()), options)
    }

    /// A store on a given engine, e.g. what a memory engine held when its power was cut.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn on(engine: Engine, options: Options) -> Result<Store> {
        Store::start(engine, options, None, None)
    }

    fn start(
        engine: Engine,
        options: Options,
        witness: Option<(Witness, Seq)>,
        folder: Option<PathBuf>,
    ) -> Result<Store> {
        check_format(&engine)?;
        let snap = engine.snapshot();
        let (seq, next_rid) = last_commit(&snap)?;
        let witness = match witness {
            Some((witness, acknowledged)) => Some(check_witness(witness, acknowledged, seq, options.accept_loss)?),
            None => None,
        };
        let catalog = read_catalog(&snap, options.compile_partial)?;
        count(&snap, &catalog, seq)?;
        let engine = Arc::new(engine);
        let start = Start {
            seq,
            next_rid,
            catalog,
            cache_bytes: options.cache_bytes,
            durability: options.durability,
            clock: options.clock,
            witness,
        };
        let pipeline = Pipeline::start(engine.clone(), start)?;
        let texts = Texts::new(folder.clone(), seq);
        let inner =
            Inner { keeper: Keeper::default(), texts, pipeline, engine, locks: Locks::default(), options, folder };
        let store = Store { inner: Arc::new(inner) };
        Keeper::start(&store)?;
        Texts::start(&store)?;
        Ok(store)
    }

    /// The newest published moment.
    pub fn view(&self) -> View {
        View { store: self.inner.clone(), moment: self.inner.pipeline.published() }
    }

    /// The folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.inner.folder.as_deref()
    }

    /// Has a failed sync stopped all writes?
    pub fn is_halted(&self) -> bool {
        self.inner.pipeline.is_halted()
    }

    /// Bytes of documents in the cache.
    pub fn cached_bytes(&self) -> u64 {
        self.inner.pipeline.cache().bytes()
    }

    /// Waits until every commit so far is durable.
    ///
    /// # Errors
    /// `Halted`, `Closed`, or the fault of the last group.
    pub fn settle(&self) -> Result<()> {
        self.inner.pipeline.settle()
    }

    /// Waits until a commit beyond this one is visible, at most so long, and answers the newest visible commit. A change
    /// of collections or indexes counts as a commit too. For threads that follow the change log.
    pub fn wait_beyond(&self, seq: Seq, timeout: Duration) -> Seq {
        self.inner.pipeline.wait_beyond(seq, timeout)
    }

    /// Moves buffered writes into their files, so that the next start need not read the log.
    ///
    /// # Errors
    /// `Io` or `Full`.
    pub fn flush(&self) -> Result<()> {
        self.inner.engine.flush()
    }

    /// Ends background work and writes what waits. Later writes answer `Closed`; reads go on.
    pub fn close(&self) {
        self.inner.keeper.stop();
        self.inner.texts.end();
        self.inner.pipeline.close();
        if !self.is_halted() {
            drop(self.flush());
        }
    }

    /// A copy of the whole store in a new folder, consistent at one commit, made while writes go on.
    ///
    /// # Errors
    /// `Io`, or on the memory engine.
    pub fn checkpoint(&self, into: &Path) -> Result<()> {
        self.inner.engine.checkpoint(into)
    }

    /// The engine, for tests that make it fail.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

impl View {
    /// The commit that this moment follows.
    pub fn seq(&self) -> Seq {
        self.moment.seq
    }

    /// What exists at this moment.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.moment.catalog
    }

    /// The collection of this name.
    pub fn collection(&self, env: EnvId, name: &str) -> Option<&Arc<Collection>> {
        self.moment.catalog.collection(env, name)
    }

    /// A document by its place.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn doc(&self, coll: &Collection, rid: Rid) -> Result<Option<Doc>> {
        Ok(self.versioned(coll, rid)?.map(|(_, doc)| doc))
    }

    /// Documents by their places, in the same order.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn docs(&self, coll: &Collection, rids: &[Rid]) -> Result<Vec<Option<Doc>>> {
        let cache = self.store.pipeline.cache();
        let mut docs: Vec<Option<Doc>> =
            rids.iter().map(|rid| cache.get(coll.id, *rid, self.seq()).map(|(_, doc)| doc)).collect();
        let absent: Vec<(usize, Rid)> = docs
            .iter()
            .zip(rids)
            .enumerate()
            .filter(|(_, (doc, _))| doc.is_none())
            .map(|(at, (_, rid))| (at, *rid))
            .collect();
        let keys: Vec<[u8; 16]> = absent.iter().map(|(_, rid)| key::document(coll.env, coll.id, *rid)).collect();
        let slices: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
        let found = self.moment.snap.get_many(Space::Doc, &slices)?;
        for ((at, rid), (key, stored)) in absent.into_iter().zip(slices.iter().zip(found)) {
            if let (Some(place), Some(stored)) = (docs.get_mut(at), stored) {
                *place = Some(self.keep(coll.id, rid, key, &stored)?.1);
            }
        }
        Ok(docs)
    }

    /// The document with this `_id`.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn doc_by_id(&self, coll: &Collection, id: ValueRef<'_>) -> Result<Option<(Rid, Doc)>> {
        let Some(index) = coll.id_index() else { return Ok(None) };
        let mut entry = key::entries(coll.env, index.id).to_vec();
        key::encode(id, Direction::Ascending, None, &mut entry);
        let cache = self.store.pipeline.cache();
        if let Some(rid) = cache.rid_hint(coll.id, &entry)
            && let Some(doc) = self.doc(coll, rid)?
            && doc.get("_id").is_some_and(|own| own == id)
        {
            return Ok(Some((rid, doc)));
        }
        let Some(rid) = self.holder(&entry)? else { return Ok(None) };
        cache.fill_rid(coll.id, &entry, rid);
        Ok(self.doc(coll, rid)?.map(|doc| (rid, doc)))
    }

    /// All documents in insertion order, from a place on (inclusive).
    pub fn scan(&self, coll: &Collection, from: Option<Rid>, scan: Scan) -> Docs<'_> {
        let mut range = KeyRange::prefix(&key::documents(coll.env, coll.id));
        match (from, scan) {
            (Some(rid), Scan::Forward) => range.start = key::document(coll.env, coll.id, rid).to_vec(),
            (Some(rid), Scan::Backward) => range.end = key::successor(&key::document(coll.env, coll.id, rid)),
            (None, _) => {}
        }
        Docs { cursor: self.moment.snap.scan(Space::Doc, &range, scan) }
    }

    /// Entries of an index within a range of encoded fields (without the index's own prefix).
    pub fn entries(&self, coll: &Collection, index: &Index, fields: &KeyRange, scan: Scan) -> Entries<'_> {
        let prefix = key::entries(coll.env, index.id);
        let range = within(&prefix, fields);
        Entries { cursor: self.moment.snap.scan(Space::Index, &range, scan), prefix, unique: index.unique }
    }

    /// About how many bytes the documents and the indexes of a collection take on disk.
    pub fn disk_bytes(&self, coll: &Collection) -> (u64, Vec<(String, u64)>) {
        let docs = KeyRange::prefix(&key::documents(coll.env, coll.id));
        let of =
            |index: &Index| self.store.engine.size(Space::Index, &KeyRange::prefix(&key::entries(coll.env, index.id)));
        let indexes = coll.indexes.iter().map(|index| (index.name.clone(), of(index))).collect();
        (self.store.engine.size(Space::Doc, &docs), indexes)
    }

    /// Which part of an index lies in some ranges of encoded fields, from 0 to 1, by their size on disk. Entries that
    /// are still in memory are not seen.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub fn share(&self, coll: &Collection, index: &Index, ranges: &[KeyRange]) -> f64 {
        let prefix = key::entries(coll.env, index.id);
        let whole = self.store.engine.size(Space::Index, &KeyRange::prefix(&prefix));
        let part: u64 =
            ranges.iter().map(|fields| self.store.engine.size(Space::Index, &within(&prefix, fields))).sum();
        if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
    }

    /// Commits after a number, oldest first, as far as the log reaches back.
    pub fn changes(&self, after: Seq) -> Changes<'_> {
        let range = KeyRange { start: key::log(Seq(after.0 + 1)).to_vec(), end: Vec::new() };
        Changes { cursor: self.moment.snap.scan(Space::Log, &range, Scan::Forward) }
    }

    /// A record of a layer above: keys, tokens, rules. Its kind and content are opaque here.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn record(&self, kind: u8, env: EnvId, name: &[u8]) -> Result<Option<Bytes>> {
        self.moment.snap.get(Space::Meta, &key::meta_record(kind, env, name))
    }

    /// All records of a kind in an environment, by name.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn records(&self, kind: u8, env: EnvId) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let prefix = key::meta_record(kind, env, b"");
        let mut cursor = self.moment.snap.scan(Space::Meta, &KeyRange::prefix(&prefix), Scan::Forward);
        let mut records = Vec::new();
        while let Some((key, value)) = cursor.next()? {
            let name = key.get(prefix.len()..).unwrap_or_default();
            records.push((name.to_vec(), Bytes::copy_from_slice(value)));
        }
        Ok(records)
    }

    /// So many records of a kind in an environment, by name, beginning behind a name.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn records_after(&self, kind: u8, env: EnvId, after: &[u8], count: usize) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let prefix = key::meta_record(kind, env, b"");
        let mut range = KeyRange::prefix(&prefix);
        if !after.is_empty() {
            range.start = [prefix.as_slice(), after, &[0]].concat();
        }
        let mut cursor = self.moment.snap.scan(Space::Meta, &range, Scan::Forward);
        let mut records = Vec::new();
        while records.len() < count
            && let Some((key, value)) = cursor.next()?
        {
            let name = key.get(prefix.len()..).unwrap_or_default();
            records.push((name.to_vec(), Bytes::copy_from_slice(value)));
        }
        Ok(records)
    }

    /// The document that holds a unique key (whole entry key).
    pub(crate) fn holder(&self, entry: &[u8]) -> Result<Option<Rid>> {
        let stored = self.moment.snap.get(Space::Index, entry)?;
        Ok(stored.and_then(|value| value.first_chunk::<8>().map(|rid| Rid(u64::from_be_bytes(*rid)))))
    }

    /// A document with the commit that wrote it.
    pub(crate) fn versioned(&self, coll: &Collection, rid: Rid) -> Result<Option<(Seq, Doc)>> {
        if let Some(found) = self.store.pipeline.cache().get(coll.id, rid, self.seq()) {
            return Ok(Some(found));
        }
        let key = key::document(coll.env, coll.id, rid);
        let Some(stored) = self.moment.snap.get(Space::Doc, &key)? else { return Ok(None) };
        self.keep(coll.id, rid, &key, &stored).map(Some)
    }

    fn keep(&self, coll: CollId, rid: Rid, key: &[u8], stored: &Bytes) -> Result<(Seq, Doc)> {
        let (version, doc) = commit::keep_document(key, stored)?;
        self.store.pipeline.cache().fill(coll, rid, self.seq(), version, &doc);
        Ok((version, doc))
    }
}

/// Documents of a collection in insertion order.
pub struct Docs<'v> {
    cursor: EngineCursor<'v>,
}

impl Docs<'_> {
    /// The next document, borrowed until the next step.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn next_doc(&mut self) -> Result<Option<(Rid, RawDoc<'_>)>> {
        let Some((key, stored)) = self.cursor.next()? else { return Ok(None) };
        commit::read_document(key, stored)?;
        let rid = Rid(key::trailing_u64(key).unwrap_or_default());
        Ok(Some((rid, RawDoc::trusted(stored.get(DOC_HEAD_BYTES..).unwrap_or_default()))))
    }
}

/// Entries of an index.
pub struct Entries<'v> {
    cursor: EngineCursor<'v>,
    prefix: [u8; 8],
    unique: bool,
}

/// One entry of an index, borrowed until the next step.
#[derive(Clone, Copy, Debug)]
pub struct IndexEntry<'e> {
    /// The encoded fields, one after another.
    pub fields: &'e [u8],
    /// The document.
    pub rid: Rid,
    /// Notes on the exact kinds of the fields' values; empty if all are plain (see [`key::Note`]).
    pub notes: &'e [u8],
}

impl Entries<'_> {
    /// The next entry.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn next_entry(&mut self) -> Result<Option<IndexEntry<'_>>> {
        let Some((key, value)) = self.cursor.next()? else { return Ok(None) };
        let fields = key.get(8..).unwrap_or_default();
        let (fields, rid, notes) = match self.unique {
            true => (fields, value.get(..8).unwrap_or_default(), value.get(8..).unwrap_or_default()),
            false => {
                let (fields, rid) = fields.split_at(fields.len().saturating_sub(8));
                (fields, rid, value)
            }
        };
        Ok(Some(IndexEntry { fields, rid: Rid(key::trailing_u64(rid).unwrap_or_default()), notes }))
    }

    /// Moves on to encoded fields at or beyond these (in the direction of the scan).
    pub fn seek(&mut self, fields: &[u8]) {
        self.cursor.seek(&[self.prefix.as_slice(), fields].concat());
    }
}

/// Commits in order.
pub struct Changes<'v> {
    cursor: EngineCursor<'v>,
}

impl Changes<'_> {
    /// The next commit.
    ///
    /// # Errors
    /// `Io` or `Corrupt`.
    pub fn next_commit(&mut self) -> Result<Option<Commit>> {
        let Some((key, value)) = self.cursor.next()? else { return Ok(None) };
        let seq = Seq(key::trailing_u64(key).unwrap_or_default());
        changes::decode(seq, &Bytes::copy_from_slice(value)).map(|(commit, _)| Some(commit))
    }
}

/// Opens the engine. A log that is damaged in the middle is opened up to the damage if nothing acknowledged is missing
/// then: a power cut leaves such a log when the disk had written some later pages of what was not synced yet.
fn open_rocks(folder: &Path, options: &Options, acknowledged: Seq) -> Result<Rocks> {
    let damage = match Rocks::open(folder, &options.rocks) {
        Err(error @ Error::Corrupt { .. }) => error,
        outcome => return outcome,
    };
    let Ok(before) = Rocks::before_damage(folder, &options.rocks) else { return Err(damage) };
    let (found, _) = last_commit(&Engine::Rocks(before).snapshot())?;
    if found < acknowledged && !options.accept_loss {
        return Err(Error::LostCommits { found: found.0, acknowledged: acknowledged.0 });
    }
    Rocks::open_up_to_damage(folder, &options.rocks)
}

/// Makes the names in a folder survive power loss: syncing a file does not promise that.
fn sync_names(folder: &Path) -> Result<()> {
    let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::Io(format!("{}: {error}", folder.display())))
}

/// A range of encoded fields as whole keys of an index.
fn within(prefix: &[u8; 8], fields: &KeyRange) -> KeyRange {
    let end = match fields.end.is_empty() {
        true => key::successor(prefix),
        false => [prefix.as_slice(), &fields.end].concat(),
    };
    KeyRange { start: [prefix.as_slice(), &fields.start].concat(), end }
}

fn check_format(engine: &Engine) -> Result<()> {
    match engine.snapshot().get(Space::Meta, key::META_VERSION)? {
        Some(version) => {
            let found = version.first_chunk::<4>().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes));
            match found <= FORMAT_VERSION {
                true => Ok(()),
                false => Err(Error::NewerFormat { found, supported: FORMAT_VERSION }),
            }
        }
        None => {
            let mut batch = Batch::default();
            batch.put(Space::Meta, key::META_VERSION, &FORMAT_VERSION.to_le_bytes());
            engine.write(&batch, Durability::Synced)
        }
    }
}

fn check_witness(mut witness: Witness, acknowledged: Seq, found: Seq, accept_loss: bool) -> Result<Witness> {
    if acknowledged <= found {
        return Ok(witness);
    }
    if !accept_loss {
        return Err(Error::LostCommits { found: found.0, acknowledged: acknowledged.0 });
    }
    witness.reset(found)?;
    Ok(witness)
}

/// The last commit in the log and the next free rid.
fn last_commit(snap: &Snapshot) -> Result<(Seq, u64)> {
    let all = KeyRange { start: Vec::new(), end: Vec::new() };
    let mut log = snap.scan(Space::Log, &all, Scan::Backward);
    let Some((key, value)) = log.next()? else { return Ok((Seq(0), 1)) };
    let seq = Seq(key::trailing_u64(key).unwrap_or_default());
    let (_, next_rid) = changes::decode(seq, &Bytes::copy_from_slice(value))?;
    Ok((seq, next_rid))
}

fn read_catalog(snap: &Snapshot, compile: CompilePartial) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    if let Some(counters) = snap.get(Space::Meta, key::META_COUNTERS)? {
        catalog.counters = codec::decode::<Counters>(&counters)?;
    }
    let mut envs = snap.scan(Space::Meta, &KeyRange::prefix(b"e"), Scan::Forward);
    while let Some((key, value)) = envs.next()? {
        let id = EnvId(key::number_at(key, 1));
        catalog = catalog.with_env(codec::read_env(id, value)?);
    }
    let mut collections = snap.scan(Space::Meta, &KeyRange::prefix(b"c"), Scan::Forward);
    while let Some((key, value)) = collections.next()? {
        let (env, id) = (EnvId(key::number_at(key, 1)), CollId(key::number_at(key, 5)));
        catalog.add_collection(codec::read_collection(env, id, value, compile)?);
    }
    Ok(catalog)
}

/// Brings the stored counts up to date with the commits that followed them.
fn count(snap: &Snapshot, catalog: &Catalog, last: Seq) -> Result<()> {
    let from = match snap.get(Space::Meta, key::META_COUNTS)? {
        Some(record) => stats::restore(&record, catalog)?,
        None => Seq(0),
    };
    if from >= last {
        return Ok(());
    }
    let by_id = stats::by_id(catalog);
    let range = KeyRange { start: key::log(Seq(from.0 + 1)).to_vec(), end: Vec::new() };
    let mut changes = Changes { cursor: snap.scan(Space::Log, &range, Scan::Forward) };
    while let Some(commit) = changes.next_commit()? {
        for change in &commit.changes {
            if let Some(coll) = by_id.get(&change.coll) {
                let (docs, bytes) = stats::difference(change);
                coll.stats.add(docs, bytes);
            }
        }
    }
    Ok(())
}
