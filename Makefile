# The two commands of the README are `make demo` and `make test`; each installs what it needs and does the whole job.
SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(HOME)/.cache/forebay/target
# cargo, told by dev/env where its RocksDB is.
CARGO := dev/cargo
# Where Node or Go is missing, dev/clients.sh puts one here.
export PATH := $(PATH):$(HOME)/.cache/forebay/tools/bin
SEEDS ?= 200000
LONG_MINUTES := 150
# The worlds of `make test` and of `make long` follow from the sources: the same tree passes or fails the same, and every change of it sees other
# worlds. `make sim` draws its own by the clock.
SEED_BASE = $(shell find batcher/src config/src tests/models/src tests/sim/src -name '*.rs' | LC_ALL=C sort | xargs cat | cksum | cut -d' ' -f1)

.PHONY: demo demo-sqs demo-kinesis demo-dynamodb demo-kafka demo-rabbitmq demo-esm demo-exactly-once demo-exactly-once-postgres bench bench-core file kinesis kafka sqs test long long-tests long-faults check sim faults faults-core faults-whole fetch setup clients

demo:
	@dev/setup.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features file
	@python3 examples/quickstart/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# The same with a queue of ElasticMQ.
demo-sqs:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features sqs
	@python3 examples/sqs/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# The same with a stream of kinesis-local.
demo-kafka:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features kafka
	@python3 examples/kafka/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

demo-rabbitmq:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features rabbitmq
	@python3 examples/rabbitmq/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

demo-kinesis:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features kinesis
	@python3 examples/kinesis/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# The same with a table of DynamoDB Local.
demo-dynamodb:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features dynamodb
	@python3 examples/dynamodb/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# Functions that apply each record once, however often Forebay is killed.
demo-exactly-once:
	@dev/setup.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features file
	@python3 examples/exactly-once/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# The same over a PostgreSQL of its own.
demo-exactly-once-postgres:
	@dev/setup.sh
	@dev/servers.sh
	@dev/build.sh -p forebay-daemon --no-default-features --features file
	@python3 examples/exactly-once/demo.py "$(CARGO_TARGET_DIR)/debug/forebay" 10 postgres

# The same with mappings that boto3 makes over Lambda's API, and MiniStack's queues and functions.
demo-esm:
	@dev/setup.sh
	@dev/servers.sh
	@dev/clients.sh aws
	@dev/build.sh -p forebay-daemon --no-default-features --features sqs
	@python3 examples/replacement-esm/demo.py "$(CARGO_TARGET_DIR)/debug/forebay"

# What it costs beside the least that the same work can cost: `make bench sqs` (or `make bench`) a queue, `make bench file` a file,
# `make bench kinesis` a stream, `make bench kafka` topics. By hand: an optimised build takes ten minutes on two cores.
ifneq ($(filter file,$(MAKECMDGOALS)),)
bench: setup
	$(CARGO) build --locked --offline --profile speed -p forebay-daemon -p forebay-bench --no-default-features --features forebay-daemon/file
	taskset -c 0 "$(CARGO_TARGET_DIR)/speed/forebay-bench" file
file: bench
	@:
else ifneq ($(filter kinesis,$(MAKECMDGOALS)),)
bench: setup
	$(CARGO) build --locked --offline --profile speed -p forebay-daemon -p forebay-bench --no-default-features --features forebay-daemon/kinesis,forebay-bench/kinesis
	taskset -c 0 "$(CARGO_TARGET_DIR)/speed/forebay-bench" kinesis
kinesis: bench
	@:
else ifneq ($(filter kafka,$(MAKECMDGOALS)),)
bench: setup
	@dev/servers.sh
	$(CARGO) build --locked --offline --profile speed -p forebay-daemon -p forebay-bench --no-default-features --features forebay-daemon/kafka,forebay-bench/kafka
	taskset -c 0 "$(CARGO_TARGET_DIR)/speed/forebay-bench" kafka
	"$(CARGO_TARGET_DIR)/speed/forebay-bench" kafka-latency
kafka: bench
	@:
else
bench: setup
	@dev/servers.sh
	$(CARGO) build --locked --offline --profile speed -p forebay-daemon -p forebay-bench
	"$(CARGO_TARGET_DIR)/speed/forebay-bench" sqs
sqs: bench
	@:
endif

# What the core costs for each record, at most what its targets say: ns, and instructions where valgrind is installed.
bench-core: fetch
	@dev/bench_core.py "$$($(CARGO) bench --locked --offline --profile speed -p forebay-batcher --bench core --no-run --message-format json | python3 dev/executable.py core)"

# Everything, against real servers on loopback: a sample of each in at most 25 minutes once things are compiled.
test: setup check clients
	$(CARGO) test --locked --offline --workspace --no-fail-fast
	$(CARGO) run --locked --offline -q -p forebay-sim -- run --seeds 100000 --base $(SEED_BASE)
	dev/faults.py --sample 12
	@echo "test: all of it passed"

# The full counts that the issues name: kills, flips, mounts, seeds, faults. As root, at most $(LONG_MINUTES) minutes. The tests wait for servers and
# timers most of the time: what they leave of the processors goes to the faults.
long: setup check clients
	$(CARGO) run --locked --offline -q -p forebay-sim -- run --seeds 1000000 --base $(SEED_BASE)0
	@$(MAKE) --no-print-directory -j2 long-tests long-faults
	@echo "long: all of it passed"

long-tests:
	FOREBAY_LONG=1 FOREBAY_DRAWN_CONFIGS=20000 $(CARGO) test --locked --offline --workspace --no-fail-fast

long-faults:
	nice -n 19 $(MAKE) --no-print-directory faults

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --offline --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --offline --workspace --no-deps --document-private-items -q
	$(CARGO) test --locked --offline -q -p forebay-tests --test tidy
	dev/faults.py --fit

sim: fetch
	$(CARGO) run --locked --offline -q -p forebay-sim -- run --seeds $(SEEDS)

# A build for each fault: of the core about 5 seconds, of the shell up to a minute. Both at once, for linking has one thread.
faults: fetch
	@$(MAKE) --no-print-directory -j2 faults-core faults-whole

# dev/env, or what has a store compiles RocksDB file by file.
faults-core:
	. dev/env && dev/faults.py

faults-whole:
	. dev/env && dev/faults.py --list shell
	. dev/env && dev/faults.py --list life

# Nothing after this asks a registry.
fetch:
	@dev/setup.sh
	@$(CARGO) fetch --locked --quiet

setup:
	@dev/setup.sh
	@dev/build.sh --workspace

# Runtime clients and servers that others wrote, unchanged: installed once under ~/.cache/forebay.
clients:
	@dev/clients.sh
	@dev/servers.sh
