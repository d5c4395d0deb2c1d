#!/usr/bin/env bash
# The programs of the READMEs as one check of `make test`; it uses the SDKs that the scenarios have installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
code=0; setup/node.sh tests/sdk || code=$?
[ $code -eq 3 ] && { echo "readme: no Node 18, or its packages cannot be had" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
[ $code -eq 0 ] || exit $code
cargo build --locked --bin waferdb
WAFERDB_BIN="$(realpath "${CARGO_TARGET_DIR:-target}")/debug/waferdb" node tests/readme/run.mjs
