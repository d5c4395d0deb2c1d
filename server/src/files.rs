//! Files: bytes in an object store, what is known about them in the database.
//!
//! A file's bytes lie under a number that is never used twice; its record names that number. So a file is visible only
//! when its bytes are whole and synced and its record is committed, an overwrite changes over in one step, and a crash
//! leaves at most bytes that nobody names, which [`Files::sweep`] removes. Who may do what is decided by the caller of
//! this module.

pub mod links;
pub mod names;
pub mod record;
pub mod serving;
pub mod upload;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Place;
use object_store::{ObjectStore, ObjectStoreExt};
use query::{Code, Error, Result};
use storage::{EnvId, Store};

use crate::chance;
use links::Links;
use record::{FileInfo, Records};

/// Bytes that nobody names are left alone for so long: an upload may be about to name them.
const ORPHAN_AGE_MS: i64 = 60 * 60 * 1000;

/// The files of all environments.
pub struct Files {
    bytes: Arc<dyn ObjectStore>,
    /// Where the bytes lie, where that is a folder of this machine.
    folder: Option<PathBuf>,
    records: Records,
    /// Signs what callers may do with one file for some time.
    pub links: Links,
}

impl Files {
    /// The files of a data folder, or of a process without one. `key` signs links.
    ///
    /// # Errors
    /// `Internal` where the folder cannot be made.
    pub fn open(folder: Option<&Path>, store: Store, key: [u8; 32]) -> Result<Files> {
        let bytes: Arc<dyn ObjectStore> = match folder {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|fault| broken(&fault))?;
                Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(|fault| broken(&fault))?)
            }
            None => Arc::new(InMemory::new()),
        };
        let folder = folder.map(Path::to_path_buf);
        Ok(Files { bytes, folder, records: Records::new(store), links: Links::new(key) })
    }

    /// What is known about a file; `None` where there is none.
    ///
    /// # Errors
    /// Faults of storage.
    pub fn find(&self, env: EnvId, path: &str) -> Result<Option<FileInfo>> {
        self.records.find(env, path)
    }

    /// Files whose paths begin with `prefix` and come after `after`, by path.
    ///
    /// # Errors
    /// Faults of storage.
    pub fn list(&self, env: EnvId, prefix: &str, after: &str, limit: usize) -> Result<Vec<FileInfo>> {
        self.records.list(env, prefix, after, limit)
    }

    /// Removes a file; false where there was none.
    ///
    /// # Errors
    /// Faults of storage.
    pub async fn remove(&self, env: EnvId, path: &str) -> Result<bool> {
        let Some((removed, durable)) = self.records.remove(env, path)? else { return Ok(false) };
        durable.await?;
        self.discard(env, &removed.object).await;
        Ok(true)
    }

    /// Gives a file's bytes a second name.
    ///
    /// # Errors
    /// `FileMissing`, faults of storage.
    pub async fn copy(&self, env: EnvId, from: &str, to: FileInfo) -> Result<FileInfo> {
        let source = self.find(env, from)?.ok_or_else(|| missing(from))?;
        let object = new_object()?;
        let (old, new) = (place(env, &source.object), place(env, &object));
        self.bytes.copy(&old, &new).await.map_err(|fault| broken(&fault))?;
        self.sync(&new).await?;
        let info = FileInfo { object, bytes: source.bytes, md5: source.md5, kind: source.kind, ..to };
        self.publish(env, info).await
    }

    /// Makes bytes that are whole and synced visible as a file.
    async fn publish(&self, env: EnvId, info: FileInfo) -> Result<FileInfo> {
        let (replaced, durable) = self.records.put(env, &info)?;
        durable.await?;
        if let Some(replaced) = replaced {
            self.discard(env, &replaced.object).await;
        }
        Ok(info)
    }

    /// Removes bytes that no record names any more. What fails here is left to the sweep.
    async fn discard(&self, env: EnvId, object: &str) {
        if let Err(fault) = self.bytes.delete(&place(env, object)).await {
            tracing::warn!(%fault, object, "bytes of a removed file are left for the sweep");
        }
    }

    /// Removes bytes of one environment that no record names: what a crash in the middle of an upload leaves. Says how
    /// many were removed.
    ///
    /// # Errors
    /// Faults of storage.
    pub async fn sweep(&self, env: EnvId, now_ms: i64) -> Result<u64> {
        let mut removed = 0;
        let mut found = self.bytes.list(Some(&Place::from(env.0.to_string())));
        while let Some(meta) = found.try_next().await.map_err(|fault| broken(&fault))? {
            let object = meta.location.filename().unwrap_or_default().to_owned();
            let old = meta.last_modified.timestamp_millis() + ORPHAN_AGE_MS < now_ms;
            if old && !self.records.names_object(env, &object)? {
                self.discard(env, &object).await;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes all bytes of an environment that is dropped.
    ///
    /// # Errors
    /// Faults of storage.
    pub async fn remove_all(&self, env: EnvId) -> Result<()> {
        let mut found = self.bytes.list(Some(&Place::from(env.0.to_string())));
        while let Some(meta) = found.try_next().await.map_err(|fault| broken(&fault))? {
            self.bytes.delete(&meta.location).await.map_err(|fault| broken(&fault))?;
        }
        Ok(())
    }

    /// Makes bytes and their name survive power loss. Object stores elsewhere promise that by themselves.
    async fn sync(&self, at: &Place) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = folder.join(at.as_ref());
        let synced = tokio::task::spawn_blocking(move || {
            std::fs::File::open(&file)?.sync_all()?;
            file.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
        });
        synced.await.map_err(|fault| broken(&fault))?.map_err(|fault| broken(&fault))
    }
}

/// Where the bytes of an object lie: spread over folders so that none grows too long.
fn place(env: EnvId, object: &str) -> Place {
    Place::from_iter([env.0.to_string().as_str(), object.get(..2).unwrap_or("00"), object])
}

fn new_object() -> Result<String> {
    Ok(chance::bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The error for a file that is not there.
pub fn missing(path: &str) -> Error {
    Error::new(Code::FileMissing, format!("the file {path:?} does not exist"))
}

fn broken(fault: &dyn std::fmt::Display) -> Error {
    let text = fault.to_string();
    match text.contains("No space left on device") || text.contains("os error 28") {
        true => Error::new(Code::StorageFull, "the disk is full: nothing was stored; free some space and try again"),
        false => Error::new(Code::Internal, format!("the store of files: {text}")),
    }
}

#[cfg(test)]
mod tests;
