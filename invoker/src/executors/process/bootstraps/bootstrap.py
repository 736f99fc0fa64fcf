"""Forebay's bootstrap for Python: loads the handler, asks the Runtime API for events, sends back answers. Standard library only."""

import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback

BASE = "/2018-06-01/runtime/"


class RuntimeApi:
    """One connection to the Runtime API, kept alive. http.client would take longer to import than all the rest together."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.partition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")

    def call(self, method, name, body=b"", headers=""):
        head = f"{method} {BASE}{name} HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        try:
            self.socket.sendall(head.encode("ascii", "backslashreplace") + body)
        except (BrokenPipeError, ConnectionResetError):
            # A refusal can come before the whole body is sent; it is there to be read.
            pass
        status = self.line().split(" ", 2)[1]
        headers = {}
        while True:
            name, colon, value = self.line().rstrip().partition(":")
            if not colon:
                break
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        said = self.answers.read(size)
        if len(said) < size:
            raise ConnectionError("the Runtime API is gone")
        return int(status), headers, said

    def line(self):
        line = self.answers.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("the Runtime API is gone")
        return line.decode("latin-1")

    def next(self):
        status, headers, event = self.call("GET", "invocation/next")
        if status != 200:
            # The host says that there is nothing more to do here.
            sys.exit(1)
        return headers, event

    def post(self, name, body, kind=None):
        headers = "Content-Type: application/json\r\n"
        if kind is not None:
            headers += f"Lambda-Runtime-Function-Error-Type: {kind}\r\n"
        status, _, said = self.call("POST", name, body, headers)
        if status >= 300:
            print(f"the answer was refused: {said.decode(errors='replace').strip()}", file=sys.stderr)


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        self.client_context = None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)


class InitError(Exception):
    """The handler cannot be had."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind = kind
        self.trace = list(trace)


class LogFilter(logging.Filter):
    request_id = ""

    def filter(self, record):
        record.aws_request_id = self.request_id
        return True


def load(name):
    module_name, _, function_name = name.rpartition(".")
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", trace_of(error)) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n']
        raise InitError("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from error
    handler = getattr(module, function_name, None)
    if handler is None:
        raise InitError("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


def trace_of(error):
    """The frames of the user's code: what stands above them is this file and the import machinery."""
    frames = [it for it in traceback.extract_tb(error.__traceback__) if it.filename != "<string>" and "importlib" not in it.filename]
    return traceback.format_list(frames)


def described(error, request_id):
    kind = getattr(error, "kind", None) if isinstance(error, InitError) else None
    trace = error.trace if isinstance(error, InitError) else trace_of(error)
    body = {"errorMessage": str(error), "errorType": kind or type(error).__name__, "requestId": request_id, "stackTrace": trace}
    print(f"[ERROR] {body['errorType']}: {body['errorMessage']}", *trace, sep="\n", file=sys.stderr, flush=True)
    return json.dumps(body).encode()


def answer(handler, event, context):
    """What to send, and whether it is an error."""
    request_id = context.aws_request_id
    try:
        event = json.loads(event)
    except ValueError as error:
        return described(InitError("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}"), request_id), True
    try:
        answer = handler(event, context)
    except Exception as error:
        return described(error, request_id), True
    try:
        return json.dumps(answer).encode(), False
    except (TypeError, ValueError) as error:
        return described(InitError("Runtime.MarshalError", f"Unable to marshal response: {error}"), request_id), True


def main():
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    log_filter = LogFilter()
    log = logging.StreamHandler(sys.stdout)
    log.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    log.formatter.converter = time.gmtime
    log.addFilter(log_filter)
    logging.getLogger().addHandler(log)

    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:
        body = described(error, "")
        api.post("init/error", body, json.loads(body)["errorType"])
        sys.exit(1)

    while True:
        headers, event = api.next()
        context = Context(headers)
        log_filter.request_id = context.aws_request_id
        body, is_error = answer(handler, event, context)
        # Not held while waiting for the next event.
        del event
        api.post(f"invocation/{context.aws_request_id}/{'error' if is_error else 'response'}", body)


try:
    main()
except ConnectionError:
    # The host is gone.
    os._exit(1)
