#!/usr/bin/env bash
# Installs the Debian packages that a build and its tests need. Does nothing when they are there.
set -eu

who=setup
. "$(dirname "$0")/packages.sh"

for tool in cargo python3; do
  command -v "$tool" >/dev/null || { say "$tool is missing. Install Rust 1.95 or newer and Python 3.9 or newer first."; exit 1; }
done
packages="pkg-config libclang-dev libssl-dev zlib1g-dev"
# A tool that is there by another way (a version manager, a tarball) counts as well.
for tool in g++ make ccache openssl; do command -v "$tool" >/dev/null || packages="$packages $tool"; done
need_packages $packages
