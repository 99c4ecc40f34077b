"""What a model's own test says of an answer: counts that a person can check."""

import json
from pathlib import Path

import polars as pl
import pytest

from transforms.errors import IntegrityError
from transforms.files import canonical_json
from transforms.labels import SCOLIOSIS, SCOLIOSIS_LABELS
from transforms.metrics.own_test import describe_own_test, read_own_test
from transforms.metrics.summary import summarise_evaluation
from transforms.schemas import conform, predictions_schema
from transforms.settings import EvaluationSettings
from transforms.shards.parquet import write_table

_CARD = {
    "experiment": "sconet-a-seed_0",
    "model": "sconet",
    "variant": "a",
    "seed": 0,
    "dataset_version": "d",
    "split_sha256": "s",
}
_SURE = 0.8


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """Six people; three are called positive, of whom two are."""
    truths = ["negative", "negative", "neutral", "positive", "positive", "negative"]
    named = ["negative", "positive", "neutral", "positive", "positive", "negative"]
    rows = [
        {
            "sequence_id": f"s{place}",
            "participant_id": f"p{place}",
            "label": truth,
            "side": "test",
            **{
                f"p_{label}": _SURE if label == name else (1 - _SURE) / 2
                for label in SCOLIOSIS_LABELS
            },
            "predicted": name,
        }
        for place, (truth, name) in enumerate(zip(truths, named, strict=True))
    ]
    table = pl.DataFrame(rows)
    people = pl.DataFrame(
        {"participant_id": [f"p{place}" for place in range(6)], "label": truths}
        | {name: ["x"] * 6 for name in ("sex", "site")}
        | {"age_years": [14.0] * 6}
    )
    settings = EvaluationSettings(bootstrap_resamples=100)
    metrics = _CARD | summarise_evaluation(table, people, settings)
    write_table(
        conform(table, predictions_schema(SCOLIOSIS), where="test"),
        tmp_path / "predictions.parquet",
    )
    (tmp_path / "metrics.json").write_bytes(canonical_json(metrics))
    return tmp_path


def test_of_those_it_called_positive_so_many_were(evaluation: Path) -> None:
    found = read_own_test((evaluation / "nowhere", evaluation), _CARD)
    own = describe_own_test(found, SCOLIOSIS, "positive")
    named = own["named_class"]
    assert (named["named"], named["were"]) == (3, 2)
    assert named["precision"]["value"] == pytest.approx(2 / 3)
    assert named["recall"]["value"] == 1
    assert named["mean_probability"] == pytest.approx(_SURE)
    assert own["participants_per_class"] == {"negative": 3, "neutral": 1, "positive": 2}
    assert own["questions"]["any_abnormality"]["sensitivity"]["value"] == 1
    assert own["questions"]["any_abnormality"]["specificity"]["value"] == pytest.approx(2 / 3)


def test_without_predictions_the_rest_is_there(evaluation: Path) -> None:
    (evaluation / "predictions.parquet").unlink()
    found = read_own_test((evaluation,), _CARD)
    own = describe_own_test(found, SCOLIOSIS, "neutral")
    assert own["named_class"]["mean_probability"] is None
    assert own["named_class"]["were"] == 1


def test_a_model_without_a_test_says_so(tmp_path: Path) -> None:
    assert read_own_test((tmp_path,), _CARD) is None
    assert "model_evaluation" in describe_own_test(None, SCOLIOSIS, "neutral")["reason"]


@pytest.mark.parametrize("name", sorted(_CARD))
def test_another_models_test_is_refused(evaluation: Path, name: str) -> None:
    with pytest.raises(IntegrityError, match=f"another {name}"):
        read_own_test((evaluation,), _CARD | {name: "other"})


def test_damaged_metrics_are_refused(evaluation: Path) -> None:
    path = evaluation / "metrics.json"
    whole = json.loads(path.read_bytes())
    path.write_bytes(canonical_json(whole | {"units": {}}))
    found = read_own_test((evaluation,), _CARD)
    with pytest.raises(IntegrityError, match="a part that is missing or wrong"):
        describe_own_test(found, SCOLIOSIS, "positive")
    for text in ("no json", "[]", "{}", '{"seed": NaN}', '{"seed": 1e999}'):
        path.write_text(text)
        with pytest.raises(IntegrityError, match="unreadable metrics"):
            read_own_test((evaluation,), _CARD)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("participants",), "many"),
        (("participants",), 10**400),
        (("labels",), 5),
        (("labels",), {"positive": 1}),
        (("confusion",), [[0.5] * 3] * 3),
        (("confusion",), "abc"),
        (("metrics", "accuracy"), "x"),
        (("metrics", "ece", "value"), "0.1"),
        (("metrics", "any_abnormality/auroc", "low"), [0.1]),
        (("per_class", "positive", "precision"), None),
        (("per_class", "positive", "recall", "high"), True),
    ],
)
def test_metrics_of_other_types_are_refused(evaluation: Path, place, value) -> None:
    found = read_own_test((evaluation,), _CARD)
    assert found is not None
    part = found[0]["units"]["participant"]
    for name in place[:-1]:
        part = part[name]
    assert place[-1] in part
    part[place[-1]] = value
    with pytest.raises(IntegrityError, match="a part that is missing or wrong"):
        describe_own_test(found, SCOLIOSIS, "positive")
