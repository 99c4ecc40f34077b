"""Which of the two command lines is run, and that both know the same command."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.cli.entry import find_command

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("predict walk.mp4", "predict"),
        ("-C there predict walk.mp4", "predict"),
        ("--workspace there --debug predict walk.mp4", "predict"),
        ("--workspace=there predict", "predict"),
        ("run predict", "run"),
        ("-C predict run", "run"),
        ("--help", None),
        ("", None),
    ],
)
def test_the_command_is_found_among_the_options(line: str, command: str | None) -> None:
    assert find_command(line.split()) == command


def run_script(script: str) -> str:
    """Run Python in a process of its own: typer warns of click, and warnings are errors here."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_both_command_lines_have_the_same_command_and_options_before_it() -> None:
    script = """
import typer
from orchestration.cli import light, main
seen = []
for module in (light, main):
    group = typer.main.get_command(module.app)
    command = group.commands["predict"]
    names = ("workspace", "debug")
    before = [one for one in group.params if one.name in names]
    shared = sorted(str((one.name, one.opts, one.envvar)) for one in before)
    seen.append((shared, [(one.name, one.opts) for one in command.params], command.help))
assert len(seen[0][0]) == 2 and len(seen[0][1]) > 8, seen
assert seen[0] == seen[1], seen
"""
    run_script(script)


def test_predict_starts_without_dagster_and_torch() -> None:
    script = "import sys, orchestration.cli.light; print(*sorted(sys.modules))"
    loaded = set(run_script(script).split())
    assert "typer" in loaded
    assert not loaded & {"dagster", "torch", "cv2", "numpy", "polars"}


@pytest.mark.slow
def test_every_argument_of_every_command_shows_its_help() -> None:
    script = """
import click
from orchestration.cli import main
from orchestration.cli.frame import build_command, list_commands
found = 0
for command in list_commands(build_command(main.app)):
    for one in command.params:
        if isinstance(one, click.Argument):
            name, said = one.get_help_record(click.Context(command))
            assert one.help and one.help in said and name.strip("[]."), (command.name, name, said)
            found += 1
print(found)
"""
    assert int(run_script(script)) > 10


def test_predict_shows_what_its_videos_are() -> None:
    script = """
import sys
sys.argv = ["gaitworks", "predict", "--help"]
from orchestration.cli.light import main
main()
"""
    assert "A walking video." in run_script(script)
