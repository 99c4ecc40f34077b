"""What every command shares: the chosen workspace, output for people or for scripts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from transforms.printable import shorten

if TYPE_CHECKING:
    from assets.workspace import Workspace

_LINE_CHARACTERS: Final = 1200


@dataclass
class Context:
    """The options given before the command."""

    workspace: Path = Path()
    is_debug: bool = False


def workspace_of(context: typer.Context) -> "Workspace":
    """Return the workspace the user chose."""
    from assets.workspace import Workspace  # and with it Dagster

    chosen: Context = context.obj
    return Workspace(root=str(chosen.workspace))


def print_json(value: Any) -> None:
    """Print one JSON value on standard output, for scripts."""
    typer.echo(json.dumps(value, indent=2, sort_keys=True, default=str, allow_nan=False))


def say(line: str) -> None:
    """Tell a person something on standard error, so that standard output stays machine-readable."""
    typer.echo(line, err=True)


def clean_line(text: str) -> str:
    """Return one line in which nothing that came with the data can move the cursor."""
    return shorten(text, _LINE_CHARACTERS)


def clean_lines(text: str) -> str:
    """Return the same of several lines; those after the first can't pass for lines of ours."""
    first, *rest = text.split("\n")
    return "\n".join([clean_line(first), *(f"    {clean_line(one)}".rstrip() for one in rest)])
