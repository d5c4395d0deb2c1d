#!/usr/bin/env bash
# The differential runs as one check of `make test`, in their short form: pipelines, filters, updates and geometry, the
# same questions to a real MongoDB and to this database. ROUNDS=20000 and SEED=… make them long.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "differential: $1 cannot be had here" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
setup/mongod.sh >/dev/null || skip mongod
PYTHONPATH=$(setup/python.sh pymongo==4.20.0) || skip pymongo
export PYTHONPATH
cargo build --quiet --locked --workspace --examples
examples=${CARGO_TARGET_DIR:-target}/debug/examples
folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
process=$(setup/mongod.sh start "$folder" "$port")
trap 'kill "$process"; rm -rf "$folder"' EXIT
mongo="mongodb://127.0.0.1:$port/?directConnection=true"
adapter="$examples/conformance --engine memory"
rounds=${ROUNDS:-1000} seed=${SEED:-1}

python3 tests/differential/pipeline.py --mongod "$mongo" --adapter "$adapter" --shapes
python3 tests/differential/pipeline.py --mongod "$mongo" --adapter "$adapter" --rounds "$rounds" --seed "$seed"
python3 tests/differential/run.py --mongod "$mongo" --adapter "$adapter" --kind filter,sort,distinct,update,upsert \
  --rounds $((rounds / 40)) --seed "$seed"
python3 tests/differential/geo.py --oracle "$examples/geo_oracle" --mongo "$mongo" --rounds $((rounds / 25)) --seed "$seed"
