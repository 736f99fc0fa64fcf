#!/usr/bin/env python3
"""Writes orders to files, kills Forebay with SIGKILL again and again while it reads them, and compares rows and records.

usage: demo.py BINARY [KILLS [sqlite | postgres]]
"""

import collections
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
RUN = HERE / "run"
LOG = RUN / "forebay.log"
TABLES = ["rows_by_position", "rows_by_name"]
N_FILES = 4
N_LINES_A_ROUND = 60
PATIENCE = 120

sys.path.insert(0, str(HERE / "code"))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends, too
    binary = pathlib.Path(sys.argv[1]).resolve()
    n_kills = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    database = sys.argv[3] if len(sys.argv) > 3 else "sqlite"
    shutil.rmtree(RUN, ignore_errors=True)
    (RUN / "in").mkdir(parents=True)
    with opened(database) as ledger:
        return run(binary, n_kills, ledger)


@contextlib.contextmanager
def opened(database):
    """The ledger, and its server where it has one. The functions hear of it by two variables that `forebay.yaml` hands on."""
    with contextlib.ExitStack() as stack:
        if database == "postgres":
            import postgres

            sys.path.append(postgres.driver())
            os.environ.update(DATABASE_URL=stack.enter_context(postgres.running()), PYTHONPATH=postgres.driver())
        else:
            os.environ.update(DATABASE_URL="", PYTHONPATH="")
        from ledger import open_ledger

        yield open_ledger()


def run(binary, n_kills, ledger):
    written = []
    say(f"{N_FILES} files grow; Forebay is killed {n_kills} times in the middle of them")
    for kill in range(n_kills):
        n_before = sum(n_rows(ledger))
        written += write_more(kill)
        with started(binary) as process:
            # Fewer than are new, another number each time.
            wait(process, ledger, lambda: sum(n_rows(ledger)) > n_before + kill * 37 % 160)
            process.kill()
            process.wait()
    with started(binary) as process:
        wait(process, ledger, lambda: min(n_rows(ledger)) >= len(written))
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=PATIENCE)
    say(f"{n_kills} kills, {len(written)} records written; exit code {code} at the end")
    return 1 if any([judge(ledger, table, written) for table in TABLES]) else code


def write_more(round_idx):
    lines = []
    for file_idx in range(N_FILES):
        first = round_idx * N_LINES_A_ROUND
        own = [json.dumps({"order": f"{file_idx}-{first + n}", "cents": n}) for n in range(N_LINES_A_ROUND)]
        with (RUN / "in" / f"orders-{file_idx}.ndjson").open("a") as file:
            file.write("".join(f"{line}\n" for line in own))
        lines += own
    return lines


def started(binary):
    arguments = ["run", "-c", str(HERE / "forebay.yaml"), "--data-dir", str(RUN / "state"), "--admin-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    with LOG.open("a") as log:
        return Started([binary, *arguments], stderr=log)


class Started(subprocess.Popen):
    """A process that ends with its block, whatever happens in there."""

    def __exit__(self, *error):
        self.kill()
        return super().__exit__(*error)


def wait(process, ledger, holds):
    """Waits for a state for as long as something goes on."""
    last, until = None, time.monotonic() + PATIENCE
    while not holds():
        if process.poll() is not None:
            sys.exit(f"forebay ended by itself with {process.returncode}; see {LOG}")
        now = n_rows(ledger)
        if now != last:
            last, until = now, time.monotonic() + PATIENCE
        if time.monotonic() > until:
            sys.exit(f"no row for {PATIENCE} s, at {last}; see {LOG}")
        time.sleep(0.01)


def n_rows(ledger):
    return [ledger.ask(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


def judge(ledger, table, written):
    how = table.removeprefix("rows_").replace("_", " ")
    rows = collections.Counter(body for (body,) in ledger.ask(f"SELECT body FROM {table}"))
    n_twice = sum(n - 1 for n in rows.values())
    n_lost = len(set(written) - set(rows))
    n_skipped = sum(int(n) for (n,) in ledger.ask(f"SELECT n_records FROM skipped WHERE how = '{how}'"))
    say(f"{how}: {sum(rows.values())} rows, {n_twice} applied twice, {n_lost} lost; {n_skipped} records came again and were skipped")
    return n_twice + n_lost


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
