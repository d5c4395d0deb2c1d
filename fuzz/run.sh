#!/usr/bin/env bash
# Runs fuzz targets for a while each. Stable Rust does: the one unstable flag that coverage needs is unlocked for this build
# only. Corpora stay in the cache and grow from run to run; a finding is written to fuzz/artifacts with the way to repeat it.
#
# No sanitizer unless asked for: our crates forbid unsafe code.
#
#   usage: [SANITIZER=address] fuzz/run.sh SECONDS [TARGET…]       exit 3: cargo-fuzz cannot be had
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1; shift; only=$*
cache="${WAFERDB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waferdb}"
tool="$cache/tools/bin/cargo-fuzz"
[ -x "$tool" ] || cargo install --locked --quiet --root "$cache/tools" cargo-fuzz || exit 3
export RUSTC_BOOTSTRAP=1 PATH="$cache/tools/bin:$PATH" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"

found=0
for target in ${only:-$(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)}; do
  corpus="$cache/fuzz/$target"; mkdir -p "$corpus"
  echo "--- $target, $seconds s"
  features=(); [ "$target" != ejson ] || features=(--features json)
  cargo fuzz run ${features[@]+"${features[@]}"} --fuzz-dir fuzz --release --debug-assertions --sanitizer "${SANITIZER:-none}" "$target" "$corpus" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 || found=$((found + 1))
done
echo "$found targets found something"
[ "$found" -eq 0 ]
