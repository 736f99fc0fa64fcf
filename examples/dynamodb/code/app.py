"""Keeps a copy of a table by its changes, and orders again what has run low."""

import json
import os
import pathlib

RUN = pathlib.Path(__file__).resolve().parent.parent / "run"


def copy(event, context):
    """Notes what each change made of its item: what it was before and what it is after."""
    append("changes.ndjson", [change(record) for record in event["Records"]])
    names = [record["eventName"] for record in event["Records"]]
    print(", ".join(f"{names.count(name)} {name}" for name in sorted(set(names))))


def reorder(event, context):
    """Sees only the changes that the filter lets through."""
    append("reorders.ndjson", [change(record) for record in event["Records"]])


def change(record):
    it = record["dynamodb"]
    return {
        "event": record["eventName"],
        "article": it["Keys"]["article"]["S"],
        "old": it.get("OldImage"),
        "new": it.get("NewImage"),
        # Of what time to live deletes, the service itself.
        "by": record.get("userIdentity", {}).get("principalId"),
    }


def append(name, entries):
    """All in one write: several processes append to one file."""
    RUN.mkdir(exist_ok=True)
    file = os.open(RUN / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, "".join(json.dumps(it) + "\n" for it in entries).encode())
    finally:
        os.close(file)
