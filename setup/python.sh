#!/usr/bin/env bash
# Prints a folder for PYTHONPATH that holds a Python package, fetched once into the cache (the system's own packages are
# left alone).
#
#   usage: setup/python.sh PACKAGE==VERSION        exit 3: could not be had
set -euo pipefail
folder="${WAFERDB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waferdb}/python/$1"
if [ ! -d "$folder" ]; then
  "$(dirname "$0")/packages.sh" wheels || exit 3
  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --target "$folder.$$" "$1" >&2 \
    || { rm -rf "$folder.$$"; exit 3; }
  mv -T "$folder.$$" "$folder"
fi
echo "$folder"
