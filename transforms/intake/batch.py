"""A batch folder checked as a whole and taken in: who is in it, which videos are usable, and why.

The single judgements live in `tables`, `rules`, `videos` and `probe`; here they meet.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from transforms.errors import InputError
from transforms.intake.probe import Fault, ProbeResult
from transforms.intake.probe_workers import probe_videos
from transforms.intake.problems import Problem, is_warning, problems_frame, show_value
from transforms.intake.rules import (
    check_participants_are_used,
    check_references,
    check_start_offsets,
    check_sync_groups,
    check_unique_ids,
    show_lines,
)
from transforms.intake.tables import (
    LINE,
    PARTICIPANT_COLUMNS,
    RECORDING_COLUMNS,
    TextTable,
    check_cells,
    find_label_lines,
    participant_columns,
    read_table,
)
from transforms.intake.videos import Claim, find_copies, find_unlisted_files, locate_video
from transforms.labels import SCOLIOSIS, parse_label
from transforms.progress import NoProgress, Progress
from transforms.schemas import PARTICIPANTS, PROBLEMS, RECORDINGS, conform
from transforms.settings import IntakeSettings
from transforms.shards.parquet import write_table

_BATCH_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PARTICIPANTS_CSV: Final = "participants.csv"
_RECORDINGS_CSV: Final = "recordings.csv"
_VIDEOS: Final = "videos"
_NUMBERS: Final = ("age_years", "height_cm", "weight_kg")

# These are faults of what the table says, not of a video: they are shown at the table's cell.
_REFERENCE_FAULTS: Final = frozenset({"outside_videos", "bad_file_name", "missing_file"})

_Row = Mapping[str, Any]  # `Any`: text cells, and an integer under `line`


@dataclass(frozen=True)
class IntakeResult:
    """What a batch holds, by the contracts PARTICIPANTS, RECORDINGS and PROBLEMS."""

    participants: pl.DataFrame
    recordings: pl.DataFrame
    problems: pl.DataFrame


def check_batch(
    batch: Path,
    settings: IntakeSettings,
    *,
    worker_count: int = 1,
    progress: Progress | None = None,
) -> IntakeResult:
    """Check every row of a batch's tables and every video, and say all that is wrong at once.

    A bad row or video is refused with its reason and the rest goes on. The recordings of a
    participant whose row is refused are refused too. Nothing is written.

    Raises:
        InputError: the batch as a whole can't be used (a table is missing, unreadable or lacks
            columns, there is no `videos` folder, the labels are of several kinds of cohorts, or
            the batch folder's name is no id); everything of that kind is named at once.
    """
    participants = read_table(batch / _PARTICIPANTS_CSV, PARTICIPANT_COLUMNS)
    recordings = read_table(batch / _RECORDINGS_CSV, RECORDING_COLUMNS)
    mixed = _find_mixed_labels(participants)
    _refuse_unusable_batch(batch, [*participants.faults, *recordings.faults, *mixed])

    problems = _check_tables(participants, recordings)
    people = _parse_participants(participants.frame, set(_refusals(_PARTICIPANTS_CSV, problems)))
    rows = recordings.frame.sort("recording_id", LINE).to_dicts()
    refusals = _refuse_rows(rows, people, problems)
    files = {row["file"] for row in rows} - {""}
    probed = _probe(batch / _VIDEOS, files, settings, worker_count, progress or NoProgress())
    faults = _gather_faults(rows, refusals, probed)

    labels = dict(people.select("participant_id", "label").iter_rows())
    register = [
        _register_row(batch, row, labels, probed.get(row["file"]), refusals.get(row[LINE]), found)
        for row, found in zip(rows, faults, strict=True)
    ]
    problems += [
        _video_problem(row, fault)
        for row, found in zip(rows, faults, strict=True)
        for fault in found
    ]
    problems += find_unlisted_files(batch / _VIDEOS, files)
    return IntakeResult(people, _frame(register, RECORDINGS), problems_frame(problems))


def take_in_batch(
    batch: Path,
    settings: IntakeSettings,
    output: Path,
    *,
    worker_count: int,
    progress: Progress,
) -> None:
    """Check a batch and write `participants`, `recordings` and `problems` as Parquet.

    Equal batches give equal bytes. `output` must exist; raises as `check_batch` does.
    """
    result = check_batch(batch, settings, worker_count=worker_count, progress=progress)
    for name, frame, schema in (
        ("participants", result.participants, PARTICIPANTS),
        ("recordings", result.recordings, RECORDINGS),
        ("problems", result.problems, PROBLEMS),
    ):
        table = conform(frame, schema, where=f"{name} of {batch.name}")
        write_table(table, output / f"{name}.parquet")


def _refuse_unusable_batch(batch: Path, faults: list[str]) -> None:
    name = batch.absolute().name
    if not _BATCH_ID.fullmatch(name):
        faults.append(f"the folder's name {show_value(name)!r} is not made of letters, digits, -_")
    videos = batch / _VIDEOS
    if videos.is_symlink():
        faults.append("videos/ is a link; link the whole batch folder instead")
    elif not videos.is_dir():
        faults.append("there is no folder videos/")
    if faults:
        raise InputError(
            f"{len(faults)} thing(s) wrong with the batch as a whole:\n  "
            + "\n  ".join(faults)
            + "\n",
            where=batch,
            expected="participants.csv, recordings.csv and videos/",
            fix="mend these; the rows and videos are checked once the tables can be read",
        )


def _find_mixed_labels(participants: TextTable) -> list[str]:
    """Return the fault of a table with diagnoses of several schemes, if it has them."""
    kinds = find_label_lines(participants).values()
    if len(kinds) < 2:
        return []
    told = "; ".join(f"{scheme.name} in {show_lines(lines)}" for scheme, lines in kinds)
    return [f"{_PARTICIPANTS_CSV}: one batch is of one kind of cohort, this one mixes {told}"]


def _check_tables(participants: TextTable, recordings: TextTable) -> list[Problem]:
    people, takes = participants.frame, recordings.frame
    ((scheme, _),) = find_label_lines(participants).values() or ((SCOLIOSIS, []),)
    return [
        *participants.problems,
        *recordings.problems,
        *check_cells(participants, participant_columns(scheme)),
        *check_cells(recordings, RECORDING_COLUMNS),
        *check_unique_ids(_PARTICIPANTS_CSV, people, "participant_id"),
        *check_unique_ids(_RECORDINGS_CSV, takes, "recording_id"),
        *check_references(takes, people),
        *check_participants_are_used(people, takes),
        *check_sync_groups(takes),
        *check_start_offsets(takes),
    ]


def _refusals(file: str, problems: Sequence[Problem]) -> dict[int, list[str]]:
    """Return the codes of the errors in each line of a table that has any."""
    codes: dict[int, list[str]] = {}
    for problem in problems:
        if problem.file == file and problem.row is not None and not is_warning(problem.code):
            codes.setdefault(problem.row, []).append(problem.code)
    return codes


def _parse_participants(frame: pl.DataFrame, refused_lines: set[int]) -> pl.DataFrame:
    good = frame.filter(~pl.col(LINE).is_in(sorted(refused_lines))).drop(LINE)
    empty_as_null = [
        pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in good.columns
    ]
    parsed = good.select(empty_as_null).with_columns(
        *[pl.col(name).cast(pl.Float64) for name in _NUMBERS],
        pl.Series("label", [parse_label(text) for text in good["label"]], dtype=pl.String),
    )
    return parsed.select(PARTICIPANTS.names).sort("participant_id")


def _refuse_rows(
    rows: Sequence[_Row], people: pl.DataFrame, problems: Sequence[Problem]
) -> dict[int, str]:
    """Return by line why a recording's row is refused before its video is looked at."""
    accepted = set(people["participant_id"])
    codes = _refusals(_RECORDINGS_CSV, problems)
    refusals = {}
    for row in rows:
        if row[LINE] in codes:
            refusals[row[LINE]] = f"the row was refused: {', '.join(sorted(codes[row[LINE]]))}"
        elif row["participant_id"] not in accepted:
            refusals[row[LINE]] = "the row of its participant was refused"
    return refusals


def _probe(
    videos: Path,
    files: set[str],
    settings: IntakeSettings,
    worker_count: int,
    progress: Progress,
) -> dict[str, ProbeResult]:
    """Return what each file is; those of refused rows too, so that all faults show at once."""
    results: dict[str, ProbeResult] = {}
    located: dict[str, Path] = {}
    for file in sorted(files):
        place = locate_video(videos, file)
        if isinstance(place, Fault):
            results[file] = ProbeResult(faults=(place,))
        else:
            located[file] = place
    names = list(located)
    progress.start("probing videos", len(names))
    for position, result in probe_videos(
        list(located.values()), settings, worker_count=worker_count
    ):
        results[names[position]] = result
        progress.advance(note=show_value(names[position]))
    return results


def _gather_faults(
    rows: Sequence[_Row], refusals: Mapping[int, str], probed: Mapping[str, ProbeResult]
) -> list[list[Fault]]:
    """Return the faults of each row's video, copies of other recordings' videos included."""
    claims = [
        Claim(row[LINE], row["recording_id"], row["participant_id"], sha256, row[LINE] in refusals)
        for row in rows
        if row["file"] and (sha256 := probed[row["file"]].facts.sha256)
    ]
    copies = find_copies(claims)
    faults = []
    for row in rows:
        found = list(probed[row["file"]].faults) if row["file"] else []
        faults.append(found + ([copies[row[LINE]]] if row[LINE] in copies else []))
    return faults


def _register_row(
    batch: Path,
    row: _Row,
    labels: Mapping[str, str],
    probed: ProbeResult | None,
    refusal: str | None,
    faults: Sequence[Fault],
) -> dict[str, Any]:
    # `Any`: a row of RECORDINGS.
    facts = asdict((probed or ProbeResult()).facts)
    errors = [fault for fault in faults if not is_warning(fault.code)]
    code = "row_refused" if refusal else errors[0].code if errors else None
    reason = refusal or (errors[0].say() if errors else None)
    cells = {name: show_value(row[name]) if refusal else row[name] for name in row if name != LINE}
    if errors and errors[0].code in _REFERENCE_FAULTS:
        cells["file"] = show_value(row["file"])
    return {
        **cells,
        "session": cells["session"] or None,
        "sync_group": cells["sync_group"] or None,
        # The text of a refused row may be anything.
        "start_offset_s": None if refusal else _number(row["start_offset_s"]),
        "batch_id": batch.absolute().name,
        "label": labels.get(row["participant_id"]),
        **{"video_sha256" if name == "sha256" else name: value for name, value in facts.items()},
        "verdict": "rejected" if code else "accepted",
        "reason_code": code,
        "reason": reason,
    }


def _number(text: str) -> float | None:
    return float(text) if text else None


def _video_problem(row: _Row, fault: Fault) -> Problem:
    is_reference = fault.code in _REFERENCE_FAULTS
    file = show_value(row["file"])
    return Problem(
        file=_RECORDINGS_CSV if is_reference else f"{_VIDEOS}/{file}",
        row=row[LINE] if is_reference else None,
        column="file" if is_reference else None,
        value=file if is_reference else fault.found,
        expected=fault.expected,
        code=fault.code,
        message=f"recording {show_value(row['recording_id'])}: {fault.message}",
    )


def _frame(rows: list[dict[str, Any]], schema: pa.Schema) -> pl.DataFrame:
    # Through the contract's own types, so that no rows give the same columns as many.
    return pl.DataFrame(rows, schema=pl.DataFrame(schema.empty_table()).schema, orient="row")
