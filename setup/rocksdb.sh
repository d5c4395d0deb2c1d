#!/usr/bin/env bash
# Builds librocksdb.a once per machine, in a quarter of the time that the crate's own build takes, and prints
# the folder that holds it. Most of RocksDB's compile time is reading headers, so the sources are compiled in a
# few large units instead of 343 small ones. Sources, defines and flags are those of librocksdb-sys; only the
# grouping differs. Without this script `cargo build` still works: it is only slower.
#
#   usage: setup/rocksdb.sh            prints the folder; use it as ROCKSDB_LIB_DIR with ROCKSDB_STATIC=1
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^name = "librocksdb-sys"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
units=24
flags="-O2 -ffunction-sections -fdata-sections -fPIC -std=c++20 -include cstdint -w"
[ "$(uname -m)" = x86_64 ] && flags="$flags -march=x86-64-v3 -mpclmul"
defines="-DLZ4=1 -DZSTD=1 -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION -DOS_LINUX -DROCKSDB_PLATFORM_POSIX
 -DROCKSDB_LIB_IO_POSIX -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT
 -DROCKSDB_RANGESYNC_PRESENT"
compiler=$(${CXX:-g++} --version | head -n 1)
key=$(printf '%s' "$version$flags$defines$compiler$units" | sha256sum | cut -c1-12)
out="${WAFERDB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/waferdb}/rocksdb-$version-$key"

if [ -f "$out/librocksdb.a" ]; then echo "$out"; exit 0; fi

cargo fetch --locked >&2
registry="${CARGO_HOME:-$HOME/.cargo}/registry/src"
source_of() { # the unpacked folder of a crate, at the version that Cargo.lock names
  local locked; locked=$(sed -n "/^name = \"$1\"\$/{n;s/version = \"\(.*\)\"/\1/p;}" Cargo.lock | tail -n 1)
  ls -d "$registry"/*/"$1-$locked" | head -n 1
}
src=$(source_of librocksdb-sys)
zstd=$(source_of zstd-sys)/zstd/lib
lz4=$(source_of lz4-sys)/liblz4/lib
work="$out.tmp.$$"; mkdir -p "$work"; trap 'rm -rf "$work"' EXIT

grep -v util/build_version.cc "$src/rocksdb_lib_sources.txt" > "$work/list"
total=$(wc -l < "$work/list")
split -l $(( (total + units - 1) / units )) -d -a 3 "$work/list" "$work/part."
for part in "$work"/part.*; do
  sed "s|^|#include \"$src/rocksdb/|; s|\$|\"|" "$part" > "$work/unit${part##*.}.cc"
done
cp "$src/build_version.cc" "$work/unit_version.cc"

echo "building RocksDB $version (once per machine, about 3 minutes on 2 cores)" >&2
include="-I$src/rocksdb/include -I$src/rocksdb -I$src -I$zstd -I$lz4"
count=$(ls "$work"/unit*.cc | wc -l)
jobs=$(( $(awk '/MemAvailable/ {print int($2/1600000)}' /proc/meminfo) ))
[ "$jobs" -gt "$(nproc)" ] && jobs=$(nproc)
[ "$jobs" -lt 1 ] && jobs=1
ls "$work"/unit*.cc | xargs -P "$jobs" -I{} sh -c \
  "${CXX:-g++} $flags $(echo $defines) $include -c {} -o {}.o || exit 255; echo \"  \$(ls $work/*.o | wc -l)/$count\" >&2"
ar crs "$work/librocksdb.a" "$work"/*.o
rm -f "$work"/*.cc "$work"/*.o "$work"/part.* "$work/list"
mkdir -p "$(dirname "$out")"
mv -T "$work" "$out" 2>/dev/null || [ -f "$out/librocksdb.a" ]   # another build may have won
trap - EXIT
echo "$out"
