"""Summarises each batch of earthquakes. Lines that are not JSON are reported as failed; a depth that is no number raises."""

import json
import time


def handler(event, context):
    failures = []
    strongest = None
    deepest = 0.0
    for record in event["Records"]:
        try:
            quake = json.loads(record["body"])
        except ValueError:
            failures.append({"itemIdentifier": record["offset"]})
            continue
        deepest = max(deepest, float(quake["depth_km"]))  # the poison line raises here
        if strongest is None or quake["magnitude"] > strongest["magnitude"]:
            strongest = quake
    time.sleep(0.15)  # so that there is something to watch
    if strongest:
        print(f"{len(event['Records'])} records: strongest {strongest['magnitude']} {strongest['place']}, deepest {deepest} km")
    return {"batchItemFailures": failures}
