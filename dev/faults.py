#!/usr/bin/env python3
"""Plants the faults of tests/sim/faults/*.txt, one at a time, in a copy of the core, and sees that the simulator finds each by a rule.

    dev/faults.py [--seeds N] [--list NAME] [--only ID] [--sample N] [--fit | --compile]

A list is a text file of entries; the old text must stand exactly once in the file, so a list that no longer fits the code is an error:

    == id
    what it does, in one line
    file: batcher/src/lanes.rs
    check: cargo test -p forebay-pollers a_test
    shape: tree
    <<<<
    old text
    ====
    new text
    >>>>

A fault of the core has no `check`: the copy is built and runs the kept seeds and N fresh ones; a rule must break. One of a `shape` must be found by
worlds of that shape, one of 16 seeds each, so it runs as many times more. A fault of the shell names the test
that must fail; those run in a copy of the whole tree, only where `--list` names their list, for they take long.
"""

import argparse
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LISTS = ROOT / "tests/sim/faults"
# What the simulator is built from.
CORE = ["config", "batcher", "tests/models", "tests/sim"]


@dataclasses.dataclass
class Fault:
    id: str
    words: str
    file: str
    check: str
    shape: str
    old: str
    new: str
    place: str


class WrongList(Exception):
    """A list that cannot be read, or does not fit the code."""


def read_list(path):
    faults, lines = [], path.read_text().split("\n")
    at = 0

    def until(mark):
        nonlocal at
        taken = []
        while at < len(lines) and lines[at] != mark:
            taken.append(lines[at])
            at += 1
        if at == len(lines):
            raise WrongList(f"{path}: `{mark}` is missing at the end")
        at += 1
        return "\n".join(taken)

    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.startswith("== "):
            if line.strip() and not line.startswith("#"):
                raise WrongList(f"{path}:{at}: `== id` should stand here")
            continue
        place = f"{path.name}:{at}"
        head = [it for it in until("<<<<").split("\n") if it.strip()]
        named = dict(it.split(": ", 1) for it in head[1:] if ": " in it)
        if not head or "file" not in named:
            raise WrongList(f"{place}: an entry says what it does and names its file")
        faults.append(Fault(line[3:].strip(), head[0], named["file"], named.get("check", ""), named.get("shape", ""), until("===="), until(">>>>"), place))
    return faults


def planted(root, fault):
    """The text of the fault's file, before and with it."""
    text = (root / fault.file).read_text()
    if text.count(fault.old) != 1:
        raise WrongList(f"{fault.place}: the old text of `{fault.id}` stands {text.count(fault.old)} times in {fault.file}; mend the list")
    return text, text.replace(fault.old, fault.new)


def files_of(names):
    """The files of these parts of the tree, with their content."""
    found = {}
    for name in names:
        for place, folders, files in os.walk(ROOT / name):
            folders[:] = [it for it in folders if it not in (".git", "target", "__pycache__")]
            # Of a worktree `.git` is a file, and leads back to it.
            paths = [pathlib.Path(place) / it for it in files if it != ".git"]
            found.update((path.relative_to(ROOT), path.read_bytes()) for path in paths)
    return found


def make_copy(folder, wanted):
    """Makes a folder hold these files and no other. It stays at one place between runs, and what is equal keeps its age: cargo goes by both and
    builds what is younger only. So a fault that a run left behind when it was killed is built over, too."""
    for path in [it for it in folder.rglob("*") if it.is_file() and it.relative_to(folder) not in wanted]:
        path.unlink()
    for name, content in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if (ROOT / name).is_file():
            shutil.copymode(ROOT / name, path)


def copy_core(folder):
    """A workspace of its own with what the simulator needs, so that the tree and its target folder stay as they are."""
    manifest = (ROOT / "Cargo.toml").read_text()
    manifest = re.sub(r"members = \[[^\]]*\]", f"members = {CORE}".replace("'", '"'), manifest)
    manifest = re.sub(r"\[profile\.dev\.package\.librocksdb-sys\]\nopt-level = 1\n", "", manifest)
    # Built for each fault, run for seconds: half the optimisation and no lines for a debugger cost less in all.
    manifest = manifest.replace("opt-level = 2", "opt-level = 1").replace('debug = "line-tables-only"', "debug = false")
    own = {pathlib.Path("Cargo.toml"): manifest.encode(), pathlib.Path("Cargo.lock"): (ROOT / "Cargo.lock").read_bytes()}
    make_copy(folder, files_of(CORE) | own)


@contextlib.contextmanager
def the_only_run(of):
    """The folder of the copies and of what is built from them; a second run with the same copy waits for the first."""
    base = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/forebay/target")).parent / "faults-target"
    base.mkdir(parents=True, exist_ok=True)
    with open(base / f"{of}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"faults: another run uses {base}/{of}; waiting for its end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield base


def run(command, folder, target, seconds):
    """Ends with all that it started, also where that runs on after its parent."""
    env = dict(os.environ, CARGO_TARGET_DIR=str(target))
    started = subprocess.Popen(
        command, cwd=folder, env=env, shell=isinstance(command, str), start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, err = started.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        out, _ = started.communicate()
        return None, out
    return started.returncode, out + err


def must_compile(command, folder, target, fault):
    """A copy that does not compile is an error of the list."""
    code, said = run(["cargo", *command, "--offline", "-q"], folder, target, 900)
    if code != 0:
        raise WrongList(f"{fault.place}: with `{fault.id}` the core does not compile:\n{said[-1500:]}")


def hunt_core(folder, target, fault, seeds):
    """How it was found, or None."""
    must_compile(["build", "-p", "forebay-sim"], folder, target, fault)
    simulator = target / "debug/forebay-sim"
    only = ["--shape", fault.shape] if fault.shape else []
    code, said = run([str(simulator), "hunt", "--seeds", str(seeds * (16 if only else 1)), *only], folder, target, 600)
    # Only a rule counts: neither a run without an end nor a crash of the simulator itself.
    found = said.strip().split("\n")[0]
    return found[:140] if code and " breaks " in found else None


def compile_core(folder, target, fault):
    """Whether the core compiles with it: seconds for each, where a hunt takes five times as long."""
    must_compile(["check", "-p", f"forebay-{fault.file.split('/')[0]}"], folder, target, fault)
    return "compiles"


def hunt_shell(folder, target, fault):
    # A build takes minutes, a test with its clock stopped seconds: one that reads for ever is not waited for as long.
    _, said = run(f"{fault.check} --no-run", folder, target, 1800)
    code = None
    if "could not compile" not in said:
        code, said = run(fault.check, folder, target, 300)
        if code is None:
            return "the test did not end"
    if "could not compile" in said:
        raise WrongList(f"{fault.place}: with `{fault.id}` it does not compile:\n{said[-1500:]}")
    if code == 0:
        # A filter that names no test finds nothing, whatever is planted.
        if not re.search(r"^running [1-9]", said, re.M):
            raise WrongList(f"{fault.place}: the check of `{fault.id}` runs no test; mend the name in `{fault.check}`")
        return None
    failed = re.search(r"^(?:test|----) (\S+) (?:\.\.\. FAILED|stdout ----)$", said, re.M)
    return failed[1] if failed else said.strip().split("\n")[-1]


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--seeds", type=int, default=13_500, help="fresh seeds for each fault of the core")
    words.add_argument("--list", help="one list only, such as `queue`")
    words.add_argument("--only", help="one fault only")
    words.add_argument("--sample", type=int, help="so many of the faults, evenly taken and always the same")
    words.add_argument("--fit", action="store_true", help="only see that every old text stands once in its file")
    words.add_argument("--compile", action="store_true", help="only see that the core compiles with each, after a change that moved code")
    told = words.parse_args()
    paths = [LISTS / f"{told.list}.txt"] if told.list else sorted(LISTS.glob("*.txt"))
    faults = [it for path in paths for it in read_list(path) if not told.only or it.id == told.only]
    ids = [it.id for it in faults]
    twice = {it for it in ids if ids.count(it) > 1}
    if twice:
        raise WrongList(f"these ids stand twice: {', '.join(sorted(twice))}")
    for fault in faults:
        planted(ROOT, fault)
    if told.fit:
        print(f"{len(faults)} faults fit the code")
        return 0
    if not told.list and not told.only:
        faults = [it for it in faults if not it.check]
    if told.sample:
        faults = [faults[n * len(faults) // told.sample] for n in range(min(told.sample, len(faults)))]
    if not faults:
        raise WrongList(f"no fault is named {told.only}" if told.only else "there is no fault to plant")
    missed, start = [], time.monotonic()
    with contextlib.ExitStack() as held:
        # One order for all, so that two that want both do not wait for each other.
        kinds = sorted({"whole" if it.check else "core" for it in faults})
        base = [held.enter_context(the_only_run(kind)) for kind in kinds][0]
        core, whole = base / "core-tree", base / "whole-tree"
        if any(not it.check for it in faults):
            copy_core(core)
        if any(it.check for it in faults):
            make_copy(whole, files_of(["."]))
        for n, fault in enumerate(faults, 1):
            copy = whole if fault.check else core
            before, after = planted(copy, fault)
            (copy / fault.file).write_text(after)
            try:
                if fault.check:
                    found = hunt_shell(copy, base / "whole", fault)
                elif told.compile:
                    found = compile_core(copy, base / "core", fault)
                else:
                    found = hunt_core(copy, base / "core", fault, told.seeds)
            except WrongList as wrong:
                # The others are hunted all the same.
                found = None
                print(f"faults: {wrong}", file=sys.stderr, flush=True)
            finally:
                (copy / fault.file).write_text(before)
            if not found:
                missed.append(fault.id)
            print(f"{n} of {len(faults)}, {time.monotonic() - start:.0f} s  {fault.id}: {found or 'NOT FOUND: ' + fault.words}", flush=True)
    print(f"{len(faults) - len(missed)} of {len(faults)} planted faults {'compile' if told.compile else 'found'}")
    if missed:
        print(f"not so: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WrongList as wrong:
        print(f"faults: {wrong}", file=sys.stderr)
        sys.exit(2)
