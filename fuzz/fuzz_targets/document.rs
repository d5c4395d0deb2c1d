//! Bytes from outside: a document is refused with an error, or every part of it can be read without a panic and its keys
//! can be built.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storage::key::{decode, encode, note_of, skip};
use storage::{Direction, Doc, RawDoc, ValueRef, compare_documents};

fuzz_target!(|bytes: &[u8]| {
    // A key from outside is as hostile as a document.
    for direction in [Direction::Ascending, Direction::Descending] {
        let _ = skip(bytes, direction);
        let _ = decode(bytes, direction, storage::key::Note::Plain);
    }
    let Ok(doc) = Doc::from_bytes(bytes.to_vec()) else { return };
    read(doc.raw());
    assert_eq!(compare_documents(doc.raw(), doc.raw(), None), std::cmp::Ordering::Equal);
    assert_eq!(
        Doc::from_bytes(doc.as_bytes().to_vec()).map(|again| again.as_bytes().to_vec()).ok(),
        Some(bytes.to_vec())
    );
});

fn read(doc: RawDoc<'_>) {
    for (name, value) in doc.iter() {
        assert!(doc.get(name).is_some());
        let mut key = Vec::new();
        encode(value, Direction::Ascending, None, &mut key);
        assert_eq!(skip(&key, Direction::Ascending), Some(key.len()));
        let _ = note_of(value, None);
        match value {
            ValueRef::Document(inner) => read(inner),
            ValueRef::Array(inner) => inner.iter().for_each(|value| drop(value.to_value())),
            other => drop(other.to_value()),
        }
    }
}
