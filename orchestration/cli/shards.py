"""Commands about the shards of a dataset: finding every corruption, repairing what can be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assets.dataset import SILHOUETTE_SHARDS, pack_batches
from assets.materialise import lock_of
from assets.progress import terminal_progress
from assets.workspace import Workspace
from orchestration.cli.console import print_json, workspace_of
from transforms.errors import GaitworksError, IntegrityError, SettingsError
from transforms.settings import ShardSettings

if TYPE_CHECKING:
    from transforms.shards.repair import Repair

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Verify and repair the shards of a dataset.\n\n"
        "A damaged file never yields a wrong frame: readers refuse it and name the shard and the "
        "sequence. `gaitworks shards verify` finds the damage before they do; `gaitworks shards "
        "repair` rebuilds what can be rebuilt byte for byte."
    ),
)

Directory = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="A dataset; the workspace's if not given.")
]


@app.command()
def verify(
    context: typer.Context,
    directory: Directory = None,
    is_quick: Annotated[
        bool, typer.Option("--quick", help="Compare names and sizes only; reads no shard.")
    ] = False,
    is_deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Also decode every row and frame of both containers and compare them with each "
            "other and with the tables: finds a writer's mistakes, not only a disk's.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Compare every byte of a dataset with its manifest; name damaged shards and their sequences.

    Ends with exit code 4 if anything is damaged, missing or superfluous. Examples: `gaitworks
    shards verify`, `gaitworks shards verify --deep /data/scoliosis/shards`.
    """
    from transforms.manifest import directory_version
    from transforms.shards.verify import Level, verify_dataset

    if is_quick and is_deep:
        raise typer.BadParameter("--quick and --deep exclude each other")
    level = Level.NAMES if is_quick else Level.CONTENT if is_deep else Level.HASHES
    directory = directory or SILHOUETTE_SHARDS.directory(workspace_of(context), None)
    with terminal_progress() as progress:
        problems = verify_dataset(directory, level, progress=progress)
    if json:
        print_json(
            {
                "directory": str(directory),
                "level": level.value,
                "version": None if problems else directory_version(directory),
                "problems": [asdict(problem) for problem in problems],
            }
        )
        if problems:
            raise typer.Exit(IntegrityError.exit_code)
        return
    if problems:
        raise IntegrityError(
            f"{len(problems)} problem(s):\n  " + "\n  ".join(map(str, problems)),
            where=directory,
            fix=f"run `gaitworks shards repair {directory}`, or copy or build the dataset again",
        )
    typer.echo(f"{directory}: sound, version {directory_version(directory)} (compared: {level})")


@app.command()
def repair(
    context: typer.Context,
    directory: Directory = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Rebuild damaged and missing files, byte for byte as the manifest has them.

    A shard is rebuilt from its other container (Parquet or tar), or, like the tables, from the
    batches in the workspace; anything without the manifest's sha256 is thrown away. Sound files are
    never touched. Ends with exit code 4 if something could not be repaired.
    """
    from transforms.manifest import directory_version
    from transforms.shards.repair import repair_dataset

    workspace = workspace_of(context)
    directory = directory or SILHOUETTE_SHARDS.directory(workspace, None)

    with _nobody_else_writes(workspace, directory), terminal_progress() as progress:

        def rebuild(output: Path) -> None:
            pack_batches(workspace, _settings_of(directory, workspace), output, progress)

        outcome = repair_dataset(directory, rebuild, progress=progress)
    obstacles = [*outcome.obstacles, *(_name_changed_inputs(directory, workspace, outcome))]
    if json:
        print_json(asdict(outcome) | {"directory": str(directory), "obstacles": obstacles})
        if outcome.left:
            raise typer.Exit(IntegrityError.exit_code)
        return
    for file in outcome.repaired:
        typer.echo(f"{file.path}: repaired from {file.source}")
    if outcome.left:
        lines = [*map(str, outcome.left), *(f"tried: {obstacle}" for obstacle in obstacles)]
        raise IntegrityError(
            f"{len(outcome.left)} problem(s) remain:\n  " + "\n  ".join(lines),
            where=directory,
            fix="copy these files from another copy of this version (`dvc pull --force` where a "
            "remote has it), or build a new version: `gaitworks run --force silhouette_shards`",
        )
    version = directory_version(directory)
    typer.echo(f"{directory}: sound, {len(outcome.repaired)} file(s) repaired, version {version}")


@contextmanager
def _nobody_else_writes(workspace: Workspace, directory: Path) -> Iterator[None]:
    """Keep runs from publishing a new version meanwhile, if this is the workspace's own dataset."""
    if directory.resolve() != SILHOUETTE_SHARDS.directory(workspace, None).resolve():
        yield
        return
    with lock_of(workspace, SILHOUETTE_SHARDS, None):
        yield


def _lineage(directory: Path) -> dict[str, Any]:
    from transforms.manifest import read_manifest

    lineage = read_manifest(directory)["facts"].get("lineage")
    return lineage if isinstance(lineage, dict) else {}


def _settings_of(directory: Path, workspace: Workspace) -> ShardSettings:
    """Return the settings a dataset was written with; the workspace's if it does not say."""
    params = _lineage(directory).get("params")
    section = params.get("shards") if isinstance(params, dict) else None
    if section is None:
        return workspace.settings.shards
    try:
        return ShardSettings.model_validate(section)
    except ValueError as error:
        raise SettingsError(
            "the dataset was written with other settings than this version knows",
            where=directory / "manifest.json",
            found=error,
        ) from error


def _name_changed_inputs(directory: Path, workspace: Workspace, outcome: "Repair") -> list[str]:
    """Say, if something could not be repaired, which batches are not those of the dataset."""
    if not outcome.left:
        return []
    inputs = _lineage(directory).get("inputs")
    changed = []
    for name, version in sorted(inputs.items() if isinstance(inputs, dict) else ()):
        stage, _, partition = name.partition("/")
        source = next((s for s in SILHOUETTE_SHARDS.inputs if s.name == stage), None)
        if source is None:
            continue
        try:
            found = source.version(workspace, partition or None)
        except GaitworksError as error:
            changed.append(f"{name}: {error}")
            continue
        if found != version:
            changed.append(f"{name}: expected version {version}, found {found}")
    return changed
