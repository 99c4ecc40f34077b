"""Training, judging and explaining a cohort whose four diagnoses are two classes."""

import json

import numpy as np
import polars as pl
import pytest

from training.data import select_side
from training.explain import run_explanation
from training.frame_store import open_frame_store
from training.job import ExplanationJob
from transforms.errors import InputError
from transforms.labels import SPINAL_DEFORMITY
from transforms.progress import NoProgress
from transforms.settings import ExplanationSettings
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split


@pytest.fixture
def cohort(tmp_path, write_tiny_cohort):
    return write_tiny_cohort(tmp_path / "cohort", labels=SPINAL_DEFORMITY.diagnoses)


def test_diagnoses_become_the_classes_of_their_scheme(cohort, tmp_path) -> None:
    dataset = open_dataset(cohort.dataset)
    split = load_split(cohort.splits / "split.parquet", dataset.version)
    store = open_frame_store(dataset, tmp_path / "store", NoProgress())
    trained = select_side(split, "ratio_1_1_2", "train", store)
    assert trained.scheme == trained.share(0, 2).scheme == SPINAL_DEFORMITY
    expected = (trained.table["label"] == "asd").cast(int).to_list()
    assert trained.labels.tolist() == expected
    assert 0 < sum(expected) < len(expected)
    mixed = split.with_columns(
        label=pl.when(pl.col("label") == "dhs").then(pl.lit("neutral")).otherwise("label")
    )
    with pytest.raises(InputError, match="different kinds of cohorts"):
        select_side(mixed, "ratio_1_1_2", "train", store)


@pytest.mark.slow
def test_a_model_of_two_classes_is_trained_judged_and_explained(cohort, tmp_path) -> None:
    from training.evaluate import run_evaluation
    from training.train import run_training

    job = cohort.training_job(tmp_path / "model")
    run_training(job, device="cpu", progress=NoProgress())
    card = json.loads((job.output / "model.json").read_bytes())
    assert card["labels"] == ["non_asd", "asd"]
    judged = cohort.evaluation_job(job, tmp_path / "evaluation")
    run_evaluation(judged, device="cpu", progress=NoProgress())
    predictions = pl.read_parquet(judged.output / "predictions.parquet")
    assert predictions["label"].to_list() == ["asd", *["non_asd"] * 3]
    chances = predictions.select("p_non_asd", "p_asd").to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-12)
    metrics = json.loads((judged.output / "metrics.json").read_bytes())
    unit = metrics["units"]["participant"]
    assert unit["labels"] == ["non_asd", "asd"]
    groups = {one["group"]: one["participants"] for one in unit["subgroups"]["diagnosis"]}
    assert groups == dict.fromkeys(SPINAL_DEFORMITY.diagnoses, 1)

    shared = job.model_dump(exclude={"kind", "output"})
    settings = ExplanationSettings(sequences_per_class=2, frame_cap=8, check_sequences_per_class=1)
    output = tmp_path / "explanation"
    output.mkdir()
    explanation = ExplanationJob(
        **shared, output=output, model_directory=job.output, explanation=settings
    )
    run_explanation(explanation, device="cpu", progress=NoProgress())
    summary = json.loads((output / "explanation.json").read_bytes())
    assert sum(group["sequences"] for group in summary["groups"]) == 4
    right = (predictions["label"] == predictions["predicted"]).sum()
    assert sum(group["right"] for group in summary["groups"]) == right
