#!/usr/bin/env python3
"""Makes a table with a stream, and sells what is in it, with nothing but Python.

usage: stock.py create | stock.py sell | stock.py show
The server is that of DYNAMODB_ENDPOINT, else http://127.0.0.1:8000.
"""

import json
import os
import sys
import time
import urllib.request

ENDPOINT = os.environ.get("DYNAMODB_ENDPOINT", "http://127.0.0.1:8000")
# Signed in form only: DynamoDB Local takes any signature.
SIGNED = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x"
TABLE = "stock"
N_ARTICLES = 40


def call(action, **body):
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{action}",
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": SIGNED,
    }
    request = urllib.request.Request(ENDPOINT, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def create():
    """With a stream of both images, and time to live by the attribute `expires`."""
    call(
        "CreateTable",
        TableName=TABLE,
        KeySchema=[{"AttributeName": "article", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "article", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    while call("DescribeTable", TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
        time.sleep(0.1)
    call("UpdateTimeToLive", TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})


def sell():
    """Ten of each article, then fewer from day to day; every eighth article is given up, every other eighth expires by itself."""
    for left in [10, 7, 4, 1]:
        for n in range(N_ARTICLES):
            put(n, left)
    for n in range(0, N_ARTICLES, 8):
        call("DeleteItem", TableName=TABLE, Key={"article": {"S": article(n)}})
    for n in range(4, N_ARTICLES, 8):
        put(n, 0, expires={"N": str(int(time.time()) - 1)})


def article(n):
    return f"article-{n:02}"


def put(n, left, **more):
    state = "enough" if left > 4 else "low"
    item = {"article": {"S": article(n)}, "left": {"N": str(left)}, "state": {"S": state}} | more
    call("PutItem", TableName=TABLE, Item=item)


def items():
    """What is in the table, by article."""
    return {it["article"]["S"]: it for it in call("Scan", TableName=TABLE, ConsistentRead=True)["Items"]}


if __name__ == "__main__":
    words = sys.argv[1:]
    if words == ["create"]:
        create()
    elif words == ["sell"]:
        sell()
    elif words == ["show"]:
        print(json.dumps(items(), indent=2))
    else:
        sys.exit(__doc__)
