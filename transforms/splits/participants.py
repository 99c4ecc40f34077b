"""What the solver counts and balances: one row per participant who has sequences."""

from typing import Final

import polars as pl

from transforms.errors import InputError

_SHOWN: Final = 5


def gather_participants(index: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Return participant_id, label, site, `features.BALANCED` and where they come from.

    Args:
        index: the sequence index (schema `SEQUENCE_INDEX`).
        people: the participants (schema `PARTICIPANTS`); those without a sequence are left out.

    Raises:
        InputError: a participant of the index is unknown, or a label is not that of the
            participant.
    """
    twice = people.filter(pl.col("participant_id").is_duplicated())["participant_id"].unique()
    if not twice.is_empty():
        raise InputError(
            "a participant has several rows",
            where="participants.parquet",
            found=", ".join(sorted(twice)[:_SHOWN]),
            fix="build silhouette_shards again",
        )
    joined = index.join(people, on="participant_id", how="left", suffix="_of_participant")
    known = joined["label_of_participant"].is_not_null()
    _require_none(joined.filter(~known), "participant is not in the participants table")
    _require_none(
        joined.filter(pl.col("label") != pl.col("label_of_participant")),
        "label of the sequence is not that of its participant",
    )
    return (
        joined.group_by("participant_id")
        .agg(
            pl.col("label", "sex", "age_years", "height_cm", "weight_kg", "site").first(),
            pl.len().cast(pl.Int64).alias("sequence_count"),
            # Sorted, because a sum of floats depends on its order.
            (pl.col("frame_count") / pl.col("fps")).sort().sum().alias("duration_s"),
        )
        .with_columns(
            is_female=pl.col("sex").replace_strict({"F": 1.0, "M": 0.0}, default=None),
        )
        .sort("participant_id")
    )


def _require_none(wrong: pl.DataFrame, what: str) -> None:
    if wrong.is_empty():
        return
    names = sorted(wrong["sequence_id"].to_list())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise InputError(
        what,
        where="index.parquet",
        found=f"{len(names)} sequence(s): {', '.join(names[:_SHOWN])}{more}",
        fix="build silhouette_shards again",
    )
