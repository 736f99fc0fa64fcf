#!/usr/bin/env bash
# Builds, and says how far it is: first RocksDB (dev/rocksdb.sh), then the rest by cargo.
set -eu -o pipefail
here=$(dirname "$0")
# Where that is not possible it has said why, and the crate compiles its own.
"$here/rocksdb.sh" || true
. "$here/env"
# Fetched once; nothing after this asks a registry, so none can hang.
cargo fetch --locked --quiet
if [ -t 2 ]; then
  # cargo's own bar moves there.
  exec cargo build --locked --offline "$@"
fi
CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100 cargo build --locked --offline "$@" 2> >(python3 "$here/cargo_progress.py")
