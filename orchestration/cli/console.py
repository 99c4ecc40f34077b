"""What every command shares: the chosen workspace, output for people or for scripts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from assets.workspace import Workspace


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
