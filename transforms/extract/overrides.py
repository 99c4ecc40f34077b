"""A person's word on a recording: `overrides.csv`, an append-only ledger that wins over the gates.

Each row accepts or rejects one recording, with who says so and why; of several rows for one
recording the last counts. A row may also name the participant's track where the rule was not sure.
"""

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from transforms.errors import InputError
from transforms.extract.result import ACCEPTED, QUARANTINED, REJECTED, RecordingResult, settle

OVERRIDES_NAME: Final = "overrides.csv"
OVERRIDDEN: Final = "rejected_by_a_person"
COLUMNS: Final = ("recording_id", "decision", "track_id", "name", "reason")

_TRACK: Final = re.compile(r"[0-9]{1,4}@[0-9a-f]{8}", re.ASCII)
_MAX_BYTES: Final = 8 * 2**20
_MAX_TEXT: Final = 500


@dataclass(frozen=True)
class Override:
    """What one person decided about one recording."""

    decision: Literal["accept", "reject"]
    name: str
    reason: str
    track_id: str | None = None  # `N@TRACKS_ID`


def read_overrides(path: Path, recordings: Collection[str]) -> Mapping[str, Override]:
    """Read a ledger; a file that does not exist holds no rows.

    Args:
        path: `overrides.csv` of one intake batch.
        recordings: the ids of the batch.

    Raises:
        InputError: the file is not such a table; every bad row is named. A ledger that is half
            right is not applied by halves.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(
            "the override ledger is a link or no file", where=path, fix="put the file itself there"
        )
    if not path.exists():
        return {}
    rows = _read_rows(path)
    overrides: dict[str, Override] = {}
    problems = []
    for line, row in rows:
        problem = _find_problem(row, recordings)
        if problem:
            problems.append(f"line {line}: {problem}")
            continue
        track = row["track_id"].strip()
        overrides[row["recording_id"].strip()] = Override(
            decision="accept" if row["decision"].strip() == "accept" else "reject",
            name=row["name"].strip(),
            reason=row["reason"].strip(),
            track_id=track or None,
        )
    if problems:
        shown = "\n  ".join(problems[:20])
        raise InputError(
            f"{len(problems)} row(s) of the override ledger are not allowed:\n  {shown}\n",
            where=path,
            fix="correct the rows; nothing of the ledger was applied",
        )
    return overrides


def apply_override(result: RecordingResult, override: Override | None) -> RecordingResult:
    """Let the verdict take effect, a person's before the gates'.

    Nobody can accept what is not there: a recording without usable frames, or without a chosen
    track, stays what it was and says why.
    """
    if override is None:
        return settle(result)
    said = f"{override.name}: {override.reason}"
    if override.decision == "reject":
        return settle(replace(result, verdict=REJECTED, reason_code=OVERRIDDEN, reason=said))
    if result.verdict == REJECTED and len(result.kept_frames):
        return replace(result, verdict=ACCEPTED, reason_code=None, reason=None)
    if result.verdict == ACCEPTED:
        return result
    missing = " (no track_id)" if result.verdict == QUARANTINED and not override.track_id else ""
    reason = f"{result.reason}; accepted by {said}, without effect{missing}"
    return settle(replace(result, reason=reason))


def is_track(text: str) -> bool:
    """Return whether a text can name a track, as `N@TRACKS_ID`."""
    return bool(_TRACK.fullmatch(text))


def _read_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    # `Any`: csv gives None for missing cells and a list for superfluous ones.
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(
            "the override ledger is too large",
            where=path,
            expected="under 8 MiB",
            fix="keep decisions only",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the override ledger is not UTF-8 text", where=path, found=error, fix="save as UTF-8"
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(
                "the override ledger has other columns",
                where=path,
                expected=", ".join(COLUMNS),
                found=", ".join(reader.fieldnames or ("nothing",)),
            )
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError("the override ledger is not CSV", where=path, found=error) from error


def _find_problem(row: Mapping[str, Any], recordings: Collection[str]) -> str | None:
    if None in row or any(row[column] is None for column in COLUMNS):
        return f"expected {len(COLUMNS)} cells"
    cells = {column: str(row[column]).strip() for column in COLUMNS}
    if cells["recording_id"] not in recordings:
        return f"no recording {cells['recording_id']!r} in this batch"
    if cells["decision"] not in ("accept", "reject"):
        return f"expected the decision accept or reject, found {cells['decision']!r}"
    if not cells["name"] or not cells["reason"]:
        return "a decision needs a name and a reason"
    if max(len(cells["name"]), len(cells["reason"])) > _MAX_TEXT:
        return f"expected at most {_MAX_TEXT} characters in a cell"
    if cells["track_id"] and not is_track(cells["track_id"]):
        return (
            "expected a track as the contact sheet writes it, such as 1@3f9c0a12, or nothing, "
            f"found {cells['track_id'][:40]!r}"
        )
    if cells["track_id"] and cells["decision"] == "reject":
        return "a track goes with accept only"
    return None
