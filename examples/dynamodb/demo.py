#!/usr/bin/env python3
"""Runs the example from beginning to end and tells what happened: DynamoDB Local on a free port, a table, Forebay, a copy of the table.

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
PATIENCE = 120


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The keys are for the signature; DynamoDB Local takes any.
    keys = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    os.environ.update(keys, DYNAMODB_ENDPOINT=f"http://127.0.0.1:{port}", PORT=str(port))
    import stock  # asks DYNAMODB_ENDPOINT

    with (RUN / "dynamodb.log").open("w") as log:
        server = subprocess.Popen(["sh", HERE / "dynamodb.sh"], stdout=log, stderr=log)
    try:
        until("DynamoDB Local", lambda: is_up(stock, server))
        say(f"DynamoDB Local listens on port {port}")
        stock.create()
        stock.sell()
        say(f"{stock.N_ARTICLES} articles put, sold and partly given up; some have expired")
        return run(binary, stock)
    finally:
        server.kill()
        server.wait()


def is_up(stock, server):
    if server.poll() is not None:
        sys.exit(f"DynamoDB Local ended: {(RUN / 'dynamodb.log').read_text()}")
    try:
        return stock.call("ListTables") is not None
    except OSError:
        return False  # not there yet


def run(binary, stock):
    arguments = ["run", "-c", HERE / "forebay.yaml", "--data-dir", RUN / "state", "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    n_left = stock.N_ARTICLES * 6 // 8
    with LOG.open("w") as log:
        forebay = subprocess.Popen([binary, *arguments, "--log-format", "text"], stdout=log, stderr=log)
    try:
        until("time to live", lambda: is_running(forebay) and len(stock.items()) == n_left)
        until("the copy", lambda: is_running(forebay) and copied() == stock.items())
        until("what has run low", lambda: is_running(forebay) and len(lines("reorders.ndjson")) >= stock.N_ARTICLES)
        tell()
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
    finally:
        forebay.kill()
        forebay.wait()
    say(f"stopped with SIGTERM: exit code {code}; the log is in {LOG}")
    return code


def copied():
    """The table as its changes make it; each must begin with what the one before it of the same item ended with."""
    table = {}
    for change in lines("changes.ndjson"):
        if change["old"] != table.get(change["article"]):
            sys.exit(f"out of order: {change} on {table.get(change['article'])}")
        table[change["article"]] = change["new"]
    return {article: item for article, item in table.items() if item is not None}


def tell():
    changes = lines("changes.ndjson")
    count = lambda name: sum(it["event"] == name for it in changes)
    say(f"{len(changes)} changes: {count('INSERT')} INSERT, {count('MODIFY')} MODIFY, {count('REMOVE')} REMOVE; each began where the last of its item ended")
    say(f"the copy made of them is the table: {len(copied())} articles")
    expired = [it["article"] for it in changes if it["by"] == "dynamodb.amazonaws.com"]
    say(f"{len(expired)} were deleted by time to live, as their userIdentity says: {', '.join(sorted(expired))}")
    reorders = lines("reorders.ndjson")
    say(f"the filter let {len(reorders)} changes through, those that made an article run low; the first:")
    say(json.dumps(reorders[0], indent=2))


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
