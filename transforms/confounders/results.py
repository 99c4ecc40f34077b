"""A model's predictions as answers about the same participants as the probe's."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class ModelAnswers:
    """What a model says of some of the participants: of those that it can read.

    Attributes:
        rows: int64 [row], rising: which participants, as rows of the people asked about.
        answers: about these.
    """

    rows: NDArray[np.int64]
    answers: Answers


def answers_of_model(result: Result, people: People) -> ModelAnswers:
    """Return a model's answers about `people`: the mean of its probabilities per participant.

    Somebody may be missing: a model of clips says nothing of one who has none.

    Raises:
        InputError: there is no prediction, or one of somebody else.
    """
    columns = list(people.scheme.probability_columns)
    table = (result.predictions.group_by("participant_id").agg(pl.col(columns).mean())).sort(
        "participant_id"
    )
    row_of = {person: row for row, person in enumerate(people.ids)}
    rows = [row_of.get(person, -1) for person in table["participant_id"]]
    if not rows or min(rows) < 0:
        raise InputError(
            "the predictions are of other participants than the split's test side",
            where=f"predictions of {result.experiment}",
            expected=f"some of {len(people.ids)} participants",
            found=f"{sum(row < 0 for row in rows)} others among {len(rows)}",
            fix="`gaitworks run --force model_evaluation`",
        )
    probabilities = table.select(columns).to_numpy().astype(np.float64)
    likeliest = probabilities.argmax(axis=1).astype(np.int64)
    ill = people.scheme.class_indices(people.scheme.screening)
    abnormal = probabilities[:, ill].sum(axis=1)
    answers = Answers(likeliest=likeliest, raised=likeliest, score=abnormal)
    return ModelAnswers(np.array(rows, dtype=np.int64), answers)
