"""All accepted recordings of one intake batch: in parallel, resumable, each with a verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import polars as pl

from transforms.errors import InputError
from transforms.extract.cache import extraction_key, read_entry, read_verdict, write_entry
from transforms.extract.recording import RecordingResult, extract_recording
from transforms.extract.registry import build_backends, check_backend_names
from transforms.extract.tables import ExtractionTables
from transforms.files import sha256_file
from transforms.processes import map_in_processes
from transforms.progress import Progress
from transforms.settings import ExtractionSettings

_Row = dict[str, Any]  # `Any`: one row of a table, columns of several types


@dataclass(frozen=True)
class ExtractionSummary:
    """What one run did.

    Attributes:
        recordings: recordings taken up.
        reused: of these, those whose finished result was already there.
        computed: the others.
        verdicts: number of recordings by verdict.
    """

    recordings: int
    reused: int
    computed: int
    verdicts: dict[str, int]


@dataclass(frozen=True)
class _Task:
    key: str
    video: Path
    videos: Path
    video_sha256: str
    cache_root: Path
    settings: ExtractionSettings


@dataclass(frozen=True)
class _Outcome:
    verdict: str
    is_reused: bool
    uncached: RecordingResult | None  # failures that lie with the moment, not with the video


def extract_batch(
    intake_dir: Path,
    videos: Path,
    settings: ExtractionSettings,
    cache_root: Path,
    output: Path,
    *,
    worker_count: int,
    progress: Progress,
) -> ExtractionSummary:
    """Extract every accepted recording of a batch into the five tables.

    A recording that cannot be extracted gets a verdict, and the others go on. Finished recordings
    are kept in the cache as they finish, so that a run after an interruption redoes none of them.

    Args:
        intake_dir: the batch's intake tables.
        videos: the folder that the recordings' `file` column is relative to.
        settings: backends and thresholds.
        cache_root: where finished results are kept; its caller is the only writer.
        output: an existing empty directory.
        worker_count: processes; does not change the result.
        progress: told of every finished recording.

    Raises:
        SettingsError: a backend's name is unknown.
        MissingDependencyError: a backend is not installed.
        InputError: the intake tables hold no column or value they must hold.
        GaitworksError: a worker process died.
    """
    check_backend_names(settings)
    recordings = _read_accepted(intake_dir)
    tasks = {
        row["recording_id"]: _Task(
            key=extraction_key(row["video_sha256"], settings),
            video=videos / row["file"],
            videos=videos,
            video_sha256=row["video_sha256"],
            cache_root=cache_root,
            settings=settings,
        )
        for row in recordings
    }
    outcomes = _extract_all(tasks, worker_count, progress)
    tables = ExtractionTables()
    verdicts: dict[str, int] = {}
    for row, key, result in _collect(recordings, tasks, outcomes):
        verdicts[result.verdict] = verdicts.get(result.verdict, 0) + 1
        tables.add(row, key, result)
    tables.write(output)
    reused = sum(outcomes[tasks[row["recording_id"]].key].is_reused for row in recordings)
    return ExtractionSummary(len(recordings), reused, len(recordings) - reused, verdicts)


def _read_accepted(intake_dir: Path) -> list[_Row]:
    table = pl.read_parquet(intake_dir / "recordings.parquet")
    accepted = table.filter(pl.col("verdict") == "accepted").sort("recording_id")
    for column in ("label", "fps", "video_sha256"):
        missing = accepted.filter(pl.col(column).is_null())["recording_id"].to_list()
        if missing:
            raise InputError(
                f"accepted recordings without {column}",
                where=intake_dir / "recordings.parquet",
                found=", ".join(missing[:5]),
                fix="take the batch in again",
            )
    return accepted.to_dicts()


def _extract_all(
    tasks: dict[str, _Task], worker_count: int, progress: Progress
) -> dict[str, _Outcome]:
    """Bring every distinct video into the cache; the same video twice is worked on once."""
    named: dict[str, list[str]] = {}
    for recording_id, task in tasks.items():
        named.setdefault(task.key, []).append(recording_id)
    distinct = {task.key: task for task in tasks.values()}
    outcomes: dict[str, _Outcome] = {}

    def note(key: str, outcome: _Outcome) -> None:
        outcomes[key] = outcome
        source = "reused" if outcome.is_reused else "extracted"
        for recording_id in named[key]:
            progress.advance(1, note=f"{recording_id}: {outcome.verdict} ({source})")

    progress.start("extract recordings", len(tasks))
    open_tasks = []
    for key, task in distinct.items():
        verdict = read_verdict(task.cache_root, key)
        if verdict is None:
            open_tasks.append(task)
        else:
            note(key, _Outcome(verdict, True, None))
    for position, outcome in map_in_processes(_run_task, open_tasks, worker_count=worker_count):
        note(open_tasks[position].key, outcome)
    return outcomes


def _run_task(task: _Task) -> _Outcome:
    """Bring one video into the cache; runs in a worker process."""
    problem = _check_file(task)
    if problem is not None:
        return _Outcome("failed", False, problem)
    backends = build_backends(task.settings)
    threads = cv2.getNumThreads()
    # Workers share the cores; OpenCV's own threads would only fight.
    cv2.setNumThreads(1)
    try:
        result = extract_recording(task.video, task.settings, backends)
    except (MemoryError, OSError, ValueError, ArithmeticError, cv2.error) as error:
        text = f"{type(error).__name__}: {error}"
        return _Outcome("failed", False, _fail("extraction_error", text))
    finally:
        cv2.setNumThreads(threads)
    write_entry(task.cache_root, task.key, result)
    return _Outcome(result.verdict, False, None)


def _check_file(task: _Task) -> RecordingResult | None:
    """Make sure that the video is still the one that was taken in."""
    try:
        if not task.video.resolve().is_relative_to(task.videos.resolve()):
            return _fail("outside_videos", "the file lies outside the batch's videos folder")
        if sha256_file(task.video) != task.video_sha256:
            return _fail("video_changed", "the video is not the one that was taken in")
    except OSError as error:
        return _fail("missing_file", f"the video cannot be read: {error.strerror}")
    return None


def _fail(code: str, reason: str) -> RecordingResult:
    return RecordingResult(verdict="failed", reason_code=code, reason=reason)


def _collect(
    recordings: Sequence[_Row], tasks: dict[str, _Task], outcomes: dict[str, _Outcome]
) -> Iterator[tuple[_Row, str, RecordingResult]]:
    """Yield each recording with its key and result, one in memory at a time."""
    for row in recordings:
        task = tasks[row["recording_id"]]
        result = outcomes[task.key].uncached or read_entry(task.cache_root, task.key)
        if result is None:  # damaged since it was written
            again = _run_task(task)
            result = again.uncached or read_entry(task.cache_root, task.key)
        if result is None:
            result = _fail("extraction_error", "the finished result cannot be read back")
        yield row, task.key, result
