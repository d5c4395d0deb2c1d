//! Hard limits: part of the format, the same for everybody. Policy limits live one crate up.

/// Largest stored document, in bytes of BSON (MongoDB's limit).
pub const DOC_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of documents and arrays inside one document (MongoDB refuses at 200; 180 is what it accepts).
pub const DOC_DEPTH_MAX: usize = 180;
/// Longest key in any space, in bytes.
pub const KEY_BYTES_MAX: usize = 1024 * 1024;
/// Most fields in one index.
pub const INDEX_FIELDS_MAX: usize = 31;
/// Most indexes of one collection, `_id` included.
pub const INDEXES_MAX: usize = 100;
/// Most index entries that one document may make in one index.
pub const INDEX_ENTRIES_MAX: usize = 200_000;
