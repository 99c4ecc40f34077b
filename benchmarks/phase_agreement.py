"""Do Gait-MIL's phases divide the gait cycle? Against the true phase of synthetic walkers.

    python benchmarks/phase_agreement.py FOLDER [--people 60] [--frames 300] [--steps 300]
                                                [--seeds 0 1 2]

For each view it renders so many walkers of Scoliosis1K's labels, trains `gait_mil` with the preset
`tiny` on 70 % of them, and compares the phases of the others' frames with equal sectors of the true
cycle: adjusted mutual information, 1 the same, 0 as by chance (see docs/explanation.md). Beside the
trained model stand the start of the clustering alone (the sectors that the legs show), the model
before training, and phases dealt out at random in runs as long as the true ones.
"""

import argparse
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from training.data import SPLIT_NAME
from training.experiment_data import open_experiment
from training.job import TrainingJob
from training.model_card import MODEL_NAME
from training.models.gait_mil import PhaseAttention
from training.models.gait_phases import sort_by_cycle
from training.models.registry import build_model
from training.train import run_training
from transforms.explanation.cycle import Cycle
from transforms.explanation.over_time import measure_agreement
from transforms.files import publish_directory
from transforms.manifest import write_manifest
from transforms.presets import SIZES
from transforms.progress import NoProgress
from transforms.settings import ShardSettings, SplitSettings
from transforms.shards.writer import write_shards
from transforms.splits.build import build_splits
from transforms.synth.sequence_plan import CohortShape, View, plan_sequences
from transforms.synth.silhouettes import find_true_phases, write_silhouette_batch

COHORT_SEED: Final = 2026
PHASE_COUNTS: Final = (2, 3, 4, 6, 8)
COLUMNS: Final = ("trained", "before training", "start alone", "dealt out")
Phases = NDArray[np.int64]


def make_cohort(folder: Path, shape: CohortShape) -> None:
    """Render the walkers, pack them and split their people."""
    nothing = NoProgress()
    write_silhouette_batch(shape, COHORT_SEED, folder / "tables", worker_count=2, progress=nothing)
    tables = [[folder / "tables" / name] for name in ("intake", "extraction")]
    with publish_directory(folder / "data") as staging:
        facts = write_shards(*tables, ShardSettings(), staging, progress=nothing, worker_count=2)
        write_manifest(staging, kind="silhouette_shards", facts=facts)
    settings = SplitSettings(protocol="k_fold", folds=3, selection_fraction=0.0)
    with publish_directory(folder / "splits") as staging:
        facts = build_splits(folder / "data", settings, staging, partitions=folder)
        write_manifest(staging, kind="participant_splits", facts=facts)


def measure(
    folder: Path, shape: CohortShape, phase_count: int, seed: int, steps: int
) -> dict[str, list[float]]:
    """Return the agreement of every tested walk, by column."""
    training = SIZES["tiny"].training.model_copy(
        update={"steps": steps, "milestones": (steps * 3 // 4,), "phase_count": phase_count}
    )
    output = folder / f"model-{phase_count}-{seed}"
    output.mkdir(exist_ok=True)
    job = TrainingJob(
        experiment="phases",
        model="gait_mil",
        variant="fold_1",
        seed=seed,
        dataset=folder / "data",
        splits=folder / "splits",
        output=output,
        scratch=folder / "scratch",
        training=training,
    )
    run_training(job, device="cpu", progress=NoProgress())
    before = build_model("gait_mil", training, seed).eval()
    after = build_model("gait_mil", training, seed).eval()
    after.load_state_dict(load_file(output / MODEL_NAME))
    data = open_experiment(job)
    store = data.open_store(NoProgress())
    test = data.select("test", store)
    plans = {plan.sequence_id: plan for plan in plan_sequences(shape, COHORT_SEED)}
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for name, position in zip(test.table["sequence_id"], test.positions, strict=True):
        turns = find_true_phases(plans[name])
        cycle = Cycle(turns, has_halves_alike=shape.view == "side")
        frames = torch.from_numpy(store.read(int(position), cap=len(turns)))[0, 0]
        phases = {
            "trained": cluster(after, frames),
            "before training": cluster(before, frames),
            "start alone": sort_by_cycle(frames[None], phase_count)[0].numpy(),
            "dealt out": deal_out(turns, phase_count, random),
        }
        for column, values in phases.items():
            found[column].append(measure_agreement(values, cycle, phase_count))
    return found


def cluster(model: torch.nn.Module, frames: torch.Tensor) -> Phases:
    """Return the phases that a model gives the frames of one walk."""
    temporal = model.temporal
    assert isinstance(temporal, PhaseAttention)
    with torch.inference_mode():
        features = model.backbone(frames[:, None])
        return np.asarray(temporal.weigh(features[None], frames[None]).phases[0].numpy())


def deal_out(turns: NDArray[np.float64], phase_count: int, random: np.random.Generator) -> Phases:
    """Return phases that last as long as true ones and have nothing to do with the cycle."""
    changes = np.diff(np.floor(turns * phase_count), prepend=-1) != 0
    dealt = random.integers(phase_count, size=int(changes.sum()))
    return dealt[np.cumsum(changes) - 1]


def main() -> None:
    """Measure both views and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| view | phases | {' | '.join(COLUMNS)} |\n|{'---|' * (2 + len(COLUMNS))}")
    views: tuple[View, ...] = ("front", "side")
    for view in views:
        each = dict.fromkeys(("positive", "neutral", "negative"), options.people // 3)
        shape = CohortShape(each, each, frames_mean=options.frames, frames_sd=0, view=view)
        folder = options.folder / f"{view}-{options.people}-{options.frames}"
        if not (folder / "splits" / SPLIT_NAME).exists():
            make_cohort(folder, shape)
        for phase_count in PHASE_COUNTS:
            runs = [
                measure(folder, shape, phase_count, seed, options.steps) for seed in options.seeds
            ]
            cells = []
            for column in COLUMNS:
                means = [float(np.mean(run[column])) for run in runs]
                cells.append(f"{np.mean(means):.2f} ({min(means):.2f} to {max(means):.2f})")
            print(f"| {view} | {phase_count} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
