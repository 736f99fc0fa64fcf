#!/usr/bin/env python3
"""Makes the stream and writes orders to it, with nothing but Python.

usage: orders.py create | orders.py send N | orders.py tick
The server is that of KINESIS_ENDPOINT, else http://127.0.0.1:4567.
"""

import base64
import json
import os
import sys
import time
import urllib.request

ENDPOINT = os.environ.get("KINESIS_ENDPOINT", "http://127.0.0.1:4567")
# Signed in form only: kinesis-local takes any signature.
SIGNED = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=x"
STREAM = "orders"
N_CUSTOMERS = 20
POISON = 137


def call(action, **body):
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"Kinesis_20131202.{action}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": SIGNED,
    }
    request = urllib.request.Request(ENDPOINT, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def create():
    """Two shards; comes back when they take records."""
    call("CreateStream", StreamName=STREAM, ShardCount=2)
    while call("DescribeStreamSummary", StreamName=STREAM)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
        time.sleep(0.1)


def order(n):
    """One of them has no sum."""
    return {"kind": "order", "order": n, "customer": f"customer-{n % N_CUSTOMERS:02}", "cents": None if n == POISON else 995 + 17 * n % 4000}


def send(n_orders):
    """One by one, so that each customer's orders are in the stream as they were made."""
    for n in range(n_orders):
        it = order(n)
        put(it, PartitionKey=it["customer"])


def tick():
    """A record in each shard, which ends the windows that are over; without any they end after two minutes."""
    for hash_key in [0, 2**128 - 1]:
        put({"kind": "tick"}, PartitionKey="tick", ExplicitHashKey=str(hash_key))


def put(it, **where):
    call("PutRecord", StreamName=STREAM, Data=base64.b64encode(json.dumps(it).encode()).decode(), **where)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words == ["create"]:
        create()
    elif words[:1] == ["send"] and len(words) == 2:
        send(int(words[1]))
    elif words == ["tick"]:
        tick()
    else:
        sys.exit(__doc__)
