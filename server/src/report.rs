//! What the server tells about itself: its state, its environments, and whether the store holds what it should.

use serde::Serialize;
use storage::{Env, doctor};

use crate::app::App;

/// The server's state.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    /// The program's version.
    pub version: &'static str,
    /// The format of the data folder.
    pub format: u32,
    /// Has a failed sync stopped all writes?
    pub halted: bool,
    /// How many environments there are.
    pub environments: usize,
    /// Bytes of documents in the cache.
    pub cached_bytes: u64,
    /// Sockets that are open.
    pub sockets: usize,
    /// Watches that are followed.
    pub watches: usize,
    /// Bytes of their events that wait or may be repeated.
    pub watch_bytes: u64,
}

/// An environment with its counts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvSummary {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// How many collections.
    pub collections: usize,
    /// How many documents in them.
    pub documents: u64,
    /// How many bytes of documents.
    pub bytes: u64,
    /// How many key pairs open it.
    pub keys: usize,
}

/// What a check of the store looked at and found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Examined {
    /// Collections looked at.
    pub collections: u64,
    /// Documents looked at.
    pub documents: u64,
    /// Index entries counted.
    pub index_entries: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Where.
    pub place: String,
    /// What is wrong, and what to do where that is known.
    pub fault: String,
}

/// The server's state.
pub fn state(app: &App) -> ServerState {
    let store = app.db.store();
    ServerState {
        version: env!("CARGO_PKG_VERSION"),
        format: storage::FORMAT_VERSION,
        halted: store.is_halted(),
        environments: store.view().catalog().envs().len(),
        cached_bytes: store.cached_bytes(),
        sockets: app.realtime.sockets(),
        watches: app.realtime.hub.watches(),
        watch_bytes: app.realtime.hub.bytes(),
    }
}

/// Every environment.
pub fn environments(app: &App) -> Vec<EnvSummary> {
    app.db.store().view().catalog().envs().iter().map(|env| summary(app, env)).collect()
}

fn summary(app: &App, env: &Env) -> EnvSummary {
    let (mut documents, mut bytes) = (0, 0);
    for collection in env.collections() {
        documents += collection.stats.docs();
        bytes += collection.stats.bytes();
    }
    EnvSummary {
        name: env.name.clone(),
        created_ms: env.created_ms,
        collections: env.collections().len(),
        documents,
        bytes,
        keys: app.tenants.keys(Some(env.id)).len(),
    }
}

/// Checks everything; long on a large store.
pub fn examine(app: &App) -> Examined {
    let checked = doctor::check(&app.db.store().view(), &mut |_| {});
    let of_store = checked.findings.into_iter().map(|finding| Finding { place: finding.place, fault: finding.fault });
    let of_keys = app.tenants.unreadable_keys().into_iter().map(|id| Finding {
        place: format!("key {id}"),
        fault: "its secret cannot be opened: the file secret.key is missing or another one; put the right file back, \
                or make a new key pair"
            .to_owned(),
    });
    Examined {
        collections: checked.collections,
        documents: checked.docs,
        index_entries: checked.entries,
        findings: of_store.chain(of_keys).collect(),
    }
}
