"""Lightning Fabric for a training: one process, or those that `torchrun` has started together."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from transforms.errors import SettingsError
from transforms.training_settings import Precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# How long one process waits for another that is alive but silent. One that died is noticed at once.
_PATIENCE: Final = timedelta(minutes=30)


def read_process_count() -> int:
    """Return how many processes `torchrun` has started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def is_first_process() -> bool:
    """Tell whether this process is the only one, or the first of those `torchrun` has started."""
    return read_process_count() == 1 or os.environ["RANK"] == "0"


def launch_fabric(precision: Precision, device: str) -> "Fabric":
    """Return Fabric on the device of this process, joined with the others if there are any.

    Args:
        precision: of the forward pass.
        device: `cpu` or `cuda`; processes meet over gloo or NCCL.

    Raises:
        SettingsError: the device does not have the precision, or there are more processes than
            devices.
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    # Fabric would warn and train in bf16 instead.
    if precision == "16-mixed" and device != "cuda":
        raise SettingsError(
            "fp16 needs a CUDA device",
            where="training.precision",
            expected="32-true or bf16-mixed",
            found=precision,
        )
    process_count = read_process_count()
    if process_count == 1:
        return Fabric(accelerator=device, devices=1, precision=precision)
    local_count = int(os.environ["LOCAL_WORLD_SIZE"])
    if device == "cuda" and local_count > torch.cuda.device_count():
        raise SettingsError(
            "more processes than GPUs",
            where="torchrun --nproc-per-node",
            expected=f"at most {torch.cuda.device_count()}",
            found=local_count,
        )
    fabric = Fabric(
        accelerator=device,
        devices=local_count,
        num_nodes=process_count // local_count,
        # Synced batch norms remember the same statistics everywhere: nothing to broadcast.
        strategy=DDPStrategy(
            process_group_backend="nccl" if device == "cuda" else "gloo",
            timeout=_PATIENCE,
            forward_sync_buffers=False,
        ),
        precision=precision,
    )
    fabric.launch()
    return fabric
