"""A walk judged by a model of silhouette sequences: the whole, and second by second."""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.described_model import DescribedModel
from training.judgement import Judgement, Reals
from training.models.classifier import SilhouetteClassifier
from training.unpack import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, grey_levels
from transforms.errors import InputError

WINDOW_S: Final = 1.0
"""About a gait cycle."""
STEP_S: Final = 0.5
_MIN_FRAMES: Final = 8
_FRAMES_AT_ONCE: Final = 15

Floats = NDArray[np.float32]


def to_model_input(silhouettes: NDArray[np.uint8]) -> Floats:
    """Return `(frame, 64, 44) float32` in [0, 1] of silhouettes as a dataset holds them.

    Raises:
        InputError: they have a size that no model takes.
    """
    height, width = silhouettes.shape[1:]
    cut = (width - FRAME_WIDTH_PX) // 2
    if height != FRAME_HEIGHT_PX or cut < 0 or (width - FRAME_WIDTH_PX) % 2:
        raise InputError(
            "silhouettes of a size that no model takes",
            expected=f"{FRAME_HEIGHT_PX}x{FRAME_WIDTH_PX}",
            found=f"{height}x{width}",
        )
    return grey_levels()[silhouettes[:, :, cut : width - cut]]


def judge_walk(described: DescribedModel, silhouettes: Floats, times_s: Reals) -> Judgement:
    """Judge a walk as a whole and in parts.

    Args:
        described: the model.
        silhouettes: `(frame, 64, 44)` in [0, 1].
        times_s: `(frame,)` rising.
    """
    cap = described.training.evaluation_frame_cap
    frames = torch.from_numpy(np.ascontiguousarray(silhouettes[:cap]))
    spans = find_windows(times_s[:cap])
    with torch.inference_mode():
        whole = described.model(frames[None, None]).probabilities()[0].numpy()
        parts = _judge_parts(described.model, frames, spans)
    middles = [(times_s[start] + times_s[stop - 1]) / 2 for start, stop in spans]
    return Judgement(
        described.scheme.classes,
        whole,
        parts.reshape(len(spans), len(described.scheme.classes)),
        np.array(middles, dtype=np.float64),
        WINDOW_S,
        STEP_S,
        (len(frames),),
    )


def find_windows(times_s: Reals) -> list[tuple[int, int]]:
    """Return first and last-but-one frame of each window of a walk that has enough frames.

    Windows begin every `STEP_S` and end before the walk does.
    """
    if not len(times_s):
        return []
    # The last frame, too, takes its time.
    frame_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    count = math.floor((times_s[-1] - times_s[0] + frame_s - WINDOW_S) / STEP_S + 1e-9) + 1
    starts = times_s[0] + STEP_S * np.arange(max(0, count))
    edges = [
        (int(np.searchsorted(times_s, start)), int(np.searchsorted(times_s, start + WINDOW_S)))
        for start in starts - 1e-9
    ]
    return [(start, stop) for start, stop in edges if stop - start >= _MIN_FRAMES]


def _judge_parts(
    model: SilhouetteClassifier, frames: torch.Tensor, spans: list[tuple[int, int]]
) -> Reals:
    """Return the probabilities of parts of a walk whose frames go through the backbone once."""
    if not spans:
        return np.zeros(0)
    chunks = frames[:, None].split(_FRAMES_AT_ONCE)  # type: ignore[no-untyped-call]  # torch's
    features = torch.cat([model.backbone(chunk) for chunk in chunks])
    pooled = [
        model.temporal(features[start:stop][None], frames[start:stop][None])
        for start, stop in spans
    ]
    return model.classify(torch.cat(pooled)).probabilities().numpy()
