"""One tensor from the parts that several processes hold, with a gradient that reaches them all.

The convention of everything here is DDP's: each process has a loss of its own, and what training
lowers is their mean. Where all compute the same loss from gathered rows, that mean is this loss.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor


def count_processes() -> int:
    """Return how many processes train together; 1 where nobody joined them."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes in the order of their ranks; alone, what came in.

    Args:
        rows: `(row, ...)`, equally many in every process.

    Returns:
        `(process * row, ...)`, the same in every process. The gradient of the own rows is the sum
        of what all processes' losses ask of them.
    """
    if count_processes() == 1:
        return rows
    # `Any`: torch does not type `apply`.
    return cast(Tensor, cast(Any, _GatherRows).apply(rows))


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:  # `Any`: torch's own context has no type
        parts = [torch.empty_like(rows.contiguous()) for _ in range(count_processes())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        # A copy: autograd may still need what came in.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.chunk(count_processes())[dist.get_rank()]
