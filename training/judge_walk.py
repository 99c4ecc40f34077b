"""What a model says of one walk, and how sure it is: the whole, and second by second.

The whole is judged as evaluation judges a sequence; the seconds show how far the answer hangs on
which part of the walk was filmed.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.model_card import DescribedModel
from training.models.classifier import SilhouetteClassifier
from training.unpack import FRAME_HEIGHT_PX, FRAME_WIDTH_PX, grey_levels
from transforms.errors import InputError

WINDOW_S: Final = 1.0
"""About a gait cycle."""
STEP_S: Final = 0.5
QUANTILES: Final = (0.05, 0.5, 0.95)
_MIN_FRAMES: Final = 8
_MIN_WINDOWS: Final = 3
"""Fewer say nothing about a spread."""
_FRAMES_AT_ONCE: Final = 15

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """Probabilities of one walk.

    Attributes:
        classes: in the order of the columns.
        whole: `(class,)` of the walk as a whole.
        windows: `(window, class)` of overlapping parts of `WINDOW_S`, each judged alone.
        middles_s: `(window,)`, the time of each part's middle.
        frames: how many frames were judged, from the beginning of the walk.
    """

    classes: tuple[str, ...]
    whole: Reals
    windows: Reals
    middles_s: Reals
    frames: int

    @property
    def predicted(self) -> int:
        """The likeliest class of the whole walk."""
        return int(self.whole.argmax())

    @property
    def entropy_bits(self) -> float:
        """How undecided the whole is: 0, surely one class, to `log2` of the number of classes."""
        likely = self.whole[self.whole > 0]
        return float(max(0.0, -(likely * np.log2(likely)).sum()))

    def describe(self) -> dict[str, Any]:
        """Return the parts `answer` and `uncertainty` of a prediction."""
        # `Any`: JSON.
        label = self.classes[self.predicted]
        uncertainty: dict[str, Any] = {
            "entropy_bits": self.entropy_bits,
            "entropy_bits_of_a_guess": math.log2(len(self.classes)),
            "window_s": WINDOW_S,
            "step_s": STEP_S,
            "windows": len(self.windows),
        }
        if len(self.windows) < _MIN_WINDOWS:
            uncertainty |= {
                "agreeing_windows": None,
                "spread": None,
                "reason": f"the walk has {len(self.windows)} window(s) of {WINDOW_S:g} s; "
                f"{_MIN_WINDOWS} are needed to speak of a spread",
            }
        else:
            agreeing = self.windows.argmax(axis=1) == self.predicted
            quantiles = np.quantile(self.windows, QUANTILES, axis=0)
            uncertainty |= {
                "agreeing_windows": int(agreeing.sum()),
                "spread": {
                    name: {
                        f"quantile_{100 * level:g}": float(quantiles[place, column])
                        for place, level in enumerate(QUANTILES)
                    }
                    for column, name in enumerate(self.classes)
                },
            }
        return {
            "answer": {
                "predicted": label,
                "probability": float(self.whole[self.predicted]),
                "probabilities": dict(zip(self.classes, self.whole.tolist(), strict=True)),
            },
            "uncertainty": uncertainty,
        }


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
        len(frames),
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
