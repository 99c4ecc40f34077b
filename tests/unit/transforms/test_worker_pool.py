import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from transforms.errors import GaitworksError, InputError
from transforms.worker_pool import Limits, Lost, map_in_processes, map_in_workers


def square(value: int) -> int:
    return value * value


def die(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def misbehave(task: tuple[str, str]) -> str:
    kind, text = task
    if kind == "hang":
        time.sleep(3600)
    if kind == "die":
        os._exit(11)
    if kind == "die once":
        marker = Path(text)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "refuse":
        raise InputError("no", where=text)
    return kind


def limit(task: tuple[str, str]) -> float:
    return 1.0 if task[0] == "hang" else 60.0


def test_one_worker_keeps_the_order_and_starts_no_process() -> None:
    assert list(map_in_processes(square, [1, 2, 3], worker_count=1)) == [(0, 1), (1, 4), (2, 9)]


@pytest.mark.slow
def test_two_workers_give_every_result_with_its_position() -> None:
    assert sorted(map_in_processes(square, [1, 2, 3], worker_count=2)) == [(0, 1), (1, 4), (2, 9)]


@pytest.mark.slow
def test_a_killed_worker_is_a_clear_error() -> None:
    with pytest.raises(GaitworksError, match="worker process died"):
        list(map_in_processes(die, [1, 2, 3], worker_count=2))


@pytest.mark.slow
def test_a_lost_worker_costs_its_item_and_a_second_try_may_save_it(tmp_path: Path) -> None:
    tasks = [("fine", ""), ("die once", str(tmp_path / "marker")), ("die", ""), ("hang", "")]
    limits = Limits[tuple[str, str]](time_s=limit, attempts=2)
    results = dict(map_in_workers(misbehave, tasks, worker_count=2, limits=limits))
    assert results == {
        0: "fine",
        1: "die once",
        2: Lost("died", 11, 2),
        3: Lost("timeout", -signal.SIGKILL, 2),
    }
    assert multiprocessing.active_children() == []


def touch(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.slow
def test_a_worker_goes_on_while_its_result_is_looked_at(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    results = map_in_workers(touch, [first, second], worker_count=1, limits=Limits())
    assert next(results) == (0, first)
    deadline = time.monotonic() + 30
    while not second.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert second.exists()
    assert list(results) == [(1, second)]


@pytest.mark.slow
def test_an_error_in_a_worker_is_raised_here_with_its_details() -> None:
    with pytest.raises(InputError, match="row 7"):
        list(map_in_workers(misbehave, [("refuse", "row 7")] * 2, worker_count=2, limits=Limits()))
    assert multiprocessing.active_children() == []
