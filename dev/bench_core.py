#!/usr/bin/env python3
"""What the core costs for each record: ns of CPU, and instructions where valgrind is installed. `make bench-core` builds what it runs.

usage: dev/bench_core.py BENCH
"""
import re
import shutil
import subprocess
import sys

# Instructions are counted between these two numbers of records, so that what is paid once does not count.
SHORT, LONG = 50_000, 100_000


def instructions(bench, row, n_records):
    """Instructions of a run of one row."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", bench, str(row), str(n_records)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bench = sys.argv[1]
    rows = subprocess.run([bench], check=True, capture_output=True, text=True).stdout.splitlines()
    has_valgrind = shutil.which("valgrind") is not None
    if not has_valgrind:
        print("instructions are left out: `apt-get install valgrind` brings what counts them", file=sys.stderr)
    for n, row in enumerate(rows):
        counted = ""
        if has_valgrind:
            n_more = instructions(bench, n, LONG) - instructions(bench, n, SHORT)
            counted = f", {n_more / (LONG - SHORT):7.0f} instructions (with the making of the record)"
        print(row + counted, flush=True)


if __name__ == "__main__":
    main()
