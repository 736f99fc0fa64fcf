"""Ships orders. An order without an address is reported as failed: it comes again."""

import json


def handler(event, context):
    failures = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        if order["address"]:
            print(f"shipped order {order['order']}")
        else:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
