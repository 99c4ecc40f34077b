"""Commands about model weights: what is registered, bringing it here, checking it."""

from pathlib import Path
from typing import Annotated, Any

import click
import typer

from assets.workspace import Workspace
from orchestration.cli.console import print_json, say, workspace_of
from transforms.errors import GaitworksError, IntegrityError, MissingDependencyError
from transforms.weights.registry import REGISTRY_NAME, STORE_NAME, Registry, read_registry
from transforms.weights.store import State, combine_states, file_state
from transforms.weights.verified import Weights

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "List, fetch and verify the model weights that `weights.toml` names.\n\n"
        "The default backends need none. To use others: see what there is with `gaitworks weights "
        "list`, bring it with `gaitworks weights fetch NAME`, and name it in `params.yaml` as "
        "`extraction.detector_weights` or `extraction.segmenter_weights`.\n\n"
        "A file is used only if its sha256 is the registered one; that is checked before anything "
        "parses it. `docs/weights.md` says how to register your own."
    ),
)

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Names in `weights.toml`.")
]


@app.command(name="list")
def list_weights(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print all that is known as JSON.")] = False,
) -> None:
    """Say which weights are registered, under which licence, and whether they are here.

    States: present (all files here and whole), partial (some, or a download that broke off),
    missing, damaged (other bytes than registered).
    """
    workspace = workspace_of(context)
    registry = _registry(workspace)
    rows = [_describe(registry, workspace, name) for name in registry.entries]
    if json:
        print_json(rows)
        return
    if not rows:
        say(f"no weights are registered in {registry.path}")
    for row in rows:
        typer.echo(
            f"{row['state']:8} {row['name']:30} {row['task']:8} {row['kind']:7} "
            f"{row['licence']:15} {_megabytes(row['size_bytes']):>9}"
        )


@app.command()
def fetch(
    context: typer.Context,
    names: Names = None,
    is_all: Annotated[bool, typer.Option("--all", help="Everything that is registered.")] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take the files from this folder, for machines without internet. They are found "
            "by size and sha256 anywhere below it; their names do not matter.",
        ),
    ] = None,
) -> None:
    """Bring weights into `weights/NAME/`, verified; what is here already stays as it is.

    A download that breaks off goes on where it was, now or with the next call. Examples:
    `gaitworks weights fetch pphumanseg_2023mar_onnx`, `gaitworks weights fetch --all --from
    /media/usb`.
    """
    from assets.progress import terminal_progress
    from transforms.weights.fetch import fetch_weights
    from transforms.weights.local import LocalFolder

    workspace = workspace_of(context)
    registry = _registry(workspace)
    if is_all == bool(names):
        raise click.UsageError("name the weights to fetch, or give --all", ctx=context)
    chosen = _choose(registry, workspace, names)
    folder = LocalFolder(source) if source is not None else None
    failures: dict[str, GaitworksError] = {}
    _hint_at_licences(registry, [weights.name for weights in chosen])
    for weights in chosen:
        try:
            with terminal_progress() as progress:
                brought = fetch_weights(weights, folder=folder, progress=progress)
        except GaitworksError as error:
            failures[weights.name] = error
            continue
        said = f"fetched {', '.join(brought)}" if brought else "already here"
        typer.echo(f"{weights.name}: {said}")
    if failures:
        raise _sum_up(failures, len(chosen))


@app.command()
def verify(
    context: typer.Context,
    names: Names = None,
    json: Annotated[bool, typer.Option("--json", help="Print the states as JSON.")] = False,
) -> None:
    """Hash the files that are here and compare them with `weights.toml`.

    Without names, all that is registered is looked at, and what was never fetched is no fault.
    Ends with exit code 4 if a file is damaged, 6 if weights that you named are not all here.
    """
    workspace = workspace_of(context)
    registry = _registry(workspace)
    rows = [_describe(registry, workspace, w.name) for w in _choose(registry, workspace, names)]
    if json:
        print_json(rows)
    else:
        for row in rows:
            typer.echo(f"{row['state']:8} {row['name']}")
    damaged = [
        file["path"] for row in rows for file in row["files"] if file["state"] == State.DAMAGED
    ]
    absent = [row["name"] for row in rows if row["state"] in (State.MISSING, State.PARTIAL)]
    error: GaitworksError | None = None
    if damaged:
        error = IntegrityError(
            f"{len(damaged)} file(s) are not the registered ones:\n  " + "\n  ".join(damaged),
            where=registry.path,
            fix="run `gaitworks weights fetch` with their names, which replaces them",
        )
    elif names and absent:
        error = MissingDependencyError(
            f"not all here: {', '.join(absent)}",
            where=workspace.path / STORE_NAME,
            fix=f"run `gaitworks weights fetch {' '.join(absent)}`",
        )
    if error is not None and json:
        raise typer.Exit(error.exit_code)
    if error is not None:
        raise error


def _registry(workspace: Workspace) -> Registry:
    return read_registry(workspace.path / REGISTRY_NAME)


def _choose(registry: Registry, workspace: Workspace, names: list[str] | None) -> list[Weights]:
    """Return what was named, each once and in that order; everything if nothing was."""
    chosen = dict.fromkeys(names or registry.entries)
    return [registry.weights(name, workspace.path / STORE_NAME) for name in chosen]


def _describe(registry: Registry, workspace: Workspace, name: str) -> dict[str, Any]:
    # `Any`: the values become JSON.
    entry = registry.entry(name)
    weights = registry.weights(name, workspace.path / STORE_NAME)
    states = [file_state(weights, item) for item in weights.files]
    files = [
        {
            "name": item.name,
            "sha256": item.sha256,
            "size_bytes": item.size_bytes,
            "url": item.url,
            "path": str(weights.directory / item.name),
            "state": state,
        }
        for item, state in zip(weights.files, states, strict=True)
    ]
    return {
        "name": name,
        "task": entry.task,
        "kind": entry.kind,
        "licence": entry.licence,
        "source": entry.source,
        "note": entry.note,
        "size_bytes": entry.size_bytes,
        "contract": dict(weights.contract),
        "state": combine_states(states),
        "files": files,
    }


def _hint_at_licences(registry: Registry, names: list[str]) -> None:
    copyleft = [name for name in names if registry.entry(name).licence.startswith("AGPL")]
    if copyleft:
        say(
            f"licensed under the AGPL: {', '.join(copyleft)}. Read its terms before you distribute "
            "them or offer a service that uses them; `gaitworks weights list` shows others."
        )


def _sum_up(failures: dict[str, GaitworksError], count: int) -> GaitworksError:
    """Return one error for all; of several, damage counts more than absence."""
    if count == 1:
        return next(iter(failures.values()))
    severest = min(failures.values(), key=lambda error: error.exit_code)
    damage = [error for error in failures.values() if isinstance(error, IntegrityError)]
    return type(damage[0] if damage else severest)(
        f"{len(failures)} of {count} weights could not be fetched:\n  "
        + "\n  ".join(f"{name}: {error}" for name, error in failures.items()),
        fix="the others are here; see each line for what to do",
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
