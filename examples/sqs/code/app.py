"""Ships orders. An order without an address is reported as failed: it comes again, and ends in the dead-letter queue."""

import json


def handler(event, context):
    failures = []
    total = 0
    for record in event["Records"]:
        order = json.loads(record["body"])
        if not order["address"]:
            failures.append({"itemIdentifier": record["messageId"]})
            continue
        total += order["cents"]
    n_shipped = len(event["Records"]) - len(failures)
    print(f"{n_shipped} of {len(event['Records'])} orders shipped, {total / 100:.2f} in all")
    return {"batchItemFailures": failures}
