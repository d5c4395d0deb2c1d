#!/usr/bin/env bash
# The SDK scenarios as one check of `make test`: against the binary that `cargo test` has just built.
set -euo pipefail
cd "$(dirname "$0")/../.."
code=0; setup/node.sh tests/sdk || code=$?
[ $code -eq 3 ] && { echo "sdk: no Node 18, or its packages cannot be had" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
[ $code -eq 0 ] || exit $code
cargo build --locked --bin waferdb
WAFERDB_BIN="${CARGO_TARGET_DIR:-target}/debug/waferdb" node tests/sdk/run.mjs
