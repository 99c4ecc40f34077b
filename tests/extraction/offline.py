"""Programs run in a process of their own, with every network refused, and real files for them.

GAITWORKS_MODELS_DIR and GAITWORKS_VIDEOS_DIR name folders of real weights and footage, which the
project does not carry; each test file says what it looks for there.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

# Every attempt to reach a network is written down and refused; the end of a program looks at it.
PRELUDE = """
import json, os, socket, sys
attempts = []
def refuse(*arguments, **keywords):
    attempts.append(repr(arguments))
    raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
def answer(value):
    assert not attempts, attempts
    print("answer:" + json.dumps(value))
"""


def run_program(
    program: str,
    *arguments: object,
    folder: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
) -> subprocess.CompletedProcess[str]:
    """Run a program that may import the project to its good end."""
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended


def run_offline(
    program: str,
    *arguments: object,
    folder: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
) -> Any:
    """Run a program without a network and return what it calls `answer` with."""
    ended = run_program(PRELUDE + program, *arguments, folder=folder, environment=environment)
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("answer:")]
    return json.loads(line.removeprefix("answer:"))


def find_folder(variable: str) -> Path:
    """Return the folder that a variable names, or skip loudly."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: no real weights or footage to test with")
    return Path(folder)


def find_file(variable: str, pattern: str) -> Path:
    """Return the first file of a pattern in the folder that a variable names, or skip loudly."""
    found = sorted(find_folder(variable).glob(pattern))
    if not found:
        pytest.skip(f"{variable} holds no {pattern}")
    return found[0].resolve()


def read_walk() -> list[np.ndarray]:
    """Return the pictures of the real walk seen from the side, `(height, width, channel)` BGR."""
    with av.open(str(find_file("GAITWORKS_VIDEOS_DIR", "**/*walk_side*.mp4"))) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
