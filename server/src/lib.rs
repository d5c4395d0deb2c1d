//! What a request looks like: faces, codecs, signatures, configuration. The only crate that knows HTTP, JSON text and
//! the spellings of Tencent's protocol; what a request means is decided one crate below, in `query`.
#![forbid(unsafe_code)]

pub mod auth;
pub mod wire;
