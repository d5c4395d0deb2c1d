//! Every policy limit on one page: name, unit, default, what it is for.
//!
//! An environment may set its own values (`waferdb env limits`); the hard limits of the format are in
//! `storage::limits` and cannot be raised.

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:expr,)+) => {
        /// The limits of one caller class in one environment.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits { $($(#[doc = $doc])+ pub $name: u64,)+ }

        impl Default for Limits {
            fn default() -> Limits {
                Limits { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Name, default and meaning of every limit, for the docs and for `env limits`.
            pub const TABLE: &[(&str, u64, &str)] = &[$((stringify!($name), $default, concat!($($doc,)+)),)+];

            /// The value of a limit by its name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name { $(stringify!($name) => Some(self.$name),)+ _ => None }
            }

            /// Sets a limit by its name; false where there is no such limit.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name { $(stringify!($name) => self.$name = value,)+ _ => return false }
                true
            }
        }
    };
}

limits! {
    /// How long one operation may run, in milliseconds.
    deadline_ms: 10_000,
    /// Largest document that a server-side caller may store, in bytes.
    doc_bytes_max_admin: 16 * 1024 * 1024,
    /// Largest document that a client may store, in bytes.
    doc_bytes_max_client: 1024 * 1024,
    /// Most documents that one query returns to a server-side caller.
    rows_max_admin: 1000,
    /// Documents that a query without a limit returns to a server-side caller.
    rows_default_admin: 100,
    /// Most documents that one query returns to a client.
    rows_max_client: 1000,
    /// Documents that a query without a limit returns to a client.
    rows_default_client: 100,
    /// Most documents that one query returns to `wx.cloud` in a mini program, and what it returns without a limit.
    rows_max_wx: 20,
    /// Largest answer to a server-side caller, in bytes of documents.
    reply_bytes_max_admin: 50 * 1024 * 1024,
    /// Largest answer to a client, in bytes of documents.
    reply_bytes_max_client: 5 * 1024 * 1024,
    /// Most documents in one insert.
    insert_docs_max: 10_000,
    /// Deepest nesting of a filter, update or pipeline.
    request_depth_max: 100,
    /// Most conditions in one filter.
    filter_nodes_max: 10_000,
    /// Most values of one `$in` or `$nin`.
    in_values_max: 100_000,
    /// Longest regular expression, in bytes.
    regex_bytes_max: 32_764,
    /// Largest compiled regular expression, in bytes of memory.
    regex_program_bytes_max: 2 * 1024 * 1024,
    /// Most stages in one pipeline, those of inner pipelines included.
    pipeline_stages_max: 1000,
    /// Memory of one sort, group or other blocking stage, in bytes.
    stage_bytes_max: 100 * 1024 * 1024,
    /// Newest MongoDB release whose operators are accepted, major times ten plus minor: 70 is 7.0.
    language_release_max: 70,
    /// Most new elements that one update may add to an array by writing beyond its end.
    array_fill_max: 1_500_000,
    /// Most collections in the environment.
    collections_max: 1000,
    /// Most documents that may match one watched query.
    watch_docs_max: 5000,
    /// Greatest limit of a watched query.
    watch_limit_max: 200,
    /// Most fields that may order a watched query.
    watch_sort_fields_max: 5,
    /// Largest file, in bytes.
    file_bytes_max: 5 * 1024 * 1024 * 1024,
    /// How long a link to a file lives where its maker says nothing, in seconds.
    file_link_s: 7200,
    /// Longest life of a link to a file, in seconds.
    file_link_s_max: 30 * 24 * 3600,
    /// How long the permission to upload a file lives, in seconds.
    file_upload_s: 1800,
    /// Most cloud functions in the environment.
    functions_max: 50,
    /// Largest code of one cloud function without installed packages, in bytes.
    function_code_bytes_max: 500 * 1024 * 1024,
    /// Largest event that a cloud function is called with, in bytes.
    function_event_bytes_max: 6 * 1024 * 1024,
    /// Largest result of a cloud function, in bytes.
    function_result_bytes_max: 6 * 1024 * 1024,
    /// Most sockets of the environment that are open for watching at once.
    sockets_max: 20_000,
    /// Most watches on one socket.
    socket_watches_max: 100,
    /// How long a transaction may stay open, in milliseconds.
    transaction_life_ms: 30_000,
    /// Most documents that one transaction may write.
    transaction_docs_max: 1000,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_read_and_set_by_name() {
        let mut limits = Limits::default();
        for (name, default, help) in Limits::TABLE {
            assert_eq!(limits.get(name), Some(*default));
            assert!(limits.set(name, 7) && limits.get(name) == Some(7));
            assert!(!help.is_empty());
        }
        assert!(!limits.set("no_such_limit", 1));
    }
}
