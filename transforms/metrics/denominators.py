"""Which groups of people a printed percentage can be a share of.

A share of `n` people is one of `n + 1` percentages. A percentage between them is not about these
`n` people, whatever the table's heading says.
"""

from collections.abc import Mapping

_HALF_DIGIT = 0.05  # percentages are printed with one decimal
_ROUNDING = 1e-9


def counts_printed_as(percent: float, people: int) -> tuple[int, ...]:
    """Return every number out of `people` whose share is printed as `percent`, to one decimal.

    A share that lies exactly between two decimals may be printed as either.
    """
    nearest = round(percent * people / 100)
    reach = _HALF_DIGIT + _ROUNDING
    # One decimal is a tenth of a percent: of more than 500 people, several numbers print alike.
    width = int(reach * people / 100) + 1
    around = range(max(nearest - width, 0), min(nearest + width, people) + 1)
    return tuple(count for count in around if abs(100 * count / people - percent) <= reach)


def split_one_against_rest(counts: Mapping[str, int], label: str) -> tuple[int, int]:
    """Return how many of the counted are of the class, and how many of the others."""
    return counts[label], sum(counts.values()) - counts[label]


def least_accuracy(sensitivity_percent: float, of_class: int, total: int) -> float:
    """Return the accuracy, in percent, if nobody outside the class is named rightly."""
    return 100 * min(counts_printed_as(sensitivity_percent, of_class), default=0) / total
