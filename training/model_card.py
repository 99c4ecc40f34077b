"""A trained model on disk: weights, the card that says what they are, and loading them safely."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from training.job import FinishedModelJob, TrainingJob
from training.models.classifier import SilhouetteClassifier
from training.models.registry import find_model
from training.unpack import FRAME_HEIGHT_PX, FRAME_WIDTH_PX
from transforms.errors import IntegrityError
from transforms.files import sha256_bytes
from transforms.labels import LabelScheme

MODEL_NAME: Final = "model.safetensors"
CARD_NAME: Final = "model.json"
_FORMAT: Final = "gaitworks-model/1"
_REBUILD: Final = "build trained_model again"

Card = dict[str, Any]  # `Any`: JSON


def describe_model(
    job: TrainingJob, lineage: dict[str, str], weights: bytes, scheme: LabelScheme
) -> Card:
    """Return what is known of a model from its job and its bytes; training adds how it went."""
    spec = find_model(job.model)
    return {
        "format": _FORMAT,
        "experiment": job.experiment,
        **_identify(job, lineage, scheme),
        "input": {"height_px": FRAME_HEIGHT_PX, "width_px": FRAME_WIDTH_PX, "range": [0, 1]},
        "losses": list(spec.losses),
        "triplet_identity": job.training.triplet_identity if "triplet" in spec.losses else None,
        "classifier": "a probe of the embeddings" if spec.is_probe else "shapes the embeddings",
        "parameter_count": count_parameters(spec.build(job.training, len(scheme.classes))),
        "weights_sha256": sha256_bytes(weights),
        "library": {"torch": torch.__version__},
    }


def count_parameters(model: nn.Module) -> int:
    """Return the number of trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def load_model(
    job: FinishedModelJob, lineage: dict[str, str], scheme: LabelScheme
) -> SilhouetteClassifier:
    """Build the job's model with weights that are surely those of this experiment, on the CPU.

    Raises:
        IntegrityError: the model is damaged or was trained on something else.
    """
    card = _read_card(job.model_directory)
    for name, value in _identify(job, lineage, scheme).items():
        if card.get(name) != value:
            raise IntegrityError(
                f"the model was made with another {name}",
                where=job.model_directory / CARD_NAME,
                expected=value,
                found=card.get(name),
                fix=_REBUILD,
            )
    path = job.model_directory / MODEL_NAME
    try:
        data = path.read_bytes()
        if sha256_bytes(data) != card.get("weights_sha256"):
            raise ValueError(f"a sha256 that is not the one in {CARD_NAME}")
        state: dict[str, Tensor] = load(data)
        model = find_model(job.model).build(job.training, len(scheme.classes))
        model.load_state_dict(state)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IntegrityError(
            "the weights are damaged", where=path, found=error, fix=_REBUILD
        ) from error
    return model


def _identify(
    job: TrainingJob | FinishedModelJob, lineage: dict[str, str], scheme: LabelScheme
) -> Card:
    """Return what must be equal where a model is trained and where it is judged."""
    return {
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        "labels": list(scheme.classes),
        "training": job.training.model_dump(mode="json"),
        **lineage,
    }


def _read_card(directory: Path) -> Card:
    path = directory / CARD_NAME
    try:
        card = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise IntegrityError(
            "unreadable model card", where=path, found=error, fix=_REBUILD
        ) from error
    if not isinstance(card, dict) or card.get("format") != _FORMAT:
        raise IntegrityError("not a model card", where=path, expected=_FORMAT, fix=_REBUILD)
    return card
