#!/usr/bin/env bash
# Builds with a word on what takes long: cargo's own progress says nothing while RocksDB's C++ compiles.
set -eu
. "$(dirname "$0")/env"
if ! ls "$CARGO_TARGET_DIR"/debug/build/librocksdb-sys-*/out/librocksdb.a >/dev/null 2>&1; then
  echo "build: the first build compiles RocksDB (C++): about 15 minutes on two cores, a minute once ccache knows it."
  (
    start=$(date +%s)
    while sleep 30; do
      done=$(find "$CARGO_TARGET_DIR" -path '*librocksdb-sys*' -name '*.o' 2>/dev/null | wc -l)
      echo "build: $(( $(date +%s) - start )) s, $done of about 340 files of RocksDB compiled"
    done
  ) &
  ticker=$!
  trap 'kill $ticker 2>/dev/null || true' EXIT
fi
# Fetched once; nothing after this asks a registry, so none can hang.
cargo fetch --locked --quiet
cargo build --locked --offline "$@"
