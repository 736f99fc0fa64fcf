"""A client of the Runtime API for tests that need to misbehave."""
import json
import os
import socket
import sys

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = "/2018-06-01/runtime/"


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)))
        self.file = self.socket.makefile("rb")

    def send(self, raw):
        try:
            self.socket.sendall(raw if isinstance(raw, bytes) else raw.encode())
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read(self):
        """Status, headers and body of the next answer; status 0 when the connection is closed."""
        try:
            status = self.file.readline()
            if not status:
                return 0, {}, ""
            headers = {}
            while (line := self.file.readline().strip()):
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            return int(status.split()[1]), headers, self.file.read(int(headers.get("content-length", 0))).decode()
        except ConnectionResetError:
            return 0, {}, ""

    def ask(self, method, path, headers=""):
        self.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n")

    def call(self, method, path, body=b"", headers=""):
        body = body if isinstance(body, bytes) else body.encode()
        self.send(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body)
        return self.read()

    def next(self):
        status, headers, event = self.call("GET", BASE + "invocation/next")
        assert status == 200, (status, event)
        return headers["lambda-runtime-aws-request-id"], json.loads(event)

    def answer(self, id, value, headers="", call="response"):
        status, _, body = self.call("POST", f"{BASE}invocation/{id}/{call}", json.dumps(value), headers)
        return [status, body]


def serve_on(connection):
    """Answers every further event with this process and the event."""
    while True:
        id, event = connection.next()
        connection.answer(id, {"pid": os.getpid(), "event": event})
