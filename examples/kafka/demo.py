#!/usr/bin/env python3
"""Runs the example from beginning to end and tells what happened: Kafka on free ports, orders, Forebay, what came of them.

usage: demo.py BINARY
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
LOG = RUN / "forebay.log"
SERVER_LOG = RUN / "kafka.log"
N_ORDERS = 400
PATIENCE = 120


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    with socket.socket() as plain, socket.socket() as controller:
        plain.bind(("127.0.0.1", 0))
        controller.bind(("127.0.0.1", 0))
        port, controller_port = plain.getsockname()[1], controller.getsockname()[1]
    os.environ.update(KAFKA_SERVER=f"127.0.0.1:{port}", PORT=str(port), CONTROLLER_PORT=str(controller_port), DATA=str(RUN / "kafka"))
    import orders  # asks KAFKA_SERVER

    with SERVER_LOG.open("w") as log:
        server = subprocess.Popen(["sh", HERE / "kafka.sh"], stdout=log, stderr=log)
    try:
        until("Kafka", lambda: is_up(server))
        say(f"Kafka listens on port {port}")
        orders.create()
        orders.send(N_ORDERS)
        say(f"{N_ORDERS} orders of {orders.N_CUSTOMERS} customers written to 2 partitions; order {orders.POISON} has no sum")
        return run(binary, orders)
    finally:
        server.kill()
        server.wait()


def is_up(server):
    if server.poll() is not None:
        sys.exit(f"Kafka ended: {SERVER_LOG.read_text()}")
    # Its port listens before it answers.
    return "Kafka Server started" in SERVER_LOG.read_text()


def run(binary, orders):
    arguments = ["run", "-c", HERE / "forebay.yaml", "--data-dir", RUN / "state", "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    made = [orders.order(n) for n in range(N_ORDERS)]
    good = [it for it in made if it["order"] != orders.POISON]
    with LOG.open("w") as log:
        forebay = subprocess.Popen([binary, *arguments, "--log-format", "text"], stdout=log, stderr=log)
    try:
        until("the orders", lambda: is_running(forebay) and len(lines("shipped.ndjson")) >= len(good) and lines("dead.ndjson"))
        tell_order(good)
        tell_poison()
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
    finally:
        forebay.kill()
        forebay.wait()
    say(f"stopped with SIGTERM: exit code {code}; the log is in {LOG}")
    tell_group(orders)
    return code


def tell_order(good):
    """Whether each customer's orders were shipped once, as they were made."""
    shipped = lines("shipped.ndjson")
    for customer in sorted({it["customer"] for it in good}):
        expected = [it["order"] for it in good if it["customer"] == customer]
        found = [it["order"] for it in shipped if it["customer"] == customer]
        if found != expected:
            sys.exit(f"{customer} made {expected}, shipped were {found}")
    say(f"{len(shipped)} orders shipped, four batches of a partition at once, and each customer's in order")


def tell_poison():
    dead = lines("dead.ndjson")
    say(f"the batch of the order without a sum was halved until it was alone; {len(dead)} failure record:")
    say(json.dumps(dead[0], indent=2))


def tell_group(orders):
    """Kafka's own tool shows that nothing is left."""
    told = orders.group()
    say(told)
    rows = [line.split() for line in told.splitlines() if line.startswith(orders.GROUP)]
    if len(rows) != 2 or any(row[5] != "0" for row in rows):
        sys.exit("the group was not told of all orders")


def is_running(forebay):
    if forebay.poll() is not None:
        sys.exit(f"forebay ended by itself with {forebay.returncode}; see {LOG}")
    return True


def lines(name):
    """The whole lines of a file that is being written."""
    file = RUN / name
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def until(what, state):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if state():
            return
        time.sleep(0.3)
    sys.exit(f"waited {PATIENCE} s for {what}; see {RUN}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
