"""Predictions and splits for tests of the optimism gap."""

from itertools import cycle

import polars as pl

from transforms.labels import SCOLIOSIS_LABELS
from transforms.schemas import PREDICTIONS, SPLIT
from transforms.settings import EvaluationSettings

VARIANT = "ratio_1_1_2"
QUICK = EvaluationSettings(bootstrap_resamples=400)


def judge(hits, *, per_participant=1, confidence=0.8):
    """Return predictions: one participant per item, of the classes in turn, right or wrong."""
    rows = []
    for number, (is_right, truth) in enumerate(zip(hits, cycle(range(3)), strict=False)):
        predicted = truth if is_right else (truth + 1) % 3
        chances = [(1 - confidence) / 2] * 3
        chances[predicted] = confidence
        rows += [
            (
                f"s{number:03}_{copy}",
                f"p{number:03}",
                SCOLIOSIS_LABELS[truth],
                "test",
                *chances,
                SCOLIOSIS_LABELS[predicted],
            )
            for copy in range(per_participant)
        ]
    return pl.DataFrame(rows, schema=PREDICTIONS.names, orient="row")


PEOPLE = {label: [f"{label}_{number}" for number in range(4)] for label in SCOLIOSIS_LABELS}


def split(sides_of_person, variant=VARIANT):
    """Return a split; `sides_of_person` maps a person's number to the sides of its sequences."""
    rows = [
        ("v", "p", variant, f"{person}_{place}", person, label, side)
        for label, people in PEOPLE.items()
        for number, person in enumerate(people)
        for place, side in enumerate(sides_of_person[number])
    ]
    return pl.DataFrame(rows, schema=SPLIT.names, orient="row")


DISJOINT = [["train", "train"], ["train", "train"], ["selection", "unused"], ["test", "test"]]
MIXED = [["train", "test"], ["train", "selection"], ["train", "test"], ["train", "unused"]]
