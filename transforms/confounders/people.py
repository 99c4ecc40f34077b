"""What is known of each participant besides the silhouettes: one row per participant.

No label is looked at here except to carry it along.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.labels import SCOLIOSIS, LabelScheme

Floats = NDArray[np.float64]

# Confounder -> column. Numbers are averaged over a participant's sequences, of levels the share of
# the sequences counts. How many sequences somebody has is left out: no silhouette shows it.
NUMBERS: Final = {
    "age": "age_years",
    "height": "height_cm",
    "weight": "weight_kg",
    "clip_length": "duration_s",
}
LEVELS: Final = {"sex": "sex", "site": "site", "camera": "camera", "view": "view"}
CONFOUNDERS: Final = ("sex", "age", "height", "weight", "clip_length", "site", "camera", "view")
NOT_RECORDED: Final = "not recorded"


@dataclass(frozen=True)
class People:
    """Participants in order of their ids.

    Attributes:
        ids: participant_id of each row.
        truth: class index, int64 [row].
        numbers: confounder -> float64 [row], NaN where unknown.
        levels: confounder -> table `row, level, share` of the levels a row has; the shares of a row
            add up to 1, and `NOT_RECORDED` is a level.
        scheme: of the labels.
    """

    ids: tuple[str, ...]
    truth: NDArray[np.int64]
    numbers: dict[str, Floats]
    levels: dict[str, pl.DataFrame]
    scheme: LabelScheme = SCOLIOSIS


def describe_sequences(
    index: pl.DataFrame, participants: pl.DataFrame, recordings: pl.DataFrame | None
) -> pl.DataFrame:
    """Return one row per sequence with every confounder, sorted by sequence.

    Args:
        index: the sequence index (schema `SEQUENCE_INDEX`).
        participants: the participants (schema `PARTICIPANTS`).
        recordings: the recordings of all batches (schema `RECORDINGS`), for the camera; without
            them, or for a sequence that was never a recording, only the frame rate is known of it.

    Returns:
        sequence_id, participant_id, label and the columns of `NUMBERS` and `LEVELS`.

    Raises:
        InputError: a sequence's participant is not in the participants table.
    """
    known = ("participant_id", "sex", "site", "age_years", "height_cm", "weight_kg")
    strangers = index.join(participants, on="participant_id", how="anti")
    if not strangers.is_empty():
        raise InputError(
            "participant is not in the participants table",
            where="index.parquet",
            found=", ".join(sorted(strangers["participant_id"].unique())[:5]),
            fix="build silhouette_shards again",
        )
    fps = pl.when(pl.col("fps") > 0).then("fps")
    table = index.select(
        *("sequence_id", "participant_id", "label", "view", "batch_id", "recording_id"),
        duration_s=pl.col("frame_count") / fps,
        sequence_fps=fps,
    )
    table = table.join(participants.select(known), on="participant_id", how="left")
    table = _add_camera(table, recordings)
    return table.select(
        "sequence_id", "participant_id", "label", *NUMBERS.values(), *LEVELS.values()
    ).sort("sequence_id")


def gather_people(sequences: pl.DataFrame, scheme: LabelScheme = SCOLIOSIS) -> People:
    """Return the participants of some rows of `describe_sequences`, over those rows alone."""
    people = (
        sequences.group_by("participant_id")
        .agg(pl.col("label").first(), pl.col(*NUMBERS.values()).mean())
        .sort("participant_id")
        .with_row_index("row")
    )
    rows = sequences.join(people.select("participant_id", "row"), on="participant_id")
    share = 1.0 / pl.len().over("row")
    return People(
        ids=tuple(people["participant_id"]),
        truth=np.array([scheme.class_index(label) for label in people["label"]], dtype=np.int64),
        numbers={
            name: people[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
            for name, column in NUMBERS.items()
        },
        levels={
            name: rows.select("row", level=pl.col(column).fill_null(NOT_RECORDED), share=share)
            .group_by("row", "level")
            .agg(pl.col("share").sum())
            .sort("row", "level")
            for name, column in LEVELS.items()
        },
        scheme=scheme,
    )


def _add_camera(table: pl.DataFrame, recordings: pl.DataFrame | None) -> pl.DataFrame:
    """Add what tells cameras apart: picture size, codec and frame rate in whole frames a second."""
    if recordings is None:
        return table.with_columns(camera=pl.format("{} fps", _whole(pl.col("sequence_fps"))))
    keys = ("batch_id", "recording_id")
    cameras = recordings.select(
        *keys, "width_px", "height_px", pl.col("codec", "fps").name.prefix("video_")
    ).unique(keys, keep="first", maintain_order=True)
    camera = pl.format(
        "{} x {} px, {}, {} fps",
        pl.col("width_px").cast(pl.String).fill_null("?"),
        pl.col("height_px").cast(pl.String).fill_null("?"),
        pl.col("video_codec").fill_null("?"),
        _whole(pl.coalesce("video_fps", "sequence_fps")),
    )
    return table.join(cameras, on=keys, how="left").with_columns(camera=camera)


def _whole(fps: pl.Expr) -> pl.Expr:
    return fps.round(0).cast(pl.Int64).cast(pl.String).fill_null("?")
