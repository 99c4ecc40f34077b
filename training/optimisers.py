"""The optimisers a training can use, and their state by the names of the parameters."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn

from training.checkpoint import Tensors
from transforms.training_settings import TrainingSettings

_SEPARATOR: Final = "/"  # in no name of a parameter


def build_optimiser(module: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser of `settings`; the loop sets its learning rate at every step."""
    parameters = module.parameters()
    if settings.optimiser == "adam":
        return torch.optim.Adam(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
    return torch.optim.SGD(
        parameters,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )


def capture_state(optimiser: torch.optim.Optimizer, module: nn.Module) -> Tensors:
    """Return what the optimiser remembers of each parameter, as `kind/parameter`."""
    return {
        f"{kind}{_SEPARATOR}{name}": value
        for name, parameter in module.named_parameters()
        for kind, value in _tensors(optimiser.state[parameter])
    }


def restore_state(optimiser: torch.optim.Optimizer, module: nn.Module, state: Tensors) -> None:
    """Give the optimiser what `capture_state` took from an equal one."""
    parameters = dict(module.named_parameters())
    for key, value in state.items():
        kind, _, name = key.partition(_SEPARATOR)
        parameter = parameters[name]
        if value.shape == parameter.shape:
            # Laid out like its parameter: the update then runs as in a run that was not stopped.
            buffer = torch.empty_like(parameter, requires_grad=False)
            buffer.copy_(value)
        else:
            buffer = value.clone()  # Adam counts its steps on the CPU
        optimiser.state[parameter][kind] = buffer


def _tensors(state: dict[str, Tensor | None]) -> Iterator[tuple[str, Tensor]]:
    for kind, value in state.items():
        if value is not None:  # momentum before the first update
            yield kind, value
