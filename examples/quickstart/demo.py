#!/usr/bin/env python3
"""Runs the quickstart and tells what happened. The first run stops half way; the second goes on where it was.

usage: demo.py BINARY [--afresh]
"""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
RUN = HERE / "run"
STATE = RUN / "state"
DEAD = RUN / "dead.ndjson"
LOG = RUN / "forebay.log"
DATA = HERE / "data" / "earthquakes.ndjson"
HALF_WAY = 300
PATIENCE = 180


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    if "--afresh" in sys.argv and RUN.exists():
        shutil.rmtree(RUN)
    first = not STATE.exists()
    RUN.mkdir(exist_ok=True)
    n_lines = DATA.read_bytes().count(b"\n")
    dead_before = dead_letters()
    say(f"{DATA.name}: {n_lines} lines, {DATA.stat().st_size} bytes; batches of 20 to a Python function")
    say("first run: it will be stopped half way" if first else "this run goes on where the last one stood")
    started_at = time.monotonic()
    with LOG.open("a") as log:
        arguments = ["run", "-c", str(HERE / "forebay.yaml"), "--data-dir", str(STATE), "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
        process = subprocess.Popen([binary, *arguments, "--log-format", "json"], stderr=log)
        try:
            status = watch(process, first)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=40)
    say(f"stopped with SIGTERM: exit code {code} after {time.monotonic() - started_at:.1f} s")
    tell(status, dead_letters()[len(dead_before) :])
    tell_position(binary, first)
    return code


def watch(process, first):
    """Asks for the status until there is nothing more to wait for, and returns the last one."""
    until = time.monotonic() + PATIENCE
    shown = -100
    status = None
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"forebay ended by itself with {process.returncode}; see {LOG}")
        asked = ask()
        if asked:
            status = asked
            done = n_done(status)
            if done >= shown + 100:
                shown = done
                say(f"  {done} records done")
            if (first and done >= HALF_WAY) or position(status) == DATA.stat().st_size:
                return status
        time.sleep(0.05)
    sys.exit(f"no end after {PATIENCE} s: {json.dumps(status, indent=1)}; see {LOG}")


def ask():
    try:
        address = (STATE / "admin.addr").read_text().strip()
        with urllib.request.urlopen(f"http://{address}/v1/mappings/quakes/status", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None  # not there yet


def n_done(status):
    counts = status["counts"]
    names = ["succeeded_event_count", "on_failure_destination_delivered_event_count", "dropped_event_count"]
    return sum(counts[name] for name in names)


def position(status):
    tracks = status.get("tracks") or []
    return max((int(track["position"]) for track in tracks if track["position"]), default=0)


def dead_letters():
    return [json.loads(line) for line in DEAD.read_text().splitlines()] if DEAD.exists() else []


def tell(status, dead):
    counts = status["counts"]
    say(f"records read {counts['polled_event_count']}, of them succeeded {counts['succeeded_event_count']}")
    say(f"batches halved {counts['halved_batches']}, retries {counts['retries']}, checkpoints {counts['checkpoints_committed']}")
    for letter in dead:
        context = letter["requestContext"]
        body = json.loads(letter["payload"])["Records"][0]["body"]
        say(f"dead letter: {context['condition']} after {context['approximateInvokeCount']} attempts: {body}")


def tell_position(binary, first):
    shown = subprocess.run([binary, "state", "show", "--data-dir", STATE], check=True, capture_output=True, text=True)
    tracks = json.loads(shown.stdout)["mappings"][0]["tracks"]
    at = max(int(track["checkpoint"]["position"] or 0) for track in tracks)
    say(f"position on disk: byte {at} of {DATA.stat().st_size}")
    if at < DATA.stat().st_size:
        say("run it again: it goes on from there")
    elif first:
        say("everything is read already")
    else:
        say(f"everything is read; append a line to {DATA.name} or say --afresh to begin anew; the log is in {LOG}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
