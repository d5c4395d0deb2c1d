# Source this (`. setup/env.sh`) to get the variables of a quick build: RocksDB comes from the per-machine cache, and
# what is missing is installed or built once. The Makefile does it for every target; do it in your own shell before
# calling cargo directly, so that both share one build.
waferdb_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
export WAFERDB_CACHE="${WAFERDB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waferdb}"
command -v cargo >/dev/null || [ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"
if ! command -v cargo >/dev/null; then
  echo "WaferDB is built with Rust, and no cargo was found. Install rustup (apt-get install rustup, or https://rustup.rs), then try again." >&2
  return 1
fi
"$waferdb_root/setup/packages.sh" build || return 1
if [ -z "${ROCKSDB_LIB_DIR:-}" ]; then
  ROCKSDB_LIB_DIR=$("$waferdb_root/setup/rocksdb.sh") || return 1
  export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1
fi
# CI runs in a fresh clone each time: what does not change between clones (third-party crates) is built once a machine.
if [ -n "${CI:-}" ] && [ -z "${CARGO_TARGET_DIR:-}" ]; then
  export CARGO_TARGET_DIR="$WAFERDB_CACHE/target-ci"
fi
