"""Runs a training or evaluation job as a process of its own and passes its progress on.

The code server and the run worker never load torch; the job may as well run on another machine.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transforms.errors import GaitworksError, error_from_exit_code
from transforms.files import canonical_json, sha256_bytes, write_bytes_atomic
from transforms.progress import Progress

if TYPE_CHECKING:
    from training.job import Job


def run_job(job: "Job", scratch: Path, *, progress: Progress, log: Callable[[str], None]) -> None:
    """Write a job below `scratch` and run `python -m training.run` on it to its end.

    Each line of its standard output is one JSON object: `{"start": label, "total": n}`,
    `{"advance": n, "note": text}`, `{"log": text}` or `{"error": {...}}`. Its standard error is
    kept beside the job for the day something goes wrong.

    Raises:
        GaitworksError: the job ended with an error or was killed; the message is the job's own.
    """
    data = canonical_json(job.model_dump(mode="json"))
    path = scratch / "jobs" / f"{job.kind}-{sha256_bytes(data)[:16]}.json"
    write_bytes_atomic(path, data)
    error_log = path.with_suffix(".stderr.log")
    error: dict[str, Any] = {}
    with (
        error_log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "training.run", str(path)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None  # a pipe was asked for
        for line in process.stdout:
            event = _parse(line)
            if "start" in event:
                progress.start(event["start"], event["total"])
            elif "advance" in event:
                progress.advance(event["advance"], event.get("note", ""))
            elif "error" in event:
                error = event["error"]
            else:
                log(str(event.get("log", line)).rstrip())
    if process.returncode != 0:
        raise _failure(process.returncode, error, error_log)


def _parse(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {"log": line}
    return event if isinstance(event, dict) else {"log": line}


def _failure(code: int, error: dict[str, Any], error_log: Path) -> GaitworksError:
    if error:
        names = ("where", "expected", "found", "fix")
        details = {name: str(error[name]) for name in names if name in error}
        return error_from_exit_code(code, str(error.get("what", "the job failed")), details)
    tail = error_log.read_text(errors="replace").strip().splitlines()[-3:]
    died = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    if code == -signal.SIGKILL:
        died += ", as the system does where memory has run out"
    return GaitworksError(
        "the training process ended without a word",
        where=error_log,
        found=f"{died}; last lines: {' / '.join(tail) or 'none'}",
        fix="run again: training goes on from its last checkpoint",
    )
