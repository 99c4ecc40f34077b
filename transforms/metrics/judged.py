"""Predictions with their truth as arrays, per sequence and per participant, checked at the door."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.labels import SCOLIOSIS_LABELS, label_index
from transforms.schemas import PREDICTIONS, conform

Floats = NDArray[np.float64]

_PROBABILITIES: Final = tuple(f"p_{label}" for label in SCOLIOSIS_LABELS)
_PROBABILITY_TOLERANCE: Final = 1e-4  # float32 models


@dataclass(frozen=True)
class Judged:
    """Rows with a known truth and predicted probabilities.

    Attributes:
        truth: class index, int64 [row].
        probabilities: float64 [row, class] in 0..1, rows adding up to 1.
        participant: index of the row's participant among the sorted ids, int64 [row].
    """

    truth: NDArray[np.int64]
    probabilities: Floats
    participant: NDArray[np.int64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each row; among equals the one of the lower index."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return likeliest


def read_predictions(predictions: pl.DataFrame) -> Judged:
    """Return a table of schema `PREDICTIONS`, of one side, sorted by sequence.

    Raises:
        InputError: there are no rows, several sides, a sequence twice, a participant with two
            labels, an unknown label, or probabilities that are none or contradict `predicted`.
    """
    conform(predictions, PREDICTIONS, where="predictions")
    _require(not predictions.is_empty(), "no predictions to judge")
    sides = sorted(predictions["side"].unique())
    _require(len(sides) == 1, "one side is judged at a time", ", ".join(sides))
    labels = sorted(set(predictions["label"]) | set(predictions["predicted"]))
    unknown = [label for label in labels if label not in SCOLIOSIS_LABELS]
    _require(not unknown, "unknown label", ", ".join(unknown))
    table = predictions.sort("sequence_id")
    twice = table.filter(pl.col("sequence_id").is_duplicated())["sequence_id"]
    _require(twice.is_empty(), "a sequence is predicted twice", ", ".join(twice.unique()))
    label_count = table.group_by("participant_id").agg(pl.col("label").n_unique())
    torn = sorted(label_count.filter(pl.col("label") > 1)["participant_id"])
    _require(not torn, "a participant has two labels", ", ".join(torn))
    probabilities = table.select(_PROBABILITIES).to_numpy().astype(np.float64)
    is_fair = (
        np.isfinite(probabilities).all(axis=1)
        & (probabilities >= 0).all(axis=1)
        & (np.abs(probabilities.sum(axis=1) - 1) <= _PROBABILITY_TOLERANCE)
    )
    named = _class_indices(table["predicted"])
    chosen = probabilities[np.arange(len(named)), named]
    is_fair &= chosen >= probabilities.max(axis=1)
    wrong = table.filter(pl.Series(~is_fair))["sequence_id"].to_list()
    _require(
        not wrong,
        "probabilities must add up to 1 and be largest for the predicted class",
        ", ".join(wrong[:5]),
    )
    ranks = table["participant_id"].rank("dense").to_numpy().astype(np.int64) - 1
    return Judged(
        truth=_class_indices(table["label"]), probabilities=probabilities, participant=ranks
    )


def average_by_participant(sequences: Judged) -> Judged:
    """Return one row per participant: the mean of its sequences' probabilities."""
    counts = np.bincount(sequences.participant)
    sums = np.zeros((len(counts), sequences.probabilities.shape[1]))
    np.add.at(sums, sequences.participant, sequences.probabilities)
    truth = np.zeros(len(counts), dtype=np.int64)
    truth[sequences.participant] = sequences.truth
    return Judged(
        truth=truth,
        probabilities=sums / counts[:, None],
        participant=np.arange(len(counts), dtype=np.int64),
    )


def _class_indices(labels: pl.Series) -> NDArray[np.int64]:
    return np.array([label_index(label) for label in labels], dtype=np.int64)


def _require(is_met: bool, what: str, found: str | None = None) -> None:
    if not is_met:
        raise InputError(what, where="predictions", found=found, fix="run the evaluation again")
