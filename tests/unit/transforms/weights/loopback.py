"""A web server on this machine that behaves as a test tells it to."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        index = min(len(self.server.ranges), len(self.server.answers)) - 1
        self.server.answers[index](self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.ranges: list[str | None] = []  # the Range header of each request so far

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that hangs up in the middle is part of the tests


@contextmanager
def serve(*answers: Answer) -> Iterator[Server]:
    with Server(*answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def whole(data: bytes) -> Answer:
    """Send everything, whatever range was asked for."""
    return lambda handler: handler.answer(200, data, Content_Length=str(len(data)))


def ranged(data: bytes, *, cut_after: int | None = None) -> Answer:
    """Send what was asked for, or only the first bytes of it before hanging up."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        headers = {"Content_Length": str(len(data) - start)}
        if asked:
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:] if cut_after is None else data[start : start + cut_after]
        handler.answer(206 if asked else 200, body, **headers)

    return answer


def cut(data: bytes, after: int) -> Answer:
    """Promise everything, ignore ranges, hang up early."""
    return lambda handler: handler.answer(200, data[:after], Content_Length=str(len(data)))


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.answer(code, b"no", Content_Length="2", **headers)


def redirect(to: str) -> Answer:
    return status(302, Location=to)
