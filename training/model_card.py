"""A trained model on disk: weights, the card that says what they are, and loading them safely."""

from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from training.card_file import CARD_NAME, FORMAT, MODEL_NAME, REBUILD, Card, read_card
from training.experiment_data import ExperimentData
from training.models.recipe import ModelSettings
from training.models.registry import find_model
from training.sample_store import SampleStore
from transforms.dual_view.pairing import VIEWS
from transforms.errors import IntegrityError
from transforms.files import read_limited, sha256_bytes

_MAX_BYTES: Final = 1 << 31
"""Over five times 3D ResNet-50 for two views, the largest of the published models."""


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
    return load_weights(
        directory, card, data.job.model, data.model_settings, len(data.scheme.classes)
    )


def load_weights(
    directory: Path, card: Card, name: str, settings: ModelSettings, class_count: int
) -> nn.Module:
    """Build a model of these settings with the weights in a folder, on the CPU.

    Raises:
        IntegrityError: the weights are not those of the card, or of another shape.
        SettingsError: there is no model of that name.
    """
    path = directory / MODEL_NAME
    recipe = find_model(name)
    try:
        weights = read_limited(path, _MAX_BYTES)
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
        # After loading: a number of the file may be too large for the model's.
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise ValueError("weights that are not finite numbers")
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
        described |= {
            "views": list(VIEWS),
            "frames": len(data.clips["front_frames"][0]),
            "duration_s": data.clips["duration_s"][0],
            "shows": data.job.dual_view.input,
        }
    return described
