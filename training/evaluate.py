"""From an evaluation job to predictions.parquet and metrics.json: the test side, judged once."""

from typing import Any, Final

import polars as pl
import torch

from training.data import SequenceSet
from training.finished_model import open_finished_model
from training.job import EvaluationJob
from training.predict import predict_probabilities
from transforms.files import canonical_json
from transforms.labels import SCOLIOSIS_LABELS
from transforms.metrics.summary import summarise_evaluation
from transforms.progress import Progress
from transforms.schemas import PREDICTIONS, conform
from transforms.shards.parquet import write_table

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
    opened = open_finished_model(job, progress, purpose="test on")
    test, model = opened.test, opened.model.to(device)
    progress.start(f"evaluate {job.experiment}", len(test))
    predictions = _tabulate(
        test,
        predict_probabilities(
            model, opened.store, test, job.training, torch.device(device), progress
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
        **opened.lineage,
        **summarise_evaluation(predictions, opened.dataset.participants, job.evaluation),
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
