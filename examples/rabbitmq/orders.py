#!/usr/bin/env python3
"""Declares the queue, publishes orders to it and shows what it holds, over the broker's management.

usage: orders.py create | orders.py send N | orders.py show
The management is at RABBITMQ_ADMIN, else 127.0.0.1:15672; the password is that of RABBITMQ_PASSWORD.
"""

import base64
import http.client
import json
import os
import sys

ADMIN = os.environ.get("RABBITMQ_ADMIN", "127.0.0.1:15672")
QUEUE = "orders"
POISON = 137


def call(method, path, body=None, connection=None):
    """What the management answers; raises where it refuses."""
    connection = connection or http.client.HTTPConnection(ADMIN, timeout=30)
    user = base64.b64encode(f"forebay:{os.environ['RABBITMQ_PASSWORD']}".encode()).decode()
    headers = {"Authorization": f"Basic {user}", "Content-Type": "application/json"}
    connection.request(method, f"/api/{path}", None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise OSError(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text) if text else None


def is_up():
    try:
        return call("GET", "health/checks/alarms")["status"] == "ok"
    except OSError:
        return False


def create():
    call("PUT", f"queues/%2F/{QUEUE}", {"durable": True, "arguments": {"x-queue-type": "quorum"}})


def order(n):
    """One of them has no sum."""
    return {"kind": "order", "order": n, "customer": f"customer-{n % 20:02}", "cents": None if n == POISON else 995 + 17 * n % 4000}


def send(n_orders):
    connection = http.client.HTTPConnection(ADMIN, timeout=30)
    for n in range(n_orders):
        properties = {"message_id": f"order-{n}", "content_type": "application/json", "delivery_mode": 2}
        message = {"properties": properties, "routing_key": QUEUE, "payload": json.dumps(order(n)), "payload_encoding": "string"}
        call("POST", "exchanges/%2F/amq.default/publish", message, connection)


def count():
    """Messages that it holds; none while the broker has not counted."""
    return call("GET", f"queues/%2F/{QUEUE}").get("messages")


if __name__ == "__main__":
    words = sys.argv[1:]
    if words == ["create"]:
        create()
    elif words[:1] == ["send"] and len(words) == 2:
        send(int(words[1]))
    elif words == ["show"]:
        print(f"{QUEUE}: {count()} messages")
    else:
        sys.exit(__doc__)
