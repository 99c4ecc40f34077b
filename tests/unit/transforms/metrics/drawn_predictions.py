"""Predictions and participants for tests of the metrics."""

import numpy as np
import polars as pl

from transforms.labels import SCOLIOSIS_LABELS
from transforms.schemas import PARTICIPANTS, PREDICTIONS


def tabulate(rows):
    """Return predictions from (participant, label, probabilities)."""
    table = [
        (f"s{n:04}", who, label, "test", *map(float, chances), SCOLIOSIS_LABELS[np.argmax(chances)])
        for n, (who, label, chances) in enumerate(rows)
    ]
    return pl.DataFrame(table, schema=PREDICTIONS.names, orient="row")


def draw(participants, sequences, seed=0, skill=1.2):
    """Return predictions for participants p000, p001, ... in turn."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, participants)
    rows = []
    for number in range(sequences):
        person = number % participants
        logits = random.normal(size=3) + skill * np.eye(3)[labels[person]]
        chances = np.exp(logits) / np.exp(logits).sum()
        rows.append((f"p{person:03}", SCOLIOSIS_LABELS[labels[person]], chances))
    return tabulate(rows)


def describe_people(predictions, **columns):
    """Return a participants table; a column is a list in order of the ids, else nobody's."""
    people = predictions.group_by("participant_id").agg(pl.col("label").first())
    people = people.sort("participant_id")
    empty = {"sex": pl.String, "site": pl.String} | dict.fromkeys(
        ("age_years", "height_cm", "weight_kg"), pl.Float64
    )
    return people.with_columns(
        **{
            name: pl.Series(columns.get(name, [None] * people.height), dtype=kind, strict=False)
            for name, kind in empty.items()
        }
    ).select(PARTICIPANTS.names)
