#!/usr/bin/env bash
# The scenarios against a real MongoDB as one check of `make test`, in its short form: one SDK of each generation.
set -uo pipefail
cd "$(dirname "$0")/../.."
tests/oracle/run.sh url node-sdk-3 tcb-admin-1
code=$?
[ $code -eq 3 ] && { echo "oracle: Node, mongod or pymongo cannot be had here" >> "${WAFERDB_SKIPS:-/dev/stderr}"; exit 0; }
exit $code
