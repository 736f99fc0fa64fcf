#!/usr/bin/env python3
"""Runs the example from beginning to end and tells what happened: RabbitMQ on free ports, orders, Forebay, what came of them.

usage: demo.py BINARY
"""

import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
LOG = RUN / "forebay.log"
SERVER_LOG = RUN / "rabbitmq.log"
N_ORDERS = 400
PATIENCE = 120


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    port, admin, between, names = free_ports(4)
    os.environ.update(
        RABBITMQ_SERVER=f"127.0.0.1:{port}", RABBITMQ_ADMIN=f"127.0.0.1:{admin}", RABBITMQ_PASSWORD=secrets.token_hex(16),
        PORT=str(port), ADMIN_PORT=str(admin), DIST_PORT=str(between), EPMD_PORT=str(names), DATA=str(RUN / "rabbitmq"),
    )
    import orders  # asks RABBITMQ_ADMIN

    with SERVER_LOG.open("w") as log:
        server = subprocess.Popen(["sh", HERE / "rabbitmq.sh"], stdout=log, stderr=log, start_new_session=True)
    try:
        until("RabbitMQ", lambda: is_running(server, SERVER_LOG) and orders.is_up())
        say(f"RabbitMQ listens on port {port}")
        orders.create()
        orders.send(N_ORDERS)
        say(f"{N_ORDERS} orders in a quorum queue; order {orders.POISON} has no sum")
        return run(binary, orders)
    finally:
        # The shell, the node and what keeps its name are one group.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def run(binary, orders):
    arguments = ["run", "-c", HERE / "forebay.yaml", "--data-dir", RUN / "state", "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    with LOG.open("w") as log:
        forebay = subprocess.Popen([binary, *arguments, "--log-format", "text"], stdout=log, stderr=log)
    try:
        until("the orders", lambda: is_running(forebay, LOG) and len(lines("shipped.ndjson")) >= N_ORDERS - 1 and lines("dead.ndjson"))
        tell_orders(orders)
        tell_poison()
        until("an empty queue", lambda: orders.count() == 0)
        say("the queue is empty: all of it was acked")
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
    finally:
        forebay.kill()
        forebay.wait()
    say(f"stopped with SIGTERM: exit code {code}; the log is in {LOG}")
    return code


def tell_orders(orders):
    """Whether each order was shipped once."""
    shipped = sorted(it["order"] for it in lines("shipped.ndjson"))
    if shipped != [n for n in range(N_ORDERS) if n != orders.POISON]:
        sys.exit(f"shipped were {shipped}")
    say(f"{len(shipped)} orders shipped, each once")


def tell_poison():
    dead = lines("dead.ndjson")
    say(f"the batch of the order without a sum was halved until it was alone; {len(dead)} failure record:")
    say(json.dumps(dead[0], indent=2))


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for it in sockets:
        it.bind(("127.0.0.1", 0))
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


def is_running(process, log):
    if process.poll() is not None:
        sys.exit(f"ended by itself with {process.returncode}: {log.read_text()}")
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
