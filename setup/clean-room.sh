#!/usr/bin/env bash
# Builds and tests a fresh clone as on a machine that has never seen WaferDB: an empty cargo home, an empty cache, no
# variables of this shell. What git does not track, or this machine happens to have built before, cannot help it.
#
#   usage: setup/clean-room.sh [MAKE-TARGET…]        (default: build test)
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
room=$(mktemp -d "${TMPDIR:-/var/tmp}/waferdb-clean-room.XXXXXX")
trap 'rm -rf "$room"' EXIT
[ -z "$(git -C "$source" status --porcelain)" ] || echo "note: uncommitted changes are not part of the clone" >&2
git clone --quiet "$source" "$room/clone"
mkdir -p "$room/home"
tools=$(dirname "$(command -v cargo)"):$(dirname "$(command -v node)")
for target in "${@:-build test}"; do
  for name in $target; do
    echo "=== make $name in $room/clone"
    env -i PATH="$tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME="$room/home" TERM=dumb \
      RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" CARGO_HOME="$room/cargo" WAFERDB_CACHE="$room/cache" \
      npm_config_cache="$room/npm" PIP_CACHE_DIR="$room/pip" $(env | grep -E '^(PIP_|npm_config_reg|CARGO_(HTTP|NET|REGIST)|SSL_|[A-Za-z]*_proxy)' || true) \
      make -C "$room/clone" "$name" </dev/null
  done
done
echo "the clean room is satisfied"
