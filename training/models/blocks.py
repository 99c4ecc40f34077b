"""The layers that silhouette classifiers of the ScoNet family are built from.

Parts are horizontal strips of the feature map; `parts` is always the last axis.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvNorm(nn.Module):
    """A convolution without bias, then batch normalisation."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(frame, inputs, height, width)` to `(frame, outputs, height', width')`."""
        normalised: Tensor = self.norm(self.conv(features))
        return normalised


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, kernel=3, stride=stride)
        self.second = ConvNorm(outputs, outputs, kernel=3)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = (
            ConvNorm(inputs, outputs, kernel=1, stride=stride) if changes_shape else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map `(frame, inputs, height, width)` to `(frame, outputs, height', width')`."""
        inner = self.second(functional.relu(self.first(features), inplace=True))
        inner += self.shortcut(features)
        return functional.relu(inner, inplace=True)


class ResNet9(nn.Module):
    """A stem and four residual blocks, one per stage, without pooling after the stem."""

    def __init__(self, channels: Sequence[int], strides: Sequence[int] = (1, 2, 2, 1)) -> None:
        super().__init__()
        self.stem = ConvNorm(1, channels[0], kernel=3)
        widths = (channels[0], *channels)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(inputs, outputs, stride=stride)
                for inputs, outputs, stride in zip(widths, channels, strides, strict=False)
            )
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Map `(frame, 1, 64, 44)` to `(frame, channel, 16, 11)`."""
        features: Tensor = self.blocks(functional.relu(self.stem(frames), inplace=True))
        return features


class HorizontalPooling(nn.Module):
    """Mean plus maximum over each of `parts` horizontal strips."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, features: Tensor) -> Tensor:
        """Map `(sample, channel, height, width)` to `(sample, channel, part)`."""
        strips = features.reshape(*features.shape[:2], self.parts, -1)
        return strips.mean(dim=-1) + strips.max(dim=-1).values


class MeanPooling(nn.Module):
    """The mean over the whole map, which is then the only part."""

    def forward(self, features: Tensor) -> Tensor:
        """Map `(sample, channel, height, width)` to `(sample, channel, 1)`."""
        return features.mean(dim=(2, 3))[:, :, None]


class PartwiseLinear(nn.Module):
    """One linear map without bias per part."""

    def __init__(self, parts: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(parts, inputs, outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Map `(sample, inputs, part)` to `(sample, outputs, part)`."""
        return (features.permute(2, 0, 1) @ self.weight).permute(1, 2, 0)


class Neck(nn.Module):
    """Maps embeddings `(sample, inputs, part)` to logits `(sample, class, part)`.

    Attributes:
        scale: what the logits are multiplied by before a softmax.
    """

    scale: float


class LinearNeck(Neck):
    """One linear map for all parts."""

    scale = 1.0

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map `(sample, inputs, part)` to `(sample, class, part)`."""
        logits: Tensor = self.linear(embeddings.transpose(1, 2))
        return logits.transpose(1, 2)


class PartwiseCosineNeck(Neck):
    """Batch normalisation over all parts, then the cosine to each class direction of each part."""

    def __init__(self, parts: int, inputs: int, classes: int, *, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.norm = nn.BatchNorm1d(inputs * parts)
        self.weight = nn.Parameter(torch.empty(parts, inputs, classes))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map `(sample, inputs, part)` to cosines `(sample, class, part)` in [-1, 1]."""
        normalised = self.norm(embeddings.flatten(start_dim=1)).view_as(embeddings)
        directions = functional.normalize(normalised, dim=1).permute(2, 0, 1)
        cosines = directions @ functional.normalize(self.weight, dim=1)
        return cosines.permute(1, 2, 0)


def initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Fill every parameter from `generator`, as the field's reference does.

    Xavier-uniform for convolutions and linear maps; batch-norm weights from N(1, 0.02); biases 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | PartwiseLinear | PartwiseCosineNeck):
            # Drawn apart: a draw follows the memory, and how channels lie there must not matter.
            drawn = nn.init.xavier_uniform_(torch.empty(module.weight.shape), generator=generator)
            with torch.no_grad():
                module.weight.copy_(drawn)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) or (
            isinstance(module, nn.Linear) and module.bias is not None
        ):
            nn.init.zeros_(module.bias)
