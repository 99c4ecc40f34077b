"""The diagnosis labels, their fixed order and the spellings accepted from outside."""

from typing import Final

from transforms.errors import InputError

# The order is that of the field's reference code: models, confusion matrices and files use it.
SCOLIOSIS_LABELS: Final = ("negative", "neutral", "positive")

# Older releases of Scoliosis1K call the neutral class "critical".
_SPELLINGS: Final = {"critical": "neutral"}


def parse_label(text: str, *, where: object = None) -> str:
    """Return the canonical label for a spelling from outside.

    Raises:
        InputError: the spelling names no known label.
    """
    word = text.strip().lower()
    label = _SPELLINGS.get(word, word)
    if label not in SCOLIOSIS_LABELS:
        raise InputError(
            "unknown label",
            where=where,
            expected=" or ".join(SCOLIOSIS_LABELS),
            found=repr(text),
            fix="correct the label column",
        )
    return label


def label_index(label: str) -> int:
    """Return the class index of a canonical label."""
    return SCOLIOSIS_LABELS.index(label)
