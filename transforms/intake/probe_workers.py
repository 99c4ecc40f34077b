"""Probing many videos in processes that a bad file can hang or crash without harm."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from transforms.intake.probe import Fault, ProbeResult, inspect_video
from transforms.settings import IntakeSettings
from transforms.worker_pool import Limits, Lost, map_in_workers

_MEMORY_BYTES: Final = 4 * 2**30

# Hashing reads the whole file: on a slow disk a large one needs its time and does not hang.
_SLOWEST_BYTES_PER_S: Final = 10 * 2**20


def probe_videos(
    paths: Sequence[Path],
    settings: IntakeSettings,
    *,
    worker_count: int,
    memory_bytes: int = _MEMORY_BYTES,
) -> Iterator[tuple[int, ProbeResult]]:
    """Yield `(position, result)` for every path as workers finish, in any order.

    A file whose reader hangs is refused as `probe_timeout`, one that crashes it as `probe_failed`.

    Raises:
        GaitworksError: workers do not even start.
    """
    limits = Limits[Path](
        time_s=partial(_allow_time, settings=settings), memory_bytes=memory_bytes, preload=("av",)
    )
    for position, result in map_in_workers(
        partial(inspect_video, settings=settings), paths, worker_count=worker_count, limits=limits
    ):
        yield position, _judge_loss(result, settings) if isinstance(result, Lost) else result


def _allow_time(path: Path, settings: IntakeSettings) -> float:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    return settings.probe_timeout_s + min(size, settings.max_video_bytes) / _SLOWEST_BYTES_PER_S


def _judge_loss(lost: Lost, settings: IntakeSettings) -> ProbeResult:
    if lost.cause == "died":
        fault = Fault("probe_failed", "reading it crashes the reader", "a readable video")
    else:
        expected = f"an answer within {settings.probe_timeout_s:g} s"
        fault = Fault("probe_timeout", "reading it takes too long", expected)
    return ProbeResult(faults=(fault,))
