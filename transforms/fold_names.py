"""What the variants of a cross-validation are called: `fold_1`, `fold_2`, ..."""

import re
from typing import Final

_PREFIX: Final = "fold_"
_NAME: Final = re.compile(_PREFIX + r"([1-9]\d{0,5})")


def name_fold(number: int) -> str:
    """Return the name of a fold, counted from 1."""
    return f"{_PREFIX}{number}"


def number_of_fold(variant: str) -> int | None:
    """Return the number of a fold, or None for a variant that is none."""
    found = _NAME.fullmatch(variant)
    return int(found[1]) if found else None
