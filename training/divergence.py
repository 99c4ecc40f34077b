"""The end of a training whose numbers stopped being finite, said with what is left of it."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from training.checkpoint import list_checkpoints
from training.history import HistoryRow
from transforms.errors import GaitworksError


def require_finite_losses(rows: Sequence[HistoryRow], label: str, checkpoints: Path) -> None:
    """Refuse to go on after a step whose loss is not a finite number."""
    for row in rows:
        if not math.isfinite(row.loss):
            raise _diverged(
                "the loss is not a finite number", row.step, row.loss, label, checkpoints
            )


def require_finite_weights(module: nn.Module, step: int, label: str, checkpoints: Path) -> None:
    """Refuse to keep weights that are not finite numbers."""
    for name, tensor in module.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise _diverged("the weights are not finite numbers", step, name, label, checkpoints)


def _diverged(what: str, step: int, found: object, label: str, checkpoints: Path) -> GaitworksError:
    kept = list_checkpoints(checkpoints)
    return GaitworksError(
        what,
        where=f"{label}, step {step}",
        found=found,
        fix="lower training.learning_rate or use 32-true precision; "
        + (f"the last good checkpoint is {kept[0]}" if kept else "no checkpoint was due yet"),
    )
