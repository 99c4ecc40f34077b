"""Tables of who is in a dataset (a paper's Table 1) and of who is on which side of its split."""

import math
from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from transforms.describe.split_facts import (
    SIDES,
    minutes_by_side,
    order_variants,
    variant_place,
)
from transforms.labels import SCOLIOSIS, SPINAL_DEFORMITY

# Worst first, as the field prints its tables and ratios.
_ORDER: Final = (*reversed(SCOLIOSIS.diagnoses), *SPINAL_DEFORMITY.diagnoses)
_TOTAL: Final = "all"
_MEASURES: Final = {
    "age_years": "age (years)",
    "height_cm": "height (cm)",
    "weight_kg": "weight (kg)",
}


def describe_cohort(participants: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the cohort's Table 1: one row per class, worst first, and one for all.

    Participants without a sequence are not counted. Measures are texts `mean ± sd` over the
    participants whose value is known (sample standard deviation), empty where none is.

    Args:
        participants: the participants (schema `PARTICIPANTS`).
        index: the sequence index (schema `SEQUENCE_INDEX`).
    """
    people = participants.join(index, on="participant_id", how="semi").sort("participant_id")
    rows = [
        _describe_group(label, people.filter(belongs), index.filter(belongs))
        for label in _ORDER
        for belongs in [pl.col("label") == label]
        if not index.filter(belongs).is_empty()
    ]
    return pl.DataFrame([*rows, _describe_group(_TOTAL, people, index)])


def _describe_group(label: str, people: pl.DataFrame, index: pl.DataFrame) -> dict[str, str | int]:
    sexes = people["sex"]
    unknown = people.height - int(sexes.is_in(["F", "M"]).sum())
    sex = f"{int((sexes == 'F').sum())} F / {int((sexes == 'M').sum())} M"
    return {
        "label": label,
        "participants": people.height,
        "sequences": index.height,
        "frames": int(index["frame_count"].sum()),
        "sex": sex + (f" / {unknown} unknown" if unknown else ""),
        **{title: _mean_and_sd(people[column]) for column, title in _MEASURES.items()},
        "sites": ", ".join(sorted(people["site"].drop_nulls().unique())),
    }


def _mean_and_sd(values: pl.Series) -> str:
    known = [float(value) for value in values if value is not None]
    if not known:
        return ""
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return f"{mean:.1f}"
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1))
    return f"{mean:.1f} ± {deviation:.1f}"


def describe_split(split: pl.DataFrame) -> pl.DataFrame:
    """Return participants and sequences per variant, side and class, and the sum of the classes.

    Combinations without a sequence are left out. Variants are sorted by their weights (1:1:2
    before 1:1:16), sides run train, selection, test, unused, classes worst first.

    Args:
        split: the split (schema `SPLIT`).

    Returns:
        Columns variant, side, label, participants, sequences.
    """
    counts = (
        pl.col("participant_id").n_unique().cast(pl.Int64).alias("participants"),
        pl.len().cast(pl.Int64).alias("sequences"),
    )
    per_class = split.group_by("variant", "side", "label").agg(*counts)
    sums = (
        split.group_by("variant", "side")
        .agg(*counts)
        .select("variant", "side", pl.lit(_TOTAL).alias("label"), "participants", "sequences")
    )
    rows = pl.concat([per_class, sums]).rows(named=True)
    return pl.DataFrame(
        sorted(rows, key=lambda row: _place(row["variant"], row["side"], row["label"])),
        schema=per_class.schema,
    )


def describe_sides(split: pl.DataFrame, proof: Mapping[str, Any]) -> pl.DataFrame:
    """Return one row per variant and side, and per class `participants / sequences / minutes`.

    Args:
        split: the split (schema `SPLIT`).
        proof: its proof; minutes are left out where it has none.
    """
    cells, nothing = _cells(split, proof)
    labels = sorted({label for _, _, label in cells}, key=_label_place)
    groups = list(dict.fromkeys((variant, side) for variant, side, _ in cells))
    return pl.DataFrame(
        [
            {"variant": variant, "side": side}
            | {label: _write(cells.get((variant, side, label), nothing)) for label in labels}
            for variant, side in groups
        ]
    )


def describe_folds(split: pl.DataFrame, proof: Mapping[str, Any]) -> pl.DataFrame:
    """Return who is tested in which fold: one row per fold, a cell per class, and how even it is.

    Cells are `participants / sequences / minutes`. The last rows hold the fewest and the most that
    a fold has, and the even share, which whole participants may not allow.
    """
    cells, nothing = _cells(split, proof)
    folds = order_variants(split["variant"])
    labels = sorted({label for _, side, label in cells if side == "test"}, key=_label_place)
    rows: list[dict[str, str]] = [{"fold": fold} for fold in folds]
    fewest, most, even = {"fold": "fewest"}, {"fold": "most"}, {"fold": "even share"}
    for label in labels:
        tested = [cells.get((fold, "test", label), nothing) for fold in folds]
        for row, cell in zip(rows, tested, strict=True):
            row[label] = _write(cell)
        kinds = list(zip(*tested, strict=True))  # participants, sequences, minutes of all folds
        fewest[label] = _write(tuple(min(kind) for kind in kinds))
        most[label] = _write(tuple(max(kind) for kind in kinds))
        even[label] = " / ".join(f"{math.fsum(kind) / len(folds):,.1f}" for kind in kinds)
    return pl.DataFrame([*rows, fewest, most, even])


def _cells(
    split: pl.DataFrame, proof: Mapping[str, Any]
) -> tuple[dict[tuple[str, str, str], tuple[float, ...]], tuple[float, ...]]:
    """Return (variant, side, label) -> counts, in the order of `describe_split`, and no counts."""
    minutes = minutes_by_side(proof)
    cells: dict[tuple[str, str, str], tuple[float, ...]] = {}
    for variant, side, label, *counts in describe_split(split).iter_rows():
        walked = math.fsum(
            value
            for place, value in minutes.items()
            if place[:2] == (variant, side) and label in (place[2], _TOTAL)
        )
        cells[variant, side, label] = (*counts, walked) if minutes else tuple(counts)
    return cells, (0, 0, 0.0) if minutes else (0, 0)


def _write(cell: tuple[float, ...]) -> str:
    return " / ".join(_number(one) for one in cell)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _place(variant: str, side: str, label: str) -> tuple[tuple[list[int], str], int, object]:
    return (variant_place(variant), SIDES.index(side), _label_place(label))


def _label_place(label: str) -> tuple[int, str]:
    """Classes worst first, unknown ones by name, the sum last."""
    if label == _TOTAL:
        return (len(_ORDER) + 1, "")
    return (_ORDER.index(label) if label in _ORDER else len(_ORDER), label)
