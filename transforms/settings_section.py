"""What sections of `params.yaml` are made of: their base class, and kinds of values they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Licence = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$")]  # SPDX


class Section(BaseModel):
    """What all sections share: frozen, strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
