//! Settings of the edge: each with its default, unit and reason.

use std::time::Duration;

/// How the server listens and what it bears.
#[derive(Clone, Debug)]
pub struct Config {
    /// Host and port to listen on.
    pub listen: String,
    /// Addresses under which callers reach this server through proxies, with or without a path. Signatures cover the
    /// address that the caller wrote.
    pub public_urls: Vec<String>,
    /// Most connections at once; fewer where the process may not open so many files.
    pub connections_max: usize,
    /// How long a connection may idle between requests or take to send a request's head. SDKs never repeat a call
    /// that met a closing connection, so this is longer than any of them keeps one.
    pub idle_max: Duration,
    /// How long the body of a request may take to arrive.
    pub body_time_max: Duration,
    /// Largest body of a call, in bytes.
    pub call_bytes_max: usize,
    /// Memory for bodies that are being read or worked on, in bytes; larger requests wait for their share.
    pub bodies_bytes_max: usize,
    /// Long operations at once; more wait.
    pub long_operations_max: usize,
    /// How long requests may finish after a stop was asked for.
    pub drain_max: Duration,
}

impl Default for Config {
    fn default() -> Config {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Config {
            listen: "127.0.0.1:8787".to_owned(),
            public_urls: Vec::new(),
            connections_max: 10_000,
            idle_max: Duration::from_secs(75),
            body_time_max: Duration::from_secs(60),
            call_bytes_max: 32 << 20,
            bodies_bytes_max: 96 << 20,
            long_operations_max: cores.max(2),
            drain_max: Duration::from_secs(9),
        }
    }
}
