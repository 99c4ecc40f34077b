"""What a change between two releases asks of the version number `YYYY.M.patch`.

Within one `YYYY.M`, whatever was there stays: results of its releases can be compared with each
other. Additions and better words raise the patch; what takes away or alters begins a new `YYYY.M`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_VERSION: Final = re.compile(r"(20\d\d)\.(1[0-2]|[1-9])\.(0|[1-9]\d{0,8})")
_LAST_MONTH: Final = 12


class Level(StrEnum):
    """How much a change matters to somebody who uses the older release."""

    NONE = "none"
    PATCH = "patch"  # words, metrics, lineage: the data are the same
    MINOR = "minor"  # more data or better notes about them; what was there is as it was
    MAJOR = "major"  # results on the older release can't be compared any more, or programs break


_ORDER: Final = tuple(Level)


@dataclass(frozen=True)
class Verdict:
    """Whether a version number says what changed.

    Attributes:
        is_honoured: False if the number promises more than holds.
        part: the part that has to move: `YYYY.M`, `patch` or nothing.
        needs: the versions that would do.
    """

    is_honoured: bool
    part: str
    needs: str


def highest(levels: list[Level]) -> Level:
    """Return the level of several changes together."""
    return max(levels, key=_ORDER.index, default=Level.NONE)


def judge_version(older: str, newer: str, level: Level) -> Verdict:
    """Tell whether `newer` may be the number of a release with changes of `level` since `older`."""
    before, after = _parse(older), _parse(newer)
    if before is None or after is None:
        return Verdict(False, "", "version numbers of the form YYYY.M.patch in both releases")
    year, month, patch = before
    if level is Level.NONE:
        return Verdict(after >= before, "", f"{older} or later")
    if level is Level.MAJOR:
        following = (year + 1, 1) if month == _LAST_MONTH else (year, month + 1)
        needs = f"a new YYYY.M: {following[0]}.{following[1]}.0 or later"
        return Verdict(after[:2] > before[:2], "YYYY.M", needs)
    return Verdict(after > before, "patch", f"{year}.{month}.{patch + 1} or later")


def _parse(version: str) -> tuple[int, int, int] | None:
    found = _VERSION.fullmatch(version)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))
