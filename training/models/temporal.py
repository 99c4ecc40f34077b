"""From the feature maps of a walk's frames to one map of the walk.

Every pooling is blind to the order of the frames. Which one a model has is said in the registry.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class TemporalPooling(nn.Module):
    """Maps features `(sample, frame, channel, row, column)` to `(sample, channel, row, column)`."""

    def forward(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Pool the frames of each sample.

        Args:
            features: `(sample, frame, channel, row, column)`.
            silhouettes: `(sample, frame, height, width)` in [0, 1], what the features are of.
        """
        raise NotImplementedError

    def pool_in_turns(self, chunks: Iterable[Tensor], silhouettes: Tensor) -> Tensor:
        """Pool the frames of one sample, `(frame, channel, row, column)` at a time, in judging."""
        pooled: Tensor = self(torch.cat(list(chunks))[None], silhouettes[None])
        return pooled[0]

    def slopes(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Return what each frame's features are multiplied with before they are added up.

        For explanations: the sum of slopes times features over the frames is the pooled map.

        Args:
            features: `(frame, channel, row, column)` of one sample.
            silhouettes: `(frame, height, width)`.

        Returns:
            `(frame, channel or 1, row or 1, column or 1)`.
        """
        raise NotImplementedError


class MaximumOverTime(TemporalPooling):
    """The highest value of each place in any frame."""

    def forward(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Pool the frames of each sample; see `TemporalPooling`."""
        return features.max(dim=1).values

    def pool_in_turns(self, chunks: Iterable[Tensor], silhouettes: Tensor) -> Tensor:
        """Pool without holding the features of all frames."""
        highest: Tensor | None = None
        for chunk in chunks:
            here = chunk.amax(dim=0)
            highest = here if highest is None else torch.maximum(highest, here)
        assert highest is not None  # a walk has frames
        return highest

    def slopes(self, features: Tensor, silhouettes: Tensor) -> Tensor:
        """Return 1 where a frame holds the maximum, the first of equals, and 0 elsewhere."""
        winners = features.max(dim=0).indices
        places = torch.arange(len(features), device=features.device)
        return (winners[None] == places[:, None, None, None]).to(features.dtype)
