"""Reads what `cargo build` writes with its progress bar on, and passes it on as lines: what it says, and every 15 seconds how much is done."""

import re
import sys
import time

EVERY = 15
BAR = re.compile(rb"Building\s+\[[^\]]*\]\s+(\d+)/(\d+)")
# Erases and colours of a terminal, which a file has no use for.
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def pieces(stream):
    """What stands between two ends of line or moves to the line's start."""
    rest = b""
    while True:
        read = stream.read1(65536)
        if not read:
            break
        *whole, rest = re.split(rb"[\r\n]", rest + read)
        yield from whole
    yield rest


def main():
    start = time.monotonic()
    told_at = start
    for piece in pieces(sys.stdin.buffer):
        line = ESCAPES.sub(b"", piece).rstrip()
        bar = BAR.search(line)
        now = time.monotonic()
        if bar:
            done, of = int(bar[1]), int(bar[2])
            if now - told_at >= EVERY and of:
                told_at = now
                print(f"build: {done} of {of} units ({done * 100 // of} %), {now - start:.0f} s", file=sys.stderr, flush=True)
        elif line.strip() and not line.lstrip().startswith(b"Compiling "):
            sys.stderr.buffer.write(line + b"\n")
            sys.stderr.flush()


main()
