"""`gaitworks ui` as a child process: on a free port, answering, and ended with all its children."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.workspaces import BIN, environment

_START_LIMIT_S = 240.0  # 10 to 15 on a quiet machine
_END_LIMIT_S = 20.0


@dataclass(frozen=True)
class UiServer:
    """A UI that answers."""

    workspace: Path
    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return what the UI's own GraphQL interface answers."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        return dict(answer["data"])


@contextmanager
def serve_ui(workspace: Path, log: Path) -> Iterator[UiServer]:
    """Serve the UI on a workspace until the block ends, however it ends."""
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(BIN / "gaitworks"), "-C", str(workspace), "ui", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            cwd=workspace.parent,
            start_new_session=True,
            # A parent that ignores SIGINT (a shell's `&`) would pass that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        server = UiServer(workspace, f"http://127.0.0.1:{port}")
        _wait_until_loaded(server, process, log)
        yield server
    finally:
        _end(process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait_until_loaded(server: UiServer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the code location: the web server answers earlier, and shows nothing yet."""
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError, urllib.error.URLError):
            if server.ask("{assetNodes {id}}")["assetNodes"]:
                return
        time.sleep(0.2)
    raise RuntimeError(f"the UI did not start:\n{log.read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt it as Ctrl-C would; kill what is left of its process group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
