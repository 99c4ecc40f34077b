"""A trained model on disk: weights, the card that says what they are, and loading them safely."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from training.card_file import CARD_NAME, FORMAT, MODEL_NAME, REBUILD, Card, read_card
from training.job import FinishedModelJob, TrainingJob
from training.models.classifier import SilhouetteClassifier
from training.models.registry import find_model
from training.unpack import FRAME_HEIGHT_PX, FRAME_WIDTH_PX
from transforms.errors import IntegrityError
from transforms.files import sha256_bytes
from transforms.labels import SCOLIOSIS_LABELS
from transforms.settings import TrainingSettings


@dataclass(frozen=True)
class DescribedModel:
    """A model as its own card describes it.

    Attributes:
        classes: what it tells apart, in the order of its logits.
        model: on the CPU, in evaluation mode.
    """

    card: Card
    classes: tuple[str, ...]
    training: TrainingSettings
    model: SilhouetteClassifier


def describe_model(job: TrainingJob, lineage: dict[str, str], weights: bytes) -> Card:
    """Return what is known of a model from its job and its bytes; training adds how it went."""
    spec = find_model(job.model)
    return {
        "format": FORMAT,
        "experiment": job.experiment,
        **_identify(job, lineage),
        "input": {"height_px": FRAME_HEIGHT_PX, "width_px": FRAME_WIDTH_PX, "range": [0, 1]},
        "losses": list(spec.losses),
        "triplet_identity": job.training.triplet_identity if "triplet" in spec.losses else None,
        "classifier": "a probe of the embeddings" if spec.is_probe else "shapes the embeddings",
        "parameter_count": count_parameters(spec.build(job.training)),
        "weights_sha256": sha256_bytes(weights),
        "library": {"torch": torch.__version__},
    }


def count_parameters(model: nn.Module) -> int:
    """Return the number of trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def load_model(job: FinishedModelJob, lineage: dict[str, str]) -> SilhouetteClassifier:
    """Build the job's model with weights that are surely those of this experiment, on the CPU.

    Raises:
        IntegrityError: the model is damaged or was trained on something else.
    """
    card = read_card(job.model_directory)
    for name, value in _identify(job, lineage).items():
        if card.get(name) != value:
            raise IntegrityError(
                f"the model was made with another {name}",
                where=job.model_directory / CARD_NAME,
                expected=value,
                found=card.get(name),
                fix=REBUILD,
            )
    return _load_weights(job.model_directory, card, job.model, job.training)


def open_described_model(directory: Path) -> DescribedModel:
    """Build the model in a folder as its card says, for use outside of its experiment.

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
    if card.get("labels") != list(SCOLIOSIS_LABELS):
        raise IntegrityError(
            "the model tells other classes apart than this version does",
            where=path,
            expected=", ".join(SCOLIOSIS_LABELS),
            found=card.get("labels"),
            fix=REBUILD,
        )
    model = _load_weights(directory, card, str(card.get("model")), training).eval()
    return DescribedModel(card, SCOLIOSIS_LABELS, training, model)


def _load_weights(
    directory: Path, card: Card, name: str, training: TrainingSettings
) -> SilhouetteClassifier:
    path = directory / MODEL_NAME
    try:
        data = path.read_bytes()
        if sha256_bytes(data) != card.get("weights_sha256"):
            raise ValueError(f"a sha256 that is not the one in {CARD_NAME}")
        state: dict[str, Tensor] = load(data)
        _compare_shapes(name, training, state)
        model = find_model(name).build(training)
        model.load_state_dict(state)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IntegrityError(
            "the weights are damaged", where=path, found=error, fix=REBUILD
        ) from error
    return model


def _compare_shapes(name: str, training: TrainingSettings, state: dict[str, Tensor]) -> None:
    """Raise ValueError where the weights are of another model, before memory is taken for it."""
    with torch.device("meta"):
        expected = find_model(name).build(training).state_dict()
    shapes = {key: tuple(tensor.shape) for key, tensor in expected.items()}
    if shapes != {key: tuple(tensor.shape) for key, tensor in state.items()}:
        raise ValueError("weights of another shape than the card describes")


def _identify(job: TrainingJob | FinishedModelJob, lineage: dict[str, str]) -> Card:
    """Return what must be equal where a model is trained and where it is judged."""
    return {
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        "labels": list(SCOLIOSIS_LABELS),
        "training": job.training.model_dump(mode="json"),
        **lineage,
    }
