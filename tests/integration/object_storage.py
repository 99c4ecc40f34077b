"""An S3-compatible server on this machine, and a proxy before it that misbehaves as told.

Run as a program, it is the server: its address is the first line it prints, and it ends with its
standard input.
"""

import http.client
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing-key",
    "AWS_SECRET_ACCESS_KEY": "testing-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
BUCKET = "bucket"

Fault = Callable[["_Handler", int, list[tuple[str, str]], bytes], None]
"""Answers in the place of the server; gets the status, headers and body it would have sent."""


@contextmanager
def serve_s3() -> Iterator[str]:
    """Yield the address of an empty S3 server in a process of its own."""
    command = [sys.executable, "-m", "tests.integration.object_storage"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            # Forked workers hold its standard input too, so closing that may not end it.
            server.terminate()


def upload(endpoint: str, directory: Path, prefix: str) -> str:
    """Put a directory into the bucket and return its URL."""
    import s3fs

    filesystem = s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True)
    if not filesystem.exists(BUCKET):
        filesystem.mkdir(BUCKET)
    filesystem.put(f"{directory}/", f"{BUCKET}/{prefix}/", recursive=True)
    return f"s3://{BUCKET}/{prefix}"


class Proxy(ThreadingHTTPServer):
    """Passes everything on, but answers for paths that contain `target` with the faults in turn.

    Attributes:
        faults: taken from the left, one per request; the server answers when none is left.
        always: answers every such request once `faults` is empty.
        gets: how often each path was asked for.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = urlsplit(endpoint)
        self.target = ".parquet"
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.gets: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are part of the tests

    def next_fault(self, path: str) -> Fault | None:
        with self.lock:
            self.gets[path] += 1
            if self.target not in path:
                return None
            return self.faults.popleft() if self.faults else self.always


@contextmanager
def misbehave(endpoint: str) -> Iterator[Proxy]:
    with Proxy(endpoint) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        self._pass_on("GET")

    def do_HEAD(self) -> None:
        self._pass_on("HEAD")

    def _pass_on(self, method: str) -> None:
        connection = http.client.HTTPConnection(self.server.endpoint.netloc, timeout=30)
        connection.request(method, self.path, headers=dict(self.headers))
        response = connection.getresponse()
        body = response.read()
        connection.close()
        fault = self.server.next_fault(urlsplit(self.path).path) if method == "GET" else None
        (fault or whole)(self, response.status, response.getheaders(), body)
        self.close_connection = True

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def whole(handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    handler.answer(status, headers, body)


def dropped(handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Promise everything, and hang up in the middle."""
    handler.answer(status, headers, body[: len(body) // 2])


def cut(handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Send the first half as if it were all."""
    half = body[: len(body) // 2]
    handler.answer(status, _describe(headers, half), half)


def damaged(handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Send other bytes of the same length."""
    other = bytes([body[0] ^ 1]) + body[1:]
    handler.answer(status, _describe(headers, other), other)


def _describe(headers: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
    """Return headers of another body, without the checksums that not every storage sends."""
    wrong = ("content-length", "x-amz-checksum", "x-amz-sdk-checksum")
    kept = [(name, value) for name, value in headers if not name.lower().startswith(wrong)]
    return [*kept, ("Content-Length", str(len(body)))]


def unavailable(
    handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    text = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
    handler.answer(503, [("Content-Length", str(len(text)))], text)


def silent(handler: _Handler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Take longer than anybody waits in these tests."""
    time.sleep(1.5)
    handler.answer(status, headers, body)


def _serve() -> None:
    import os

    from moto.server import ThreadedMotoServer

    os.environ |= CREDENTIALS
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _serve()
