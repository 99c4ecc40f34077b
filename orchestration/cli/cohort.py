"""Commands about cohorts: making a synthetic one, checking one before it goes in."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from assets.workspace import Workspace
from orchestration.cli.console import print_json, say, workspace_of
from orchestration.cli.single_batch import write_single_batch
from transforms.errors import InputError
from transforms.processes import count_workers


def make_cohort(workspace: Workspace) -> None:
    """Write the synthetic cohort of `params.yaml` under `raw/` and its truth under `truth/`."""
    from assets.progress import terminal_progress
    from transforms.describe.formatting import plural
    from transforms.synth.cohort import write_cohort

    settings = workspace.settings
    say("▶ synthetic cohort")
    with terminal_progress() as progress:
        former_count = write_cohort(
            settings.synth,
            workspace.path / "raw",
            workspace.path / "truth",
            worker_count=count_workers(settings.runtime.worker_count),
            progress=progress,
        )
    if former_count:
        say(f"  replaced the former synthetic cohort: {plural(former_count, 'recording')} removed")


def synth(
    context: typer.Context,
    silhouettes: Annotated[
        Path | None,
        typer.Option(
            help="Skip the video: write a cohort of a known shape straight as a dataset of "
            "silhouettes into this new folder."
        ),
    ] = None,
    shape: Annotated[
        Literal["scoliosis1k", "spinal_deformity"],
        typer.Option(
            help="Of --silhouettes: Scoliosis1K's 1,050 participants from the front, or 44 "
            "patients (27 asd, 9 dhs, 6 lcs, 2 hipoa) from the front and the side at once."
        ),
    ] = "scoliosis1k",
    seed: Annotated[int, typer.Option(help="Seed of --silhouettes.")] = 2026,
) -> None:
    """Make a synthetic cohort of walking videos, or of silhouettes.

    The videos go to `raw/` as `synth` in `params.yaml` describes; masks, boxes and gait phase go
    to `truth/` for scoring. The same seed gives the same cohort.

    What `raw/` holds of another synthetic cohort is replaced; files that are not from one are
    refused and left alone. For patients with spinal deformity filmed by two cameras that start at
    different moments: `gaitworks preset spinal_deformity --write`; see docs/params.md.
    """
    workspace = workspace_of(context)
    if silhouettes is None:
        make_cohort(workspace)
        return
    if silhouettes.exists():
        raise InputError(
            "the folder exists", where=silhouettes, fix="name a new folder or remove this one"
        )
    _make_silhouettes(workspace, silhouettes, shape, seed)


def _make_silhouettes(workspace: Workspace, output: Path, shape: str, seed: int) -> None:
    from transforms.synth.sequence_plan import SCOLIOSIS1K_SHAPE, SPINAL_DEFORMITY_SHAPE
    from transforms.synth.silhouettes import write_silhouette_batch

    known = SCOLIOSIS1K_SHAPE if shape == "scoliosis1k" else SPINAL_DEFORMITY_SHAPE
    write_single_batch(
        workspace,
        output,
        lambda tables, worker_count, progress: write_silhouette_batch(
            known, seed, tables, worker_count=worker_count, progress=progress
        ),
    )


def intake(
    context: typer.Context,
    batch: Annotated[Path, typer.Argument(help="A batch folder, for example raw/batch_001.")],
    json: Annotated[bool, typer.Option("--json", help="Print every problem as JSON.")] = False,
) -> None:
    """Check a batch without taking it in: every problem of every table and video at once.

    Ends with exit code 3 if anything was refused.
    """
    from assets.progress import terminal_progress
    from transforms.intake.batch import check_batch

    settings = workspace_of(context).settings
    with terminal_progress() as progress:
        result = check_batch(
            batch,
            settings.intake,
            worker_count=count_workers(settings.runtime.worker_count),
            progress=progress,
        )
    accepted = result.recordings.filter(result.recordings["verdict"] == "accepted").height
    if json:
        print_json(
            {
                "problems": result.problems.to_dicts(),
                "recordings": result.recordings.to_dicts(),
            }
        )
    else:
        for row in result.problems.iter_rows(named=True):
            place = ":".join(str(row[key]) for key in ("file", "row", "column") if row[key])
            value = f", found {row['value']!r}" if row["value"] is not None else ""
            typer.echo(
                f"{row['severity']}: {place}: {row['message']}, expected {row['expected']}{value}"
            )
        typer.echo(
            f"{accepted} of {result.recordings.height} recordings accepted, "
            f"{result.problems.height} problem(s)"
        )
    if (result.problems["severity"] == "error").any():
        raise typer.Exit(InputError.exit_code)
