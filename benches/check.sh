#!/usr/bin/env bash
# The load driver as one check of `make test`: it builds without warnings. Measuring is `make bench`, on a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --check --manifest-path benches/load/Cargo.toml
cargo clippy --quiet --locked --manifest-path benches/load/Cargo.toml -- -D warnings
