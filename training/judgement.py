"""What a model says of one walk, and how sure it is: the whole, and part by part.

The whole is judged as evaluation judges it; the parts show how far the answer hangs on which part
of the walk was filmed.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.errors import IntegrityError

QUANTILES: Final = (0.05, 0.5, 0.95)
_MIN_WINDOWS: Final = 3
"""Fewer say nothing about a spread."""

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Judgement:
    """Probabilities of one walk.

    Attributes:
        classes: in the order of the columns.
        whole: `(class,)` of the walk as a whole.
        windows: `(window, class)` of parts of the walk, each judged alone.
        middles_s: `(window,)`, the time of each part's middle.
        window_s: how long a part is.
        step_s: from one part to the next.
        frames: of each video, how many of its frames were judged.
    """

    classes: tuple[str, ...]
    whole: Reals
    windows: Reals
    middles_s: Reals
    window_s: float
    step_s: float
    frames: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what is no probability; weights that are finite may still overflow.

        Raises:
            IntegrityError: a number is not finite.
        """
        if not (np.isfinite(self.whole).all() and np.isfinite(self.windows).all()):
            raise IntegrityError(
                "the model gives no probabilities for this walk",
                expected="finite numbers",
                fix="name another model: the weights of this one are of no use",
            )

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
            "window_s": self.window_s,
            "step_s": self.step_s,
            "windows": len(self.windows),
        }
        if len(self.windows) < _MIN_WINDOWS:
            uncertainty |= {
                "agreeing_windows": None,
                "spread": None,
                "reason": f"the walk has {len(self.windows)} window(s) of {self.window_s:g} s; "
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
