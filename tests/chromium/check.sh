#!/usr/bin/env bash
# Pages in Chromium as one check of `make test`: against the binary that `cargo test` has just built.
set -euo pipefail
cd "$(dirname "$0")/../.."
absent() { echo "chromium: $1" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
setup/packages.sh browser || absent "no Chromium, and it cannot be installed"
for folder in tests/sdk tests/chromium; do
  code=0; setup/node.sh "$folder" || code=$?
  [ $code -eq 3 ] && absent "no Node 18, or its packages cannot be had"
  [ $code -eq 0 ] || exit $code
done
cargo build --locked --bin waferdb
WAFERDB_BIN="${CARGO_TARGET_DIR:-target}/debug/waferdb" node tests/chromium/run.mjs
