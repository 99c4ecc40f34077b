"""A release's participants: pseudonym, label and binned demographics, in the form of BIDS.

Exact age, height and weight together single people out, so each is given as a half-open interval;
the site is left out. Ids stay as in all other tables, which join on them, without BIDS' `sub-`.
"""

import math
from typing import Any, Final

import polars as pl
import pyarrow as pa

from transforms.labels import SCOLIOSIS, LabelScheme
from transforms.release.label_words import find_label_words

AGE_BIN_YEARS: Final = 2
HEIGHT_BIN_CM: Final = 5
WEIGHT_BIN_KG: Final = 5
_OLDEST_YEARS: Final = 90  # ages above are one group, as HIPAA's Safe Harbor asks
QUASI_IDENTIFIERS: Final = ("sex", "age_years", "height_cm", "weight_kg")
"""The columns that somebody who knows a participant may know of them."""
_MISSING: Final = "n/a"  # BIDS' word for it
_BINS: Final = {
    "age_years": (AGE_BIN_YEARS, "year"),
    "height_cm": (HEIGHT_BIN_CM, "cm"),
    "weight_kg": (WEIGHT_BIN_KG, "kg"),
}


def bin_value(value: float, width: int) -> str:
    """Return the half-open interval `[low,high)` of a measure.

    Raises:
        ValueError: the measure is not a finite number.
    """
    low = math.floor(value / width) * width
    return f"[{low},{low + width})"


def bin_age(age_years: float) -> str:
    """Return the interval of an age; all from 90 on are `[90,inf)`."""
    if age_years >= _OLDEST_YEARS:
        return f"[{_OLDEST_YEARS},inf)"
    return bin_value(age_years, AGE_BIN_YEARS)


def bin_participants(participants: pl.DataFrame) -> pl.DataFrame:
    """Return what leaves of the participants: sorted, all measures as intervals, no site.

    Args:
        participants: schema `PARTICIPANTS`.

    Returns:
        Schema `RELEASED_PARTICIPANTS`.
    """
    rows = []
    for row in participants.sort("participant_id").iter_rows(named=True):
        age, height, weight = row["age_years"], row["height_cm"], row["weight_kg"]
        rows.append(
            {
                "participant_id": row["participant_id"],
                "label": row["label"],
                "sex": row["sex"],
                "age_years": None if age is None else bin_age(age),
                "height_cm": None if height is None else bin_value(height, HEIGHT_BIN_CM),
                "weight_kg": None if weight is None else bin_value(weight, WEIGHT_BIN_KG),
            }
        )
    return pl.DataFrame(rows, schema=dict.fromkeys(PARTICIPANT_COLUMNS, pl.String))


def encode_participants(participants: pl.DataFrame) -> bytes:
    """Return `participants.tsv`: what `bin_participants` returns, `n/a` where it is null.

    Args:
        participants: schema `PARTICIPANTS`.
    """
    lines = ["\t".join(PARTICIPANT_COLUMNS)]
    for row in bin_participants(participants).iter_rows():
        lines.append("\t".join(_MISSING if cell is None else cell for cell in row))
    return ("\n".join(lines) + "\n").encode()


PARTICIPANT_COLUMNS: Final[dict[str, str]] = {
    "participant_id": "pseudonym; joins with `participant_id` of all other tables",
    "label": "diagnosis of the participant and so of all their sequences",
    "sex": "sex of the participant as recorded",
    "age_years": f"age in years as an interval [low,high) of {AGE_BIN_YEARS}; [90,inf) from 90 on",
    "height_cm": f"stature in cm as an interval [low,high) of {HEIGHT_BIN_CM}",
    "weight_kg": f"weight in kg as an interval [low,high) of {WEIGHT_BIN_KG}",
}
RELEASED_PARTICIPANTS: Final = pa.schema(
    [
        pa.field(name, pa.string(), nullable=name not in ("participant_id", "label"))
        for name in PARTICIPANT_COLUMNS
    ]
)


def describe_columns(scheme: LabelScheme = SCOLIOSIS) -> dict[str, Any]:
    """Return `participants.json`, the BIDS sidecar that says what the columns are.

    Args:
        scheme: of the labels.
    """
    levels = {
        "label": find_label_words(scheme).levels,
        "sex": {"F": "female", "M": "male"},
    }
    described: dict[str, Any] = {
        name: {"Description": text} for name, text in PARTICIPANT_COLUMNS.items()
    }
    for name, meanings in levels.items():
        described[name]["Levels"] = meanings
    for name, (width, unit) in _BINS.items():
        described[name]["Units"] = unit
        described[name]["BinWidth"] = width
    return described
