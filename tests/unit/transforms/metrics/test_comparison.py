import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.metrics.gap_inputs import judge
from transforms.errors import InputError
from transforms.labels import SCOLIOSIS
from transforms.metrics.comparison import DIFFERENCE, FIRST, SECOND, compare_experiments
from transforms.metrics.metrics import summarise_predictions
from transforms.metrics.optimism import GAP, HONEST, LEAKY, measure_gap
from transforms.metrics.seeds import list_metrics
from transforms.settings import EvaluationSettings

QUICK = EvaluationSettings(bootstrap_resamples=400)
RANDOM = np.random.default_rng(1)
HITS = RANDOM.random(45) < 0.6
BETTER = HITS | (RANDOM.random(45) < 0.4)


def width(entry):
    return entry["high"] - entry["low"]


def test_the_difference_is_second_minus_first_seed_by_seed() -> None:
    first = [judge([1, 0, 0, 0, 0, 0]), judge([1, 1, 0, 0, 0, 0])]
    second = [judge([1, 1, 1, 1, 0, 0]), judge([1, 1, 1, 1, 1, 1])]
    found = compare_experiments(first, second, QUICK)["sequence"]["accuracy"]
    assert found[FIRST]["per_seed"] == pytest.approx([1 / 6, 2 / 6])
    assert found[SECOND]["value"] == pytest.approx(5 / 6)
    assert found[DIFFERENCE]["per_seed"] == pytest.approx([3 / 6, 4 / 6])
    assert found[DIFFERENCE]["value"] == pytest.approx(7 / 12)
    assert found[DIFFERENCE]["seed_sd"] == pytest.approx(np.std([3 / 6, 4 / 6], ddof=1))
    assert found[DIFFERENCE]["low"] < found[DIFFERENCE]["value"] < found[DIFFERENCE]["high"]


def test_values_and_intervals_of_one_seed_are_those_of_metrics_json() -> None:
    tables = [judge(hits, per_participant=2) for hits in (HITS, BETTER)]
    found = compare_experiments([tables[0]], [tables[1]], QUICK)
    for side, table in zip((FIRST, SECOND), tables, strict=True):
        units = summarise_predictions(table, QUICK)["units"]
        for unit, metrics in found.items():
            assert tuple(metrics) == list_metrics(SCOLIOSIS)
            for name, entries in metrics.items():
                wanted = units[unit]["metrics"][name]
                for bound in ("value", "low", "high"):
                    assert entries[side][bound] == wanted[bound]


def test_participants_are_resampled_together() -> None:
    tables = [judge(HITS)], [judge(BETTER)]
    paired = compare_experiments(*tables, QUICK)["participant"]["accuracy"][DIFFERENCE]
    apart = measure_gap({HONEST: tables[0], LEAKY: tables[1]}, QUICK)["participant"]["accuracy"][
        GAP
    ]
    assert paired["value"] == apart["value"]
    assert width(paired) < 0.9 * width(apart)


def test_a_model_does_not_differ_from_itself() -> None:
    found = compare_experiments([judge(HITS)], [judge(HITS)], QUICK)
    for metrics in found.values():
        for entries in metrics.values():
            assert entries[DIFFERENCE]["value"] == 0
            assert entries[DIFFERENCE]["low"] <= 0 <= entries[DIFFERENCE]["high"]


def test_swapping_the_models_turns_the_interval_round() -> None:
    one = compare_experiments([judge(HITS)], [judge(BETTER)], QUICK)["participant"]["macro_f1"]
    other = compare_experiments([judge(BETTER)], [judge(HITS)], QUICK)["participant"]["macro_f1"]
    assert one[DIFFERENCE]["low"] == pytest.approx(-other[DIFFERENCE]["high"])
    assert one[DIFFERENCE]["high"] == pytest.approx(-other[DIFFERENCE]["low"])


TABLE = judge([1, 0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    "other",
    [
        judge([1, 0, 1, 1, 0]),
        TABLE.with_columns(sequence_id=pl.col("sequence_id").str.replace("s005", "s006")),
        TABLE.with_columns(participant_id=pl.col("participant_id").str.replace("p005", "p006")),
        judge([1, 0, 1, 1, 0, 1]).with_columns(
            label=pl.when(pl.col("participant_id") == "p005")
            .then(pl.lit("neutral"))
            .otherwise("label")
        ),
    ],
)
def test_other_test_sides_are_refused_by_name(other) -> None:
    with pytest.raises(InputError, match="same test side can be compared") as caught:
        compare_experiments([TABLE], [other], QUICK, names=("sconet", "sconet_mt"))
    assert caught.value.where == "sconet and sconet_mt"
    assert "s005" in str(caught.value.found)


def test_other_numbers_of_seeds_are_refused() -> None:
    for first, second in (([], []), ([TABLE], [TABLE, TABLE])):
        with pytest.raises(InputError, match="the same seeds"):
            compare_experiments(first, second, QUICK)
