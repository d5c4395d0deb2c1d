//! What functions printed and how their calls ended: the newest of it, in memory.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;
use storage::EnvId;

/// Memory for entries, in bytes of text; the oldest make room.
const BYTES_MAX: usize = 16 << 20;
/// Longest text of one entry, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// One thing that a function said.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The environment.
    #[serde(skip)]
    pub env: EnvId,
    /// The function's name.
    pub function: String,
    /// The request under way.
    pub request_id: String,
    /// When that request came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The text.
    pub text: String,
}

/// The newest entries of all environments.
#[derive(Default)]
pub struct Logs(Mutex<Held>);

#[derive(Default)]
struct Held {
    entries: VecDeque<LogEntry>,
    bytes: usize,
}

impl Logs {
    /// Adds an entry.
    pub fn add(&self, mut entry: LogEntry) {
        entry.text.truncate(entry.text.floor_char_boundary(TEXT_BYTES_MAX));
        let mut held = self.0.lock();
        held.bytes += size(&entry);
        held.entries.push_back(entry);
        while held.bytes > BYTES_MAX {
            let Some(oldest) = held.entries.pop_front() else { return };
            held.bytes -= size(&oldest);
        }
    }

    /// The newest entries of an environment, oldest first: of one function or request where they are named.
    pub fn newest(&self, env: EnvId, function: Option<&str>, request: Option<&str>, limit: usize) -> Vec<LogEntry> {
        let held = self.0.lock();
        let wanted = held.entries.iter().rev().filter(|entry| {
            entry.env == env
                && function.is_none_or(|function| entry.function == function)
                && request.is_none_or(|request| entry.request_id == request)
        });
        let mut found: Vec<LogEntry> = wanted.take(limit).cloned().collect();
        found.reverse();
        found
    }

    /// Forgets what an environment's functions said.
    pub fn forget(&self, env: EnvId) {
        let mut held = self.0.lock();
        held.entries.retain(|entry| entry.env != env);
        held.bytes = held.entries.iter().map(size).sum();
    }
}

/// What an entry costs, about.
fn size(entry: &LogEntry) -> usize {
    entry.text.len() + entry.function.len() + entry.request_id.len() + size_of::<LogEntry>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_environments_stay_apart() {
        let logs = Logs::default();
        let entry = |env, text: &str| LogEntry {
            env: EnvId(env),
            function: "f".to_owned(),
            request_id: "r".to_owned(),
            at_ms: 0,
            text: text.to_owned(),
        };
        logs.add(entry(1, "first"));
        logs.add(entry(2, "other"));
        assert_eq!(logs.newest(EnvId(1), Some("f"), Some("r"), 10).len(), 1);
        assert!(logs.newest(EnvId(1), Some("g"), None, 10).is_empty());
        for _ in 0..400 {
            logs.add(entry(1, &"é".repeat(TEXT_BYTES_MAX)));
        }
        assert!(logs.0.lock().bytes <= BYTES_MAX);
        assert!(logs.newest(EnvId(2), None, None, 10).is_empty());
        assert_eq!(logs.newest(EnvId(1), None, None, 3).len(), 3);
        logs.forget(EnvId(1));
        assert_eq!(logs.0.lock().bytes, 0);
    }
}
