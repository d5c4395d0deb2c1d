//! Black-box tests: one program, so that the engine is linked once. Each module drives the real binary and knows its
//! surfaces only: the gateway, the command line, the data folder; `docs` alone reads tables of the crates.

mod command_line;
mod crash;
mod differential;
mod docs;
mod functions;
mod hostile;
mod spec;
mod spill;
mod support;
mod transactions;
mod watch;
mod words;
