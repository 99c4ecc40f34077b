"""What surrounds every command: the options before it, error messages and exit codes.

Nothing here loads Dagster: commands that need none start in a quarter of the time.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import click
import typer
from typer.models import ArgumentInfo

from orchestration.cli.console import Context, clean_lines, print_json, say
from transforms.errors import GaitworksError
from transforms.layout import WORKSPACE_VARIABLE

_INTERRUPTED: Final = 130


def options(
    context: typer.Context,
    workspace: Annotated[
        Path,
        typer.Option(
            "--workspace",
            "-C",
            envvar=WORKSPACE_VARIABLE,
            help="The folder with params.yaml.",
        ),
    ] = Path(),
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Keep what applies to all commands."""
    context.obj = Context(workspace=workspace, is_debug=debug)


def _leave_out_interrupts(found: "sys.UnraisableHookArgs") -> None:
    """Report what Python could not raise, but for Ctrl-C inside a library's callback."""
    if not issubclass(found.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(found)


def run_app(app: typer.Typer) -> None:
    """Run a command line; errors of the project end with their own exit code."""
    is_debug = "--debug" in sys.argv
    sys.unraisablehook = _leave_out_interrupts
    try:
        code = build_command(app)(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.exceptions.Abort:
        code = _INTERRUPTED
    except GaitworksError as error:
        if is_debug:
            raise
        _show(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:
        if is_debug:
            raise
        say(f"error: {type(error).__name__}: {clean_lines(str(error))}")
        say("this is a defect of gaitworks; --debug before the command shows where")
        code = 1
    if code == _INTERRUPTED:  # typer, too, turns Ctrl-C into this code
        say("stopped; run again to go on where it was")
    sys.exit(code if isinstance(code, int) else 0)


def build_command(app: typer.Typer) -> click.Command:
    """Return what a command line runs, its arguments with their help.

    Click 8.5 has a help of arguments too, and empties the one that typer 0.25 has set before.
    """
    command = typer.main.get_command(app)
    for one in list_commands(command):
        for parameter in one.params:
            if isinstance(parameter, typer.core.TyperArgument) and parameter.help is None:
                parameter.help = _find_help(one.callback, parameter.name)
    return command


def list_commands(command: click.Command) -> Iterator[click.Command]:
    """Return a command and all below it."""
    yield command
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from list_commands(one)


def _find_help(callback: Any, name: str | None) -> str | None:
    # `Any`: whatever a command runs.
    annotation = inspect.signature(callback, eval_str=True).parameters[str(name)].annotation
    found = (
        one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, ArgumentInfo)
    )
    return next((one.help for one in found), None)


def _show(error: GaitworksError) -> None:
    if "--json" in sys.argv:
        details = {"what": error.what, **error.details(), "exit_code": error.exit_code}
        print_json({"error": details})
        return
    say(f"error: {clean_lines(error.what)}")
    for name, value in error.details().items():
        say(f"  {name + ':':10}{clean_lines(value)}")
