"""Batch normalisation over the samples of all processes, as if one held them all."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.gather import count_processes, gather_rows


class SyncedBatchNorm(_BatchNorm):
    """Batch normalisation that shares its statistics; evaluates like torch's own.

    For the CPU, where `torch.nn.SyncBatchNorm` refuses to work. Every process brings equally many
    values. Takes `(sample, channel)` or `(sample, channel, ...)`.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise with the statistics of the whole batch, and remember them."""
        if not self.training:
            return super().forward(features)
        assert self.running_mean is not None  # the models track statistics
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        values = features.to(self.weight.dtype)  # autocast brings bf16
        axes = [0, *range(2, values.ndim)]
        own_var, own_mean = torch.var_mean(values, dim=axes, correction=0)
        means, variances = gather_rows(torch.stack([own_mean, own_var])[None]).unbind(dim=1)
        mean = means.mean(dim=0)
        variance = variances.mean(dim=0) + means.var(dim=0, correction=0)
        with torch.no_grad():
            count = values.numel() // values.shape[1] * count_processes()
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        shape = [1, -1, *[1] * (values.ndim - 2)]
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised = (values - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return normalised.to(features.dtype)

    def _check_input_dim(self, features: Tensor) -> None:
        pass


def synchronise_norms(module: nn.Module, device: torch.device) -> nn.Module:
    """Replace every batch normalisation by one over all processes; names and values stay.

    Before an optimiser is made: the parameters are new ones.
    """
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]  # torch's own gap
        return converted
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                synced = SyncedBatchNorm(child.num_features, child.eps, child.momentum)
                synced.load_state_dict(child.state_dict())
                setattr(parent, name, synced)
    return module
