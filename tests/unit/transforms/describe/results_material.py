"""Hand-made experiments for the results page: who is tested, and what a model says of them."""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from transforms.describe.gather import Experiment, Material, ReportInputs
from transforms.labels import SCOLIOSIS_LABELS

PER_CLASS = 10
Answer = Callable[[str, int], str]  # the truth and the participant's number -> the prediction


def right(truth: str, number: int) -> str:
    return truth


def all_negative(truth: str, number: int) -> str:
    return "negative"


def mostly_right(truth: str, number: int) -> str:
    """Nine of ten people of each class."""
    return truth if number else "neutral" if truth == "negative" else "negative"


def cautious(truth: str, number: int) -> str:
    """Clears everyone who is well, and three of ten who are not."""
    return truth if number > 2 else "negative"


def predict(answer: Answer, *, prefix: str = "p") -> pl.DataFrame:
    """Two walks of each of ten people a class."""
    rows = []
    for label in SCOLIOSIS_LABELS:
        for number in range(PER_CLASS):
            person = f"{prefix}_{label}_{number}"
            predicted = answer(label, number)
            chances = {f"p_{one}": 0.8 if one == predicted else 0.1 for one in SCOLIOSIS_LABELS}
            facts = {"participant_id": person, "label": label, "side": "test"}
            facts |= {"predicted": predicted}
            rows += [{"sequence_id": f"{person}_{walk}"} | facts | chances for walk in "ab"]
    return pl.DataFrame(rows)


def experiment(
    model: str, variant: str, seed: int, answer: Answer, *, prefix: str = "p"
) -> Experiment:
    metrics = {
        "model": model,
        "variant": variant,
        "seed": seed,
        "dataset_version": "d" * 64,
        "split_sha256": "s" * 64,
    }
    name = f"{model}-{variant}-seed_{seed}"
    return Experiment(name, None, metrics, predict(answer, prefix=prefix))


def material(
    experiments: Sequence[Experiment], *, seeds: Sequence[int] = (0,), **changed: Any
) -> Material:
    asked = {"models": ["sconet", "sconet_mt"], "variants": ["ratio_1_1_2", "ratio_1_1_8"]}
    settings = {
        "evaluation": {"bootstrap_resamples": 200},
        "experiments": asked | {"seeds": list(seeds)},
    }
    parts: dict[str, Any] = {
        "intake": None,
        "extraction": None,
        "dataset": None,
        "splits": None,
        "score": None,
        "directories": (),
    }
    return Material(
        inputs=ReportInputs(title="test", settings=settings),
        experiments=tuple(experiments),
        **(parts | changed),
    )
