"""`gaitworks gap`: the optimism gap of a model, measured by training it on a leaky split as well.

Nothing here is a stage: what is trained stays in scratch, and what is written is no result.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from assets.dataset import SILHOUETTE_SHARDS
from assets.experiments import MODEL_EVALUATION, TRAINED_MODEL
from assets.partitions import Experiment
from assets.progress import terminal_progress
from assets.training_process import run_job
from assets.workspace import Workspace
from orchestration.cli.console import print_json, say, workspace_of
from transforms.errors import InputError, IntegrityError, SettingsError

if TYPE_CHECKING:
    import polars as pl


_FOLDER: Final = "data/optimism_gap"
_KIND: Final = "optimism_gap"


def gap(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="The model to train.")] = "sconet",
    ratio: Annotated[
        str, typer.Option(help="One of `splits.ratios`: the class ratio to train on.")
    ] = "ratio_1_1_2",
    seeds: Annotated[str, typer.Option(help="Seeds to train with.")] = "0 1 2",
    further_seeds: Annotated[
        list[str] | None, typer.Argument(metavar="[SEED]...", help="The rest of --seeds.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help=f"A new folder; `{_FOLDER}/MODEL-RATIO` if not given."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print `gap.json`.")] = False,
) -> None:
    """Measure how much better a model looks when the split lets people be on two sides.

    For cohorts of scoliosis: what is compared are variants by class ratio.

    Trains and judges the model on the participant-wise split and on a sequence-wise one, which is
    LEAKY, with the same numbers of sequences and the same seeds. Writes `gap.json` and `gap.md`
    with a picture: no result, and part of no release. An interrupted run goes on where it was.
    """
    from transforms.describe.optimism_page import DOCUMENT_NAME, WARNING, say_gap, write_gap
    from transforms.files import publish_directory
    from transforms.manifest import write_manifest

    workspace = workspace_of(context)
    output = to or workspace.path / _FOLDER / f"{model}-{ratio}"
    _refuse_foreign(output)
    found = _measure(workspace, model, ratio, _parse_seeds(seeds, further_seeds or []))
    with publish_directory(output) as staging:
        write_gap(found, staging)
        write_manifest(staging, kind=_KIND, facts={"warning": WARNING})
    if json:
        from json import loads

        print_json(loads((output / DOCUMENT_NAME).read_bytes()))
        return
    say(WARNING)
    typer.echo(say_gap(found["units"]))
    typer.echo(f"{output}: gap.md, gap.svg, gap.json")


def _measure(workspace: Workspace, model: str, ratio: str, seeds: list[int]) -> dict[str, Any]:
    """Return what `transforms.describe.optimism_page.write_gap` takes."""
    from transforms.metrics.optimism import HONEST, LEAKY, describe_splits, measure_gap
    from transforms.splits import nested, sequence_wise
    from transforms.splits.build import SPLIT_NAME
    from transforms.splits.load import load_split

    settings = workspace.settings
    if ratio not in settings.splits.ratios:
        raise SettingsError(
            "not one of the ratios that the workspace splits for",
            where="--ratio",
            expected=", ".join(settings.splits.ratios),
            found=ratio,
            fix="add it to splits.ratios, or name another",
        )
    version = SILHOUETTE_SHARDS.version(workspace, None)
    _require_scoliosis(SILHOUETTE_SHARDS.directory(workspace, None))
    directories = {
        HONEST: _build_split(workspace, nested.PROTOCOL, version),
        LEAKY: _build_split(workspace, sequence_wise.PROTOCOL, version),
    }
    splits = {
        name: load_split(directory / SPLIT_NAME, version) for name, directory in directories.items()
    }
    described = describe_splits(splits, ratio)
    predictions: dict[str, list[pl.DataFrame]] = {name: [] for name in directories}
    total = len(seeds) * len(directories)
    for seed in seeds:
        for name, directory in directories.items():
            cell = Experiment(model, ratio, seed)
            # The pipeline's own name: a training that it has already done is taken as it is.
            label = cell.key if name == HONEST else f"{cell.key}-LEAKY"
            number = 1 + sum(len(tables) for tables in predictions.values())
            say(f"▶ {label} ({number} of {total})")
            predictions[name].append(_judge(workspace, cell, label, directory, version))
    return {
        "model": model,
        "variant": ratio,
        "seeds": seeds,
        "dataset_version": version,
        "training": settings.section("training"),
        "evaluation": settings.section("evaluation"),
        "splits": described,
        "units": measure_gap(predictions, settings.evaluation),
    }


def _require_scoliosis(dataset: Path) -> None:
    """Refuse a cohort that has no class ratios, whatever the workspace splits it by."""
    import polars as pl

    from transforms.schemas import SEQUENCE_INDEX
    from transforms.shards.parquet import read_table
    from transforms.splits.ratios import require_ratio_labels

    require_ratio_labels(
        pl.DataFrame(read_table(dataset / "index.parquet", SEQUENCE_INDEX))["label"].to_list(),
        where="gaitworks gap, which compares variants by class ratio",
        fix="name a workspace with a cohort of scoliosis by -C; for other cohorts there is no gap "
        "to measure here",
    )


def _build_split(workspace: Workspace, protocol: str, version: str) -> Path:
    """Return a directory in scratch with the split of the workspace's settings and a protocol."""
    from transforms.files import canonical_json, publish_directory, sha256_bytes
    from transforms.settings import SplitSettings
    from transforms.splits.build import build_splits

    values = workspace.settings.section("splits") | {"protocol": protocol}
    settings = SplitSettings.model_validate(values)
    key = sha256_bytes(canonical_json([version, values]))[:32]
    directory = workspace.scratch / "optimism" / "splits" / key
    with publish_directory(directory) as staging:
        build_splits(SILHOUETTE_SHARDS.directory(workspace, None), settings, staging)
    return directory


def _judge(
    workspace: Workspace, cell: Experiment, label: str, splits: Path, version: str
) -> "pl.DataFrame":
    """Return a model's predictions on the test side of a split, trained before where need be."""
    import polars as pl

    from training.job import EvaluationJob, TrainingJob
    from training.scratch import is_whole
    from transforms.files import canonical_json, publish_directory, sha256_bytes, sha256_file
    from transforms.manifest import write_manifest
    from transforms.schemas import PREDICTIONS
    from transforms.shards.parquet import read_table
    from transforms.splits.build import SPLIT_NAME

    settings = workspace.settings
    lineage = {
        "code_versions": [TRAINED_MODEL.code_version, MODEL_EVALUATION.code_version],
        "dataset_version": version,
        "experiment": label,
        "split_sha256": sha256_file(splits / SPLIT_NAME),
        "training": settings.section("training"),
    }
    key = sha256_bytes(canonical_json(lineage))[:32]
    finished = workspace.scratch / "optimism" / "judged" / key
    if not is_whole(finished):
        arguments: dict[str, Any] = {  # `Any`: the jobs validate them
            "experiment": label,
            "model": cell.model,
            "variant": cell.variant,
            "seed": cell.seed,
            "dataset": SILHOUETTE_SHARDS.directory(workspace, None),
            "splits": splits,
            "scratch": workspace.scratch / "training",
            "device": settings.runtime.device,
            "training": settings.training,
        }
        with publish_directory(finished) as staging, terminal_progress() as progress:
            model, evaluation = staging / "model", staging / "evaluation"
            model.mkdir()
            evaluation.mkdir()
            run_job(
                TrainingJob(**arguments, output=model),
                workspace.scratch,
                progress=progress,
                log=say,
            )
            judging = EvaluationJob(
                **arguments,
                output=evaluation,
                model_directory=model,
                evaluation=settings.evaluation,
            )
            run_job(judging, workspace.scratch, progress=progress, log=say)
            write_manifest(staging, kind="optimism_gap_side", facts={"lineage": lineage})
    return pl.DataFrame(read_table(finished / "evaluation" / "predictions.parquet", PREDICTIONS))


def _parse_seeds(first: str, further: list[str]) -> list[int]:
    """Return the seeds of `--seeds 0 1 2`; to the command line only the first belongs to it."""
    words = [*first.replace(",", " ").split(), *further]
    seeds = [int(word) for word in words if word.isascii() and word.isdigit()]
    is_fine = 0 < len(set(seeds)) == len(words) and max(seeds) < 2**32
    if not is_fine:
        raise SettingsError(
            "not a list of seeds",
            where="--seeds",
            expected="different whole numbers from 0 to 4294967295, for example 0 1 2",
            found=" ".join(words),
        )
    return seeds


def _refuse_foreign(folder: Path) -> None:
    """Let an earlier gap be replaced, and nothing else."""
    from transforms.manifest import read_manifest

    if not folder.exists():
        return
    try:
        kind: Mapping[str, Any] = read_manifest(folder)
    except IntegrityError:
        kind = {}
    if kind.get("kind") != _KIND:
        raise InputError(
            "the folder exists and holds no optimism gap",
            where=folder,
            fix="name a new folder with --to, or remove this one",
        )
