#!/bin/sh
# Runs a node of Apache Kafka on 127.0.0.1, port ${PORT:-9092}, until it is told to stop; its data lies in ${DATA:-run/kafka}.
# dev/servers.sh fetches it.
set -eu

server=$HOME/.cache/forebay/servers/kafka-4.4.0
data=${DATA:-$(dirname "$0")/run/kafka}
[ -d "$server/lib" ] || { echo "$server is missing: run dev/servers.sh" >&2; exit 1; }
mkdir -p "$data"
cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${CONTROLLER_PORT:-9093}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${PORT:-9092},CONTROLLER://127.0.0.1:${CONTROLLER_PORT:-9093}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$data/data
log.cleaner.dedupe.buffer.size=8388608
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
PROPERTIES
set -- java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:SharedArchiveFile="$server/kafka.jsa" -Dlog4j2.configurationFile="$server/log4j2.properties" -cp "$server/lib/*"
[ -d "$data/data" ] || "$@" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$data/server.properties" --standalone
exec "$@" -Xmx192m kafka.Kafka "$data/server.properties"
