"""Tables of who is in a dataset (a paper's Table 1) and of who is on which side of its split."""

import math
from typing import Final

import polars as pl

from transforms.labels import SCOLIOSIS_LABELS

# Worst first, as the field prints its tables and ratios.
_ORDER: Final = tuple(reversed(SCOLIOSIS_LABELS))
_TOTAL: Final = "all"
_SIDES: Final = ("train", "selection", "test", "unused")
_MEASURES: Final = {
    "age_years": "age (years)",
    "height_cm": "height (cm)",
    "weight_kg": "weight (kg)",
}


def describe_cohort(participants: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Return the cohort's Table 1: one row per class, positive first, and one for all.

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
    before 1:1:16), sides run train, selection, test, unused, classes positive first.

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


def _place(variant: str, side: str, label: str) -> tuple[list[int], str, int, int]:
    weights = [int(word) for word in variant.split("_") if word.isdigit()]
    labels = (*_ORDER, _TOTAL)
    return (weights, variant, _SIDES.index(side), labels.index(label))
