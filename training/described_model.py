"""A trained model opened by what its card says of it, outside of the experiment that trained it.

The folder may come from elsewhere: card and weights are believed only as far as they were checked.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from training.card_file import CARD_NAME, REBUILD, Card, read_card
from training.model_card import load_weights
from training.models.classifier import SilhouetteClassifier
from training.models.dual_view import DualViewClassifier
from transforms.errors import InputError, IntegrityError, SettingsError
from transforms.labels import LabelScheme, find_scheme
from transforms.settings import ClipSettings
from transforms.training_settings import DualViewSettings, TrainingSettings

_Settings = TypeVar("_Settings", TrainingSettings, DualViewSettings)


@dataclass(frozen=True)
class DescribedModel:
    """A model of walks as its own card describes it.

    Attributes:
        scheme: whose classes it tells apart.
        model: on the CPU, in evaluation mode.
    """

    card: Card
    scheme: LabelScheme
    training: TrainingSettings
    model: SilhouetteClassifier


@dataclass(frozen=True)
class DescribedClipModel:
    """A model of clips as its own card describes it.

    Attributes:
        scheme: whose classes it tells apart.
        model: on the CPU, in evaluation mode.
        frames: of each view in a clip.
        duration_s: of a clip.
    """

    card: Card
    scheme: LabelScheme
    model: DualViewClassifier
    frames: int
    duration_s: float


def open_described_model(directory: Path) -> DescribedModel:
    """Build the model of walks in a folder as its card says, for use outside of its experiment.

    Raises:
        IntegrityError: the card or the weights are damaged, or of another version of the project.
        SettingsError: there is no model of the card's name.
    """
    card = read_card(directory)
    path = directory / CARD_NAME
    training = _read_settings(card, "training", TrainingSettings, path)
    scheme = _find_scheme(card.get("labels"), path)
    name = str(card.get("model"))
    model = load_weights(directory, card, name, training, len(scheme.classes)).eval()
    if not isinstance(model, SilhouetteClassifier):
        raise IntegrityError("not a model of walks", where=path, found=name, fix=REBUILD)
    return DescribedModel(card, scheme, training, model)


def open_described_clip_model(directory: Path) -> DescribedClipModel:
    """Build the model of clips in a folder as its card says, for use outside of its experiment.

    Raises:
        IntegrityError: the card or the weights are damaged, or of another version of the project.
        SettingsError: there is no model of the card's name, or it reads pictures of people.
    """
    card = read_card(directory)
    path = directory / CARD_NAME
    settings = _read_settings(card, "dual_view", DualViewSettings, path)
    if settings.input == "rgb":
        raise SettingsError(
            "the model reads pictures of people, and only silhouettes are made here",
            where=path,
            expected="dual_view.input: silhouettes",
            found=settings.input,
            fix="name another model with --model",
        )
    frames, duration_s = _read_clip_form(card, path)
    scheme = _find_scheme(card.get("labels"), path)
    name = str(card.get("model"))
    model = load_weights(directory, card, name, settings, len(scheme.classes)).eval()
    if not isinstance(model, DualViewClassifier):
        raise IntegrityError("not a model of clips", where=path, found=name, fix=REBUILD)
    return DescribedClipModel(card, scheme, model, frames, duration_s)


def _read_settings(card: Card, section: str, kind: type[_Settings], path: Path) -> _Settings:
    try:
        return kind.model_validate(card.get(section))
    except ValidationError as error:
        raise IntegrityError(
            "the model was trained with settings that this version does not know",
            where=path,
            found=f"{len(error.errors())} of them",
            fix=REBUILD,
        ) from error


def _read_clip_form(card: Card, path: Path) -> tuple[int, float]:
    """Return how many frames of a view the clips had that the model was trained on, and seconds."""
    described = card.get("input")
    try:
        form = {name: (described or {}).get(name) for name in ("frames", "duration_s")}
        settings = ClipSettings.model_validate(form)
    except (ValidationError, AttributeError) as error:
        raise IntegrityError(
            "the model's card does not say what clips it reads", where=path, fix=REBUILD
        ) from error
    return settings.frames, settings.duration_s


def _find_scheme(labels: object, path: Path) -> LabelScheme:
    try:
        scheme = find_scheme(labels if isinstance(labels, list) else [])
    except (InputError, TypeError):  # what is no text can't be looked up
        scheme = None
    if scheme is None or labels != list(scheme.classes):
        raise IntegrityError(
            "the model tells other classes apart than this version knows",
            where=path,
            found=labels,
            fix=REBUILD,
        )
    return scheme
