"""`gaitworks` and `dvc` with their imports done: whoever made them forks for every command.

Imports are most of what a short command takes. Each command still is a process of its own, with its
caller's arguments, environment, folder and streams, that ends as the real one does. What is about
the start or the death of a process takes the real commands.
"""

import atexit
import gc
import importlib
import json
import os
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
VARIABLE = "GAITWORKS_WARM_COMMANDS"
COMMANDS = {"gaitworks": ("orchestration.cli.main", "main"), "dvc": ("dvc.cli", "main")}
# Nothing here may start a thread, as Polars and Arrow do: a fork would not have it.
PRELOADED = (
    *(module for module, _ in COMMANDS.values()),
    "dagster._core.storage.sql",
    "dagster._core.storage.event_log",
    "dvc.repo",
    "dvc.scm",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "numba.np.arrayobj",
)
# Without `site` it starts in a hundredth of a second.
CLIENT = f"""#!{sys.executable} -SEs
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect(os.environ["{VARIABLE}"])
asked = dict(arguments=sys.argv, folder=os.getcwd(), variables=dict(os.environ))
socket.send_fds(server, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
code = int(server.recv(16) or 1)
sys.exit(code if code >= 0 else 128 - code)
"""


@cache
def start_warm_commands() -> dict[str, str]:
    """Return what a caller's environment needs to find the commands; they end with this process."""
    folder = Path(tempfile.mkdtemp())
    for name in COMMANDS:
        (folder / name).write_text(CLIENT)
        (folder / name).chmod(0o755)
    place = folder / "socket"
    server = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert server.stdout is not None
    assert server.stdout.read(5) == b"ready"
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.communicate)  # the end of its input is the server's end
    return {VARIABLE: str(place), "PATH": f"{folder}:{Path(sys.executable).parent}"}


def serve(place: str) -> None:
    """Answer commands until whoever started this process is gone."""
    for module in PRELOADED:
        importlib.import_module(module)
    threads = [path.name for path in Path("/proc/self/task").iterdir()]
    assert len(threads) == 1, "something preloaded has started a thread"
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen(64)
    os.write(1, b"ready")
    children: set[int] = set()
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        caller, _ = listener.accept()
        if not (child := os.fork()):
            listener.close()
            answer(caller)
            return
        caller.close()
        children = {one for one in children | {child} if os.waitpid(one, os.WNOHANG) == (0, 0)}


def answer(caller: socket.socket) -> None:
    """Run one command as the caller's own; the process that waits for it tells how it ended."""
    message, streams, _, _ = socket.recv_fds(caller, 2**20, 3)
    while not message.endswith(b"\n"):
        message += caller.recv(2**20)
    if child := os.fork():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        caller.sendall(str(code).encode())
        os._exit(0)
    caller.close()
    asked = json.loads(message)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    random.seed()
    sys.argv = asked["arguments"]
    module, function = COMMANDS[Path(sys.argv[0]).name]
    sys.exit(getattr(importlib.import_module(module), function)())


if __name__ == "__main__":
    serve(sys.argv[1])
