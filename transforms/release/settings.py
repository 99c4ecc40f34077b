"""The section `release` of `params.yaml`: what a release says of itself."""

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from transforms.release.questions import QUESTIONS
from transforms.settings_section import Licence, Section


def _quoted(value: object) -> object:
    if isinstance(value, datetime.date):
        raise ValueError(f'a date must stand in quotes, "{value}", because DVC reads no YAML dates')
    return value


def _is_day(text: str) -> str:
    datetime.date.fromisoformat(text)
    return text


def _known(answers: dict[str, str]) -> dict[str, str]:
    unknown = sorted(answers.keys() - {question.key for question in QUESTIONS})
    if unknown:
        raise ValueError(
            f"no question of the datasheet has the key {', '.join(unknown)}; see docs/releases.md"
        )
    return answers


IsoDate = Annotated[
    str,
    BeforeValidator(_quoted),
    Field(pattern=r"^20\d\d-\d\d-\d\d$"),
    AfterValidator(_is_day),
]


class ReleaseSettings(Section):
    """What a release says of itself.

    Attributes:
        date: of publication, as a person states it: the same release has the same bytes any day.
        creators: `Family, Given` is a person, a name without a comma an organisation.
        is_synthetic: nobody was filmed; the data themselves can't tell.
        further_protocols: of splits that it is to hold beside the one that was trained on.
        answers: what only people know, by the key of the datasheet's question.
    """

    version: Annotated[str, Field(pattern=r"^20\d\d\.(1[0-2]|[1-9])\.(0|[1-9]\d*)$")] = "2026.11.0"
    date: IsoDate = "2026-11-01"
    title: Annotated[str, Field(min_length=3)] = "Synthetic gait silhouettes"
    description: str = "Silhouettes of synthetic walkers, made by the Gaitworks demo."
    licence: Licence = "CC-BY-4.0"
    creators: Annotated[tuple[str, ...], Field(min_length=1)] = ("The Gaitworks authors",)
    is_synthetic: bool = False
    url: Annotated[str, Field(pattern=r"^https://[^\s\"<>]+$")] | None = None
    further_protocols: tuple[
        Literal["fixed_test_nested", "paper_exact", "k_fold"], ...
    ] = ()  # none that leaks by design, and `imported` needs a file
    answers: Annotated[dict[str, Annotated[str, Field(min_length=1)]], AfterValidator(_known)] = (
        Field(default={})
    )
