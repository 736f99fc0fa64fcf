#!/bin/sh
# Runs DynamoDB Local on 127.0.0.1, port ${PORT:-8000}, with its tables in memory, until it is told to stop. dev/servers.sh fetches it.
set -eu

server=$HOME/.cache/forebay/servers/dynamodb-local-2.6.1
[ -d "$server/classes" ] || { echo "$server/classes is missing: run dev/servers.sh" >&2; exit 1; }
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dsqlite4java.library.path="$server/lib" -cp "$server/classes:$server/lib/*" \
    DynamoDbOnLoopback -inMemory -sharedDb -disableTelemetry -port "${PORT:-8000}"
