"""From an evaluation job to tables of predictions and metrics.json: the test side, judged once.

The selection side is judged too: a threshold for use may come from there and not from the test.
"""

from typing import Any, Final

import polars as pl
import torch

from training.data import SequenceSet
from training.finished_model import open_finished_model
from training.job import EvaluationJob
from training.predict import predict_probabilities
from transforms.files import canonical_json
from transforms.metrics.summary import summarise_evaluation
from transforms.progress import Progress
from transforms.schemas import conform, predictions_schema
from transforms.shards.parquet import write_table

PREDICTIONS_NAME: Final = "predictions.parquet"
SELECTION_NAME: Final = "selection_predictions.parquet"
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
    model = opened.model.to(device)
    progress.start(f"evaluate {job.experiment}", len(opened.test) + len(opened.selection))
    tables = {}
    for side, name, sequences in (
        ("test", PREDICTIONS_NAME, opened.test),
        ("selection", SELECTION_NAME, opened.selection),
    ):
        probabilities = predict_probabilities(
            model, opened.store, sequences, job.training, torch.device(device), progress
        )
        tables[side] = _tabulate(sequences, side, probabilities.tolist())
        contract = predictions_schema(sequences.scheme)
        write_table(conform(tables[side], contract, where=name), job.output / name)
    metrics: dict[str, Any] = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **opened.lineage,
        **summarise_evaluation(
            tables["test"],
            opened.dataset.participants,
            job.evaluation,
            selection=tables["selection"],
        ),
    }
    (job.output / METRICS_NAME).write_bytes(canonical_json(metrics))


def _tabulate(sequences: SequenceSet, side: str, probabilities: list[list[float]]) -> pl.DataFrame:
    scheme = sequences.scheme
    likeliest = [scheme.classes[row.index(max(row))] for row in probabilities]
    columns = {
        name: [row[index] for row in probabilities]
        for index, name in enumerate(scheme.probability_columns)
    }
    return sequences.table.with_columns(
        pl.col("label").replace_strict(scheme.class_of, return_dtype=pl.String),
        pl.lit(side).alias("side"),
        *(pl.Series(name, values, dtype=pl.Float64) for name, values in columns.items()),
        pl.Series("predicted", likeliest, dtype=pl.String),
    )
