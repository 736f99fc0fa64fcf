#!/usr/bin/env python3
"""Sends orders to the queue, or shows what is in it, with nothing but Python.

usage: orders.py send N | orders.py counts
The server is that of SQS_ENDPOINT, else http://127.0.0.1:9324.
"""

import json
import os
import sys
import urllib.request

ENDPOINT = os.environ.get("SQS_ENDPOINT", "http://127.0.0.1:9324")


def call(action, **body):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
    request = urllib.request.Request(ENDPOINT, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def url(queue):
    return call("GetQueueUrl", QueueName=queue)["QueueUrl"]


def order(n):
    """Every fortieth order has no address."""
    return {"order": n, "cents": 995 + 17 * n % 4000, "address": "" if n % 40 == 39 else f"{n} High Street"}


def send(n_orders):
    for start in range(0, n_orders, 10):
        numbers = range(start, min(start + 10, n_orders))
        entries = [{"Id": str(n), "MessageBody": json.dumps(order(n))} for n in numbers]
        answer = call("SendMessageBatch", QueueUrl=url("orders"), Entries=entries)
        assert len(answer["Successful"]) == len(entries), answer


def counts(queue):
    """Messages that can be received now, and messages in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = call("GetQueueAttributes", QueueUrl=url(queue), AttributeNames=names)["Attributes"]
    return tuple(int(attributes[name]) for name in names)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["send"] and len(words) == 2:
        send(int(words[1]))
    elif words == ["counts"]:
        for queue in ["orders", "orders-dead"]:
            waiting, in_flight = counts(queue)
            print(f"{queue}: {waiting} waiting, {in_flight} in flight")
    else:
        sys.exit(__doc__)
