#!/usr/bin/env python3
"""Runs the example from beginning to end and tells what happened: ElasticMQ on a free port, orders, Forebay, the dead letters.

usage: demo.py BINARY
"""

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
N_ORDERS = 400
PATIENCE = 120


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The keys are for the signature; ElasticMQ takes any.
    os.environ.update(SQS_ENDPOINT=f"http://127.0.0.1:{port}", PORT=str(port), AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    import orders  # asks SQS_ENDPOINT

    with (RUN / "elasticmq.log").open("w") as log:
        server = subprocess.Popen(["sh", HERE / "elasticmq.sh"], stdout=log, stderr=log)
    try:
        until("ElasticMQ", lambda: has_queues(orders, server))
        say(f"ElasticMQ listens on port {port}")
        orders.send(N_ORDERS)
        say(f"{N_ORDERS} orders sent; every fortieth has no address")
        return run(binary, orders)
    finally:
        server.kill()
        server.wait()


def has_queues(orders, server):
    if server.poll() is not None:
        sys.exit(f"ElasticMQ ended: {(RUN / 'elasticmq.log').read_text()}")
    try:
        return orders.counts("orders") and orders.counts("orders-dead")
    except OSError:
        return None  # not there yet


def run(binary, orders):
    n_dead = N_ORDERS // 40
    arguments = ["run", "-c", HERE / "forebay.yaml", "--data-dir", RUN / "state", "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    with LOG.open("w") as log:
        forebay = subprocess.Popen([binary, *arguments, "--log-format", "text"], stdout=log, stderr=log)
    try:
        until("the queue's end", lambda: watch(orders, forebay) == (0, n_dead))
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
    finally:
        forebay.kill()
        forebay.wait()
    shipped = [line for line in LOG.read_text().splitlines() if "orders shipped" in line]
    say(f"stopped with SIGTERM: exit code {code}; {len(shipped)} batches, the first lines of its log:")
    for line in shipped[:3]:
        say("  " + line.partition("INFO ")[2].partition(" function=")[0])
    say(f"the queue is empty; {n_dead} orders without an address were tried three times and are in orders-dead; the log is in {LOG}")
    return code


last = None


def watch(orders, forebay):
    """Messages left in the queue, and dead letters; told when they change."""
    global last
    if forebay.poll() is not None:
        sys.exit(f"forebay ended by itself with {forebay.returncode}; see {LOG}")
    left, dead = sum(orders.counts("orders")), sum(orders.counts("orders-dead"))
    if (left, dead) != last:
        last = left, dead
        say(f"  {left} orders left, {dead} dead letters")
    return last


def until(what, state):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if state():
            return
        time.sleep(0.2)
    sys.exit(f"waited {PATIENCE} s for {what}; see {RUN}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
