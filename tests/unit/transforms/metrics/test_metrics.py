import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from transforms.errors import InputError
from transforms.labels import SCOLIOSIS_LABELS
from transforms.metrics.judged import average_by_participant, read_predictions
from transforms.metrics.metrics import derive_from_confusion, measure, summarise_predictions
from transforms.settings import EvaluationSettings

SETTINGS = EvaluationSettings(bootstrap_resamples=200)
NEGATIVE, NEUTRAL, POSITIVE = SCOLIOSIS_LABELS


def table(rows: list[tuple[str, str, list[float]]]) -> pl.DataFrame:
    """Return predictions from (participant, label, probabilities)."""
    return pl.DataFrame(
        {
            "sequence_id": [f"s{number:04}" for number in range(len(rows))],
            "participant_id": [person for person, _, _ in rows],
            "label": [label for _, label, _ in rows],
            "side": "test",
            **{
                f"p_{label}": [float(values[index]) for _, _, values in rows]
                for index, label in enumerate(SCOLIOSIS_LABELS)
            },
            "predicted": [SCOLIOSIS_LABELS[int(np.argmax(values))] for _, _, values in rows],
        }
    )


def drawn(participants: int, sequences: int, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, participants)
    rows = []
    for number in range(sequences):
        person = number % participants
        logits = random.normal(size=3) + 1.2 * np.eye(3)[labels[person]]
        values = np.exp(logits) / np.exp(logits).sum()
        rows.append((f"p{person:03}", SCOLIOSIS_LABELS[labels[person]], list(values)))
    return table(rows)


def value(summary: dict[str, Any], unit: str, name: str) -> float:
    return float(summary["units"][unit]["metrics"][name]["value"])


def test_every_scalar_equals_scikit_learn() -> None:
    predictions = drawn(30, 80)
    summary = summarise_predictions(predictions, SETTINGS)
    truth, named = predictions["label"].to_list(), predictions["predicted"].to_list()
    unit = summary["units"]["sequence"]
    expected = confusion_matrix(truth, named, labels=list(SCOLIOSIS_LABELS))
    assert unit["confusion"] == expected.tolist()
    assert (unit["count"], unit["participants"]) == (80, 30)
    assert value(summary, "sequence", "accuracy") == pytest.approx(accuracy_score(truth, named))
    macro = precision_recall_fscore_support(truth, named, average="macro", zero_division=0)
    for name, wanted in zip(("precision", "recall", "f1"), macro, strict=False):
        assert value(summary, "sequence", f"macro_{name}") == pytest.approx(wanted)
    is_ill = [label != NEGATIVE for label in truth]
    score = (predictions["p_positive"] + predictions["p_neutral"]).to_list()
    auroc = value(summary, "sequence", "any_abnormality/auroc")
    assert auroc == pytest.approx(roc_auc_score(is_ill, score))
    is_positive = [label == POSITIVE for label in truth]
    auroc = value(summary, "sequence", "positive_vs_rest/auroc")
    assert auroc == pytest.approx(roc_auc_score(is_positive, predictions["p_positive"].to_list()))


def test_positive_sets_mean_what_they_say() -> None:
    # rows truth, columns predicted, in the order negative, neutral, positive
    values = derive_from_confusion(np.array([[8.0, 1, 1], [2, 5, 3], [4, 6, 10]]))
    assert values["any_abnormality/sensitivity"] == pytest.approx((5 + 3 + 6 + 10) / 30)
    assert values["any_abnormality/specificity"] == pytest.approx(8 / 10)
    assert values["positive_vs_rest/sensitivity"] == pytest.approx(10 / 20)
    assert values["positive_vs_rest/specificity"] == pytest.approx((8 + 1 + 2 + 5) / 20)


def evaluate_inverted(predictions: pl.DataFrame) -> tuple[float, float]:
    """The mutant: class index 0 is taken for the positive one."""
    truth = predictions["label"] == NEGATIVE
    named = predictions["predicted"] == NEGATIVE
    return (
        float((truth & named).sum() / truth.sum()),
        float((~truth & ~named).sum() / (~truth).sum()),
    )


def test_inverted_evaluator_gives_other_numbers_than_ours() -> None:
    predictions = drawn(30, 80)
    summary = summarise_predictions(predictions, SETTINGS)
    sensitivity, specificity = evaluate_inverted(predictions)
    published = summary["as_published_2024"]
    assert published["sensitivity"] == pytest.approx(sensitivity)
    assert published["specificity"] == pytest.approx(specificity)
    assert "inverted" in published["note"]
    for name in ("any_abnormality", "positive_vs_rest"):
        ours = value(summary, "sequence", f"{name}/sensitivity")
        assert abs(ours - sensitivity) > 0.05
    # Swapped, the published pair is the screening question's.
    swapped = value(summary, "sequence", "any_abnormality/sensitivity")
    assert swapped == pytest.approx(specificity)


def from_matrix(matrix: list[list[int]]) -> pl.DataFrame:
    rows = [
        (
            f"{truth}-{named}-{number}",
            SCOLIOSIS_LABELS[truth],
            [0.1 + 0.7 * (k == named) for k in range(3)],
        )
        for truth, line in enumerate(matrix)
        for named, count in enumerate(line)
        for number in range(count)
    ]
    return table(rows)


def test_published_arithmetic_of_the_1_1_8_test_set() -> None:
    # 204 negative, 126 neutral, 419 positive; ScoNet is printed with 51.3 % accuracy and "100 %
    # sensitivity / 33.2 % specificity". If all 419 positives were found, accuracy were 55.9 %.
    assert 100 * 419 / 749 > 55.9
    summary = summarise_predictions(
        from_matrix([[204, 0, 0], [96, 30, 0], [268, 1, 150]]), SETTINGS
    )
    published = summary["as_published_2024"]
    assert round(100 * published["sensitivity"], 1) == 100.0
    assert round(100 * published["specificity"], 1) == 33.2
    assert round(100 * value(summary, "sequence", "accuracy"), 1) == 51.3
    clinical = value(summary, "sequence", "any_abnormality/sensitivity")
    assert round(100 * clinical, 1) == 33.2
    assert value(summary, "sequence", "any_abnormality/specificity") == 1.0


def test_participant_is_judged_by_the_mean_of_its_sequences() -> None:
    predictions = table(
        [
            ("a", POSITIVE, [0.6, 0.0, 0.4]),
            ("a", POSITIVE, [0.3, 0.0, 0.7]),
            ("b", NEGATIVE, [0.9, 0.1, 0.0]),
        ]
    )
    unit = summarise_predictions(predictions, SETTINGS)["units"]["participant"]
    assert unit["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert unit["count"] == unit["participants"] == 2


def test_tie_goes_to_the_lower_class_index() -> None:
    people = average_by_participant(read_predictions(table([("a", POSITIVE, [0.0, 0.5, 0.5])])))
    assert people.predicted.tolist() == [1]


def test_brier_and_calibration_error_by_hand() -> None:
    predictions = table([("a", NEGATIVE, [0.8, 0.2, 0.0]), ("b", POSITIVE, [0.5, 0.1, 0.4])])
    summary = summarise_predictions(predictions, SETTINGS)
    brier = ((0.04 + 0.04) + (0.25 + 0.01 + 0.36)) / 2
    assert value(summary, "sequence", "brier") == pytest.approx(brier)
    assert value(summary, "sequence", "ece") == pytest.approx((0.2 + 0.5) / 2)


def test_calibration_error_is_zero_where_confidence_is_the_hit_rate() -> None:
    rows = [(f"p{n}", NEGATIVE if n < 3 else POSITIVE, [0.75, 0.0, 0.25]) for n in range(4)]
    assert value(summarise_predictions(table(rows), SETTINGS), "sequence", "ece") == pytest.approx(
        0
    )


def test_class_nobody_has_makes_metrics_undefined_with_a_reason() -> None:
    predictions = table([("a", NEUTRAL, [0.2, 0.8, 0.0]), ("b", POSITIVE, [0.2, 0.7, 0.1])])
    metrics = summarise_predictions(predictions, SETTINGS)["units"]["participant"]["metrics"]
    assert metrics["macro_recall"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no negative among the tested",
    }
    specificity = metrics["any_abnormality/specificity"]
    assert specificity["value"] is None
    assert specificity["reason"].startswith("nobody outside the positive set any_abnormality")
    assert metrics["any_abnormality/sensitivity"]["value"] == 1.0
    assert metrics["positive_vs_rest/auroc"]["value"] == 1.0
    # Half of the resamples draw one of the two twice and leave the curve undefined.
    assert metrics["positive_vs_rest/auroc"]["undefined_resamples"] > 0


def test_model_that_never_names_a_class_has_precision_zero_there() -> None:
    values = derive_from_confusion(np.array([[4.0, 0, 0], [3, 0, 0], [2, 0, 0]]))
    assert values["macro_precision"] == pytest.approx(4 / 9 / 3)
    assert values["macro_f1"] == pytest.approx(8 / 13 / 3)


def test_interval_resamples_participants_not_sequences() -> None:
    # Copies of a sequence within its participant must not narrow the interval.
    single = drawn(30, 30)
    copies = pl.concat(
        [single.with_columns(sequence_id=pl.col("sequence_id") + f"-{copy}") for copy in range(10)]
    )
    once = summarise_predictions(single, SETTINGS)["units"]["sequence"]["metrics"]
    often = summarise_predictions(copies, SETTINGS)["units"]["sequence"]["metrics"]
    assert once["accuracy"]["value"] == often["accuracy"]["value"]
    widths = [one["accuracy"]["high"] - one["accuracy"]["low"] for one in (once, often)]
    assert widths[0] > 0.2
    # As far as so few resamples can tell: taken for independent, they would make it a third.
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


def test_same_predictions_in_any_order_give_the_same_summary() -> None:
    predictions = drawn(20, 50)
    summary = summarise_predictions(predictions, SETTINGS)
    assert summarise_predictions(predictions.reverse(), SETTINGS) == summary


def test_weights_count_rows() -> None:
    judged = read_predictions(drawn(12, 24))
    weights = np.zeros((1, 24))
    weights[0, :12] = 2
    doubled = measure(judged, weights)
    weights[0, :12] = 1
    for name, found in measure(judged, weights).items():
        assert found == pytest.approx(doubled[name], nan_ok=True)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (pl.lit("stranger").alias("label"), "unknown label"),
        (pl.lit("s0000").alias("sequence_id"), "predicted twice"),
        (pl.lit("p").alias("participant_id"), "two labels"),
        (pl.lit(0.9).alias("p_neutral"), "add up to 1"),
        (pl.lit(float("nan")).alias("p_neutral"), "add up to 1"),
        (pl.lit(NEUTRAL).alias("predicted"), "largest for the predicted class"),
        (pl.Series("side", ["test", "train"]), "one side"),
        (pl.lit(None, dtype=pl.String).alias("label"), "null"),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(change: Any, what: str) -> None:
    rows = table([("a", NEGATIVE, [0.8, 0.1, 0.1]), ("b", POSITIVE, [0.1, 0.1, 0.8])])
    with pytest.raises(InputError, match=what):
        summarise_predictions(rows.with_columns(change), SETTINGS)


def test_no_predictions_are_refused() -> None:
    with pytest.raises(InputError, match="no predictions"):
        summarise_predictions(table([("a", NEGATIVE, [1.0, 0.0, 0.0])]).clear(), SETTINGS)


@pytest.mark.slow
def test_full_size_summary_is_quick() -> None:
    predictions = drawn(500, 750)
    start = time.process_time()
    summarise_predictions(predictions, EvaluationSettings())
    assert time.process_time() - start < 10  # about 1 s on a quiet machine
