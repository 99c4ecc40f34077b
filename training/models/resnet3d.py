"""3D ResNets of bottleneck blocks for short clips, as Hara, Kataoka and Satoh published them.

Source: "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR 2018,
arXiv:1711.09577. Here are the layers alone; classifiers are in `training.models.dual_view`.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_EXPANSION: Final = 4
_STAGE_STRIDES: Final = (1, 2, 2, 2)


@dataclass(frozen=True)
class ResNet3DArchitecture:
    """The size of a 3D ResNet; the defaults are the published 3D ResNet-50.

    Attributes:
        width: channels after the stem; each later stage has twice as many in its blocks, and four
            times those at its end.
        depths: bottleneck blocks of each of the four stages.
    """

    width: int = 64
    depths: tuple[int, int, int, int] = (3, 4, 6, 3)

    @property
    def feature_count(self) -> int:
        """Channels of the last stage: the length of a clip's description."""
        return (self.width << (len(self.depths) - 1)) * _EXPANSION


class ConvNorm3D(nn.Module):
    """A 3D convolution without bias that keeps sizes but for its stride, then normalisation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int | tuple[int, int, int] = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map `(clip, inputs, frame, height, width)` to the same axes with `outputs` channels."""
        normalised: Tensor = self.norm(self.conv(features))
        return normalised


class Bottleneck3D(nn.Module):
    """A 3x3x3 convolution between two of 1x1x1, beside a shortcut of "type B".

    The shortcut is a 1x1x1 convolution where the shape changes, and nothing elsewhere. As published
    the stride is that of the middle convolution.
    """

    def __init__(self, inputs: int, width: int, *, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.reduce = ConvNorm3D(inputs, width, kernel=1)
        self.middle = ConvNorm3D(width, width, kernel=3, stride=stride)
        self.expand = ConvNorm3D(width, outputs, kernel=1)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = (
            ConvNorm3D(inputs, outputs, kernel=1, stride=stride) if changes_shape else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map `(clip, inputs, frame, height, width)` to the same axes, strided."""
        inner = functional.relu(self.reduce(features), inplace=True)
        inner = functional.relu(self.middle(inner), inplace=True)
        inner = self.expand(inner)
        inner += self.shortcut(features)
        return functional.relu(inner, inplace=True)


class ResNet3D(nn.Module):
    """A stem, a maximum pooling, four stages of bottleneck blocks, the mean over what remains.

    Every layer pads, so that no side of a map can fall below 1: 8 silhouettes of 64x44 end as a map
    of 1 x 2 x 2, 16 pictures of 112x112 as the published 1 x 4 x 4.

    Args:
        architecture: width and depths.
        channel_count: channels of the input: 3 for RGB, 1 for silhouettes, twice that for two views
            in one input.
    """

    def __init__(self, architecture: ResNet3DArchitecture, channel_count: int) -> None:
        super().__init__()
        # The first layer keeps the number of frames: published for clips shorter than 32 frames.
        self.stem = ConvNorm3D(channel_count, architecture.width, kernel=7, stride=(1, 2, 2))
        self.pooling = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        stages: list[nn.Module] = []
        inputs = architecture.width
        for number, (depth, stride) in enumerate(
            zip(architecture.depths, _STAGE_STRIDES, strict=True)
        ):
            width = architecture.width << number
            blocks: list[nn.Module] = []
            for index in range(depth):
                blocks.append(Bottleneck3D(inputs, width, stride=1 if index else stride))
                inputs = width * _EXPANSION
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)

    def forward(self, clips: Tensor) -> Tensor:
        """Map `(clip, channel, frame, height, width)` to features `(clip, feature_count)`."""
        features = self.pooling(functional.relu(self.stem(clips), inplace=True))
        described: Tensor = self.stages(features).mean(dim=(2, 3, 4))
        return described


def initialise_fan_out(model: nn.Module, generator: torch.Generator) -> None:
    """Fill every parameter from `generator`, as published.

    Kaiming-normal by the outputs for convolutions, normalisation to 1 and 0; linear maps as PyTorch
    draws them by itself, uniform within one over the root of their inputs, which the authors left.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv3d | nn.Linear):
            # Drawn apart: a draw follows the memory, and how channels lie there must not matter.
            drawn = torch.empty(module.weight.shape)
            bound = module.weight[0].numel() ** -0.5
            if isinstance(module, nn.Linear):
                nn.init.uniform_(drawn, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            else:
                nn.init.kaiming_normal_(
                    drawn, mode="fan_out", nonlinearity="relu", generator=generator
                )
            with torch.no_grad():
                module.weight.copy_(drawn)
