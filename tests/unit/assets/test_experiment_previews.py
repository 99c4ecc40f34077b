"""What the UI shows of an experiment is small, complete and read from the published files."""

import json

import polars as pl
import pytest
from dagster import TableSchemaMetadataValue, serialize_value

from assets.experiment_previews import describe_evaluation, describe_explanation, describe_model
from training.history import HistoryRow, format_history
from transforms.files import canonical_json
from transforms.manifest import write_manifest
from transforms.metrics.metrics import summarise_predictions
from transforms.schemas import PREDICTIONS
from transforms.settings import EvaluationSettings

LIMIT_BYTES = 100_000
LABELS = ("negative", "neutral", "positive")


def size_of(value):
    if isinstance(value, TableSchemaMetadataValue):
        return len(serialize_value(value))
    return len(json.dumps(getattr(value, "value", value), default=str))


def test_a_model_shows_how_its_training_ended(tmp_path):
    rows = [
        HistoryRow(step, 2.0 / step, 2.0 / step, None, 0.1, 0.75 if step % 10 == 0 else None)
        for step in range(1, 31)
    ]
    (tmp_path / "history.csv").write_bytes(format_history(rows))
    card = {
        "chosen": {"step": 20, "selection_accuracy": 0.75, "reason": "the later of equals"},
        "parameter_count": 1234,
        "train": {"sequences": 18, "participants": 15},
        "selection": {"sequences": 5, "participants": 3, "clips": 24},
        "weights_sha256": "0" * 64,
    }
    (tmp_path / "model.json").write_bytes(canonical_json(card))
    write_manifest(tmp_path, kind="trained_model", facts={"process_count": 4})
    shown = describe_model(tmp_path)
    assert shown["loss"] == 2.0 / 30
    assert shown["learning_rate"] == 0.1
    assert shown["selection_accuracy"] == 0.75
    assert (shown["steps"], shown["chosen_step"], shown["processes"]) == (30, 20, 4)
    assert shown["train/sequences"] == 18
    assert (shown["selection/sequences"], shown["selection/clips"]) == (5, 24)
    assert "train/clips" not in shown
    assert shown["dagster/row_count"] == 30
    assert shown["history_file"].path == str(tmp_path / "history.csv")
    assert max(map(size_of, shown.values())) < LIMIT_BYTES


@pytest.fixture
def predictions():
    rows = []
    for number in range(24):
        truth, likeliest = number % 3, (number + number // 12) % 3
        probabilities = [0.2, 0.2, 0.2]
        probabilities[likeliest] = 0.6
        participant = f"p{number // 2 * 3 + truth:02}"
        rows.append(
            (f"s{number:02}", participant, LABELS[truth], "test", *probabilities, LABELS[likeliest])
        )
    return pl.DataFrame(rows, schema=PREDICTIONS.names, orient="row")


def test_an_evaluation_shows_its_headline_with_intervals_and_two_pictures(tmp_path, predictions):
    predictions.write_parquet(tmp_path / "predictions.parquet")
    metrics = summarise_predictions(predictions, EvaluationSettings(bootstrap_resamples=100))
    (tmp_path / "metrics.json").write_bytes(canonical_json(metrics))
    shown = describe_evaluation(tmp_path)
    first = shown["headline"].md_str.splitlines()[2]
    assert first.startswith("| Sensitivity | any_abnormality: positive + neutral | ")
    assert first.count("[") == 2, "an interval for participants and one for sequences"
    for picture in ("confusion", "roc"):
        assert "data:image/png;base64," in shown[picture].md_str
    assert shown["participant/accuracy"] == pytest.approx(0.5, abs=0.2)
    assert shown["dagster/row_count"] == 24
    assert max(map(size_of, shown.values())) < LIMIT_BYTES


def test_a_question_nobody_answers_has_no_curve_and_says_so(tmp_path, predictions):
    healthy = predictions.filter(pl.col("label") == "negative")
    healthy.write_parquet(tmp_path / "predictions.parquet")
    metrics = summarise_predictions(healthy, EvaluationSettings(bootstrap_resamples=100))
    (tmp_path / "metrics.json").write_bytes(canonical_json(metrics))
    shown = describe_evaluation(tmp_path)
    assert "undefined" in shown["headline"].md_str
    assert "participant/any_abnormality/auroc" not in shown


def test_an_explanation_counts_the_checks_that_its_maps_failed(tmp_path):
    checks = {"method": ["attention", "evidence"], "is_passed": [False, True]}
    pl.DataFrame(checks).write_parquet(tmp_path / "sanity_checks.parquet")
    pl.DataFrame({"share": [0.5, 0.5]}).write_parquet(tmp_path / "shares.parquet")
    groups = [{"view": "side", "predicted": "negative", "participants": 6}]
    (tmp_path / "explanation.json").write_bytes(canonical_json({"groups": groups}))
    (tmp_path / "evidence-side.png").write_bytes(b"a picture")
    (tmp_path / "grad_cam-side.png").write_bytes(b"another picture")
    shown = describe_explanation(tmp_path)
    assert shown["sanity_checks/failed"] == 1
    assert "| 6 | negative | side |" in shown["explained"].md_str
    assert {name for name in shown if name.endswith("-side")} == {"evidence-side"}
    assert shown["dagster/row_count"] == 2


def test_a_model_that_is_not_explained_says_why(tmp_path):
    for name in ("shares.parquet", "sanity_checks.parquet"):
        pl.DataFrame(schema={"is_passed": pl.Boolean}).write_parquet(tmp_path / name)
    (tmp_path / "explanation.json").write_bytes(
        canonical_json({"groups": [], "left_out": "it shows people"})
    )
    shown = describe_explanation(tmp_path)
    assert next(iter(shown.items())) == ("not_explained", "it shows people")
    assert shown["sanity_checks/failed"] == 0
