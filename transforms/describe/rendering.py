"""The one way in which pages are rendered: Jinja with everything escaped and nothing undefined."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_TEMPLATES: Final = Path(__file__).parent / "templates"


def load_template(name: str) -> "Template":
    """Return a template of `templates/`; what it shows is escaped unless it is `Markup`."""
    return _environment().get_template(name)


@functools.cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
