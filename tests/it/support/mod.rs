//! What the black-box tests share: a server to talk to, and ways to disturb it.

pub mod client;
pub mod disk;
pub mod gateway;
pub mod powerloss;
pub mod random;
pub mod server;
pub mod watcher;
