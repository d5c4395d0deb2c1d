#!/usr/bin/env bash
# The fuzz targets as one check of `make test`: a few seconds each, which also proves that they build. Where cargo-fuzz cannot
# be had this is skipped, loudly.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp); trap 'rm -f "$log"' EXIT
# Not `ejson`: building the server with coverage takes minutes, and `make fuzz` does it.
fuzz/run.sh "${FUZZ_SECONDS:-10}" key_order document filter update > "$log" 2>&1
code=$?
[ $code -eq 3 ] && { echo "fuzz: cargo-fuzz cannot be had here" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
[ $code -eq 0 ] || { cat "$log"; exit $code; }
grep -E '^---|stat::number_of_executed_units|found something' "$log"
