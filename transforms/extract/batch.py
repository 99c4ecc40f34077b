"""All accepted recordings of one intake batch: in parallel, resumable, each with a verdict."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.describe.recording_sheets import SHEETS_NAME, RecordingSheets
from transforms.errors import InputError
from transforms.extract.cache import extraction_key, read_entry, read_verdict
from transforms.extract.engines import run_tasks
from transforms.extract.overrides import Override, apply_override, read_overrides
from transforms.extract.registry import Resources, check_backends
from transforms.extract.result import RecordingResult, fail
from transforms.extract.tables import ExtractionTables
from transforms.extract.task import Outcome, Task, run_task
from transforms.progress import Progress
from transforms.settings import Engine, ExtractionSettings
from transforms.worker_pool import Lost

_RECORDINGS_NAME: Final = "recordings.parquet"

_Row = dict[str, Any]  # `Any`: one row of a table, columns of several types


@dataclass(frozen=True)
class ExtractionSummary:
    """What one run did.

    Attributes:
        recordings: recordings taken up.
        reused: of these, those whose finished result was already there.
        computed: the others.
        verdicts: number of recordings by verdict.
        overridden: recordings on which a person has decided.
        backends: library, version and device by backend.
        unfinished: recordings that failed for a reason of the moment; another run tries them again.
    """

    recordings: int
    reused: int
    computed: int
    verdicts: dict[str, int]
    overridden: int = 0
    backends: dict[str, str] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """Where a batch lies and what is done with it.

    Attributes:
        intake_dir: the batch's intake tables.
        videos: the folder that the recordings' `file` column is relative to.
        overrides: the ledger of people's decisions; need not exist.
        cache_root: where finished results are kept.
        settings: backends and thresholds.
        resources: weights and devices.
    """

    intake_dir: Path
    videos: Path
    overrides: Path
    cache_root: Path
    settings: ExtractionSettings
    resources: Resources


def extract_batch(
    work: Work,
    output: Path,
    *,
    worker_count: int,
    progress: Progress,
    engine: Engine = "local",
) -> ExtractionSummary:
    """Extract every accepted recording of a batch into its tables and contact sheets.

    A recording that cannot be extracted gets a verdict, and the others go on. Finished recordings
    are kept in the cache as they finish, so that a run after an interruption redoes none of them.

    Args:
        work: the batch.
        output: an existing empty directory.
        worker_count: processes; does not change the result.
        progress: told of every finished recording.
        engine: where the processes run; does not change the result.

    Raises:
        SettingsError: a backend's name is unknown, or its weights are of another kind.
        MissingDependencyError: a backend or its weights are not there.
        IntegrityError: weights are not the registered ones.
        InputError: the intake tables or the overrides hold no column or value they must hold.
    """
    runtimes = check_backends(work.settings, work.resources)
    path = work.intake_dir / _RECORDINGS_NAME
    table = pl.read_parquet(path)
    recordings = _choose_accepted(table, path)
    # Of all recordings: a decision may be about one that intake has refused since.
    overrides = read_overrides(work.overrides, set(table["recording_id"]))
    tasks = {
        row["recording_id"]: _plan(work, row, overrides.get(row["recording_id"]), runtimes)
        for row in recordings
    }
    tables = ExtractionTables()
    sheets = RecordingSheets(work.intake_dir.name)
    verdicts: dict[str, int] = {}
    unfinished: list[str] = []
    reused = 0
    with closing(_extract_all(tasks, worker_count, progress, engine)) as finished:
        # Tables and sheets grow while workers are at the recordings that follow.
        for row, task, outcome in _in_order(recordings, tasks, finished):
            found = _read_result(task, outcome)
            reused += outcome.is_reused
            override = overrides.get(row["recording_id"])
            result = apply_override(found, override)
            if found.is_about_the_moment:
                unfinished.append(row["recording_id"])
            verdicts[result.verdict] = verdicts.get(result.verdict, 0) + 1
            tables.add(row, task.key, result, override)
            sheets.add(row["recording_id"], found, result, override)
    tables.write(output)
    sheets.write(output / SHEETS_NAME)
    decided = sum(row["recording_id"] in overrides for row in recordings)
    return ExtractionSummary(
        recordings=len(recordings),
        reused=reused,
        computed=len(recordings) - reused,
        verdicts=verdicts,
        overridden=decided,
        backends=runtimes,
        unfinished=tuple(unfinished),
    )


def _choose_accepted(table: pl.DataFrame, path: Path) -> list[_Row]:
    accepted = table.filter(pl.col("verdict") == "accepted").sort("recording_id")
    for column in ("label", "fps", "video_sha256"):
        missing = accepted.filter(pl.col(column).is_null())["recording_id"].to_list()
        if missing:
            raise InputError(
                f"accepted recordings without {column}",
                where=path,
                found=", ".join(missing[:5]),
                fix="take the batch in again",
            )
    return accepted.to_dicts()


def _plan(work: Work, row: _Row, override: Override | None, runtimes: Mapping[str, str]) -> Task:
    chosen_track = override.track_id if override else None
    weights = {
        name: {"kind": item.kind, "contract": dict(item.contract), "files": item.hashes()}
        for name, item in (
            ("detector", work.resources.detector_weights),
            ("segmenter", work.resources.segmenter_weights),
        )
        if item is not None
    }
    return Task(
        key=extraction_key(
            row["video_sha256"], work.settings, weights, runtimes, chosen_track=chosen_track
        ),
        video=work.videos / row["file"],
        videos=work.videos,
        video_sha256=row["video_sha256"],
        cache_root=work.cache_root,
        settings=work.settings,
        resources=work.resources,
        chosen_track=chosen_track,
    )


def _extract_all(
    tasks: dict[str, Task], worker_count: int, progress: Progress, engine: Engine
) -> Generator[tuple[str, Outcome], None, None]:
    """Bring every distinct video into the cache and yield its key and outcome as it is there.

    The same video twice is worked on once.
    """
    named: dict[str, list[str]] = {}
    for recording_id, task in tasks.items():
        named.setdefault(task.key, []).append(recording_id)
    distinct = {task.key: task for task in tasks.values()}

    def note(key: str, outcome: Outcome) -> None:
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
            outcome = Outcome(verdict, True, None)
            note(key, outcome)
            yield key, outcome
    with closing(run_tasks(open_tasks, engine=engine, worker_count=worker_count)) as answers:
        for position, answer in answers:
            key, outcome = open_tasks[position].key, _judge_loss(answer)
            note(key, outcome)
            yield key, outcome


def _judge_loss(outcome: Outcome | Lost) -> Outcome:
    if not isinstance(outcome, Lost):
        return outcome
    reason = (
        f"its worker process died {outcome.attempts} times (exit code {outcome.exit_code}): "
        "out of memory, or a defect in a decoder or a model's runtime"
    )
    return Outcome("failed", False, fail("worker_died", reason))


def _in_order(
    recordings: Sequence[_Row], tasks: dict[str, Task], finished: Iterator[tuple[str, Outcome]]
) -> Iterator[tuple[_Row, Task, Outcome]]:
    """Yield each recording with its outcome, in their order, as soon as it can be."""
    outcomes: dict[str, Outcome] = {}
    for row in recordings:
        task = tasks[row["recording_id"]]
        while task.key not in outcomes:
            key, outcome = next(finished)
            outcomes[key] = outcome
        yield row, task, outcomes[task.key]


def _read_result(task: Task, outcome: Outcome) -> RecordingResult:
    result = outcome.uncached or read_entry(task.cache_root, task.key)
    if result is None:  # damaged since it was written
        again = run_task(task)
        result = again.uncached or read_entry(task.cache_root, task.key)
    return result or fail("extraction_error", "the finished result cannot be read back")
