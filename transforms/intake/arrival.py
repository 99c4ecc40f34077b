"""Tell from the outside whether a batch under `raw/` has arrived, without opening a video.

Whoever watches the folder asks again and again, so this reads two tables and the names and sizes
of files. Whether rows and videos are right is judged at intake.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transforms.files import canonical_json, sha256_bytes
from transforms.intake.probe import Fault
from transforms.intake.problems import is_warning, show_value
from transforms.intake.rules import check_references
from transforms.intake.tables import (
    LINE,
    PARTICIPANT_COLUMNS,
    RECORDING_COLUMNS,
    TextTable,
    check_cells,
    read_table,
)
from transforms.intake.videos import locate_video

_TABLES: Final = (
    ("participants.csv", PARTICIPANT_COLUMNS),
    ("recordings.csv", RECORDING_COLUMNS),
)
_SHOWN: Final = 3


@dataclass(frozen=True)
class Arrival:
    """How far a batch has come.

    Attributes:
        missing: what is not there yet, a phrase each; nothing means that the batch is complete.
        faults: why intake could take nothing of it, as it is; a sentence each.
        recordings: rows of `recordings.csv`.
        files: regular files in the folder.
        total_bytes: of these files.
        fingerprint: changes when a file appears, vanishes, or has another size or time.
    """

    missing: tuple[str, ...]
    faults: tuple[str, ...]
    recordings: int
    files: int
    total_bytes: int
    fingerprint: str

    @property
    def is_ready(self) -> bool:
        """Complete and fit for intake; whether it still changes, only a second look can tell."""
        return not self.missing and not self.faults


def look_at_batch(batch: Path) -> Arrival:
    """Return how far the batch in this folder has come; nothing is raised for what is in it."""
    fingerprint, sizes = fingerprint_folder(batch)
    absent = [name for name, _ in _TABLES if not (batch / name).is_file()]
    people, takes = (read_table(batch / name, columns) for name, columns in _TABLES)
    missing = [f"{name} (copy it last)" for name in absent]
    faults: list[str] = []
    if not absent:
        missing += _missing_videos(batch / "videos", takes)
        faults += [*people.faults, *takes.faults]
        faults += [] if faults else _usable_rows(people, takes)
    # A batch's name follows the rule of a recording's.
    if not all(rule.accepts(batch.name) for rule in RECORDING_COLUMNS[0].rules):
        faults.append(f"the folder's name {show_value(batch.name)!r} is not letters, digits, -_")
    if (batch / "videos").is_symlink():
        faults.append("videos/ is a link; link the whole batch folder instead")
    return Arrival(
        missing=tuple(missing),
        faults=tuple(faults),
        recordings=takes.frame.height,
        files=len(sizes),
        total_bytes=sum(sizes),
        fingerprint=fingerprint,
    )


def fingerprint_folder(path: Path) -> tuple[str, list[int]]:
    """Return a hash over names, sizes and times of the files in `path`, and their sizes.

    No file is opened. A path that is one file counts as a folder with it; one that is not there as
    an empty folder. Links count by themselves and are not followed.
    """
    names = [path] if path.is_file() else sorted(_walk(path))
    entries, sizes = [], []
    for name in names:
        try:
            status = name.lstat()
        except OSError:  # it vanished between listing and looking
            continue
        relative = os.fsencode(name.relative_to(path)).hex()
        entries.append([relative, status.st_size, status.st_mtime_ns])
        sizes.append(status.st_size)
    return sha256_bytes(canonical_json(entries)), sizes


def _walk(folder: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(folder) for name in names]


def _missing_videos(videos: Path, takes: TextTable) -> list[str]:
    files = sorted(set(takes.frame["file"]) - {""}) if takes.frame.height else []
    absent = []
    for file in files:
        place = locate_video(videos, file)
        is_absent = isinstance(place, Fault) and place.code == "missing_file"
        if is_absent or (isinstance(place, Path) and place.stat().st_size == 0):
            absent.append(show_value(file))
    if not absent:
        return []
    more = ", …" if len(absent) > _SHOWN else ""
    return [f"{len(absent)} of {len(files)} videos ({', '.join(absent[:_SHOWN])}{more})"]


def _usable_rows(people: TextTable, takes: TextTable) -> list[str]:
    """Return why no recording could be accepted, if so."""
    refused = {}
    for table, columns in ((people, PARTICIPANT_COLUMNS), (takes, RECORDING_COLUMNS)):
        problems = [*table.problems, *check_cells(table, columns)]
        if table is takes:
            problems += check_references(takes.frame, people.frame)
        lines = {p.row: p for p in problems if p.row is not None and not is_warning(p.code)}
        refused[table.file] = lines
        if all(line in lines for line in table.frame[LINE]):
            first = next(iter(lines.values()), None)
            said = f"; the first: line {first.row}, {first.message}" if first else ""
            return [f"{table.file}: no row can be used{said}"]
    return []
