#!/usr/bin/env bash
# Every check that a change must pass, one line each with its time. A failed check does not stop the others, so that one
# run tells everything. What cannot run on this machine is reported as skipped, with its reason, and counted.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT
export WAFERDB_SKIPS="$log/skips"; : > "$WAFERDB_SKIPS"
passed=0 failed=()

check() { # check NAME COMMAND…
  local name=$1 began=$SECONDS; shift
  printf '\n=== %s: %s\n' "$name" "$*"
  if "$@" </dev/null; then
    passed=$((passed + 1)); printf -- '--- %s: passed (%s s)\n' "$name" $((SECONDS - began))
  else
    failed+=("$name"); printf -- '--- %s: FAILED (%s s)\n' "$name" $((SECONDS - began))
  fi
}

check format cargo fmt --all --check
check dependencies python3 tests/dependencies.py
check lint cargo clippy --workspace --all-targets --locked -- -D warnings
check rustdoc env RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
check tests cargo test --workspace --locked
check sdk tests/sdk/check.sh
check chromium tests/chromium/check.sh
check readme tests/readme/check.sh
check oracle tests/oracle/check.sh
check differential tests/differential/check.sh
check bench-tools benches/check.sh
check fuzz-tools fuzz/check.sh

echo
skipped=$(wc -l < "$WAFERDB_SKIPS")
if [ "$skipped" -gt 0 ]; then
  echo "SKIPPED on this machine ($skipped):"; sed 's/^/  /' "$WAFERDB_SKIPS"
fi
[ ${#failed[@]} -eq 0 ] || echo "FAILED: ${failed[*]}"
echo "$passed passed, ${#failed[@]} failed, $skipped skipped"
[ ${#failed[@]} -eq 0 ]
