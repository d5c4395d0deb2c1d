//! Files below the protocol: what is stored, what a failed upload leaves, what the sweep takes.

use axum::body::Bytes;
use futures_util::stream;
use query::{Code, Result};
use storage::{EnvId, Options, Store};
use tokio::runtime::Builder;

use super::upload::NewFile;
use super::*;

fn with_files(check: impl AsyncFnOnce(Files, EnvId, &Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::in_memory(Options::default()).expect("opens");
    let (env, ticket) = store.create_env("e").expect("makes");
    ticket.wait().expect("durable");
    let files = Files::open(Some(folder.path()), store, [1; 32]).expect("opens");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(check(files, env, folder.path()));
}

fn new(path: &str) -> NewFile {
    NewFile { path: path.to_owned(), kind: None, owner: String::new(), now_ms: 1_700_000_000_000, bytes_max: 20 << 20 }
}

async fn store(files: &Files, env: EnvId, path: &str, pieces: &[&[u8]]) -> Result<FileInfo> {
    let pieces: Vec<std::result::Result<Bytes, &str>> =
        pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    files.store(env, new(path), stream::iter(pieces)).await
}

fn objects(folder: &Path) -> usize {
    let inside =
        |folder: &Path| std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut count = 0;
    for entry in inside(folder) {
        count += if entry.is_dir() { objects(&entry) } else { 1 };
    }
    count
}

#[test]
fn a_file_is_replaced_copied_listed_and_removed() {
    with_files(async |files, env, folder| {
        let first = store(&files, env, "a/1.txt", &[b"one"]).await.expect("stored");
        assert_eq!((first.bytes, first.kind.as_str()), (3, "text/plain"));
        assert_eq!(first.md5, "f97c5d29941bfb1b2fdab0874906ab82");
        let second = store(&files, env, "a/1.txt", &[b"t", b"wo!"]).await.expect("stored");
        assert_eq!(files.find(env, "a/1.txt").expect("reads"), Some(second.clone()));
        assert_eq!(objects(folder), 1, "the bytes of the first are gone");
        files.copy(env, "a/1.txt", FileInfo { path: "a/2.txt".into(), ..second.clone() }).await.expect("copied");
        store(&files, env, "b", &[]).await.expect("stored");
        let names = |prefix, after, limit| -> Vec<String> {
            files.list(env, prefix, after, limit).expect("reads").into_iter().map(|file| file.path).collect()
        };
        assert_eq!(names("", "", 10), ["a/1.txt", "a/2.txt", "b"]);
        assert_eq!(names("a/", "", 10), ["a/1.txt", "a/2.txt"]);
        assert_eq!(names("a/", "a/1.txt", 10), ["a/2.txt"]);
        assert_eq!(names("", "", 1), ["a/1.txt"]);
        assert!(files.remove(env, "a/1.txt").await.expect("removed"));
        assert!(!files.remove(env, "a/1.txt").await.expect("nothing to remove"));
        assert_eq!(objects(folder), 2);
        files.remove_all(env).await.expect("removed");
        assert_eq!(objects(folder), 0);
    });
}

#[test]
fn an_upload_that_fails_leaves_the_old_file() {
    with_files(async |files, env, folder| {
        let old = store(&files, env, "f", &[b"old"]).await.expect("stored");
        let large = vec![7u8; 6 << 20];
        let broken = [Ok(Bytes::from(large.clone())), Ok(Bytes::from(large.clone())), Err("cut")];
        let code = |outcome: Result<FileInfo>| outcome.map(drop).map_err(|error| error.code);
        assert_eq!(code(files.store(env, new("f"), stream::iter(broken)).await), Err(Code::Cancelled));
        let four: [&[u8]; 4] = [&large, &large, &large, &large];
        assert_eq!(code(store(&files, env, "f", &four).await), Err(Code::TooLarge));
        assert_eq!(files.find(env, "f").expect("reads"), Some(old));
        assert_eq!(objects(folder), 1, "nothing is left of the others");
        let whole = store(&files, env, "f", &four[..3]).await.expect("stored");
        assert_eq!(whole.bytes, 18 << 20);
    });
}

#[test]
fn the_sweep_takes_only_bytes_without_a_name() {
    with_files(async |files, env, folder| {
        store(&files, env, "kept", &[b"kept"]).await.expect("stored");
        let stray = folder.join(env.0.to_string()).join("ff");
        std::fs::create_dir_all(&stray).expect("a folder");
        std::fs::write(stray.join("ff00"), b"half").expect("written");
        let now = jiff::Timestamp::now().as_millisecond();
        assert_eq!(files.sweep(env, now).await.expect("swept"), 0, "it may still be on its way");
        assert_eq!(files.sweep(env, now + 2 * ORPHAN_AGE_MS).await.expect("swept"), 1);
        assert_eq!(objects(folder), 1);
        assert!(files.find(env, "kept").expect("reads").is_some());
    });
}
