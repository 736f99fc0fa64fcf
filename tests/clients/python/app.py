"""A function that does what its event says."""
import os


def handler(event, context):
    match event.get("do"):
        case "fail":
            raise ValueError("boom é")
        case "exit":
            os._exit(3)
    return {
        "text": event.get("text"),
        "n_bytes": len(event.get("filler", "")),
        "request_id": context.aws_request_id,
        "pid": os.getpid(),
    }
