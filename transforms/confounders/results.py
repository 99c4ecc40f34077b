"""A model's predictions as answers about the same participants as the probe's."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.confounders.fitting import Answers
from transforms.confounders.people import People
from transforms.errors import InputError


@dataclass(frozen=True)
class Result:
    """What a model predicted on the test side of a variant (`predictions_schema`).

    Attributes:
        system: what the same model is called on every fold; empty: it is not pooled over folds.
    """

    experiment: str
    variant: str
    predictions: pl.DataFrame
    system: str = ""


def name_system(model: str, seed: int) -> str:
    """Return what a model is called that was trained with one seed on several folds."""
    return f"{model}, seed {seed}"


def answers_of_model(result: Result, people: People) -> Answers:
    """Return a model's answers about `people`: the mean of its probabilities per participant.

    Raises:
        InputError: the predictions are of other participants.
    """
    columns = list(people.scheme.probability_columns)
    table = (result.predictions.group_by("participant_id").agg(pl.col(columns).mean())).sort(
        "participant_id"
    )
    if tuple(table["participant_id"]) != people.ids:
        raise InputError(
            "the predictions are of other participants than the split's test side",
            where=f"predictions of {result.experiment}",
            expected=f"{len(people.ids)} participants",
            found=f"{table.height} participants",
            fix="run the evaluation again",
        )
    probabilities = table.select(columns).to_numpy().astype(np.float64)
    likeliest = probabilities.argmax(axis=1).astype(np.int64)
    ill = people.scheme.class_indices(people.scheme.screening)
    abnormal = probabilities[:, ill].sum(axis=1)
    return Answers(likeliest=likeliest, raised=likeliest, score=abnormal)
