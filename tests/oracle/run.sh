#!/usr/bin/env bash
# Runs the SDK scenarios against a real MongoDB behind gateway.py: shows that the scenarios expect what MongoDB does.
# Exit 3: not possible on this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
setup/node.sh tests/sdk || exit 3
WAFERDB_MONGOD=$(setup/mongod.sh) || exit 3
export WAFERDB_MONGOD
PYTHONPATH=$(setup/python.sh pymongo==4.20.0) || exit 3
export PYTHONPATH
WAFERDB_STAND_IN=1 WAFERDB_BIN=tests/oracle/gateway.py node tests/sdk/run.mjs "$@"
