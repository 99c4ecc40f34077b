"""Predictions with their truth as arrays, of any unit, checked at the door."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import InputError
from transforms.labels import SCOLIOSIS, LabelScheme, find_scheme
from transforms.schemas import conform, predictions_schema

Floats = NDArray[np.float64]

_PROBABILITY: Final = "p_"
_PROBABILITY_TOLERANCE: Final = 1e-4  # float32 models


@dataclass(frozen=True)
class Judged:
    """Rows with a known truth and predicted probabilities.

    Attributes:
        truth: class index, int64 [row].
        probabilities: float64 [row, class] in 0..1, rows adding up to 1.
        participant: index of the row's participant among the sorted ids, int64 [row].
        scheme: whose classes they are.
    """

    truth: NDArray[np.int64]
    probabilities: Floats
    participant: NDArray[np.int64]
    scheme: LabelScheme = SCOLIOSIS

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each row; among equals the one of the lower index."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return likeliest


def read_predictions(predictions: pl.DataFrame) -> Judged:
    """Return a table of `predictions_schema`, of one side, sorted by sequence.

    Raises:
        InputError: there are no rows, several sides, a sequence twice, a participant with two
            labels, an unknown label, or probabilities that are none or contradict `predicted`.
    """
    scheme = scheme_of_predictions(predictions.columns)
    conform(predictions, predictions_schema(scheme), where="predictions")
    return _judge_rows(predictions, scheme, unit="sequence")


def read_clip_predictions(clips: pl.DataFrame, predictions: pl.DataFrame) -> Judged:
    """Return a table of `predictions_schema(is_per_clip=True)`, sorted by clip.

    Args:
        clips: the clips of one side.
        predictions: what was made of them, one row per sequence: the participants count alike.

    Raises:
        InputError: as `read_predictions`, or the clips are of other sequences.
    """
    scheme = scheme_of_predictions(clips.columns)
    conform(clips, predictions_schema(scheme, is_per_clip=True), where="clip predictions")
    keys = ["sequence_id", "participant_id", "label", "side"]
    one, other = (table.select(keys).unique().sort(keys) for table in (clips, predictions))
    _require(one.equals(other), "the clips are not those of the predicted sequences")
    return _judge_rows(clips, scheme, unit="clip")


def scheme_of_predictions(columns: Iterable[str]) -> LabelScheme:
    """Return the scheme whose probabilities are among a table's columns.

    Raises:
        InputError: they are of no scheme.
    """
    labels = [name.removeprefix(_PROBABILITY) for name in columns if name.startswith(_PROBABILITY)]
    return find_scheme(labels, where="predictions")


def _judge_rows(predictions: pl.DataFrame, scheme: LabelScheme, *, unit: str) -> Judged:
    _require(not predictions.is_empty(), "no predictions to judge")
    sides = sorted(predictions["side"].unique())
    _require(len(sides) == 1, "one side is judged at a time", ", ".join(sides))
    labels = sorted(set(predictions["label"]) | set(predictions["predicted"]))
    unknown = [label for label in labels if label not in scheme.classes]
    _require(not unknown, "unknown label", ", ".join(unknown))
    key = f"{unit}_id"
    table = predictions.sort(key)
    twice = table.filter(pl.col(key).is_duplicated())[key]
    _require(twice.is_empty(), f"a {unit} is predicted twice", ", ".join(twice.unique()))
    label_count = table.group_by("participant_id").agg(pl.col("label").n_unique())
    torn = sorted(label_count.filter(pl.col("label") > 1)["participant_id"])
    _require(not torn, "a participant has two labels", ", ".join(torn))
    probabilities = table.select(scheme.probability_columns).to_numpy().astype(np.float64)
    is_fair = (
        np.isfinite(probabilities).all(axis=1)
        & (probabilities >= 0).all(axis=1)
        & (np.abs(probabilities.sum(axis=1) - 1) <= _PROBABILITY_TOLERANCE)
    )
    named = _class_indices(table["predicted"], scheme)
    chosen = probabilities[np.arange(len(named)), named]
    is_fair &= chosen >= probabilities.max(axis=1)
    wrong = table.filter(pl.Series(~is_fair))[key].to_list()
    _require(
        not wrong,
        "probabilities must add up to 1 and be largest for the predicted class",
        ", ".join(wrong[:5]),
    )
    ranks = table["participant_id"].rank("dense").to_numpy().astype(np.int64) - 1
    truth = _class_indices(table["label"], scheme)
    return Judged(truth, probabilities, ranks, scheme)


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
        scheme=sequences.scheme,
    )


def _class_indices(labels: pl.Series, scheme: LabelScheme) -> NDArray[np.int64]:
    return np.array([scheme.classes.index(label) for label in labels], dtype=np.int64)


def _require(is_met: bool, what: str, found: str | None = None) -> None:
    if not is_met:
        raise InputError(what, where="predictions", found=found, fix="run the evaluation again")
