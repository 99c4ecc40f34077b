"""Extraction's tasks on a Ray cluster, whose nodes see the workspace under the same path.

RAY_ADDRESS names the cluster; without it a local one is started and stopped. Ray itself tries a
task again elsewhere when its worker or node dies; the cache keeps what was finished from being done
twice.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final

from transforms.errors import GaitworksError, MissingDependencyError, SettingsError
from transforms.extract.task import Outcome, Task, run_task
from transforms.worker_pool import Lost

_CONNECT_LIMIT_S: Final = 5.0


def run_on_ray(tasks: Sequence[Task], *, attempts: int) -> Iterator[tuple[int, Outcome | Lost]]:
    """Yield `(position, outcome)` as tasks finish, in any order.

    Raises:
        MissingDependencyError: Ray is not installed.
        GaitworksError: the cluster can't be reached.
    """
    if not tasks:
        return
    ray = _import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(ray)
    try:
        yield from _run(ray, tasks, attempts)
    finally:
        if is_ours:
            ray.shutdown()


def _import_ray() -> Any:
    # `Any`: the module of an optional dependency.
    if find_spec("ray") is None:
        raise MissingDependencyError(
            "extraction on a cluster needs Ray, which is not installed",
            where="runtime.extraction_engine",
            fix='run `pip install -e ".[ray]"`, or set runtime.extraction_engine to local',
        )
    # No report of how Ray is used leaves this machine.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    return ray


def _connect(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _require_answer(address)
    where: dict[str, Any] = (
        {"address": address}
        if address
        else {"address": "local", "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    )
    try:
        ray.init(**where, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unreachable(address or "a cluster on this machine", error) from error


def _require_answer(address: str) -> None:
    """Make sure that somebody listens there: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # `auto` and the like, which Ray resolves
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_LIMIT_S).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(where: str, error: Exception) -> GaitworksError:
    return GaitworksError(
        "the Ray cluster can't be reached",
        where=where,
        found=error,
        fix="start it with `ray start --head`, and let RAY_ADDRESS name it",
    )


def _run(ray: Any, tasks: Sequence[Task], attempts: int) -> Iterator[tuple[int, Outcome | Lost]]:
    options: dict[str, Any] = {"num_cpus": 1, "max_retries": attempts - 1}
    if tasks[0].resources.device == "cuda":
        if not ray.cluster_resources().get("GPU", 0):
            raise SettingsError(
                "the Ray cluster has no GPU",
                where="runtime.device",
                found="cuda",
                fix="add a node with a GPU, or set runtime.device to cpu",
            )
        options["num_gpus"] = 1
    remote = ray.remote(**options)(run_task)
    pending = {remote.remote(task): position for position, task in enumerate(tasks)}
    while pending:
        done, _ = ray.wait(list(pending), num_returns=1)
        for reference in done:
            position = pending.pop(reference)
            try:
                yield position, ray.get(reference)
            except (
                ray.exceptions.WorkerCrashedError,
                ray.exceptions.NodeDiedError,
                ray.exceptions.OutOfMemoryError,
                ray.exceptions.ObjectLostError,
                ray.exceptions.LocalRayletDiedError,
            ):
                yield position, Lost("died", None, attempts)
