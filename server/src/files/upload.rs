//! Taking a file in: bytes go into the object store as they arrive, and become a file once they are whole.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use query::{Code, Error, Result};
use storage::EnvId;
use tokio::time::timeout;

use super::record::FileInfo;
use super::{Files, broken, new_object, place};

/// Bytes that are handed to the object store at once.
const PART_BYTES: usize = 5 << 20;
/// How long a sender may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Parts of one upload that may be on their way: with it a file of any size takes about 15 MB of memory.
const PARTS_UNDER_WAY: usize = 2;

/// A file that is about to be stored.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Its path inside the environment.
    pub path: String,
    /// Its media type, if the sender told it.
    pub kind: Option<String>,
    /// The openid of who stores it; empty for administrators.
    pub owner: String,
    /// The instant, in milliseconds since 1970.
    pub now_ms: i64,
    /// Largest file, in bytes.
    pub bytes_max: u64,
}

impl Files {
    /// Stores a file, in the place of an older one of the path. Nothing is left of an upload that fails.
    ///
    /// # Errors
    /// `TooLarge`, `Cancelled` where the sender breaks off, `StorageFull`, faults of storage.
    pub async fn store<E: std::fmt::Display>(
        &self,
        env: EnvId,
        new: NewFile,
        body: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    ) -> Result<FileInfo> {
        let object = new_object()?;
        let taken = self.take_in(env, &object, &new, body).await;
        let (bytes, md5) = match taken {
            Ok(taken) => taken,
            Err(error) => return Err(error),
        };
        self.sync(&place(env, &object)).await?;
        let kind = new.kind.unwrap_or_else(|| kind_of(&new.path).to_owned());
        let info = FileInfo { path: new.path, object, bytes, md5, kind, owner: new.owner, stored_ms: new.now_ms };
        self.publish(env, info).await
    }

    async fn take_in<E: std::fmt::Display>(
        &self,
        env: EnvId,
        object: &str,
        new: &NewFile,
        mut body: impl Stream<Item = std::result::Result<Bytes, E>> + Unpin,
    ) -> Result<(u64, String)> {
        let at = place(env, object);
        let (mut first, mut bytes, mut md5) = (Vec::new(), 0u64, Md5::new());
        let mut parts: Option<WriteMultipart> = None;
        while let Some(piece) = next(&mut body).await {
            let piece = match check(piece, &mut bytes, new.bytes_max) {
                Ok(piece) => piece,
                Err(error) => {
                    give_up(parts).await;
                    return Err(error);
                }
            };
            md5.update(&piece);
            match &mut parts {
                Some(parts) => {
                    parts.wait_for_capacity(PARTS_UNDER_WAY).await.map_err(|fault| broken(&fault))?;
                    parts.put(piece);
                }
                None => {
                    first.extend_from_slice(&piece);
                    if first.len() >= PART_BYTES {
                        let upload = self.bytes.put_multipart(&at).await.map_err(|fault| broken(&fault))?;
                        let mut begun = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
                        begun.write(&std::mem::take(&mut first));
                        parts = Some(begun);
                    }
                }
            }
        }
        match parts {
            Some(parts) => drop(parts.finish().await.map_err(|fault| broken(&fault))?),
            None => drop(self.bytes.put(&at, PutPayload::from(first)).await.map_err(|fault| broken(&fault))?),
        }
        Ok((bytes, md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

/// The next piece; a sender that says nothing for too long has broken off.
async fn next<E: std::fmt::Display>(
    body: &mut (impl Stream<Item = std::result::Result<Bytes, E>> + Unpin),
) -> Option<std::result::Result<Bytes, String>> {
    match timeout(SILENCE_MAX, body.next()).await {
        Ok(piece) => piece.map(|piece| piece.map_err(|fault| fault.to_string())),
        Err(_) => Some(Err("nothing came for too long".to_owned())),
    }
}

fn check<E: std::fmt::Display>(piece: std::result::Result<Bytes, E>, bytes: &mut u64, bytes_max: u64) -> Result<Bytes> {
    let piece = piece.map_err(|fault| Error::new(Code::Cancelled, format!("the upload broke off: {fault}")))?;
    *bytes += piece.len() as u64;
    match *bytes <= bytes_max {
        true => Ok(piece),
        false => {
            let text =
                format!("a file may have at most {bytes_max} bytes; `file_bytes_max` of the environment sets that");
            Err(Error::new(Code::TooLarge, text))
        }
    }
}

async fn give_up(parts: Option<WriteMultipart>) {
    if let Some(parts) = parts
        && let Err(fault) = parts.abort().await
    {
        tracing::warn!(%fault, "parts of an upload that failed are left for the sweep");
    }
}

/// The media type that the ending of a path stands for.
pub fn kind_of(path: &str) -> &'static str {
    mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream")
}
