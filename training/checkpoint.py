"""Checkpoints: whole directories of safetensors and JSON, checked by hash before use.

No pickle is written or read. The newest two are kept, so that one damaged by a full disk or a
crash costs some steps and not the run.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load, save
from torch import Tensor

from training.history import HISTORY_NAME, HistoryRow, format_history, parse_history
from training.scratch import is_whole
from transforms.files import canonical_json, publish_directory
from transforms.manifest import write_manifest

_KEPT: Final = 2
_PREFIX: Final = "step_"
_MODEL_NAME: Final = "model.safetensors"
_OPTIMISER_NAME: Final = "optimiser.safetensors"
_BEST_NAME: Final = "best.safetensors"
_STATE_NAME: Final = "state.json"

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Best:
    """The best model so far on the selection side."""

    step: int
    accuracy: float
    weights: Tensors


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped.

    The learning rate and the batches are functions of the step, and nothing in the models draws
    random numbers while they train, so neither a schedule nor a generator has state to keep.

    Attributes:
        step: updates made.
        model: the module's state by name.
        optimiser: what it remembers, see `training.optimisers`.
        best: None until the selection side has judged once.
        history: one row per step made.
        scaler: the loss scaler's numbers under fp16; empty otherwise.
    """

    step: int
    model: Tensors
    optimiser: Tensors
    best: Best | None
    history: list[HistoryRow]
    scaler: dict[str, float] = field(default_factory=dict)


def save_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise tensors; equal values give equal bytes, whatever their memory layout or device."""
    data: bytes = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    )
    return data


def save_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Publish a checkpoint below `directory` as a whole and drop those that are too old.

    The caller holds the lock of the run.
    """
    best = checkpoint.best
    state: dict[str, Any] = {
        "step": checkpoint.step,
        "scaler": checkpoint.scaler,
        "best": best and {"step": best.step, "accuracy": best.accuracy},
    }
    with publish_directory(directory / f"{_PREFIX}{checkpoint.step:08d}") as staging:
        (staging / _MODEL_NAME).write_bytes(save_tensors(checkpoint.model))
        (staging / _OPTIMISER_NAME).write_bytes(save_tensors(checkpoint.optimiser))
        if best is not None:
            (staging / _BEST_NAME).write_bytes(save_tensors(best.weights))
        (staging / HISTORY_NAME).write_bytes(format_history(checkpoint.history))
        (staging / _STATE_NAME).write_bytes(canonical_json(state))
        write_manifest(staging, kind="checkpoint", facts={})
    for old in list_checkpoints(directory)[_KEPT:]:
        shutil.rmtree(old)


def list_checkpoints(directory: Path) -> list[Path]:
    """Return the checkpoints below `directory`, newest first."""
    return sorted(directory.glob(f"{_PREFIX}*"), reverse=True)


def load_newest_checkpoint(directory: Path) -> Checkpoint | None:
    """Return the newest checkpoint whose bytes are those that were written, or None."""
    for candidate in list_checkpoints(directory):
        # One cut short while it was being removed, or damaged, is passed over for an older one.
        if is_whole(candidate):
            return _load(candidate)
    return None


def _load(directory: Path) -> Checkpoint:
    state = json.loads((directory / _STATE_NAME).read_bytes())
    best = state["best"] and Best(
        state["best"]["step"],
        state["best"]["accuracy"],
        load((directory / _BEST_NAME).read_bytes()),
    )
    return Checkpoint(
        step=state["step"],
        model=load((directory / _MODEL_NAME).read_bytes()),
        optimiser=load((directory / _OPTIMISER_NAME).read_bytes()),
        best=best,
        history=parse_history((directory / HISTORY_NAME).read_bytes()),
        scaler=state["scaler"],
    )
