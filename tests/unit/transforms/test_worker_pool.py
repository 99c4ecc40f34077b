import os
import signal

import pytest

from transforms.errors import GaitworksError
from transforms.processes import map_in_processes


def square(value: int) -> int:
    return value * value


def die(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_one_worker_keeps_the_order_and_starts_no_process() -> None:
    assert list(map_in_processes(square, [1, 2, 3], worker_count=1)) == [(0, 1), (1, 4), (2, 9)]


@pytest.mark.slow
def test_two_workers_give_every_result_with_its_position() -> None:
    assert sorted(map_in_processes(square, [1, 2, 3], worker_count=2)) == [(0, 1), (1, 4), (2, 9)]


@pytest.mark.slow
def test_a_killed_worker_is_a_clear_error() -> None:
    with pytest.raises(GaitworksError, match="worker process died"):
        list(map_in_processes(die, [1, 2, 3], worker_count=2))
