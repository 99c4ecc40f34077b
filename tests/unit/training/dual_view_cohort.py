"""A small cohort that two cameras filmed, and experiments on it, for the tests of clip models."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.evaluate import run_evaluation
from training.job import EvaluationJob, ExplanationJob, TrainingJob
from training.train import run_training
from transforms.dual_view.aligned import AlignedPair
from transforms.dual_view.clips import Pictures, write_clips
from transforms.files import publish_directory
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.settings import (
    ClipSettings,
    EvaluationSettings,
    ExplanationSettings,
    ShardSettings,
    SplitSettings,
)
from transforms.shards.writer import write_shards
from transforms.splits.build import build_splits
from transforms.synth.sequence_plan import CohortShape, Planted
from transforms.synth.silhouettes import write_silhouette_batch
from transforms.training_settings import DualViewSettings, TrainingSettings

SMALL = DualViewSettings(
    width=4, depths=(1, 1, 1, 1), epochs=12, patience=None, learning_rate=3e-3, cpu_threads=1
)
"""Seconds per training on one core."""
QUICK = EvaluationSettings(bootstrap_resamples=500)


@dataclass(frozen=True)
class DualViewCohort:
    """Where the dataset, its split and its clips lie."""

    folder: Path

    def arguments(self, model: str, variant: str, settings: DualViewSettings) -> dict[str, Any]:
        return {
            "experiment": f"{model}-{variant}",
            "model": model,
            "variant": variant,
            "seed": 0,
            "dataset": self.folder / "data",
            "splits": self.folder / "splits",
            "clips": self.folder / "clips",
            "scratch": self.folder / "scratch",
            "training": TrainingSettings(),
            "dual_view": settings,
        }

    def train(
        self, model: str, variant: str = "fold_1", settings: DualViewSettings = SMALL
    ) -> TrainingJob:
        """Train into a new folder and return the job."""
        output = self.folder / "runs" / f"{model}-{variant}"
        output.mkdir(parents=True)
        job = TrainingJob(**self.arguments(model, variant, settings), output=output)
        run_training(job, device="cpu", progress=NoProgress())
        return job

    def judged(self, job: TrainingJob) -> Path:
        """Return where `judge` writes."""
        return job.output.with_name(job.output.name + "-judged")

    def judge(self, job: TrainingJob) -> dict[str, Any]:
        """Evaluate a trained model beside it and return its metrics."""
        output = self.judged(job)
        output.mkdir()
        shared = self.arguments(job.model, job.variant, job.dual_view)
        evaluation = EvaluationJob(
            **shared,
            output=output,
            model_directory=job.output,
            evaluation=QUICK,
        )
        run_evaluation(evaluation, device="cpu", progress=NoProgress())
        return dict(json.loads((output / "metrics.json").read_bytes()))

    def explanation(self, job: TrainingJob, output: Path) -> ExplanationJob:
        """Return the job that explains a trained model."""
        return ExplanationJob(
            **self.arguments(job.model, job.variant, job.dual_view),
            output=output,
            model_directory=job.output,
            explanation=ExplanationSettings(sequences_per_class=6, check_sequences_per_class=1),
        )


CutPictures = Callable[[Sequence[AlignedPair]], Pictures]


def make_cohort(
    folder: Path,
    *,
    asd: int,
    planted: Planted | None,
    folds: int = 3,
    selection: float = 0.0,
    pictures_into: Callable[[Path], CutPictures] | None = None,
) -> DualViewCohort:
    """Render a cohort with as many people of the other diseases, split it and cut its clips."""
    third = asd // 3
    people = {"asd": asd, "dhs": third, "lcs": third, "hipoa": asd - 2 * third}
    shape = CohortShape(
        participants=people,
        sequences=people,
        frames_mean=80,
        frames_sd=0,
        views=("front", "side"),
        start_spread_s=0.4,
        planted=planted,
    )
    progress = NoProgress()
    write_silhouette_batch(shape, 5, folder / "tables", worker_count=1, progress=progress)
    with publish_directory(folder / "data") as staging:
        facts = write_shards(
            [folder / "tables" / "intake"],
            [folder / "tables" / "extraction"],
            ShardSettings(),
            staging,
            progress=progress,
            worker_count=1,
        )
        write_manifest(staging, kind="silhouette_shards", facts=facts)
    settings = SplitSettings(protocol="k_fold", folds=folds, selection_fraction=selection)
    with publish_directory(folder / "splits") as staging:
        facts = build_splits(folder / "data", settings, staging, partitions=folder)
        write_manifest(staging, kind="participant_splits", facts=facts)
    with publish_directory(folder / "clips") as staging:
        facts = write_clips(
            [folder / "tables" / "intake"],
            folder / "data",
            ClipSettings(),
            staging,
            progress=progress,
            cut_pictures=pictures_into(staging) if pictures_into else None,
        )
        write_manifest(staging, kind="dual_view_clips", facts=facts)
    return DualViewCohort(folder)


def stop_at_second() -> Callable[..., None]:
    """Return a function that ends a training the second time it is called."""
    calls: list[int] = []

    def stop(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    return stop
