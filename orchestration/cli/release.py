"""Commands about releases: building one that stays, verifying one that came from elsewhere."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from assets.catalogue import STAGES
from assets.release import DATASET_RELEASE
from orchestration.cli.console import print_json, say, workspace_of
from orchestration.runner import run_stages
from transforms.errors import IntegrityError, RefusalError

app = typer.Typer(no_args_is_help=True, help="Build and verify dataset releases.")


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
    directory: Annotated[Path, typer.Argument(help="The release, wherever it came from.")],
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check a release file by file with nothing but its own content.

    Ends with exit code 4 if anything is damaged, missing or superfluous.
    """
    from transforms.manifest import directory_version
    from transforms.release.verify import verify_release

    problems = verify_release(directory)
    if json:
        print_json({"directory": str(directory), "problems": [str(p) for p in problems]})
    if problems and not json:
        raise IntegrityError(
            f"{len(problems)} problem(s):\n  " + "\n  ".join(map(str, problems)),
            where=directory,
            fix="get the release again from where it was published",
        )
    if problems:
        raise typer.Exit(IntegrityError.exit_code)
    if not json:
        typer.echo(f"{directory}: whole, version {directory_version(directory)}")
