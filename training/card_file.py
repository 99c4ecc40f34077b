"""The card beside a model's weights as a file, read without torch; what it says, `model_card` does.

A model's folder may come from elsewhere: nothing in it is believed before it was checked.
"""

from pathlib import Path
from typing import Any, Final

from transforms.errors import IntegrityError
from transforms.files import read_limited
from transforms.outside_json import Count, Form, check_form, parse_json

MODEL_NAME: Final = "model.safetensors"
CARD_NAME: Final = "model.json"
FORMAT: Final = "gaitworks-model/1"
REBUILD: Final = "build trained_model again"
_MAX_BYTES: Final = 1 << 20

Card = dict[str, Any]  # `Any`: JSON


class _Side(Form):
    """How much a model was trained on."""

    participants: Count | None = None
    sequences: Count | None = None
    clips: Count | None = None


class _CardForm(Form):
    """What every reader of a card takes for granted; other parts are checked by those who use them.

    A card is written without `train` first, which training adds.
    """

    experiment: str
    model: str
    variant: str
    seed: Count
    dataset_version: str
    split_sha256: str
    weights_sha256: str
    parameter_count: Count
    train: _Side | None = None


def read_card(directory: Path) -> Card:
    """Return the card of the model in a folder.

    Raises:
        IntegrityError: there is none, or something else in its place.
    """
    path = directory / CARD_NAME
    try:
        card = parse_json(read_limited(path, _MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(
            "unreadable model card", where=path, found=error, fix=REBUILD
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise IntegrityError("not a model card", where=path, expected=FORMAT, fix=REBUILD)
    try:
        check_form(_CardForm, card)
    except ValueError as error:
        raise IntegrityError("a wrong model card", where=path, found=error, fix=REBUILD) from error
    return card
