#!/usr/bin/env bash
# The example with a server of its own in a new folder, once with each SDK.
#
#   usage: WAFERDB_BIN=waferdb examples/cities/run.sh
set -euo pipefail
cd "$(dirname "$0")"
program=$(command -v "${WAFERDB_BIN:-waferdb}") || { echo "no waferdb: run make build, then set WAFERDB_BIN" >&2; exit 2; }
export WAFERDB_BIN=$program WAFERDB_URL=http://127.0.0.1:${PORT:-8797}
export WAFERDB_ENV=cities WAFERDB_SECRET_ID=AKIDcities WAFERDB_SECRET_KEY=citiesSecretKey WAFERDB_ADMIN_TOKEN=cities-admin-token
../../setup/node.sh .

data=$(mktemp -d)
WAFERDB_INIT_ENV=$WAFERDB_ENV WAFERDB_INIT_SECRET_ID=$WAFERDB_SECRET_ID WAFERDB_INIT_SECRET_KEY=$WAFERDB_SECRET_KEY \
  WAFERDB_INIT_ADMIN_TOKEN=$WAFERDB_ADMIN_TOKEN "$program" serve --data "$data" --listen "127.0.0.1:${PORT:-8797}" > "$data.log" 2>&1 &
server=$!
trap 'kill $server; wait $server; rm -rf "$data" "$data.log"' EXIT
for _ in $(seq 200); do
  kill -0 $server 2>/dev/null || { cat "$data.log" >&2; exit 1; }
  grep -q 'serves at' "$data.log" && break
  sleep 0.05
done

WAFERDB_COLLECTION=cities_by_wx node cities.mjs wx-server-sdk
WAFERDB_COLLECTION=cities_by_node node cities.mjs @cloudbase/node-sdk
