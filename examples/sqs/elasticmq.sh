#!/bin/sh
# Runs ElasticMQ on 127.0.0.1, port ${PORT:-9324}, with the queue `orders` and its dead-letter queue `orders-dead`, until it is told to stop.
# dev/servers.sh fetches it.
set -eu

lib=$HOME/.cache/forebay/servers/elasticmq-1.7.1/lib
here=$(cd "$(dirname "$0")" && pwd)
port=${PORT:-9324}
[ -d "$lib" ] || { echo "$lib is missing: run dev/servers.sh" >&2; exit 1; }
mkdir -p "$here/run"
cat >"$here/run/elasticmq.conf" <<CONF
include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = $port, context-path = "" }
rest-sqs { enabled = true, bind-port = $port, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
generate-node-address = false
aws { region = "us-east-1", accountId = "000000000000" }
pekko.http.server.request-timeout = 25 s
queues {
  orders { defaultVisibilityTimeout = 4 seconds, deadLettersQueue { name = "orders-dead", maxReceiveCount = 3 } }
  orders-dead { }
}
CONF
exec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dconfig.file="$here/run/elasticmq.conf" -cp "$lib/*" org.elasticmq.server.Main
