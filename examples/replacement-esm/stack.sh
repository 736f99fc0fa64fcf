#!/bin/sh
# Runs MiniStack on 127.0.0.1, port ${PORT:-4566}, until it is told to stop. dev/servers.sh fetches it.
set -eu

ministack=$HOME/.cache/forebay/servers/ministack-1.5.33/bin/ministack
[ -x "$ministack" ] || { echo "$ministack is missing: run dev/servers.sh" >&2; exit 1; }
# By default it listens on all interfaces.
exec env BIND_HOST=127.0.0.1 GATEWAY_PORT="${PORT:-4566}" "$ministack"
