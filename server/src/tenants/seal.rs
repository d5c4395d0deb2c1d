//! Secrets at rest: sealed with a key that lies beside the store, not in it.
//!
//! A copy of the store alone (a backup, a stolen disk image of the database folder) tells no secret. Each secret is
//! bound to the name under which it is stored, so records cannot be swapped.

use std::fs;
use std::io::Write;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use query::{Code, Error, Result};
use sha2::Sha256;

use crate::chance;

/// The key's file inside the data folder.
pub const KEY_FILE: &str = "secret.key";

const NONCE_BYTES: usize = 24;

/// Seals and opens secrets.
pub struct Seal {
    cipher: XChaCha20Poly1305,
    key: [u8; 32],
}

impl Seal {
    /// The seal of a data folder; the key is made where there is none. Without a folder the key lives as long as the
    /// process.
    ///
    /// # Errors
    /// `Internal` where the file cannot be read or written, or holds no key.
    pub fn open(folder: Option<&Path>) -> Result<Seal> {
        let key = match folder {
            Some(folder) => read_or_make(&folder.join(KEY_FILE))?,
            None => chance::bytes()?,
        };
        Ok(Seal { cipher: XChaCha20Poly1305::new(&key.into()), key })
    }

    /// A key of its own for a purpose: knowing it tells nothing about this one or others.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key");
        mac.chain_update(purpose).finalize().into_bytes().into()
    }

    /// Seals a secret for the record of this name.
    ///
    /// # Errors
    /// `Internal` where there is no randomness.
    pub fn seal(&self, name: &str, secret: &str) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = chance::bytes()?;
        let payload = Payload { msg: secret.as_bytes(), aad: name.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::new(Code::Internal, "a secret could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens a secret; `None` where it was sealed with another key, for another name, or is damaged.
    pub fn open_secret(&self, name: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        String::from_utf8(self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }
}

fn read_or_make(file: &Path) -> Result<[u8; 32]> {
    match fs::read(file) {
        Ok(bytes) => bytes.try_into().map_err(|_| fault(file, "it does not hold a key of 32 bytes")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(file),
        Err(error) => Err(fault(file, &error.to_string())),
    }
}

/// Writes a new key under another name first, so that a crash leaves no half of it.
fn make(file: &Path) -> Result<[u8; 32]> {
    let key: [u8; 32] = chance::bytes()?;
    let unfinished = file.with_extension("new");
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        only_for_owner(&mut options);
        let mut opened = options.open(&unfinished)?;
        opened.write_all(&key)?;
        opened.sync_all()?;
        fs::rename(&unfinished, file)?;
        // The name must last as long as the records that are sealed from here on.
        file.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().map_err(|error| fault(file, &error.to_string()))?;
    Ok(key)
}

#[cfg(unix)]
fn only_for_owner(options: &mut fs::OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

#[cfg(not(unix))]
fn only_for_owner(_: &mut fs::OpenOptions) {}

fn fault(file: &Path, what: &str) -> Error {
    Error::new(Code::Internal, format!("the key file {}: {what}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_name_open_a_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let seal = Seal::open(Some(folder.path())).expect("a seal");
        let sealed = seal.seal("key-1", "secret").expect("sealed");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        let again = Seal::open(Some(folder.path())).expect("the same seal");
        assert_eq!(again.open_secret("key-1", &sealed).as_deref(), Some("secret"));
        assert_eq!(again.open_secret("key-2", &sealed), None);
        let other = Seal::open(None).expect("another seal");
        assert_eq!(other.open_secret("key-1", &sealed), None);
        assert_eq!(again.open_secret("key-1", &sealed[..20]), None);
    }

    #[test]
    fn a_damaged_key_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(KEY_FILE), b"short").expect("written");
        assert!(Seal::open(Some(folder.path())).is_err_and(|error| error.message.contains("secret.key")));
    }
}
