"""Ships orders from a queue of RabbitMQ."""

import base64
import json
import os
import pathlib

RUN = pathlib.Path(__file__).resolve().parent.parent / "run"


def ship(event, context):
    """Fails with a batch that holds an order without a sum: it is halved until that order is alone."""
    orders = [order(message) for queue in event["rmqMessagesByQueue"].values() for message in queue]
    total = sum(int(it["cents"]) for it in orders)
    append("shipped.ndjson", orders)
    print(f"{len(orders)} orders of {', '.join(event['rmqMessagesByQueue'])} shipped, {total / 100:.2f} in all")


def order(message):
    return json.loads(base64.b64decode(message["data"]))


def append(name, entries):
    """All in one write: several processes append to one file."""
    RUN.mkdir(exist_ok=True)
    file = os.open(RUN / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, "".join(json.dumps(it) + "\n" for it in entries).encode())
    finally:
        os.close(file)
