//! Archives of code: unpacked within bounds, into a folder that nobody else knows yet.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use query::{Code, Error, Result};

use super::broken;

/// Most files and folders in one archive.
const ENTRIES_MAX: usize = 50_000;
const PATH_BYTES_MAX: usize = 1024;

/// Unpacks a tar archive; answers how many bytes its files have.
///
/// # Errors
/// `InvalidParam` for an archive that is damaged, holds anything but files and folders, or leads out of its folder;
/// `TooLarge` beyond `bytes_max`.
pub(super) fn unpack(archive: fs::File, into: &Path, bytes_max: u64) -> Result<u64> {
    make_folder(into)?;
    let mut archive = tar::Archive::new(BufReader::new(archive));
    let mut bytes = 0_u64;
    for (count, entry) in archive.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        bytes = bytes.saturating_add(entry.header().entry_size().map_err(damaged)?);
        if bytes > bytes_max || count >= ENTRIES_MAX {
            let text = format!("the code is too large: at most {bytes_max} bytes and {ENTRIES_MAX} files");
            return Err(Error::new(Code::TooLarge, text));
        }
        let path = inside(into, &entry.path().map_err(damaged)?)?;
        match entry.header().entry_type() {
            tar::EntryType::Directory => make_folder(&path)?,
            tar::EntryType::Regular => write_file(&path, &mut entry)?,
            tar::EntryType::XGlobalHeader => {}
            other => return Err(invalid(format!("{}: {other:?} is neither a file nor a folder", path.display()))),
        }
    }
    Ok(bytes)
}

/// Is the file there that is to be called?
///
/// # Errors
/// `InvalidParam`.
pub(super) fn check_handler(place: &Path, handler: &str) -> Result<()> {
    let file = handler.rsplit_once('.').map_or(handler, |(file, _)| file);
    let there = ["js", "cjs", "mjs"].iter().any(|kind| place.join(format!("{file}.{kind}")).is_file());
    match there || place.join(file).join("index.js").is_file() {
        true => Ok(()),
        false => Err(invalid(format!("the code has no {file}.js, where `handler` ({handler}) looks for its export"))),
    }
}

/// Where an entry lies; names that lead elsewhere are refused.
fn inside(folder: &Path, name: &Path) -> Result<PathBuf> {
    let mut path = folder.to_path_buf();
    for part in name.components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return Err(invalid(format!("{:?} leads out of the function's folder", name))),
        }
    }
    match name.as_os_str().len() <= PATH_BYTES_MAX {
        true => Ok(path),
        false => Err(invalid(format!("a path has more than {PATH_BYTES_MAX} bytes"))),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    fs::create_dir(path).map_err(|fault| broken(&fault))?;
    readable(path, 0o755)
}

fn write_file(path: &Path, content: &mut impl Read) -> Result<()> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(path);
    let mut file = opened.map_err(|fault| match fault.kind() {
        io::ErrorKind::AlreadyExists => invalid(format!("the archive holds {} twice", path.display())),
        _ => broken(&fault),
    })?;
    io::copy(content, &mut file).map(drop).map_err(|fault| match fault.kind() {
        io::ErrorKind::UnexpectedEof => damaged(fault),
        _ => broken(&fault),
    })?;
    readable(path, 0o644)
}

/// Processes of functions are other users than the server, whatever its mask of rights.
fn readable(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|fault| broken(&fault))
}

fn damaged(fault: io::Error) -> Error {
    invalid(format!("the archive is not a tar archive, or damaged: {fault}"))
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidParam, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &[u8])], kind: tar::EntryType) -> fs::File {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().expect("a file");
        let mut out = Vec::new();
        for (name, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_entry_type(kind);
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(content);
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.resize(out.len() + 1024, 0);
        file.write_all(&out).expect("written");
        file.rewind().expect("at its begin");
        file
    }

    #[test]
    fn an_archive_becomes_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("v1");
        let file = archive(&[("index.js", b"exports.main = 1"), ("lib/a.js", b"x")], tar::EntryType::Regular);
        assert_eq!(unpack(file, &place, 100).expect("unpacked"), 17);
        assert_eq!(fs::read(place.join("lib/a.js")).expect("a file"), b"x");
        assert!(check_handler(&place, "index.main").is_ok());
        assert!(check_handler(&place, "other.main").is_err());
    }

    #[test]
    fn hostile_archives_are_refused() {
        let refused = |entries: &[(&str, &[u8])], kind| {
            let folder = tempfile::tempdir().expect("a folder");
            let outcome = unpack(archive(entries, kind), &folder.path().join("deep/v"), 1000);
            assert!(!folder.path().join("up.js").exists() && !folder.path().join("deep/up.js").exists());
            outcome.expect_err("refused").code
        };
        let file = tar::EntryType::Regular;
        assert_eq!(refused(&[("../up.js", b"x")], file), Code::InvalidParam);
        assert_eq!(refused(&[("a/../../../up.js", b"x")], file), Code::InvalidParam);
        assert_eq!(refused(&[("/up.js", b"x")], file), Code::InvalidParam);
        assert_eq!(refused(&[("a", b"x"), ("a", b"y")], file), Code::InvalidParam);
        assert_eq!(refused(&[("big", &[0; 1001])], file), Code::TooLarge);
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
            assert_eq!(refused(&[("link", b"")], kind), Code::InvalidParam);
        }
    }
}
