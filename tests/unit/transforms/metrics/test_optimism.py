"""The optimism gap: arithmetic by hand, and intervals that hold."""

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.metrics.gap_inputs import DISJOINT, MIXED, QUICK, VARIANT, judge, split
from transforms.errors import InputError, IntegrityError, RefusalError
from transforms.labels import SCOLIOSIS, SCOLIOSIS_LABELS
from transforms.metrics.metrics import summarise_predictions
from transforms.metrics.optimism import (
    GAP,
    HONEST,
    LEAKY,
    SIDES,
    describe_splits,
    measure_gap,
)
from transforms.metrics.seeds import list_metrics
from transforms.settings import EvaluationSettings


def width(entry):
    return entry["high"] - entry["low"]


def test_the_gap_is_leaky_minus_participant_wise_over_the_seeds() -> None:
    honest = [judge([1, 0, 0, 0, 0, 0]), judge([1, 1, 0, 0, 0, 0])]
    leaky = [judge([1, 1, 1, 1, 1, 0]), judge([1, 1, 1, 1, 1, 1])]
    found = measure_gap({HONEST: honest, LEAKY: leaky}, QUICK)["sequence"]["accuracy"]
    assert found[HONEST]["value"] == pytest.approx(0.25)
    assert found[LEAKY]["value"] == pytest.approx(11 / 12)
    assert found[GAP]["value"] == pytest.approx(8 / 12)
    assert found[GAP]["per_seed"] == pytest.approx([4 / 6, 4 / 6])
    assert found[LEAKY]["per_seed"] == pytest.approx([5 / 6, 1])
    assert found[LEAKY]["seed_sd"] == pytest.approx(np.std([5 / 6, 1], ddof=1))
    assert found[GAP]["seed_sd"] == pytest.approx(0)
    assert found[GAP]["low"] < found[GAP]["value"] < found[GAP]["high"]


def test_values_are_those_of_metrics_json() -> None:
    random = np.random.default_rng(3)
    tables = {name: judge(random.random(30) < 0.6, per_participant=2) for name in SIDES}
    found = measure_gap({name: [table] for name, table in tables.items()}, QUICK)
    for name, table in tables.items():
        units = summarise_predictions(table, QUICK)["units"]
        for unit in found:
            for metric in list_metrics(SCOLIOSIS):
                entry = found[unit][metric][name]
                assert entry["value"] == units[unit]["metrics"][metric]["value"]
                assert entry["seed_sd"] is None


def test_the_two_sides_are_resampled_independently() -> None:
    table = judge([1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1])
    found = measure_gap({HONEST: [table], LEAKY: [table]}, QUICK)["sequence"]["accuracy"]
    assert found[GAP]["value"] == 0
    # Resampled in pairs, equal predictions would never differ.
    assert width(found[GAP]) > width(found[LEAKY])


def test_more_sequences_of_the_same_people_are_no_more_evidence() -> None:
    hits = np.random.default_rng(5).random(24) < 0.5
    one, many = (
        measure_gap(
            {name: [judge(hits, per_participant=count)] for name in SIDES},
            QUICK,
        )["sequence"]["accuracy"]
        for count in (1, 8)
    )
    # Taken for independent, eight times as many would narrow it to a third.
    assert width(many[GAP]) == pytest.approx(width(one[GAP]), rel=0.15)


def test_what_is_undefined_on_one_side_leaves_the_gap_undefined() -> None:
    table = judge([1, 1, 0, 1, 1, 0])
    positive = table.filter(pl.col("label") == "positive")
    found = measure_gap({HONEST: [table], LEAKY: [positive]}, QUICK)["sequence"]
    metric = found["any_abnormality/specificity"]
    assert metric[HONEST]["value"] is not None
    assert metric[LEAKY]["value"] is None
    assert metric[GAP]["value"] is metric[GAP]["low"] is None


def test_the_same_seed_gives_the_same_intervals() -> None:
    tables = {name: [judge([1, 0, 1, 1, 0, 1])] for name in SIDES}
    assert measure_gap(tables, QUICK) == measure_gap(tables, QUICK)
    other = QUICK.model_copy(update={"seed": 1})
    assert measure_gap(tables, QUICK) != measure_gap(tables, other)


@pytest.mark.parametrize(
    ("honest", "leaky", "what"),
    [
        ([], [], "the same seeds"),
        ([judge([1, 0])], [], "the same seeds"),
        ([judge([1, 0]), judge([1, 0, 1])], [judge([1]), judge([1])], "other sequences"),
        ([judge([1]).clear()], [judge([1])], "no predictions"),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused(honest, leaky, what) -> None:
    with pytest.raises(InputError, match=what):
        measure_gap({HONEST: honest, LEAKY: leaky}, QUICK)


@pytest.mark.slow
def test_the_interval_of_the_difference_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)

    def predict(skill):
        """Sequences of a person are right together: accuracy differs from person to person."""
        people = random.beta(2 * skill, 2 * (1 - skill), 45)
        parts = [
            judge(random.random(45) < people).with_columns(pl.col("sequence_id") + f"_{copy}")
            for copy in range(3)
        ]
        return pl.concat(parts)

    settings = EvaluationSettings(bootstrap_resamples=200, confidence=0.9)
    covered = {"participant": 0, "sequence": 0}
    for _ in range(120):
        tables = {HONEST: [predict(0.5)], LEAKY: [predict(0.8)]}
        apart = {
            name: [one.with_columns(participant_id="sequence_id")]
            for name, (one,) in tables.items()
        }
        for resampled, given in zip(covered, (tables, apart), strict=True):
            found = measure_gap(given, settings)["sequence"]["accuracy"][GAP]
            covered[resampled] += found["low"] <= 0.3 <= found["high"]
    assert 0.83 <= covered["participant"] / 120 <= 0.97
    assert covered["sequence"] / 120 < 0.83


def test_splits_are_described_with_who_is_known() -> None:
    found = describe_splits({HONEST: split(DISJOINT), LEAKY: split(MIXED)}, VARIANT)
    assert found[HONEST]["sequences"] == found[LEAKY]["sequences"]
    assert found[HONEST]["sequences"]["train"] == dict.fromkeys(SCOLIOSIS_LABELS, 4)
    assert found[HONEST]["participants"] == {"train": 6, "selection": 3, "test": 3}
    assert found[LEAKY]["participants"] == {"train": 12, "selection": 3, "test": 6}
    assert [found[name]["known_test_participants"] for name in SIDES] == [0, 6]
    assert [found[name]["known_test_sequences"] for name in SIDES] == [0, 6]


FEWER = [["train", "test"], ["train", "selection"], ["train", "unused"], ["train", "unused"]]
NOBODY = [["train", "unused"], ["train", "unused"], ["selection", "unused"], ["test", "unused"]]


@pytest.mark.parametrize(
    ("honest", "leaky", "error", "what"),
    [
        (DISJOINT, FEWER, InputError, "other numbers"),
        (MIXED, MIXED, IntegrityError, "not participant-disjoint"),
        (NOBODY, NOBODY, RefusalError, "no leak to measure"),
    ],
)
def test_splits_that_measure_something_else_are_refused(honest, leaky, error, what) -> None:
    with pytest.raises(error, match=what):
        describe_splits({HONEST: split(honest), LEAKY: split(leaky)}, VARIANT)


def test_a_variant_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no sequence"):
        describe_splits({HONEST: split(DISJOINT), LEAKY: split(MIXED)}, "ratio_1_1_16")
