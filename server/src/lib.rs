//! What a request looks like: faces, codecs, signatures, configuration. The only crate that knows HTTP, JSON text and
//! the spellings of Tencent's protocol; what a request means is decided one crate below, in `query`.
#![forbid(unsafe_code)]

pub mod action;
pub mod app;
pub mod auth;
pub mod chance;
pub mod client;
pub mod clock;
pub mod config;
pub mod face;
pub mod files;
pub mod functions;
pub mod identity;
pub mod listen;
pub mod local;
pub mod realtime;
pub mod reference;
pub mod report;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod wire;
