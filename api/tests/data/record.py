"""Writes botocore.json: requests of Lambda's mapping API as botocore puts them on the wire, signed at a fixed moment.

Run with a Python that has botocore: python3 record.py > botocore.json
"""

import datetime
import json
from unittest import mock
from urllib.parse import urlsplit

import botocore
import botocore.auth
import botocore.session

MOMENT = datetime.datetime(2026, 11, 23, 12, 24, 12, tzinfo=datetime.timezone.utc)
ARN = "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2"
UUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"

CALLS = [
    ("list_event_source_mappings", {"EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:q", "FunctionName": "f:$LATEST", "MaxItems": 5}),
    ("create_event_source_mapping", {"EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:q", "FunctionName": "f", "BatchSize": 5,
                                     "Tags": {"a": "é"}, "StartingPositionTimestamp": 1767225600.5}),
    ("get_event_source_mapping", {"UUID": UUID}),
    ("update_event_source_mapping", {"UUID": UUID, "Enabled": False}),
    ("delete_event_source_mapping", {"UUID": UUID}),
    ("list_tags", {"Resource": ARN}),
    ("tag_resource", {"Resource": ARN, "Tags": {"team": "a b"}}),
    ("untag_resource", {"Resource": ARN, "TagKeys": ["b+c", "a d", "é"]}),
]


def sign(token):
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    client = session.create_client("lambda", "eu-west-1", endpoint_url="http://127.0.0.1:9471")
    seen = []

    def keep(request, **_):
        url = urlsplit(request.url)
        headers = [[name, value.decode() if isinstance(value, bytes) else str(value)] for name, value in request.headers.items()]
        headers = [it for it in headers if it[0].lower() not in ("user-agent", "amz-sdk-invocation-id", "amz-sdk-request")]
        body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
        seen.append({"method": request.method, "path": url.path, "query": url.query or None,
                     "headers": [["Host", url.netloc], *headers], "body": body})
        raise InterruptedError

    client.meta.events.register("before-send.lambda", keep)
    for name, arguments in CALLS:
        try:
            getattr(client, name)(**arguments)
        except InterruptedError:
            seen[-1]["operation"] = name
    return seen


def moment(remove_tzinfo=True):
    return MOMENT.replace(tzinfo=None) if remove_tzinfo else MOMENT


with mock.patch.object(botocore.auth, "get_current_datetime", moment):
    requests = sign(None) + sign("AQoDYXdzEPT//////////wEXAMPLE==")
print(json.dumps({"botocore": botocore.__version__, "unix": int(MOMENT.timestamp()), "requests": requests}, indent=1, ensure_ascii=False))
