//! Answers specification cases on standard input, one JSON request a line, with one JSON reply a line:
//! `cargo run --example conformance -- --engine model`.

#![allow(missing_docs, clippy::indexing_slicing, clippy::expect_used, reason = "test code, built outside of tests")]

#[path = "../tests/it/support/adapter.rs"]
mod adapter;
#[path = "../tests/it/support/json.rs"]
mod json;
#[path = "../tests/it/support/model.rs"]
mod model;

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", adapter::answer(&line?))?;
        out.flush()?;
    }
    Ok(())
}
