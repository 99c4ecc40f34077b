"""A file that hangs or crashes its reader costs only itself."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path, PosixPath

import pytest

from transforms import worker_pool
from transforms.errors import GaitworksError
from transforms.intake.probe_workers import probe_videos
from transforms.settings import IntakeSettings

WriteVideo = Callable[..., Path]

pytestmark = pytest.mark.slow


class _HangsItsReader(PosixPath):
    """A path that keeps whoever receives it busy, as a malicious video would."""

    def __reduce__(self) -> tuple[object, ...]:
        return time.sleep, (3600,)


class _CrashesItsReader(PosixPath):
    """A path that ends the process of whoever receives it, as a decoder's bug would."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (11,)


def test_hanging_and_crashing_files_cost_only_themselves(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    good = [write_video(tmp_path / f"{index}.mp4", seed=index) for index in range(3)]
    paths = [good[0], _HangsItsReader("x"), good[1], _CrashesItsReader("y"), good[2]]
    hasty = settings.model_copy(update={"probe_timeout_s": 3.0})
    results = dict(probe_videos(paths, hasty, worker_count=2))
    codes = [[fault.code for fault in results[index].faults] for index in range(5)]
    assert codes == [[], ["probe_timeout"], [], ["probe_failed"], []]
    assert all(results[index].facts.frame_count == 6 for index in (0, 2, 4))
    assert multiprocessing.active_children() == []


def test_a_file_that_needs_too_much_memory_is_refused(
    tmp_path: Path, write_video: WriteVideo, settings: IntakeSettings
) -> None:
    path = write_video(tmp_path / "a.mp4")
    limits = {"worker_count": 1, "memory_bytes": 2**20}
    ((_, result),) = probe_videos([path], settings, **limits)
    assert [fault.code for fault in result.faults] == ["probe_failed"]


def test_a_worker_that_does_not_start_is_no_fault_of_the_file(
    tmp_path: Path, settings: IntakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "_START_LIMIT_S", 0.0)
    with pytest.raises(GaitworksError, match="does not start"):
        list(probe_videos([tmp_path], settings, worker_count=1))
    assert multiprocessing.active_children() == []


def test_no_videos_need_no_worker(settings: IntakeSettings) -> None:
    assert list(probe_videos([], settings, worker_count=2)) == []
