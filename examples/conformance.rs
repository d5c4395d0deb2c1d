//! Answers specification cases on standard input, one JSON request a line, with one JSON reply a line.
//!
//! `cargo run --release --example conformance -- --engine rocks|memory|model [--no-index | --fitting-index] [--transaction]`
//!
//! `rocks` and `memory` are the real database with the indexes that a case names; `--no-index` leaves them out unless
//! they are unique, `--fitting-index` adds one on every field that the query names and avoids scans;
//! `--transaction` carries out each case in a transaction. `model` is the
//! naive one that judges the others.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "test code, built outside of tests"
)]

#[path = "../tests/it/support/adapter.rs"]
mod adapter;
#[path = "../tests/it/support/engine.rs"]
mod engine;
#[path = "../tests/it/support/json.rs"]
mod json;
#[path = "../tests/it/support/model.rs"]
mod model;

use std::io::{BufRead, Write};

use adapter::{Judge, NOW};
use engine::{Engine, Indexing};

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let indexing = match (has("--no-index"), has("--fitting-index")) {
        (true, _) => Indexing::None,
        (_, true) => Indexing::Fitting,
        _ => Indexing::Given,
    };
    let engine = |on_disk| {
        let engine = Engine::new(on_disk, indexing, NOW);
        Judge::Engine(Box::new(if has("--transaction") { engine.in_transactions() } else { engine }))
    };
    let mut judge = match args.iter().skip_while(|arg| *arg != "--engine").nth(1).map(String::as_str) {
        Some("model") => Judge::Model,
        Some("memory") => engine(false),
        Some("rocks") | None => engine(true),
        Some(other) => panic!("--engine is rocks, memory or model, not {other}"),
    };
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", adapter::answer(&mut judge, &line?))?;
        out.flush()?;
    }
    if let Judge::Engine(engine) = &judge {
        engine.assert_sound();
    }
    Ok(())
}
