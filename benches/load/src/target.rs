//! One face over the servers that are measured: connect, do an operation, say how many rows came back.
//!
//! What an operation looks like on each server's wire is in the modules below this one.

mod mongo;
mod pocketbase;
mod postgres;
mod wafer;

pub use mongo::message;
pub use pocketbase::prepare as prepare_pocketbase;
pub use wafer::{Gateway, credentials, is_open};

use crate::data::Op;
use serde_json::Value;
use std::time::Duration;

pub type Fault = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Fault>;

/// How to reach a server.
#[derive(Clone, Debug)]
pub enum Target {
    Wafer { address: String },
    Mongo { address: String },
    Postgres { address: String },
    PocketBase { address: String, token: String },
}

/// What came of an operation: rows (or the number counted), and how long it took without preparing the request.
pub struct Outcome {
    pub rows: u64,
    pub took: Duration,
}

/// One client.
pub enum Client {
    Wafer(wafer::Client),
    Mongo(mongo::Client),
    Postgres(postgres::Client),
    PocketBase(pocketbase::Client),
}

impl Target {
    pub async fn connect(&self) -> Result<Client> {
        Ok(match self {
            Target::Wafer { address } => Client::Wafer(wafer::Client::connect(address).await?),
            Target::Mongo { address } => Client::Mongo(mongo::Client::connect(address).await?),
            Target::Postgres { address } => Client::Postgres(postgres::Client::connect(address).await?),
            Target::PocketBase { address, token } => {
                Client::PocketBase(pocketbase::Client::connect(address, token).await?)
            }
        })
    }
}

impl Client {
    /// Does one operation and reads its whole answer.
    pub async fn run(&mut self, op: &Op) -> Result<Outcome> {
        match self {
            Client::Wafer(client) => client.run(op).await,
            Client::Mongo(client) => client.run(op).await,
            Client::Postgres(client) => client.run(op).await,
            Client::PocketBase(client) => client.run(op).await,
        }
    }

    /// The bytes of an operation, where making them costs more than a trifle.
    pub fn request(&self, op: &Op) -> Option<Vec<u8>> {
        match self {
            Client::Wafer(client) => Some(client.request(op)),
            _ => None,
        }
    }

    /// Does an operation whose bytes were made before.
    pub async fn send(&mut self, op: &Op, request: &[u8]) -> Result<Outcome> {
        match self {
            Client::Wafer(client) => client.send(op, request).await,
            other => other.run(op).await,
        }
    }

    /// Inserts many documents in one request, as that server's users would in bulk.
    pub async fn load(&mut self, collection: &str, documents: &[Value]) -> Result<()> {
        match self {
            Client::Wafer(client) => client.load(collection, documents).await,
            Client::Mongo(client) => client.load(collection, documents).await,
            Client::Postgres(client) => client.load(collection, documents).await,
            Client::PocketBase(client) => client.load(documents).await,
        }
    }
}

/// Makes collection and indexes before loading.
pub async fn prepare(target: &Target) -> Result<()> {
    match target.connect().await? {
        Client::Wafer(mut client) => client.prepare().await,
        Client::Mongo(mut client) => client.prepare().await,
        Client::Postgres(client) => client.prepare().await,
        Client::PocketBase(_) => Ok(()),
    }
}
