//! Settings of the edge: each with its default, unit and reason.

use std::path::PathBuf;
use std::time::Duration;

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr, $shown:literal;)+) => {
        /// How the server listens and what it bears.
        #[derive(Clone, Debug)]
        pub struct Config { $($(#[doc = $doc])+ pub $name: $kind,)+ }

        impl Default for Config {
            fn default() -> Config {
                Config { $($name: $default,)+ }
            }
        }

        impl Config {
            /// Name, default and meaning of every setting, for the docs.
            pub const TABLE: &[(&str, &str, &str)] = &[$((stringify!($name), $shown, concat!($($doc,)+)),)+];
        }
    };
}

settings! {
    /// Host and port to listen on.
    listen: String = "127.0.0.1:8787".to_owned(), "127.0.0.1:8787";
    /// Addresses under which callers reach this server through proxies, with or without a path. Signatures cover the
    /// address that the caller wrote.
    public_urls: Vec<String> = Vec::new(), "none";
    /// Web origins, such as `https://shop.example`, whose pages may call the client faces; without any all may.
    origins: Vec<String> = Vec::new(), "all";
    /// Most connections at once; fewer where the process may not open so many files.
    connections_max: usize = 10_000, "10 000";
    /// How long a connection may idle between requests or take to send a request's head. SDKs never repeat a call
    /// that met a closing connection, so this is longer than any of them keeps one.
    idle_max: Duration = Duration::from_secs(75), "75 s";
    /// How long the body of a request may take to arrive.
    body_time_max: Duration = Duration::from_secs(60), "60 s";
    /// Largest body of a call, in bytes.
    call_bytes_max: usize = 32 << 20, "32 MiB";
    /// Memory for bodies that are being read or worked on, in bytes; larger requests wait for their share.
    bodies_bytes_max: usize = 96 << 20, "96 MiB";
    /// Memory for events that watchers have not fetched or may want repeated, in bytes. Beyond it feeds are shortened,
    /// and who reads too slowly is told so.
    feeds_bytes_max: u64 = 256 << 20, "256 MiB";
    /// Long operations at once; more wait.
    long_operations_max: usize = cores().max(2), "the number of cores, at least 2";
    /// The folder for files, by itself one inside the data folder; without one they are kept in memory.
    files: Option<PathBuf> = None, "`files` in the data folder";
    /// The folder for cloud functions, by itself one inside the data folder; without one they vanish with the process.
    functions: Option<PathBuf> = None, "`functions` in the data folder";
    /// Do cloud functions run even where they cannot be shut in?
    functions_unconfined: bool = false, "no";
    /// How long requests may finish after a stop was asked for.
    drain_max: Duration = Duration::from_secs(9), "9 s";
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_docs_show() {
        let config = Config::default();
        let shown = |name: &str| Config::TABLE.iter().find(|row| row.0 == name).map(|row| row.1).unwrap_or_default();
        let mebibytes = |bytes: usize| format!("{} MiB", bytes >> 20);
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        assert_eq!(shown("listen"), config.listen);
        assert_eq!(shown("connections_max").replace(' ', ""), config.connections_max.to_string());
        assert_eq!(shown("idle_max"), seconds(config.idle_max));
        assert_eq!(shown("body_time_max"), seconds(config.body_time_max));
        assert_eq!(shown("drain_max"), seconds(config.drain_max));
        assert_eq!(shown("call_bytes_max"), mebibytes(config.call_bytes_max));
        assert_eq!(shown("bodies_bytes_max"), mebibytes(config.bodies_bytes_max));
    }
}
