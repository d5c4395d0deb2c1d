//! What the black-box tests share: a server to talk to, and ways to disturb it.

pub mod adapter;
pub mod client;
pub mod disk;
pub mod engine;
pub mod gateway;
pub mod json;
pub mod model;
pub mod powerloss;
pub mod random;
pub mod server;
pub mod watcher;
