#!/usr/bin/env bash
# The SDK scenarios as one check of `make test`: against the binary that `cargo test` has just built.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! setup/node.sh tests/sdk; then
  [ $? -eq 3 ] && { echo "sdk: no Node 18, or its packages cannot be had" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
  exit 1
fi
cargo build --locked --bin waferdb
WAFERDB_BIN="${CARGO_TARGET_DIR:-target}/debug/waferdb" node tests/sdk/run.mjs
