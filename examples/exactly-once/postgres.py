"""A PostgreSQL of its own for the demo: a folder that goes with it, a free port on loopback, a password that nobody else knows."""

import contextlib
import glob
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# dev/servers.sh puts it there.
DRIVER = "~/.cache/forebay/servers/pg8000-1.31.6/lib/python3*/site-packages"
PATIENCE = 60


def driver():
    """Where `import pg8000` finds it."""
    found = glob.glob(os.path.expanduser(DRIVER))
    return found[0] if found else sys.exit("pg8000 is missing, a client of PostgreSQL for Python: dev/servers.sh")


@contextlib.contextmanager
def running():
    """Its URL, for as long as the block lasts."""
    server, initdb = program("postgres"), program("initdb")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-postgres-"))
    as_user = whom(folder)
    password = secrets.token_hex(16)
    try:
        (folder / "password").write_text(password)
        os.chmod(folder / "password", 0o644)  # the folder keeps others out
        words = [initdb, "-D", folder / "data", "-U", "forebay", "-A", "scram-sha-256", "--pwfile", folder / "password", "-E", "UTF8", "--locale", "C"]
        made = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **as_user)
        if made.returncode != 0:
            sys.exit(f"initdb failed:\n{made.stdout}")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        words = [server, "-D", folder / "data", *(f"--{name}={value}" for name, value in settings.items())]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, **as_user)
        try:
            until_it_listens(process, port, folder / "log")
            yield f"postgres://forebay:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for whoever is still connected
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def program(name):
    # Debian keeps the server's programs out of PATH.
    beside = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    found = beside[-1] if beside else shutil.which(name)
    return found or sys.exit(f"{name} is missing: sudo apt-get install -y postgresql, or dev/servers.sh")


def whom(folder):
    """PostgreSQL runs as nobody's root: as root it runs as the user that its package made."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        sys.exit("PostgreSQL does not run as root, and there is no user `postgres`: run this as another user")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def until_it_listens(process, port, log):
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0 and "ready to accept connections" in log.read_text():
                return
        time.sleep(0.05)
    sys.exit(f"PostgreSQL does not listen on port {port}:\n{log.read_text()}")
