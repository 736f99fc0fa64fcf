"""Third part: loads the handler, asks the Runtime API for events, sends back answers."""

BASE = "/2018-06-01/runtime/"
BLOCK = 65536


class HostGone(Exception):
    """The Runtime API is not there any more."""


class RuntimeApi:
    """One connection to the Runtime API, kept alive. A plain socket: `socket` and http.client would take longer to import than all the rest."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.partition(":")
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self.received = bytearray()

    def call(self, method, name, body=b"", headers=""):
        head = f"{method} {BASE}{name} HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        try:
            self.socket.sendall(head.encode("ascii", "backslashreplace") + body)
        except (BrokenPipeError, ConnectionResetError):
            # A refusal can come before the whole body is sent; it is there to be read.
            pass
        while b"\r\n\r\n" not in self.received:
            self.receive()
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        self.received = bytearray(rest)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self.received) < size:
            self.receive()
        said = bytes(self.received[:size])
        del self.received[:size]
        return int(status.split(" ", 2)[1]), headers, said

    def receive(self):
        try:
            block = self.socket.recv(BLOCK)
        except OSError as error:
            raise HostGone from error
        if not block:
            raise HostGone
        self.received += block

    def next(self):
        status, headers, event = self.call("GET", "invocation/next")
        if status != 200:
            # The host says that there is nothing more to do here.
            raise HostGone
        return headers, event

    def post(self, name, body, content_type="application/json", kind=None):
        headers = f"Content-Type: {content_type}\r\n"
        if kind is not None:
            headers += f"Lambda-Runtime-Function-Error-Type: {kind}\r\n"
        status, _, said = self.call("POST", name, body, headers)
        if status >= 300:
            say(f"the answer was refused: {said.decode(errors='replace').strip()}")


def say(*lines):
    """A function may have closed what it prints to, or put something else in its place."""
    try:
        print(*lines, sep="\n", file=STDERR, flush=True)
    except Exception:
        try:
            write(2, ("\n".join(lines) + "\n").encode(errors="backslashreplace"))
        except OSError:
            pass


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class ClientContext:
    """What the caller says beside the event."""

    def __init__(self, said):
        self.custom = said.get("custom")
        self.env = said.get("env")
        self.client = said.get("client")


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = ENVIRONMENT["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = ENVIRONMENT["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = ENVIRONMENT["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = ENVIRONMENT["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = ENVIRONMENT["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        said = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(decoded(said)) if said else None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(now() * 1000), 0)


class Fault(Exception):
    """The runtime's own error: the handler cannot be had, or what goes in or out of it is no JSON."""

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
        refuse_loaded(module_name)
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", trace_of(error)) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from error
    handler = getattr(module, function_name, None)
    if handler is None:
        refuse_loaded(module_name)
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


def refuse_loaded(module_name):
    """A file of this name stands in the code folder; `import` finds what is loaded already."""
    first = module_name.partition(".")[0]
    if first in LOADED:
        text = f"Cannot use built-in module {module_name} as a handler module: Python has loaded its own '{first}'; give the file another name"
        raise Fault("Runtime.BuiltInModuleConflict", text)


def trace_of(error):
    """The frames of the user's code: what stands above them is the bootstrap and the import machinery."""
    frames = [it for it in extract_tb(error.__traceback__) if it.filename != "<string>" and "importlib" not in it.filename]
    # As plain tuples, which come without marks under the line.
    return format_list([(it.filename, it.lineno, it.name, it.line) for it in frames])


def described(error, request_id):
    """The error as an answer; whatever the function's own classes do when they are asked for their text."""
    try:
        message = str(error)
    except Exception as second:
        message = f"its text cannot be had: {type(second).__name__}"
    try:
        trace = error.trace if isinstance(error, Fault) else trace_of(error)
    except Exception:
        trace = []
    kind = error.kind if isinstance(error, Fault) else type(error).__name__
    say(f"[ERROR] {kind}: {message}", *trace)
    return encoded({"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace})[0], kind


def decoded(text):
    text = text.strip(" \t\r\n")
    try:
        value, end = scan(text, 0)
    except StopIteration as error:
        raise ValueError(f"Expecting value: char {error.value}") from None
    if end != len(text):
        raise ValueError(f"Extra data: char {end}")
    return value


def answer(handler, event, context):
    """What to send, its type, and whether it is an error."""
    try:
        try:
            event = decoded(event.decode())
        except Exception as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
        result = handler(event, context)
        try:
            return (*encoded(result), False)
        except Exception as error:
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    except Exception as error:
        return described(error, context.aws_request_id)[0], "application/json", True


def set_up_output(log_filter):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    log = logging.StreamHandler(sys.stdout)
    log.setFormatter(logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"))
    log.formatter.converter = time.gmtime
    log.addFilter(log_filter)
    logging.getLogger().addHandler(log)


def main():
    log_filter = LogFilter()
    set_up_output(log_filter)
    api = RuntimeApi(ENVIRONMENT["AWS_LAMBDA_RUNTIME_API"])
    sys.path.insert(0, ENVIRONMENT["LAMBDA_TASK_ROOT"])
    try:
        handler = load(ENVIRONMENT["_HANDLER"])
    except Exception as error:
        body, kind = described(error, "")
        api.post("init/error", body, kind=kind)
        sys.exit(1)
    while True:
        headers, event = api.next()
        context = Context(headers)
        log_filter.request_id = context.aws_request_id
        body, content_type, is_error = answer(handler, event, context)
        # Not held while waiting for the next event.
        del event
        api.post(f"invocation/{context.aws_request_id}/{'error' if is_error else 'response'}", body, content_type)


try:
    main()
except HostGone:
    leave(1)
