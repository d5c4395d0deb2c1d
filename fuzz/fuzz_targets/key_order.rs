//! Keys sort as values do: for any two values, comparing them equals comparing their encodings, and each encoding tells its
//! own end and reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cmp::Ordering;
use storage::key::{decode, encode, note_of, skip};
use storage::{Direction, ValueRef, compare};
use waferdb_fuzz::Grower;

fuzz_target!(|bytes: &[u8]| {
    let mut grower = Grower::new(bytes);
    let (left, right) = (grower.one_value(), grower.one_value());
    let (Some(left), Some(right)) = (left.get("v"), right.get("v")) else { return };
    let wanted = compare(left, right);
    for direction in [Direction::Ascending, Direction::Descending] {
        let (a, b) = (encoded(left, direction), encoded(right, direction));
        let found = if direction == Direction::Ascending { a.cmp(&b) } else { b.cmp(&a) };
        assert_eq!(found, wanted, "{left:?} against {right:?}, {direction:?}");
    }
    for value in [left, right] {
        reads_back(value);
    }
});

fn encoded(value: ValueRef<'_>, direction: Direction) -> Vec<u8> {
    let mut key = Vec::new();
    encode(value, direction, None, &mut key);
    key
}

fn reads_back(value: ValueRef<'_>) {
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut key = encoded(value, direction);
        let length = key.len();
        key.extend_from_slice(&[0, 1, 0xFF]);
        assert_eq!(skip(&key, direction), Some(length), "the end of {value:?}");
        if let Some((read, size)) = decode(&key, direction, note_of(value, None)) {
            assert_eq!(size, length);
            assert_eq!(compare(read.as_ref(), value), Ordering::Equal, "{value:?} read back");
            assert_eq!(read.as_ref().kind(), value.kind(), "{value:?} read back");
        }
    }
}
