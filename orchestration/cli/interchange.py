"""Commands that take in and give out the field's own layout of silhouettes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from orchestration.cli.console import print_json, say, workspace_of
from orchestration.cli.single_batch import write_single_batch
from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.interchange.importer import ImportSummary

_SHOWN: Final = 20


def import_tree(
    context: typer.Context,
    tree: Annotated[
        Path,
        typer.Argument(help="The folder that holds the ids, or what `gaitworks export` wrote."),
    ],
    to: Annotated[Path, typer.Option(help="A new folder for the dataset.")],
    sequences: Annotated[
        Path | None,
        typer.Option(
            help="A CSV file with the columns id, participant_id[, session, fps]. Without it every "
            "id counts as a participant of its own."
        ),
    ] = None,
    batch: Annotated[
        str, typer.Option(help="The name of the batch that the sequences make up.")
    ] = "imported",
    fps: Annotated[
        float, typer.Option(min=1.0, max=1000.0, help="Frame rate where the CSV names none.")
    ] = 30.0,
    json: Annotated[bool, typer.Option("--json", help="Print every problem as JSON.")] = False,
) -> None:
    """Take in an OpenGait tree (ID/CLASS/VIEW/VIEW.pkl or PNG files) as a dataset of silhouettes.

    Pickles are read by a parser that can't run anything. What is not taken is listed with its
    reason in `rejects.parquet` and here; the rest goes on. `docs/interchange.md` says more.
    """
    from transforms.interchange.importer import import_tree as import_sequences

    _refuse_existing(to)
    tree, sequences = _find_tree(tree, sequences)
    summary = write_single_batch(
        workspace_of(context),
        to,
        lambda tables, worker_count, progress: import_sequences(
            tree,
            tables,
            batch_id=batch,
            fps=fps,
            sequence_list=sequences,
            worker_count=worker_count,
            progress=progress,
        ),
    )
    _report(summary, to, as_json=json)


def export_tree(
    directory: Annotated[Path, typer.Argument(help="A dataset or a release.")],
    to: Annotated[Path, typer.Option(help="A new folder.")],
    split: Annotated[
        Path | None,
        typer.Option(help="The dataset's `split.parquet`; a release holds its own."),
    ] = None,
) -> None:
    """Write a dataset or release as a tree that OpenGait can train on, with its partitions."""
    from assets.progress import terminal_progress
    from transforms.files import publish_directory
    from transforms.interchange.exporter import export_tree as export_sequences
    from transforms.manifest import directory_version, write_manifest

    _refuse_existing(to)
    with publish_directory(to) as staging, terminal_progress() as progress:
        facts = export_sequences(directory, staging, split=split, progress=progress)
        write_manifest(staging, kind="opengait_tree", facts=facts)
    count = sum(facts["sequences"].values())
    typer.echo(f"{to}: {count} sequences, version {directory_version(to)}")


def _find_tree(tree: Path, sequences: Path | None) -> tuple[Path, Path | None]:
    """Return the folder of the ids and the list; an export has both under names of its own."""
    from transforms.interchange.exporter import TREE_NAME
    from transforms.interchange.sequence_list import LIST_NAME

    inner, own_list = tree / TREE_NAME, tree / LIST_NAME
    if inner.is_dir() and own_list.is_file():
        return inner, sequences or own_list
    return tree, sequences


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise InputError(
            "the folder exists", where=folder, fix="name a new folder or remove this one"
        )


def _report(summary: "ImportSummary", to: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    problems = [asdict(problem) | {"severity": problem.severity} for problem in summary.problems]
    if as_json:
        print_json(
            {"accepted": summary.accepted, "rejected": summary.rejected, "problems": problems}
        )
        return
    for problem in problems[:_SHOWN]:
        say(f"{problem['severity']}: {problem['file']}: {problem['message']}")
    if len(problems) > _SHOWN:
        say(f"... and {len(problems) - _SHOWN} more; --json prints them all")
    typer.echo(f"{to}: {summary.accepted} sequences, {sum(summary.rejected.values())} rejected")
    for code, count in summary.rejected.items():
        typer.echo(f"  {count} {code}")
