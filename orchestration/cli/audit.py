"""The command that looks for leaks in a dataset and its split, wherever they came from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from assets.clips import DUAL_VIEW_CLIPS
from assets.dataset import SILHOUETTE_SHARDS
from assets.progress import terminal_progress
from assets.splits import PARTICIPANT_SPLITS
from assets.workspace import Workspace
from orchestration.cli.console import clean_line, print_json, workspace_of
from transforms.describe.formatting import plural
from transforms.errors import GaitworksError, IntegrityError

if TYPE_CHECKING:
    import polars as pl

    from transforms.audit.checks import Check, Finding
    from transforms.shards.reader import SilhouetteDataset

_MARKS: Final = {
    "clean": "✓",
    "warning": "!",
    "error": "✗",
    "nothing to check": "·",
    "not checked": "·",
}


def audit(
    context: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="A dataset or release; the workspace's if not given."),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(
            help="The dataset's `split.parquet`, or its folder. A release holds its own, and the "
            "workspace's dataset has the workspace's; any other is audited without."
        ),
    ] = None,
    near_duplicates: Annotated[
        bool,
        typer.Option(
            "--near-duplicates/--no-near-duplicates",
            help="Whether to look at the silhouettes for copies of one walk under other ids.",
        ),
    ] = True,
    json: Annotated[
        bool, typer.Option("--json", help="Print checks and findings as JSON.")
    ] = False,
) -> None:
    """Look for leaks: people, visits, files, clips or copies of a walk on two sides, odd labels.

    Says what was looked at and how much of it, then what was found. Ends with exit code 1 if there
    is an error; warnings do not count. A release must not hold a split that leaks by design.
    Examples: `gaitworks audit`, `gaitworks audit /data/release --no-near-duplicates`.
    """
    from transforms.audit.checks import judge_for_release, run_checks
    from transforms.audit.inputs import is_release, leave_out_cleared, read_split_of

    workspace = workspace_of(context)
    directory = directory or SILHOUETTE_SHARDS.directory(workspace, None)
    dataset = _open(directory)
    is_released = is_release(directory)
    path = _find_split(directory, split, workspace)
    table = None if path is None else read_split_of(dataset, path)
    pairs = _search(dataset) if near_duplicates else None
    if pairs is not None and _is_own(directory, workspace):
        pairs = leave_out_cleared(pairs, workspace.settings.splits.cleared_pairs)
    checks = run_checks(dataset.index, table, pairs, dataset.participants)
    clips = _find_clips(directory, workspace)
    if clips is not None:
        checks += _check_clips(clips, dataset.index, table)
    if is_released:
        checks = [
            replace(check, findings=tuple(judge_for_release(check.findings))) for check in checks
        ]
    findings = [finding for check in checks for finding in check.findings]
    protocols = [] if table is None else sorted(table["protocol"].unique())
    about = {
        "directory": str(directory),
        "version": dataset.version,
        "is_release": is_released,
        "sequences": len(dataset),
        "participants": dataset.index["participant_id"].n_unique(),
        "split": None if path is None else str(path),
        "protocols": protocols,
        "variants": 0 if table is None else table["variant"].n_unique(),
    }
    if json:
        _print_json(about, checks, findings, None if pairs is None else pairs.to_dicts())
    else:
        _print(about, checks, findings)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(GaitworksError.exit_code)


def _open(directory: Path) -> "SilhouetteDataset":
    import polars as pl

    from transforms.shards.reader import open_dataset

    try:
        return open_dataset(directory)
    except pl.exceptions.PolarsError as error:
        raise IntegrityError("a table can't be read", where=directory, found=error) from error


def _find_split(directory: Path, split: Path | None, workspace: Workspace) -> Path | None:
    from transforms.audit.inputs import SPLIT_NAME, find_released_split

    if split is not None:
        return split / SPLIT_NAME if split.is_dir() else split
    if released := find_released_split(directory):
        return released
    own = PARTICIPANT_SPLITS.directory(workspace, None) / SPLIT_NAME
    return own if _is_own(directory, workspace) and own.is_file() else None


def _find_clips(directory: Path, workspace: Workspace) -> Path | None:
    from transforms.audit.inputs import find_released_clips
    from transforms.dual_view.files import CLIPS_NAME

    if released := find_released_clips(directory):
        return released
    own = DUAL_VIEW_CLIPS.directory(workspace, None) / CLIPS_NAME
    return own if _is_own(directory, workspace) and own.is_file() else None


def _check_clips(path: Path, index: "pl.DataFrame", split: "pl.DataFrame | None") -> "list[Check]":
    from transforms.audit.inputs import read_clips
    from transforms.dual_view.sides import check_clips

    clips = read_clips(path)
    return check_clips(clips, index, split) if clips.height else []


def _is_own(directory: Path, workspace: Workspace) -> bool:
    return directory.resolve() == SILHOUETTE_SHARDS.directory(workspace, None).resolve()


def _search(dataset: "SilhouetteDataset") -> "pl.DataFrame":
    from transforms.near_duplicates.search import find_near_duplicates
    from transforms.processes import count_workers

    with terminal_progress() as progress:
        return find_near_duplicates(dataset, worker_count=count_workers(0), progress=progress)


def _print_json(
    about: dict[str, Any],
    checks: Sequence["Check"],
    findings: Sequence["Finding"],
    pairs: list[dict[str, Any]] | None,
) -> None:
    counts = Counter(finding.severity for finding in findings)
    print_json(
        about
        | {
            "checks": [asdict(check) | {"status": check.status} for check in checks],
            "findings": [asdict(finding) for finding in findings],
            "near_duplicates": pairs,
            "errors": counts["error"],
            "warnings": counts["warning"],
        }
    )


def _print(about: dict[str, Any], checks: Sequence["Check"], findings: Sequence["Finding"]) -> None:
    kind = "release" if about["is_release"] else "dataset"
    typer.echo(f"{about['directory']}: {kind}, version {about['version']}")
    typer.echo(
        f"{plural(about['sequences'], 'sequence')} of "
        f"{plural(about['participants'], 'participant')}; ",
        nl=False,
    )
    if about["split"] is None:
        typer.echo("no split: the dataset alone was audited")
    else:
        names = clean_line(", ".join(about["protocols"]))
        typer.echo(f"split {about['split']}: {names}, {about['variants']} variant(s)")
    width = max(len(check.claim) for check in checks)
    for group in dict.fromkeys(check.group for check in checks):
        typer.echo(f"\n{group}")
        for check in checks:
            if check.group == group:
                typer.echo(f"  {_MARKS[check.status]} {check.claim:{width}}  {_looked_at(check)}")
    for severity in ("error", "warning"):
        some = [finding for finding in findings if finding.severity == severity]
        if some:
            typer.echo(f"\n{len(some)} {severity}{'s' if len(some) > 1 else ''}")
        for finding in some:
            typer.echo(f"  {clean_line(str(finding))}")
    verdict = "nothing was found" if not findings else f"{len(findings)} finding(s)"
    counts = Counter(check.status for check in checks)
    asides = [f"{counts[one]} {one}" for one in ("nothing to check", "not checked") if counts[one]]
    note = f" ({', '.join(asides)})" if asides else ""
    typer.echo(f"\n{len(checks)} checks{note}: {verdict}")


def _looked_at(check: "Check") -> str:
    if check.examined is None:
        return f"not checked: {check.reason}"
    return f"{check.examined:,} {check.unit}"
