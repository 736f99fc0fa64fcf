#!/bin/sh
# Runs kinesis-local on 127.0.0.1, port ${PORT:-4567}, until it is told to stop. dev/servers.sh fetches it.
set -eu

server=$HOME/.cache/forebay/servers/kinesis-local-0.6.2
package=$server/node_modules/kinesis-local
[ -d "$package" ] || { echo "$package is missing: run dev/servers.sh" >&2; exit 1; }
# It reads its certificate from where it is started.
cd "$package"
exec env KINESIS_MOCK_PLAIN_PORT="${PORT:-4567}" KINESIS_MOCK_TLS_PORT="${TLS_PORT:-4568}" AWS_ACCOUNT_ID=000000000000 \
    node --require "$server/loopback.js" main.js
