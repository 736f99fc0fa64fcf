#!/usr/bin/env bash
# Installs the Debian packages that a build needs. Does nothing when they are there.
set -eu

need=""
has() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }
# A tool that is there by another way (a version manager, a tarball) counts as well.
there() {
  case "$1" in
    g++ | make | ccache) command -v "$1" >/dev/null ;;
    *) has "$1" ;;
  esac
}
for package in g++ make pkg-config libclang-dev ccache; do there "$package" || need="$need $package"; done

for tool in cargo python3; do
  command -v "$tool" >/dev/null || { echo "setup: $tool is missing. Install Rust 1.95 or newer and Python 3.9 or newer first." >&2; exit 1; }
done
[ -z "$need" ] && exit 0
if [ "$(id -u)" != 0 ]; then
  echo "setup: these packages are missing:$need" >&2
  echo "setup: run this once, then try again:  sudo apt-get update && sudo apt-get install -y --no-install-recommends$need" >&2
  exit 1
fi
echo "setup: installing$need"
log="$(mktemp)"
if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $need; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "setup: apt-get failed; its whole output is in $log" >&2
  exit 1
fi
rm -f "$log"
