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
from transforms.labels import LabelScheme
from transforms.metrics.summary import summarise_evaluation
from transforms.progress import Progress
from transforms.schemas import conform, predictions_schema
from transforms.shards.parquet import write_table

NAMES: Final = {"test": "predictions.parquet", "selection": "selection_predictions.parquet"}
CLIP_NAMES: Final = {side: f"clip_{name}" for side, name in NAMES.items()}
METRICS_NAME: Final = "metrics.json"


def run_evaluation(job: EvaluationJob, *, device: str, progress: Progress) -> None:
    """Judge the job's model on the test side into `job.output`.

    Of clips there is a table of its own; a walk's probabilities are the mean of its clips'.

    Args:
        job: what to judge.
        device: `cpu` or `cuda`.
        progress: told about the frame store and the sequences.

    Raises:
        InputError: the split has no such variant, or its test side is empty.
        IntegrityError: model, dataset and split do not belong together, or bytes are damaged.
    """
    opened = open_finished_model(job, progress, purpose="test on")
    data, model = opened.data, opened.model.to(device)
    settings = data.plan_training(opened.test)
    progress.start(f"evaluate {job.experiment}", len(opened.test) + len(opened.selection))
    tables: dict[str, pl.DataFrame] = {}
    clips: dict[str, pl.DataFrame] = {}
    for side, samples in (("test", opened.test), ("selection", opened.selection)):
        probabilities = predict_probabilities(
            model, opened.store, samples, settings, torch.device(device), progress
        )
        table = _tabulate(samples, side, probabilities.tolist())
        if data.clips is not None:
            clips[side] = table
            contract = predictions_schema(data.scheme, is_per_clip=True)
            name = CLIP_NAMES[side]
            write_table(conform(table, contract, where=name), job.output / name)
            table = average_clips(table, data.scheme)
        tables[side] = table
        name = NAMES[side]
        contract = predictions_schema(data.scheme)
        write_table(conform(table, contract, where=name), job.output / name)
    metrics: dict[str, Any] = {
        "experiment": job.experiment,
        "model": job.model,
        "variant": job.variant,
        "seed": job.seed,
        **data.lineage,
        **summarise_evaluation(
            tables["test"],
            data.dataset.participants,
            job.evaluation,
            selection=tables["selection"],
            clips=clips.get("test"),
            selection_clips=clips.get("selection"),
        ),
    }
    (job.output / METRICS_NAME).write_bytes(canonical_json(metrics))


def average_clips(table: pl.DataFrame, scheme: LabelScheme) -> pl.DataFrame:
    """Return one row per walk: the mean of its clips' probabilities, and the class they say."""
    names = scheme.probability_columns
    walks = table.group_by("sequence_id", "participant_id", "label", "side").agg(
        pl.col(name).mean() for name in names
    )
    likeliest = (
        pl.concat_list(names)
        .list.arg_max()
        .replace_strict(dict(enumerate(scheme.classes)), return_dtype=pl.String)
    )
    return walks.sort("sequence_id").with_columns(likeliest.alias("predicted"))


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
