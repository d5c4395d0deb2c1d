//! Pure codecs: text in, plain data out, and back. Nothing here knows a socket, a clock or a runtime.

pub mod answer;
pub mod codes;
pub mod ejson;
pub mod form;
pub mod members;
pub mod records;
