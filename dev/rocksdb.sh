#!/usr/bin/env bash
# Compiles the RocksDB that the crate librocksdb-sys carries into one static library, much faster than the crate does it: its 340 sources as a
# dozen joined units, so that each header is read a dozen times and not 340.
#
# Usage: dev/rocksdb.sh            compiles where needed (about 3 minutes on two cores), else does nothing
#        dev/rocksdb.sh --folder   prints where the library of this crate, compiler and these flags lies or would lie
#
# The library lies under $HOME/.cache/forebay/rocksdb/<key>/; dev/env tells cargo of it. Exit code 1: not possible here, with a word why; the
# crate then compiles RocksDB by itself.
set -eu -o pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
who=rocksdb
. "$here/dev/packages.sh"
# ccache has nothing to remember here, and its name is no part of the key.
compiler=${CXX:-g++}
compiler=${compiler#ccache }
units=12
# What one compiler may need at its worst, in MB.
memory_of_a_unit=1800

# version CRATE: as Cargo.lock has it.
version() { awk -v name="$1" '$1 == "name" && $3 == "\"" name "\"" { getline; gsub(/"/, "", $3); print $3 }' "$here/Cargo.lock"; }

# The flags of the crate's build.rs on Linux, at the optimisation that the profile dev gives it.
flags=(
  -O1 -std=c++20 -w -fPIC -ffunction-sections -fdata-sections -include cstdint
  -DLZ4=1 -DNDEBUG=1 -DHAVE_ALIGNED_NEW -DHAVE_UINT128_EXTENSION -DOS_LINUX -DROCKSDB_PLATFORM_POSIX -DROCKSDB_LIB_IO_POSIX
  -DROCKSDB_SCHED_GETCPU_PRESENT -DROCKSDB_AUXV_GETAUXVAL_PRESENT -DROCKSDB_FALLOCATE_PRESENT -DROCKSDB_RANGESYNC_PRESENT
)
# What rustc itself assumes of a processor of 64 bits.
[ "$(uname -m)" != x86_64 ] || flags+=(-msse2)

crate_version=$(version librocksdb-sys)
lz4_version=$(version lz4-sys)
key=$({ echo "$crate_version $lz4_version $units ${flags[*]}"; uname -sm; $compiler --version 2>&1 || true; } | sha256sum | cut -c1-16)
folder=${FOREBAY_ROCKSDB_CACHE:-$HOME/.cache/forebay/rocksdb}/$crate_version-$key

if [ "${1:-}" = --folder ]; then
  echo "$folder"
  exit 0
fi
[ ! -f "$folder/librocksdb.a" ] || exit 0

cannot() { say "$1; the crate compiles it by itself, which takes about 15 minutes on two cores"; exit 1; }

[ "$(uname -s)" = Linux ] || cannot "joined units are tried on Linux only"
(cd "$here" && cargo fetch --locked --quiet) || cannot "cargo could not fetch the crates"
# carried CRATE VERSION: where cargo has put its sources.
carried() { find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -maxdepth 2 -type d -name "$1-$2" 2>/dev/null | head -n 1; }
crate=$(carried librocksdb-sys "$crate_version")
lz4=$(carried lz4-sys "$lz4_version")
[ -f "$crate/rocksdb_lib_sources.txt" ] && [ -f "$crate/build_version.cc" ] || cannot "the sources of librocksdb-sys $crate_version are not where cargo keeps them"
[ -f "$lz4/liblz4/lib/lz4.h" ] || cannot "the headers of lz4-sys $lz4_version are not where cargo keeps them"

# No more compilers at once than the memory that is free bears.
available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
jobs=$(nproc)
[ $((available / memory_of_a_unit)) -ge "$jobs" ] || jobs=$((available / memory_of_a_unit))
[ "$jobs" -ge 1 ] || cannot "$available MB of memory are free, and one unit takes up to $memory_of_a_unit MB"

mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$folder.XXXXXX")
# shellcheck disable=SC2329 # called by the trap
clean() { rm -rf "$work"; }
trap clean EXIT

# Neighbours in the list share headers, so a unit is a run of the list. Each stands for as much text as the others.
{ grep -v '^util/build_version.cc$' "$crate/rocksdb_lib_sources.txt" | sed "s|^|$crate/rocksdb/|"; echo "$crate/build_version.cc"; } >"$work/sources"
xargs -a "$work/sources" wc -c | awk -v folder="$work" -v units="$units" '
  $2 == "total" { next }
  { size[NR] = $1; path[NR] = $2; all += $1; count = NR }
  END {
    unit = 0
    for (i = 1; i <= count; i++) {
      printf "#include \"%s\"\n", path[i] > sprintf("%s/unit%02d.cc", folder, unit)
      taken += size[i]
      if (taken >= all * (unit + 1) / units && unit < units - 1) unit++
    }
  }'

. "$here/dev/progress.sh"
compile() {
  $compiler "${flags[@]}" -I"$crate/rocksdb/include" -I"$crate/rocksdb" -I"$crate" -I"$lz4/liblz4/lib" -c "$1" -o "${1%.cc}.o.part" 2>"${1%.cc}.log" &&
    mv "${1%.cc}.o.part" "${1%.cc}.o"
}
export compiler crate lz4
start=$SECONDS
progress "rocksdb: compiled" 0 "$units" 0
running=0 failed=0 finished=0
# one_ended: waits for any one compiler.
one_ended() {
  wait -n || failed=1
  running=$((running - 1)) finished=$((finished + 1))
  progress "rocksdb: compiled" "$finished" "$units" $((SECONDS - start))
}
for unit in "$work"/unit*.cc; do
  [ "$running" -lt "$jobs" ] || one_ended
  [ "$failed" = 0 ] || break
  compile "$unit" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do one_ended; done
progress_end
if [ "$failed" != 0 ]; then
  cat "$work"/unit*.log | head -n 5 >&2
  cannot "joined units of RocksDB did not compile"
fi
ar crs "$work/librocksdb.a" "$work"/unit*.o
rm -f "$work"/unit* "$work/sources"
# Another build may have come first; then its library is as good.
mv -T "$work" "$folder" 2>/dev/null || [ -f "$folder/librocksdb.a" ]
