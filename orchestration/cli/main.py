"""The `gaitworks` entry: options for all commands, error messages and exit codes."""

import sys
from pathlib import Path
from typing import Annotated, Final

import click
import typer

from orchestration.cli import (
    audit,
    cohort,
    doctor,
    gap,
    interchange,
    pipeline,
    preset,
    release,
    shards,
    weights,
)
from orchestration.cli.console import Context, print_json, say
from orchestration.definitions import WORKSPACE_VARIABLE
from transforms.errors import GaitworksError

_INTERRUPTED: Final = 130

app = typer.Typer(
    name="gaitworks",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "From raw walking videos to silhouette datasets and results that can be verified.\n\n"
        "Start with `gaitworks demo`: it makes a synthetic cohort and takes it all the way. With "
        "your own videos: put a batch under `raw/`, check it with `gaitworks intake`, then "
        "`gaitworks run`.\n\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad input or settings, 4 damaged files, "
        "5 refused, 6 something is not installed."
    ),
)
app.command()(cohort.synth)
app.command()(cohort.intake)
app.command("import")(interchange.import_tree)
app.command("export")(interchange.export_tree)
app.command()(pipeline.demo)
app.command()(pipeline.run)
app.command()(pipeline.status)
app.command()(pipeline.verify)
app.command()(preset.preset)
app.command()(audit.audit)
app.command()(gap.gap)
app.command()(pipeline.ui)
app.command()(doctor.doctor)
app.add_typer(shards.app, name="shards")
app.add_typer(release.app, name="release")
app.add_typer(weights.app, name="weights")


@app.callback()
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


def main() -> None:
    """Run the command line; errors of the project end with their own exit code."""
    is_debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
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
        say(f"error: {type(error).__name__}: {error}")
        say("this is a defect of gaitworks; --debug before the command shows where")
        code = 1
    if code == _INTERRUPTED:  # typer, too, turns Ctrl-C into this code
        say("stopped; run again to go on where it was")
    sys.exit(code if isinstance(code, int) else 0)


def _show(error: GaitworksError) -> None:
    if "--json" in sys.argv:
        details = {"what": error.what, **error.details(), "exit_code": error.exit_code}
        print_json({"error": details})
        return
    say(f"error: {error.what}")
    for name, value in error.details().items():
        say(f"  {name + ':':10}{value}")
