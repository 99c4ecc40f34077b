"""A trained model on disk: weights, the card that says what they are, and loading them safely."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from training.card_file import CARD_NAME, FORMAT, MODEL_NAME, REBUILD, Card, read_card
from training.experiment_data import ExperimentData
from training.models.classifier import SilhouetteClassifier
from training.models.recipe import ModelSettings
from training.models.registry import find_model
from training.sample_store import SampleStore
from transforms.dual_view.pairing import VIEWS
from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_bytes
from transforms.labels import LabelScheme, find_scheme
from transforms.training_settings import TrainingSettings


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


def describe_model(data: ExperimentData, store: SampleStore, weights: bytes) -> Card:
    """Return what is known of a model from its data and its bytes; training adds how it went."""
    job, spec = data.job, find_model(data.job.model)
    return {
        "format": FORMAT,
        "experiment": job.experiment,
        **_identify(data),
        "input": _describe_input(data, store),
        "losses": list(spec.losses),
        "triplet_identity": job.training.triplet_identity if "triplet" in spec.losses else None,
        "classifier": "a probe of the embeddings" if spec.is_probe else "shapes the embeddings",
        "parameter_count": count_parameters(
            spec.build(data.model_settings, len(data.scheme.classes))
        ),
        "weights_sha256": sha256_bytes(weights),
        "library": {"torch": torch.__version__},
    }


def count_parameters(model: nn.Module) -> int:
    """Return the number of trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def load_model(data: ExperimentData, directory: Path) -> nn.Module:
    """Build the model of a job with weights that are surely those of this experiment, on the CPU.

    Args:
        data: what the job names.
        directory: what a training job of the same experiment wrote.

    Raises:
        IntegrityError: the model is damaged or was trained on something else.
    """
    card = read_card(directory)
    for name, value in _identify(data).items():
        if card.get(name) != value:
            raise IntegrityError(
                f"the model was made with another {name}",
                where=directory / CARD_NAME,
                expected=value,
                found=card.get(name),
                fix=REBUILD,
            )
    return _load_weights(
        directory, card, data.job.model, data.model_settings, len(data.scheme.classes)
    )


def open_described_model(directory: Path) -> DescribedModel:
    """Build the model of walks in a folder as its card says, for use outside of its experiment.

    Raises:
        IntegrityError: the card or the weights are damaged, or of another version of the project.
        SettingsError: there is no model of the card's name.
    """
    card = read_card(directory)
    path = directory / CARD_NAME
    try:
        training = TrainingSettings.model_validate(card.get("training"))
    except ValidationError as error:
        raise IntegrityError(
            "the model was trained with settings that this version does not know",
            where=path,
            found=f"{len(error.errors())} of them",
            fix=REBUILD,
        ) from error
    scheme = _find_scheme(card.get("labels"), path)
    name = str(card.get("model"))
    model = _load_weights(directory, card, name, training, len(scheme.classes)).eval()
    if not isinstance(model, SilhouetteClassifier):
        raise IntegrityError("not a model of walks", where=path, found=name, fix=REBUILD)
    return DescribedModel(card, scheme, training, model)


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


def _load_weights(
    directory: Path, card: Card, name: str, settings: ModelSettings, class_count: int
) -> nn.Module:
    path = directory / MODEL_NAME
    recipe = find_model(name)
    try:
        weights = path.read_bytes()
        if sha256_bytes(weights) != card.get("weights_sha256"):
            raise ValueError(f"a sha256 that is not the one in {CARD_NAME}")
        state: dict[str, Tensor] = load(weights)
        with torch.device("meta"):  # before memory is taken for what a card merely claims
            expected = recipe.build(settings, class_count).state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in expected.items()}
        if shapes != {key: tuple(tensor.shape) for key, tensor in state.items()}:
            raise ValueError("weights of another shape than the card describes")
        model = recipe.build(settings, class_count)
        model.load_state_dict(state)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IntegrityError(
            "the weights are damaged", where=path, found=error, fix=REBUILD
        ) from error
    return model


def _identify(data: ExperimentData) -> Card:
    """Return what must be equal where a model is trained and where it is judged."""
    return {
        "model": data.job.model,
        "variant": data.job.variant,
        "seed": data.job.seed,
        "labels": list(data.scheme.classes),
        data.section: data.model_settings.model_dump(mode="json"),
        **data.lineage,
    }


def _describe_input(data: ExperimentData, store: SampleStore) -> Card:
    height, width = store.shape_of(1, 1, is_packed=False)[-2:]
    described: Card = {"height_px": height, "width_px": width, "range": [0, 1]}
    if data.clips is not None:
        frames = len(data.clips["front_frames"][0])
        described |= {"views": list(VIEWS), "frames": frames, "shows": data.job.dual_view.input}
    return described
