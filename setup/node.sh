#!/usr/bin/env bash
# Installs the npm packages of a folder when its lock file is newer than what is installed.
#
#   usage: setup/node.sh FOLDER        exit 3: no Node, or the packages could not be had
set -euo pipefail
folder=$1
node_major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
[ "${node_major:-0}" -ge 18 ] || { echo "Node 18 or newer is needed, found: $(node --version 2>/dev/null || echo none)" >&2; exit 3; }
stamp="$folder/node_modules/.waferdb-installed"
cmp -s "$folder/package-lock.json" "$stamp" && exit 0
(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefer-offline >&2) || exit 3
cp "$folder/package-lock.json" "$stamp"
