"""Runs a training, evaluation or explanation as a process of its own and passes on what it says.

The code server and the run worker never load torch, and a launcher takes the job to another machine
or starts several processes of it. Inside a Dagster run the process reports through Dagster Pipes.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dagster import AssetExecutionContext, PipesEnvContextInjector, open_pipes_session

from assets.job_messages import Event, JobListener, OutputReader
from transforms.errors import GaitworksError, MissingDependencyError, error_from_exit_code
from transforms.files import canonical_json, sha256_bytes, write_bytes_atomic
from transforms.progress import Progress

if TYPE_CHECKING:
    from training.job import Job

# Longer than `torchrun` waits for its processes before it kills them.
_PATIENCE_S: Final = 40.0
_LONGEST_LINE: Final = 2**20


def run_job_in_run(
    context: AssetExecutionContext,
    job: "Job",
    scratch: Path,
    *,
    progress: Progress,
    launcher: Sequence[str] = (),
) -> Event:
    """Do `run_job` in a running asset: through Dagster Pipes, with its log as the listener."""
    with open_pipes_session(
        context=context.op_execution_context,  # of the other kind Pipes uses deprecated names
        context_injector=PipesEnvContextInjector(),
        message_reader=OutputReader(),
    ) as session:
        # As options: a launcher need not pass the environment on.
        announcement = session.get_bootstrap_cli_arguments()
        listener = JobListener(progress, context.log.info, session.message_handler)
        return _run(job, scratch, listener, launcher, announcement)


def run_job(
    job: "Job",
    scratch: Path,
    *,
    progress: Progress,
    log: Callable[[str], None],
    launcher: Sequence[str] = (),
) -> Event:
    """Write a job below `scratch` and run `python -m training.run` on it to its end.

    Its standard error is kept beside the job for the day something goes wrong.

    Args:
        job: what to do.
        scratch: a folder that the process sees under the same path.
        progress: told what the process tells.
        log: given what else it says.
        launcher: the words before `-m training.run`; none means this installation's Python.

    Returns:
        What the job was computed with: `device` and `process_count`.

    Raises:
        MissingDependencyError: the launcher is not there.
        GaitworksError: the job ended with an error or was killed; the message is the job's own.
    """
    return _run(job, scratch, JobListener(progress, log), launcher, {})


def _run(
    job: "Job",
    scratch: Path,
    listener: JobListener,
    launcher: Sequence[str],
    options: Mapping[str, str],
) -> Event:
    data = canonical_json(job.model_dump(mode="json"))
    path = scratch / "jobs" / f"{job.kind}-{sha256_bytes(data)[:16]}.json"
    write_bytes_atomic(path, data)
    command = [*_find_launcher(launcher), "-m", "training.run", str(path)]
    command += [word for option in options.items() for word in option]
    error_log = path.with_suffix(".stderr.log")
    with error_log.open("wb") as stderr:
        code = _follow(command, stderr.fileno(), listener)
    if code == 0 and listener.done is not None and not listener.error:
        return listener.done
    if listener.error:
        raise _rebuild_error(code, listener.error)
    raise _explain_silence(code, error_log)


def _find_launcher(launcher: Sequence[str]) -> list[str]:
    if not launcher:
        return [sys.executable]
    # `torchrun` stands beside our Python, also where nobody has activated the environment.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which(launcher[0], path=places)
    if program is None:
        raise MissingDependencyError(
            "the launcher is not there",
            where="runtime in params.yaml",
            expected="a program on PATH, or the path of one",
            found=launcher[0],
        )
    return [program, *launcher[1:]]


def _follow(command: Sequence[str], stderr: int, listener: JobListener) -> int:
    """Run a command, let `listener` hear each line, and return the exit code."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,  # ssh would take what is meant for us
        stdout=subprocess.PIPE,
        stderr=stderr,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None  # a pipe was asked for
        try:
            while line := process.stdout.readline(_LONGEST_LINE):
                listener.hear(line)
            return process.wait()
        except BaseException:
            # Ctrl-C, or "Terminate" in the UI, which reaches this process only.
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, as `torchrun` needs it to take its own along; insist in the end."""
    process.terminate()
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _rebuild_error(code: int, error: Event) -> GaitworksError:
    names = ("where", "expected", "found", "fix")
    details = {name: str(error[name]) for name in names if name in error}
    said = error.get("exit_code")  # a launcher may have an exit code of its own
    return error_from_exit_code(said if isinstance(said, int) else code, error["what"], details)


def _explain_silence(code: int, error_log: Path) -> GaitworksError:
    tail = error_log.read_text(errors="replace").strip().splitlines()[-3:]
    # A shell, here or at the other end of a launcher, says 128 + n of a process killed by signal n.
    number = -code if code < 0 else code - 128
    died = f"killed by signal {number}" if number in signal.valid_signals() else f"exit code {code}"
    if number == signal.SIGKILL:
        died += ", as the system does where memory has run out"
    return GaitworksError(
        "the training process ended without a word",
        where=error_log,
        found=f"{died}; last lines: {' / '.join(tail) or 'none'}",
        fix="run again: training goes on from its last checkpoint",
    )
