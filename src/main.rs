//! The command line: reads what was asked, does it, and ends with a code that scripts can rely on.
//!
//! 0 done, 1 refused or a fault found, 2 could not run.
#![forbid(unsafe_code)]

mod cli;
mod client;
mod command;
mod failure;
mod show;

use std::process::ExitCode;

/// Less fragmentation over days of serving than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::read() {
        Ok(cli) => cli,
        Err(failure) => return failure.report(false),
    };
    let json = cli.place.json;
    match command::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}
