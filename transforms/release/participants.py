"""A release's participants: pseudonym, label and binned demographics, in the form of BIDS.

Exact age, height and weight together single people out, so each is given as a half-open interval;
the site is left out.
"""

import math
from typing import Any, Final

import polars as pl

AGE_BIN_YEARS: Final = 2
HEIGHT_BIN_CM: Final = 5
WEIGHT_BIN_KG: Final = 5
_OLDEST_YEARS: Final = 90  # ages above are one group, as HIPAA's Safe Harbor asks
_MISSING: Final = "n/a"  # BIDS' word for it
_BINS: Final = {
    "age_years": AGE_BIN_YEARS,
    "height_cm": HEIGHT_BIN_CM,
    "weight_kg": WEIGHT_BIN_KG,
}


def bin_value(value: float | None, width: int) -> str:
    """Return the half-open interval `[low,high)` of a measure, `n/a` for None.

    Raises:
        ValueError: the measure is not a finite number.
    """
    if value is None:
        return _MISSING
    low = math.floor(value / width) * width
    return f"[{low},{low + width})"


def bin_age(age_years: float | None) -> str:
    """Return the interval of an age; all from 90 on are `[90,inf)`."""
    if age_years is not None and age_years >= _OLDEST_YEARS:
        return f"[{_OLDEST_YEARS},inf)"
    return bin_value(age_years, AGE_BIN_YEARS)


def encode_participants(participants: pl.DataFrame) -> bytes:
    """Return `participants.tsv`: one row per participant, sorted, all demographics binned.

    Args:
        participants: schema `PARTICIPANTS`.
    """
    lines = ["\t".join(PARTICIPANT_COLUMNS)]
    for row in participants.sort("participant_id").iter_rows(named=True):
        cells = [
            row["participant_id"],
            row["label"],
            row["sex"] or _MISSING,
            bin_age(row["age_years"]),
            bin_value(row["height_cm"], HEIGHT_BIN_CM),
            bin_value(row["weight_kg"], WEIGHT_BIN_KG),
        ]
        lines.append("\t".join(cells))
    return ("\n".join(lines) + "\n").encode()


PARTICIPANT_COLUMNS: Final[dict[str, str]] = {
    "participant_id": "pseudonym; joins with `participant_id` of all other tables",
    "label": "diagnosis of the participant and so of all their sequences",
    "sex": "F or M",
    "age_years": f"age in years as an interval [low,high) of {AGE_BIN_YEARS}",
    "height_cm": f"stature in cm as an interval [low,high) of {HEIGHT_BIN_CM}",
    "weight_kg": f"weight in kg as an interval [low,high) of {WEIGHT_BIN_KG}",
}


def describe_columns() -> dict[str, Any]:
    """Return `participants.json`, the BIDS sidecar that says what the columns are."""
    described: dict[str, Any] = {
        name: {"Description": text} for name, text in PARTICIPANT_COLUMNS.items()
    }
    for name, width in _BINS.items():
        described[name]["Units"] = name.rsplit("_", 1)[1]
        described[name]["BinWidth"] = width
    return described
