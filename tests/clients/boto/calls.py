"""Makes the calls that come as JSON lines on standard input with boto3, unchanged, and answers each with a line.

A call: {"client": "lambda", "call": "create_event_source_mapping", "args": {…}, "signed": true}, with "paginate": "MaxItems of a page" to walk
over all pages. In arguments {"$file": "name", "content": "…"} is a zip of that file. An answer: {"ok": …} or {"code", "message", "status", "kind"}.
"""

import base64
import io
import json
import sys
import zipfile

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

clients = {}


def client(name, is_signed):
    if (name, is_signed) not in clients:
        # Each call once: a test wants the first answer.
        common = {"retries": {"total_max_attempts": 1}, "parameter_validation": False, "read_timeout": 60}
        config = Config(**common) if is_signed else Config(signature_version=UNSIGNED, **common)
        clients[name, is_signed] = boto3.client(name, config=config)
    return clients[name, is_signed]


def argument(value):
    if isinstance(value, dict) and "$file" in value:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as it:
            it.writestr(value["$file"], value["content"])
        return out.getvalue()
    if isinstance(value, dict):
        return {name: argument(it) for name, it in value.items()}
    return value


def told(value):
    """What JSON has no word for."""
    if hasattr(value, "read"):
        return value.read().decode("utf-8", "replace")
    if hasattr(value, "timestamp"):
        return value.timestamp()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def answer(call):
    it = client(call["client"], call.get("signed", True))
    arguments = argument(call.get("args", {}))
    try:
        if call.get("paginate"):
            pages = it.get_paginator(call["call"]).paginate(PaginationConfig={"PageSize": call["paginate"]}, **arguments)
            return {"ok": list(pages)}
        return {"ok": getattr(it, call["call"])(**arguments)}
    except ClientError as error:
        response = error.response
        return {
            "code": response["Error"].get("Code"),
            "message": response["Error"].get("Message"),
            "status": response["ResponseMetadata"]["HTTPStatusCode"],
            "kind": type(error).__name__,
        }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=told), flush=True)
