"""Which trained models a workspace has, and which of them is meant; no torch in here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.card_file import CARD_NAME, MODEL_NAME, read_card
from transforms.errors import InputError, SettingsError
from transforms.layout import (
    EVALUATION_FOLDER,
    EXPERIMENTS_FOLDER,
    METRICS_NAME,
    MODEL_FOLDER,
)

_SHOWN: Final = {
    "accuracy": "accuracy",
    "any_abnormality/sensitivity": "sensitivity",
    "any_abnormality/specificity": "specificity",
    "asd/sensitivity": "sensitivity",
    "asd/specificity": "specificity",
}


@dataclass(frozen=True)
class FoundModel:
    """Where a model lies, and where its own test may."""

    directory: Path
    evaluations: tuple[Path, ...]


def find_model_directory(root: Path, experiment: str | None) -> FoundModel:
    """Return the model of an experiment of a workspace, or its only one.

    Raises:
        InputError: there is none.
        SettingsError: there are several and none is named, or none has that name; all are listed
            with what their own test measured.
    """
    folder = root / EXPERIMENTS_FOLDER
    cards = folder.glob(f"*/{MODEL_FOLDER}/{CARD_NAME}")
    names = sorted(path.parent.parent.name for path in cards)
    if not names:
        raise InputError(
            "no trained model",
            where=folder,
            fix="run `gaitworks run trained_model`, or name a folder with --model-directory",
        )
    if experiment is None and len(names) == 1:
        experiment = names[0]
    if experiment not in names:
        shown = "\n  ".join(f"{name}: {_say_test(folder / name)}" for name in names)
        raise SettingsError(
            "no such experiment" if experiment else "several trained models",
            where="--model",
            expected=f"one of these:\n  {shown}\n",
            found=experiment,
            fix="name one with --model; choose it before you see what it says of your video",
        )
    return FoundModel(
        folder / experiment / MODEL_FOLDER, (folder / experiment / EVALUATION_FOLDER,)
    )


def describe_model_directory(directory: Path) -> FoundModel:
    """Return a model's folder from elsewhere, its own test beside it or in a release's folder.

    Raises:
        IntegrityError: it holds no model's card.
        InputError: it holds no weights, as a release does not.
    """
    read_card(directory)
    if not (directory / MODEL_NAME).is_file():
        raise InputError(
            "the folder holds a model's card and not its weights",
            where=directory,
            expected=f"{MODEL_NAME} beside {CARD_NAME}",
            fix="ask those who published it for the weights: releases hold results, not models",
        )
    return FoundModel(directory, (directory, directory.parent / EVALUATION_FOLDER))


def _say_test(experiment: Path) -> str:
    try:
        metrics = json.loads((experiment / EVALUATION_FOLDER / METRICS_NAME).read_bytes())
        measured: dict[str, Any] = metrics["units"]["participant"]["metrics"]
        said = [
            f"{title} {measured[name]['value']:.2f}"
            for name, title in _SHOWN.items()
            if name in measured and measured[name]["value"] is not None
        ]
        return f"{', '.join(said)} on {metrics['units']['participant']['count']} test participants"
    except (OSError, ValueError, LookupError, TypeError):
        return "not judged on its test side yet"
