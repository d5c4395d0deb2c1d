//! Hard limits: part of the format, the same for everybody. Policy limits live one crate up.

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $value:expr,)+) => {
        $($(#[doc = $doc])+ pub const $name: usize = $value;)+

        /// Name, value and meaning of every hard limit, for the docs.
        pub const TABLE: &[(&str, usize, &str)] = &[$((stringify!($name), $value, concat!($($doc,)+)),)+];
    };
}

limits! {
    /// Largest stored document, in bytes of BSON (MongoDB's limit).
    DOC_BYTES_MAX: 16 * 1024 * 1024,
    /// Deepest nesting of documents and arrays inside one document (MongoDB refuses at 200; 180 is what it accepts).
    DOC_DEPTH_MAX: 180,
    /// Longest key in any space, in bytes.
    KEY_BYTES_MAX: 1024 * 1024,
    /// Most fields in one index.
    INDEX_FIELDS_MAX: 31,
    /// Most indexes of one collection, `_id` included.
    INDEXES_MAX: 100,
    /// Most index entries that one document may make in one index.
    INDEX_ENTRIES_MAX: 200_000,
}
