"""Commands about releases: building one, and what people do with one that they were given."""

import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from assets.catalogue import STAGES
from assets.progress import terminal_progress
from assets.release import DATASET_RELEASE
from orchestration.cli.console import print_json, say, workspace_of
from orchestration.runner import run_stages
from transforms.errors import IntegrityError, RefusalError
from transforms.release.load import Library, fill_example, require_installed

if TYPE_CHECKING:
    from transforms.manifest import Problem

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Build dataset releases; verify, compare and load those of others.\n\n"
        "A release is a folder that needs nothing beside it. `verify` finds every changed bit in "
        "it, `diff` says what changed between two, `load` prints a short program that reads it."
    ),
)

Release = Annotated[Path, typer.Argument(help="The release, wherever it came from.")]
_SHOWN_RECORDS: Final = 10
_SHOWN_PROBLEMS: Final = 100


@app.command()
def build(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option(help="Where releases are kept; `releases/` if not given.")
    ] = None,
) -> None:
    """Bring everything up to date and publish the release under its version, once and for all.

    The version is `release.version` in `params.yaml`. A published version is never overwritten.
    """
    from transforms.files import publish_directory
    from transforms.manifest import directory_version

    workspace = workspace_of(context)
    run_stages(workspace, STAGES, report=say)
    candidate = DATASET_RELEASE.directory(workspace, None)
    target = (to or workspace.path / "releases") / workspace.settings.release.version
    if target.exists():
        if directory_version(target) == directory_version(candidate):
            typer.echo(f"{target}: already published, nothing changed")
            return
        raise RefusalError(
            "this version is published with other content and stays as it is",
            where=target,
            expected=directory_version(target),
            found=directory_version(candidate),
            fix="raise release.version in params.yaml",
        )
    with publish_directory(target) as staging:
        shutil.copytree(candidate, staging, dirs_exist_ok=True)
    typer.echo(f"{target}: published, version {directory_version(target)}")


@app.command()
def verify(
    directory: Release,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="SHA256",
            help="The version that was published: also finds a release that somebody changed and "
            "listed anew.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check a release file by file with nothing but its own content.

    Finds every flipped bit, cut, missing, superfluous or renamed file, and names the sequences
    that a damaged shard has lost. Ends with exit code 4 if anything is not as it was published.

    Examples: `gaitworks release verify scoliosis-2026.11.0`, `sha256sum scoliosis-2026.11.0/
    manifest.json` for the version, `gaitworks release verify DIR --json | jq .problems`.
    """
    from transforms.manifest import directory_version
    from transforms.release.verify import verify_release

    with terminal_progress() as progress:
        problems = verify_release(directory, version=version, progress=progress)
    if json:
        found = None if problems else directory_version(directory)
        listed = [asdict(problem) for problem in problems]
        print_json({"directory": str(directory), "version": found, "problems": listed})
        if problems:
            raise typer.Exit(IntegrityError.exit_code)
        return
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        lines = [*map(str, problems[:_SHOWN_PROBLEMS]), *([f"and {more} more"] if more > 0 else [])]
        raise IntegrityError(
            f"{len(problems)} problem(s):\n  " + "\n  ".join(lines),
            where=directory,
            fix=_advise(directory, problems),
        )
    typer.echo(f"{directory}: whole, version {directory_version(directory)}")


def _advise(directory: Path, problems: "list[Problem]") -> str:
    """Return what to do about problems: not all mean that the release is damaged."""
    from transforms.manifest import FORMAT, MANIFEST_NAME
    from transforms.release.build import FACTS_NAME
    from transforms.release.verify import RELEASE_KIND, WHAT_TO_GIVE

    if all(problem.kind == "version" for problem in problems):
        return (
            "compare with the hash that the publisher states: all 64 digits, and not the dataset "
            "version in README.md"
        )
    is_foreign = any(
        problem.path == MANIFEST_NAME
        and (problem.kind == "missing" or problem.expected in (FORMAT, RELEASE_KIND))
        for problem in problems
    )
    if is_foreign and not (directory / FACTS_NAME).exists():
        return WHAT_TO_GIVE
    return "get the release again from where it was published"


@app.command()
def diff(
    older: Annotated[Path, typer.Argument(help="The release that people have.")],
    newer: Annotated[Path, typer.Argument(help="The release that is to follow it.")],
    is_all: Annotated[
        bool, typer.Option("--all", help=f"Name every record, not {_SHOWN_RECORDS} of a kind.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Say what changed between two releases, and whether the version number says so.

    Compares participants, sequences, labels, splits, pixels, tables, metrics and documents. A
    change that takes away or alters what was there (a participant removed, another label, another
    side of a split, other pixels) asks for a new YYYY.M; additions and better words for a higher
    patch. Ends with exit code 5 if the newer version number promises more than holds.

    Examples: `gaitworks release diff releases/2026.11.0 data/release`, to learn what the next
    version has to be called; `gaitworks release diff A B --json | jq .level`.
    """
    from transforms.release.diff import compare_releases
    from transforms.release.diff_text import describe_difference, render_difference

    with terminal_progress() as progress:
        difference = compare_releases(older, newer, progress=progress)
    if json:
        print_json(describe_difference(difference))
    else:
        typer.echo(render_difference(difference, shown=None if is_all else _SHOWN_RECORDS))
    if not difference.verdict.is_honoured:
        raise typer.Exit(RefusalError.exit_code)


@app.command()
def load(
    directory: Release,
    library: Annotated[Library, typer.Option("--with", help="What to load it with.")],
    run: Annotated[bool, typer.Option("--run", help="Run the program instead.")] = False,
) -> None:
    """Print a short program that loads the silhouettes of a split's training side.

    It needs the library, numpy and pyarrow, and nothing of Gaitworks; the release carries the same
    programs in `examples/`. `--run` runs it and prints a line per sequence.

    Examples: `gaitworks release load DIR --with torch > load.py`, `gaitworks release load DIR
    --with polars --run`.
    """
    program = fill_example(library, directory)
    if not run:
        typer.echo(program, nl=False)
        return
    require_installed(library)
    done = subprocess.run([sys.executable, "-c", program], check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
