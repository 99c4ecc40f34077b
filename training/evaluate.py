"""From an evaluation job to predictions.parquet and metrics.json: the test side, judged once."""

from typing import Any, Final

import polars as pl
import torch

from training.data import SPLIT_NAME, SequenceSet, select_side
from training.frame_store import open_frame_store
from training.job import EvaluationJob
from training.model_card import load_model
from training.predict import predict_probabilities
from transforms.errors import InputError
from transforms.files import canonical_json, sha256_file
from transforms.labels import SCOLIOSIS_LABELS
from transforms.metrics.summary import summarise_evaluation
from transforms.progress import Progress
from transforms.schemas import PREDICTIONS, conform
from transforms.shards.parquet import write_table
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split

PREDICTIONS_NAME: Final = "predictions.parquet"
METRICS_NAME: Final = "metrics.json"


def run_evaluation(job: EvaluationJob, *, device: str, progress: Progress) -> None:
    """Judge the job's model on the test side into `job.output`.

    Args:
        job: what to judge.
        device: `cpu` or `cuda`.
        progress: told about the frame store and the sequences.

    Raises:
        InputError: the split has no such variant, or its test side is empty.
        IntegrityError: model, dataset and split do not belong together, or bytes are damaged.
    """
    dataset = open_dataset(job.dataset)
    split = load_split(job.splits / SPLIT_NAME, dataset.version)
    lineage = {
        "dataset_version": dataset.version,
        "split_sha256": sha256_file(job.splits / SPLIT_NAME),
    }
    model = load_model(job, lineage).to(device)
    store = open_frame_store(dataset, job.scratch, progress)
    test = select_side(split, job.variant, "test", store)
    if not len(test):
        raise InputError(
            "no sequence to test on",
            where=f"{SPLIT_NAME}, {job.variant}",
            fix="raise splits.test_fraction",
        )
    progress.start(f"evaluate {job.experiment}", len(test))
    predictions = _tabulate(
        test,
        predict_probabilities(
            model, store, test, job.training, torch.device(device), progress
        ).tolist(),
    )
    write_table(
        conform(predictions, PREDICTIONS, where=PREDICTIONS_NAME), job.output / PREDICTIONS_NAME
    )
    metrics: dict[str, Any] = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **lineage,
        **summarise_evaluation(predictions, dataset.participants, job.evaluation),
    }
    (job.output / METRICS_NAME).write_bytes(canonical_json(metrics))


def _tabulate(test: SequenceSet, probabilities: list[list[float]]) -> pl.DataFrame:
    likeliest = [SCOLIOSIS_LABELS[row.index(max(row))] for row in probabilities]
    columns = {
        f"p_{label}": [row[index] for row in probabilities]
        for index, label in enumerate(SCOLIOSIS_LABELS)
    }
    return test.table.with_columns(
        pl.lit("test").alias("side"),
        *(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()),
        pl.Series("predicted", likeliest, dtype=pl.String),
    )
