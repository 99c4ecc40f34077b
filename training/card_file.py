"""The card beside a model's weights as a file, read without torch; what it says, `model_card` does.

A model's folder may come from elsewhere: nothing in it is believed before it was checked.
"""

import json
from pathlib import Path
from typing import Any, Final

from transforms.errors import IntegrityError

MODEL_NAME: Final = "model.safetensors"
CARD_NAME: Final = "model.json"
FORMAT: Final = "gaitworks-model/1"
REBUILD: Final = "build trained_model again"
_MAX_BYTES: Final = 1 << 20

Card = dict[str, Any]  # `Any`: JSON


def read_card(directory: Path) -> Card:
    """Return the card of the model in a folder.

    Raises:
        IntegrityError: there is none, or something else in its place.
    """
    path = directory / CARD_NAME
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"over {_MAX_BYTES} bytes")
        card = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise IntegrityError(
            "unreadable model card", where=path, found=error, fix=REBUILD
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise IntegrityError("not a model card", where=path, expected=FORMAT, fix=REBUILD)
    return card
