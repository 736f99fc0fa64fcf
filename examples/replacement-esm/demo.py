#!/usr/bin/env python3
"""Runs the example from beginning to end on free ports: MiniStack, Forebay, and deploy.py with boto3 against both.

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
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
PYTHON = pathlib.Path.home() / ".cache/forebay/clients/aws-tools-1.46.3/bin/python3"
PATIENCE = 60


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    if not PYTHON.exists():
        sys.exit(f"{PYTHON} is missing: run dev/clients.sh aws")
    shutil.rmtree(RUN, ignore_errors=True)
    (RUN / "home").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stack = f"http://127.0.0.1:{port}"
    # Nothing of this machine's own AWS settings gets in.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (RUN / "ministack.log").open("w") as log:
        server = subprocess.Popen(
            ["sh", HERE / "stack.sh"], env=clean | {"PORT": str(port)}, cwd=RUN, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until("MiniStack", lambda: is_up(f"{stack}/_ministack/health", server))
        print(f"MiniStack has queues, functions and logs: {stack}", flush=True)
        return run(binary, stack, clean)
    finally:
        # With the processes of its functions, which are of its group.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def run(binary, stack, clean):
    data = RUN / "state"
    arguments = ["run", "-c", HERE / "forebay.yaml", "--data-dir", data, "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    with (RUN / "forebay.log").open("w") as log:
        forebay = subprocess.Popen([binary, *arguments, "--log-format", "text"], env=clean | {"STACK": stack}, stdout=log, stderr=log)
    try:
        until("Forebay", lambda: (data / "api.addr").exists() and is_ready(data, forebay))
        api = "http://" + (data / "api.addr").read_text().strip()
        print(f"Forebay has the mappings and passes all other calls of Lambda on: {api}", flush=True)
        variables = {
            "AWS_ENDPOINT_URL": stack,
            "AWS_ENDPOINT_URL_LAMBDA": api,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "HOME": str(RUN / "home"),
        }
        code = subprocess.run([PYTHON, HERE / "deploy.py"], env=clean | variables).returncode
        if code != 0:
            return code
        forebay.send_signal(signal.SIGTERM)
        code = forebay.wait(timeout=40)
        print(f"stopped with SIGTERM: exit code {code}; the logs are in {RUN}", flush=True)
        return code
    finally:
        forebay.kill()
        forebay.wait()


def is_ready(data, forebay):
    if forebay.poll() is not None:
        sys.exit(f"forebay ended by itself with {forebay.returncode}: {(RUN / 'forebay.log').read_text()}")
    return is_up("http://" + (data / "admin.addr").read_text().strip() + "/readyz", forebay)


def is_up(url, process):
    if process.poll() is not None:
        sys.exit(f"a process ended by itself with {process.returncode}; see {RUN}")
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False  # not there yet


def until(what, state):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if state():
            return
        time.sleep(0.1)
    sys.exit(f"waited {PATIENCE} s for {what}; see {RUN}")


if __name__ == "__main__":
    sys.exit(main())
