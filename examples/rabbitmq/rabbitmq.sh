#!/bin/sh
# Runs a node of RabbitMQ on 127.0.0.1, port ${PORT:-5672}, with its management on ${ADMIN_PORT:-15672}, until it is told to stop; its data lie in ${DATA:-run/rabbitmq}.
# dev/servers.sh installs it. The user is `forebay`, its password that of RABBITMQ_PASSWORD.
set -eu

server=/usr/lib/rabbitmq/bin/rabbitmq-server
data=${DATA:-$(cd "$(dirname "$0")" && pwd)/run/rabbitmq}
port=${PORT:-5672}
[ -x "$server" ] || { echo "$server is missing: run dev/servers.sh" >&2; exit 1; }
mkdir -p "$data/mnesia" "$data/log" "$data/home"
echo '[rabbitmq_management].' >"$data/enabled_plugins"
echo '[].' >"$data/advanced.config"
cat >"$data/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
management.tcp.ip = 127.0.0.1
management.tcp.port = ${ADMIN_PORT:-15672}
default_user = forebay
default_pass = ${RABBITMQ_PASSWORD:?}
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
log.console = false
CONF
# A name, a cookie, and a daemon for names of its own: no other node of this machine is met.
export HOME="$data/home" ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="${EPMD_PORT:-14369}"
export RABBITMQ_NODENAME="forebay$port@localhost" RABBITMQ_DIST_PORT="${DIST_PORT:-25672}"
export RABBITMQ_MNESIA_BASE="$data/mnesia" RABBITMQ_LOG_BASE="$data/log" RABBITMQ_PID_FILE="$data/pid"
export RABBITMQ_CONFIG_FILE="$data/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$data/advanced.config"
export RABBITMQ_ENABLED_PLUGINS_FILE="$data/enabled_plugins" RABBITMQ_GENERATED_CONFIG_DIR="$data/generated" RABBITMQ_CONF_ENV_FILE=/dev/null
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
names=$!
# A signal to a shell waits for what it runs: so that runs beside it.
"$server" &
node=$!
trap 'kill -TERM "$(cat "$data/pid" 2>/dev/null || echo $node)" 2>/dev/null' TERM INT
wait $node || true
wait $node 2>/dev/null || true
kill $names
