"""The inverted convention of the field's 2024 evaluator, for comparison with its tables only."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_DIGITS: Final = 10  # as the rest of metrics.json
_NOTE: Final = (
    "Label-inverted convention of the field's 2024 evaluator, per sequence, for comparison with "
    "the published tables only: the true-positive and true-negative rate of class 0 (negative) "
    "under the names sensitivity and specificity. Read clinically, the two are swapped: "
    "this specificity is the sensitivity for any abnormality."
)


def read_as_published_2024(matrix: NDArray[np.int64]) -> dict[str, Any]:
    """Return the rates that the 2024 evaluator prints under the name "Positive".

    Its labels are negative 0, positive 1, neutral 2, and it takes class index 0 as positive.

    Args:
        matrix: int64 [truth, prediction], classes in the order of `SCOLIOSIS`.
    """
    negative = 0
    of_negative, predicted_negative = matrix[negative].sum(), matrix[:, negative].sum()
    hits, total = matrix[negative, negative], matrix.sum()
    others = total - of_negative
    rejected = others - (predicted_negative - hits)
    return {
        "sensitivity": round(float(hits / of_negative), _DIGITS) if of_negative else None,
        "specificity": round(float(rejected / others), _DIGITS) if others else None,
        "note": _NOTE,
    }
