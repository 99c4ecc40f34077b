"""The grid: six models, four class ratios, three seeds, on a cohort of Scoliosis1K's shape.

    python benchmarks/grid.py FOLDER [--preset tiny] [--steps 300] [--frame-cap 60] [--cells N]
                              [--models ...] [--ratios ...] [--seeds ...]

Makes a workspace in FOLDER with the synthetic silhouettes of 1,050 participants, splits them, then
trains and judges one cell of the grid after the other, as `gaitworks run` does. What is finished is
not done again: stop it at any time and call it again. A cell that fails is named and left; the next
call tries it again. At the end it prints the tables of the results page and the seconds per cell,
and writes the whole report to FOLDER/report.

Of a walk of about 300 frames, evaluation reads the first 60, two seconds: reading all of them would
be most of the time. The walkers are synthetic: nothing here is evidence about patients.
"""

import argparse
import json
import resource
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import polars as pl

from assets.dataset import SILHOUETTE_SHARDS
from assets.experiments import MODEL_EVALUATION, TRAINED_MODEL
from assets.partitions import list_experiments
from assets.report import SNAPSHOT_SECTIONS
from assets.splits import PARTICIPANT_SPLITS
from assets.workspace import PARAMS_NAME, Workspace
from orchestration.cli.console import say
from orchestration.cli.single_batch import write_single_batch
from orchestration.runner import run_stages
from training.models.registry import MODELS
from transforms.describe.gather import ReportInputs, gather
from transforms.describe.page import Block, Group, Table, Text
from transforms.describe.report import write_report
from transforms.describe.results_section import results_section
from transforms.errors import GaitworksError
from transforms.files import canonical_json, publish_directory, write_bytes_atomic
from transforms.params_file import change_section
from transforms.presets import SIZES, format_value
from transforms.published import MODEL_ROWS, RECONSTRUCTED, TEST_COUNTS
from transforms.schemas import NEAR_DUPLICATES_NAME
from transforms.synth.sequence_plan import SCOLIOSIS1K_SHAPE
from transforms.synth.silhouettes import write_silhouette_batch

ROOT: Final = Path(__file__).parent.parent
STAGES: Final = (TRAINED_MODEL, MODEL_EVALUATION)
SIX_MODELS: Final = [row.model for row in MODEL_ROWS if row.model not in RECONSTRUCTED]
COHORT_SEED: Final = 2026
TIMES_NAME: Final = "times.json"


def prepare(folder: Path, options: argparse.Namespace) -> Workspace:
    """Write the workspace's settings; cells trained with the same ones stay fresh."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PARAMS_NAME
    if not path.exists():
        shutil.copyfile(ROOT / PARAMS_NAME, path)
    training = SIZES[options.preset].training.model_dump(mode="json")
    training |= {
        "steps": options.steps,
        "milestones": [options.steps * 3 // 4],
        "checkpoint_every_steps": max(1, options.steps // 2),
        "evaluation_frame_cap": options.frame_cap,
    }
    sections: dict[str, dict[str, Any]] = {
        "training": training,
        "splits": {"ratios": options.ratios},
        "experiments": {
            "models": options.models,
            "variants": options.ratios,
            "seeds": options.seeds,
        },
    }
    text = path.read_text()
    for name, values in sections.items():
        shown = {key: format_value(value) for key, value in values.items()}
        text = change_section(text, name, shown, where=path)
    write_bytes_atomic(path, text.encode())
    return Workspace(root=str(folder))


def split(workspace: Workspace) -> Workspace:
    """Split the participants; return the workspace as its settings then are.

    At this size the search for copies of one walk finds a few pairs of two walkers, who were drawn
    one by one and are no copies. They are cleared as a person would clear them.
    """
    try:
        run_stages(workspace, [PARTICIPANT_SPLITS], report=say)
    except GaitworksError:
        table = PARTICIPANT_SPLITS.directory(workspace, None) / NEAR_DUPLICATES_NAME
        pairs = pl.read_parquet(table).select("first", "second").rows()
        if not pairs or workspace.settings.splits.cleared_pairs:
            raise
        say(f"cleared: {', '.join(' ~ '.join(pair) for pair in pairs)}")
        path = workspace.path / PARAMS_NAME
        shown = {"cleared_pairs": format_value([list(pair) for pair in pairs])}
        text = change_section(path.read_text(), "splits", shown, where=path)
        write_bytes_atomic(path, text.encode())
        workspace = Workspace(root=str(workspace.path))
        run_stages(workspace, [PARTICIPANT_SPLITS], report=say)
    return workspace


def run_grid(workspace: Workspace, most: int | None) -> list[str]:
    """Run the cells that are not finished, at most so many; return those that failed."""
    times_path = workspace.path / TIMES_NAME
    times = json.loads(times_path.read_bytes()) if times_path.exists() else {}
    failed: list[str] = []
    done = 0
    cells = list_experiments(workspace.settings)
    for number, cell in enumerate(cells, start=1):
        if most is not None and done >= most:
            break
        say(f"cell {number} of {len(cells)}")
        before = cpu_seconds()
        try:
            outcomes = run_stages(workspace, STAGES, partition=cell.key, report=say)
        except GaitworksError as error:
            say(f"failed: {cell.key}: {error}")
            failed.append(cell.key)
            continue
        done += any(outcome.is_built for outcome in outcomes)
        if all(outcome.is_built for outcome in outcomes):  # else a part of it is older
            seconds = sum(outcome.seconds for outcome in outcomes)
            times[cell.key] = [round(seconds, 1), round(cpu_seconds() - before, 1)]
            write_bytes_atomic(times_path, canonical_json(times))
    print_times(times, len(cells))
    return failed


def cpu_seconds() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def print_times(times: dict[str, list[float]], cells: int) -> None:
    """Print seconds per cell by model, and what the whole grid takes at that pace."""
    by_model: dict[str, list[list[float]]] = {}
    for key, pair in times.items():
        by_model.setdefault(key.partition("-")[0], []).append(pair)
    for model, ones in by_model.items():
        wall, cpu = (statistics.median(values) for values in zip(*ones, strict=True))
        print(f"{model:22}{len(ones):3} cells, median {wall:.1f} s, {cpu:.1f} s of processor time")
    if times:
        wall, cpu = (statistics.mean(values) for values in zip(*times.values(), strict=True))
        print(
            f"{wall:.1f} s per cell ({cpu:.1f} s of processor time); {cells} cells take "
            f"{cells * wall / 60:.0f} min ({cells * cpu / 60:.0f} min)"
        )


def report_inputs(workspace: Workspace) -> ReportInputs:
    """Return what the report is made from; there are no videos behind this cohort."""
    return ReportInputs(
        title="The grid on synthetic walkers",
        dataset_dir=SILHOUETTE_SHARDS.directory(workspace, None),
        splits_dir=PARTICIPANT_SPLITS.directory(workspace, None),
        experiment_dirs=[
            MODEL_EVALUATION.directory(workspace, cell.key).parent
            for cell in list_experiments(workspace.settings)
        ],
        settings={name: workspace.settings.section(name) for name in SNAPSHOT_SECTIONS},
    )


def print_block(block: Block) -> None:
    """Print a sentence or a table of the page as Markdown."""
    if isinstance(block, Text):
        print(f"\n{block.text}")
    elif isinstance(block, Group):
        for one in block.blocks:
            print_block(one)
    elif isinstance(block, Table):
        print(f"\n{block.caption}\n")
        for row in (block.columns, ["---"] * len(block.columns), *block.rows):
            print(f"| {' | '.join(row)} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", choices=list(SIZES), default="tiny")
    parser.add_argument("--steps", type=int, default=300, help="instead of the preset's")
    parser.add_argument(
        "--frame-cap", type=int, default=60, help="frames of a walk that evaluation reads"
    )
    parser.add_argument("--cells", type=int, help="the most cells to run now")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=SIX_MODELS)
    parser.add_argument("--ratios", nargs="+", default=list(TEST_COUNTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    began = time.monotonic()
    workspace = prepare(options.folder, options)
    shards = SILHOUETTE_SHARDS.directory(workspace, None)
    if not shards.exists():
        write_single_batch(
            workspace,
            shards,
            lambda tables, worker_count, progress: write_silhouette_batch(
                SCOLIOSIS1K_SHAPE,
                COHORT_SEED,
                tables,
                worker_count=worker_count,
                progress=progress,
            ),
        )
    workspace = split(workspace)
    failed = run_grid(workspace, options.cells)
    inputs = report_inputs(workspace)
    for block in results_section(gather(inputs)).blocks:
        print_block(block)
    with publish_directory(workspace.path / "report") as staging:
        write_report(inputs, staging)
    print(f"\n{(time.monotonic() - began) / 60:.1f} min; report: {workspace.path / 'report'}")
    for key in failed:
        print(f"failed: {key}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
