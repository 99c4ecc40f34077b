"""Markdown out of tables and templates, for every text of a release."""

from pathlib import Path
from typing import Any, Final

import polars as pl

_TEMPLATES: Final = Path(__file__).parent / "templates"


def render(template: str, values: dict[str, Any]) -> str:
    """Return a template filled with values; a value that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def encode_table(frame: pl.DataFrame) -> str:
    """Return a Markdown table; headings with a space for each underscore."""
    lines = [[name.replace("_", " ") for name in frame.columns], ["---"] * frame.width]
    lines += [[_cell(value) for value in row] for row in frame.iter_rows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
