//! Black-box tests: one program, so that the engine is linked once. Each module drives the real binary and knows its
//! surfaces only: the gateway, the command line, the data folder.

mod command_line;
mod crash;
mod support;
