//! RocksDB: the embedded engine. The only module that knows it.
//!
//! One column family per space. What matters and why:
//!
//! * **Recovery** tolerates a torn last record of the write-ahead log and refuses a damaged middle. The library's own
//!   default would silently drop every acknowledged write after one flipped bit. A power cut may leave such a middle
//!   too, in what was not synced yet, as disks write pages in any order: the caller then looks with
//!   [`Rocks::before_damage`] and decides by its own record of what was acknowledged.
//! * **Column families** are opened by descriptors. The shorter call would silently give them default options: no
//!   filters, a small cache.
//! * **Memory** is bounded by one block cache and one bound over all write buffers.
//! * **Descriptors** are bounded, because running out of them during a flush is fatal to the library.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB,
    DBCompressionType, DBRawIteratorWithThreadMode, DBRecoveryMode, DataBlockIndexType, FlushOptions, LogLevel,
    Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::{Batch, BatchChange, Cursor, Durability, Kv, Pair, Scan, Snap};
use crate::error::{Error, Result};
use crate::key::{KeyRange, Space};

/// How much memory and how many files the engine may use.
#[derive(Clone, Debug)]
pub struct RocksOptions {
    /// Cache of file blocks, in bytes.
    pub block_cache_bytes: usize,
    /// All write buffers together, in bytes.
    pub write_buffer_bytes: usize,
    /// Open files at most.
    pub open_files_max: i32,
    /// Threads for flushes and compactions.
    pub background_jobs: i32,
    /// Space on the disk that writes leave free, in bytes. The library gives up for good when the disk is full in the
    /// middle of its work, so writes are refused before that; flushes and compactions work in what is kept.
    pub keep_free_bytes: u64,
}

impl Default for RocksOptions {
    fn default() -> RocksOptions {
        let mebibyte = 1 << 20;
        RocksOptions {
            block_cache_bytes: 64 * mebibyte,
            write_buffer_bytes: 64 * mebibyte,
            open_files_max: 512,
            background_jobs: 2,
            keep_free_bytes: 64 << 20,
        }
    }
}

/// An open RocksDB folder. Its own lock file keeps a second process out.
pub struct Rocks {
    db: Arc<DB>,
    folder: PathBuf,
    keep_free_bytes: u64,
}

impl Rocks {
    /// Opens the folder, making it if it is not there.
    ///
    /// # Errors
    /// `Corrupt` for a damaged log or manifest, `Io` otherwise.
    pub fn open(folder: &Path, options: &RocksOptions) -> Result<Rocks> {
        let db = DB::open_cf_descriptors(&database_options(options), folder, families(options)).map_err(fault)?;
        Ok(Rocks::on(db, folder, options))
    }

    /// Looks, without changing anything, at what a damaged log holds before the damage.
    ///
    /// # Errors
    /// `Corrupt` where more than the log is damaged, `Io` otherwise.
    pub fn before_damage(folder: &Path, options: &RocksOptions) -> Result<Rocks> {
        let to_the_damage = up_to_damage(options);
        let db = DB::open_cf_descriptors_read_only(&to_the_damage, folder, families(options), false).map_err(fault)?;
        Ok(Rocks::on(db, folder, options))
    }

    /// Opens the folder without what its log holds from the first damage on; that part is gone for good.
    ///
    /// # Errors
    /// `Corrupt` where more than the log is damaged, `Io` otherwise.
    pub fn open_up_to_damage(folder: &Path, options: &RocksOptions) -> Result<Rocks> {
        let db = DB::open_cf_descriptors(&up_to_damage(options), folder, families(options)).map_err(fault)?;
        Ok(Rocks::on(db, folder, options))
    }

    fn on(db: DB, folder: &Path, options: &RocksOptions) -> Rocks {
        Rocks { db: Arc::new(db), folder: folder.to_path_buf(), keep_free_bytes: options.keep_free_bytes }
    }
}

fn families(options: &RocksOptions) -> [ColumnFamilyDescriptor; 4] {
    let cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
    Space::ALL.map(|space| ColumnFamilyDescriptor::new(space.name(), family_options(space, &cache, options)))
}

fn up_to_damage(options: &RocksOptions) -> Options {
    let mut db = database_options(options);
    db.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    db
}

fn database_options(options: &RocksOptions) -> Options {
    let mut db = Options::default();
    db.create_if_missing(true);
    db.create_missing_column_families(true);
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    db.set_max_open_files(options.open_files_max);
    db.set_max_background_jobs(options.background_jobs);
    db.set_db_write_buffer_size(options.write_buffer_bytes);
    db.set_max_total_wal_size(4 * options.write_buffer_bytes as u64);
    db.set_skip_stats_update_on_db_open(true);
    db.set_stats_dump_period_sec(0);
    db.set_log_level(LogLevel::Warn);
    db.set_keep_log_file_num(2);
    db.set_max_log_file_size(4 << 20);
    db.set_bytes_per_sync(1 << 20); // spreads the disk work of flushes, so that commits do not wait behind it
    db.set_manifest_preallocation_size(64 << 10);
    db
}

fn family_options(space: Space, cache: &Cache, options: &RocksOptions) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    table.set_block_size(8 << 10);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_optimize_filters_for_memory(true);
    let mut family = Options::default();
    family.set_compression_type(DBCompressionType::Lz4);
    family.set_bottommost_compression_type(DBCompressionType::Zstd);
    family.set_level_compaction_dynamic_level_bytes(true);
    family.set_write_buffer_size(options.write_buffer_bytes / 2);
    match space {
        Space::Doc => {
            table.set_bloom_filter(10.0, false);
            table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        }
        Space::Index => table.set_bloom_filter(10.0, false), // unique keys are looked up, mostly in vain
        Space::Meta | Space::Log => {}
    }
    if space == Space::Log {
        family.set_compression_type(DBCompressionType::Zstd); // written once, seldom read, then trimmed
    }
    family.set_block_based_table_factory(&table);
    family
}

impl Rocks {
    fn family(&self, space: Space) -> Result<&ColumnFamily> {
        family(&self.db, space)
    }

    /// Is there room for so many bytes and what has to stay free? Where the system does not tell, it is tried.
    fn has_room(&self, bytes: usize) -> bool {
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return true };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        free >= self.keep_free_bytes.saturating_add(2 * bytes as u64)
    }

    fn to_native(&self, batch: &Batch) -> Result<WriteBatch> {
        let [meta, doc, index, log] =
            [self.family(Space::Meta)?, self.family(Space::Doc)?, self.family(Space::Index)?, self.family(Space::Log)?];
        let of = |space| match space {
            Space::Meta => meta,
            Space::Doc => doc,
            Space::Index => index,
            Space::Log => log,
        };
        let mut native = WriteBatch::with_capacity_bytes(batch.bytes() + batch.bytes() / 8 + 64);
        for change in batch.iter() {
            match change {
                BatchChange::Put { space, key, value } => native.put_cf(of(space), key, value),
                BatchChange::Delete { space, key } => native.delete_cf(of(space), key),
                BatchChange::DeleteRange { space, start, end } => native.delete_range_cf(of(space), start, end),
            }
        }
        Ok(native)
    }
}

impl Kv for Rocks {
    type Snap = RocksSnap;

    fn snapshot(&self) -> RocksSnap {
        RocksSnap(Arc::new(Held::new(self.db.clone(), |db| db.snapshot())))
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<()> {
        if !self.has_room(batch.bytes()) {
            return Err(Error::Full);
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        match self.db.write_opt(self.to_native(batch)?, &options).map_err(fault) {
            // The disk filled up in an instant; the library takes no more writes until it is opened again.
            Err(Error::Full) => {
                Err(Error::Io("the disk was full in the middle of a write; restart once it has room".into()))
            }
            outcome => outcome,
        }
    }

    fn sync(&self) -> Result<()> {
        self.db.flush_wal(true).map_err(fault)
    }

    fn flush(&self) -> Result<()> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let families =
            [self.family(Space::Meta)?, self.family(Space::Doc)?, self.family(Space::Index)?, self.family(Space::Log)?];
        self.db.flush_cfs_opt(&families, &options).map_err(fault)
    }

    fn buffered(&self) -> u64 {
        let bytes = |space: Space| {
            let family = self.family(space).ok()?;
            self.db.property_int_value_cf(family, "rocksdb.cur-size-active-mem-table").ok().flatten()
        };
        Space::ALL.into_iter().filter_map(bytes).sum()
    }

    fn checkpoint(&self, into: &Path) -> Result<()> {
        Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(into)).map_err(fault)
    }

    fn reclaim(&self, space: Space, range: &KeyRange) {
        let Ok(family) = self.family(space) else { return };
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let end = (!range.end.is_empty()).then_some(range.end.as_slice());
        self.db.compact_range_cf_opt(family, Some(range.start.as_slice()), end, &options);
    }

    fn size(&self, space: Space, range: &KeyRange) -> u64 {
        let Ok(family) = self.family(space) else { return 0 };
        let far = [u8::MAX; 32];
        let end = if range.end.is_empty() { far.as_slice() } else { range.end.as_slice() };
        let native = rocksdb::Range::new(&range.start, end);
        self.db.get_approximate_sizes_cf(family, &[native]).first().copied().unwrap_or(0)
    }
}

fn family(db: &DB, space: Space) -> Result<&ColumnFamily> {
    db.cf_handle(space.name()).ok_or_else(|| Error::Corrupt { place: "engine", detail: space.name().to_owned() })
}

type Native<'db> = rocksdb::Snapshot<'db>;

self_cell::self_cell!(
    /// A snapshot together with the database that it reads.
    struct Held {
        owner: Arc<DB>,
        #[not_covariant]
        dependent: Native,
    }
);

/// A frozen moment of RocksDB.
#[derive(Clone)]
pub struct RocksSnap(Arc<Held>);

impl Snap for RocksSnap {
    type Cursor<'s> = RocksCursor<'s>;

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.with_dependent(|db, native| {
            let found = native.get_pinned_cf(family(db, space)?, key).map_err(fault)?;
            Ok(found.map(|value| Bytes::copy_from_slice(&value)))
        })
    }

    fn get_many(&self, space: Space, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.0.with_dependent(|db, native| {
            let mut options = ReadOptions::default();
            options.set_snapshot(native);
            db.batched_multi_get_cf_opt(family(db, space)?, keys, false, &options)
                .into_iter()
                .map(|found| Ok(found.map_err(fault)?.map(|value| Bytes::copy_from_slice(&value))))
                .collect()
        })
    }

    fn scan(&self, space: Space, range: &KeyRange, scan: Scan) -> RocksCursor<'_> {
        let native = self.0.with_dependent(|db, native| {
            let mut options = ReadOptions::default();
            options.set_snapshot(native);
            options.set_iterate_lower_bound(range.start.as_slice());
            if !range.end.is_empty() {
                options.set_iterate_upper_bound(range.end.as_slice());
            }
            options.set_auto_readahead_size(true);
            family(db, space).map(|family| self.0.borrow_owner().raw_iterator_cf_opt(family, options))
        });
        RocksCursor { native, scan, at: At::Start }
    }
}

/// A place in a column family.
pub struct RocksCursor<'s> {
    native: Result<DBRawIteratorWithThreadMode<'s, DB>>,
    scan: Scan,
    at: At,
}

#[derive(PartialEq)]
enum At {
    /// Not moved yet.
    Start,
    /// On a key that was returned.
    Returned,
    /// On a key that is to be returned next.
    Sought,
    /// Beyond the last key.
    End,
}

impl Cursor for RocksCursor<'_> {
    fn next(&mut self) -> Result<Option<Pair<'_>>> {
        let native = self.native.as_mut().map_err(|error| error.clone())?;
        match (&self.at, self.scan) {
            (At::Sought, _) => {}
            (At::End, _) => return Ok(None),
            (At::Start, Scan::Forward) => native.seek_to_first(),
            (At::Start, Scan::Backward) => native.seek_to_last(),
            (At::Returned, Scan::Forward) => native.next(),
            (At::Returned, Scan::Backward) => native.prev(),
        }
        // Each question to the iterator is a call into the library, so only one is asked for each step.
        self.at = At::Returned;
        let item = native.item();
        if item.is_none() {
            self.at = At::End;
            native.status().map_err(fault)?;
        }
        Ok(item)
    }

    fn seek(&mut self, key: &[u8]) {
        let Ok(native) = self.native.as_mut() else { return };
        match self.scan {
            Scan::Forward => native.seek(key),
            Scan::Backward => native.seek_for_prev(key),
        }
        self.at = At::Sought;
    }
}

fn fault(error: rocksdb::Error) -> Error {
    let text = error.to_string();
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        return Error::Full;
    }
    match error.kind() {
        rocksdb::ErrorKind::Corruption => Error::Corrupt { place: "engine", detail: text },
        _ => Error::Io(text),
    }
}
