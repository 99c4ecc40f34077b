"""Commands that run the pipeline, tell how it stands and show it."""

import os
import signal
import socket
import sys
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

from assets.catalogue import STAGES
from assets.stage import Stage, label
from assets.states import list_remarks, list_states, say_states
from assets.verification import find_damage, published_outputs
from orchestration.cli.cohort import make_cohort
from orchestration.cli.console import print_json, say, workspace_of
from orchestration.instance import open_instance, prepare_home
from orchestration.partition_keys import register_partitions
from orchestration.runner import Outcome, run_stages, select_stages
from transforms.errors import IntegrityError, SettingsError

_UI_HOST: Final = "127.0.0.1"
_UI_PORT: Final = 3000
# Dagster recommends `dg dev`, which is not part of it.
_NOT_OUR_READERS: Final = "ignore:Function `dev_command` is superseded:FutureWarning"


def run(
    context: typer.Context,
    stages: Annotated[
        list[str] | None,
        typer.Argument(help="Stages to bring up to date; all of them if none is named."),
    ] = None,
    partition: Annotated[
        str | None, typer.Option(help="Only this intake batch or experiment.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Rebuild even what is fresh.")] = False,
    code_version: Annotated[
        str | None,
        typer.Option(help="Refuse to run if the stage's code has another version (for DVC)."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Bring stages up to date through Dagster, skipping what is fresh.

    The same as materialising the assets in the UI, and what each stage of `dvc.yaml` calls.
    """
    workspace = workspace_of(context)
    selected = select_stages(stages or [])
    if code_version is not None:
        _require_code_version(selected, code_version)
    outcomes = run_stages(workspace, selected, partition=partition, force=force, report=say)
    if json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        _sum_up(outcomes)


def demo(context: typer.Context) -> None:
    """Make a synthetic cohort and take it through every stage to a verified release."""
    workspace = workspace_of(context)
    began = time.monotonic()
    make_cohort(workspace)
    outcomes = run_stages(workspace, STAGES, report=say)
    _sum_up(outcomes)
    say(f"\nthe demo took {time.monotonic() - began:.0f} s; what to look at:")
    for text, path in (
        ("report", "data/report/report.html"),
        ("release, verified", "data/release/"),
        ("dataset", "data/shards/"),
        ("splits and their proof", "data/splits/"),
        ("models and metrics", "data/experiments/"),
        ("the videos it began with", "raw/"),
    ):
        say(f"  {text:26}{workspace.path / path}")
    say("what to do next:")
    for command, text in (
        ("make ui", "open the Dagster UI on this very run"),
        ("make repro", "`dvc repro`: says that everything is up to date"),
        ("gaitworks release verify data/release", "check the release file by file"),
        ("gaitworks --help", "use your own videos"),
    ):
        say(f"  {command:40}{text}")


def status(
    context: typer.Context,
    names_all: Annotated[
        bool, typer.Option("--all", help="Name every experiment, however many are alike.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the states as JSON, without remarks.")
    ] = False,
) -> None:
    """Say of every stage whether it is fresh, stale, missing or waiting.

    Waiting: built from what its inputs hold now, but one of these is to be built again. If that
    comes out as it was, what waits is fresh as it is.
    """
    workspace = workspace_of(context)
    states = list_states(workspace, STAGES)
    if json:
        print_json(states)
        return
    for line in say_states(states, list_remarks(workspace, STAGES), names_all=names_all):
        typer.echo(line)


def verify(context: typer.Context) -> None:
    """Hash every published file and compare it with its manifest."""
    workspace = workspace_of(context)
    problems = []
    for stage, key in published_outputs(workspace):
        problems += find_damage(workspace, stage, key)
        say(f"checked {label(stage, key)}")
    if problems:
        raise IntegrityError(
            f"{len(problems)} file(s) differ from their manifest:\n  " + "\n  ".join(problems),
            fix="rebuild the stages named with `gaitworks run --force STAGE`",
        )
    typer.echo("all published files are what their manifests say")


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = _UI_PORT,
) -> None:
    """Open the Dagster UI on this workspace (Ctrl-C ends it)."""
    workspace = workspace_of(context)
    _refuse_taken_port(port)
    home = prepare_home(workspace)
    with open_instance(workspace) as instance:
        register_partitions(instance, workspace)
    say(f"Dagster UI: http://{_UI_HOST}:{port} (instance in {home})")
    environment = {**os.environ, "GAITWORKS_WORKSPACE": str(workspace.path)}
    # A parent that ignores SIGINT (a shell's `&`) would pass that on, and Ctrl-C would do nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    python = [sys.executable, "-W", _NOT_OUR_READERS]
    command = [*python, "-m", "dagster", "dev", "-m", "orchestration.definitions"]
    os.execve(sys.executable, [*command, "-h", _UI_HOST, "-p", str(port)], environment)


def _refuse_taken_port(port: int) -> None:
    """Say at once what Dagster would say after it has started everything."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a UI that has just ended
        try:
            probe.bind((_UI_HOST, port))
        except OSError as error:
            raise SettingsError(
                "the UI cannot have this port",
                where=f"{_UI_HOST}:{port}",
                found=error.strerror,
                fix="end what listens there (another `gaitworks ui`?), or name another port: "
                "`gaitworks ui --port N`",
            ) from None


def _sum_up(outcomes: list[Outcome]) -> None:
    built = sum(outcome.is_built for outcome in outcomes)
    if len(outcomes) == 1:
        return  # its own line has said it
    if built == len(outcomes):
        say(f"all {built} steps were run")
    elif built:
        say(f"{built} of {len(outcomes)} steps were run, the rest was up to date")
    else:
        say(f"nothing to do: all {len(outcomes)} steps are up to date")


def _require_code_version(stages: list[Stage], expected: str) -> None:
    for stage in stages:
        if stage.code_version != expected:
            raise SettingsError(
                f"{stage.name} has another code version",
                where="dvc.yaml",
                expected=stage.code_version,
                found=expected,
                fix="correct --code-version in the stage's cmd",
            )
