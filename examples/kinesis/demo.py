#!/usr/bin/env python3
"""Runs the example from beginning to end and tells what happened: kinesis-local on free ports, orders, Forebay, what came of them.

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
N_ORDERS = 400
PATIENCE = 120


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    with socket.socket() as plain, socket.socket() as tls:
        plain.bind(("127.0.0.1", 0))
        tls.bind(("127.0.0.1", 0))
        port, tls_port = plain.getsockname()[1], tls.getsockname()[1]
    # The keys are for the signature; kinesis-local takes any.
    keys = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    os.environ.update(keys, KINESIS_ENDPOINT=f"http://127.0.0.1:{port}", PORT=str(port), TLS_PORT=str(tls_port))
    import orders  # asks KINESIS_ENDPOINT

    with (RUN / "kinesis.log").open("w") as log:
        server = subprocess.Popen(["sh", HERE / "kinesis.sh"], stdout=log, stderr=log)
    try:
        until("kinesis-local", lambda: is_up(orders, server))
        say(f"kinesis-local listens on port {port}")
        orders.create()
        orders.send(N_ORDERS)
        say(f"{N_ORDERS} orders of {orders.N_CUSTOMERS} customers written to 2 shards; order {orders.POISON} has no sum")
        return run(binary, orders)
    finally:
        server.kill()
        server.wait()


def is_up(orders, server):
    if server.poll() is not None:
        sys.exit(f"kinesis-local ended: {(RUN / 'kinesis.log').read_text()}")
    try:
        return orders.call("ListStreams") is not None
    except OSError:
        return False  # not there yet


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
        until("the windows' end", lambda: is_running(forebay) and windows(orders)["orders"] >= len(good))
        tell_windows(good)
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
    finally:
        forebay.kill()
        forebay.wait()
    say(f"stopped with SIGTERM: exit code {code}; the log is in {LOG}")
    return code


def tell_order(good):
    """Whether each customer's orders were shipped once, as they were made."""
    shipped = lines("shipped.ndjson")
    for customer in sorted({it["customer"] for it in good}):
        expected = [it["order"] for it in good if it["customer"] == customer]
        found = [it["order"] for it in shipped if it["customer"] == customer]
        if found != expected:
            sys.exit(f"{customer} made {expected}, shipped were {found}")
    say(f"{len(shipped)} orders shipped, four batches of a shard at once, and each customer's in order")


def tell_poison():
    dead = lines("dead.ndjson")
    say(f"the batch of the order without a sum was halved until it was alone; {len(dead)} failure record:")
    say(json.dumps(dead[0], indent=2))


def tell_windows(good):
    ended = [it for it in lines("windows.ndjson") if it["orders"]]
    cents = sum(it["cents"] for it in ended)
    for it in ended:
        say(f"  {it['shard']} from {it['start']}: {it['orders']} orders, {it['cents'] / 100:.2f}")
    expected = sum(it["cents"] for it in good)
    if cents != expected:
        sys.exit(f"the windows' sums are {cents} cents, the orders {expected}")
    say(f"the sums of {len(ended)} windows are those of all orders: {cents / 100:.2f}")


def windows(orders):
    """What the windows that have ended hold; a record written from time to time ends the next."""
    orders.tick()
    return {"orders": sum(it["orders"] for it in lines("windows.ndjson"))}


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
