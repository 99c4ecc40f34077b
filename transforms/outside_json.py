"""JSON that may come from elsewhere: what it holds is checked before anybody believes it."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from transforms.files import canonical_json

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class Form(BaseModel):
    """Types that parts of a JSON object must have; what else it holds is not looked at."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def parse_json(data: bytes) -> Any:
    """Return a value that `canonical_json` can write again.

    Raises:
        ValueError: it is not JSON, or holds numbers that are not finite or halves of characters.
        RecursionError: it is nested too deep.
    """
    # `Any`: JSON.
    value = json.loads(data)
    canonical_json(value)  # `1e999` and "\\ud800" can be read, and not written
    return value


def check_form(form: type[Form], value: object) -> None:
    """Make sure that a value has the types it should have.

    Raises:
        ValueError: it has not; names the first part that is wrong.
    """
    try:
        form.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place or 'the whole'}: {first['msg']}") from error
