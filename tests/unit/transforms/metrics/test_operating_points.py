import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from tests.unit.transforms.metrics.drawn_predictions import draw, tabulate
from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.judged import average_by_participant, read_predictions
from transforms.metrics.operating_points import (
    LIKELIEST,
    PREVALENCES,
    count_needed,
    find_threshold,
    predictive_intervals,
    predictive_values,
    specificity_at_sensitivity,
    summarise_operating_points,
)

ILL = np.array([True, True, True, True, False, False, False, False])
SCORE = np.array([0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.3, 0.1])


def summarise(predictions, resamples=200, selection=None):
    judged = average_by_participant(read_predictions(predictions))
    weights = draw_weights(len(judged.truth), resamples, seed=5)
    if selection is not None:
        selection = average_by_participant(read_predictions(selection))
    return summarise_operating_points(judged, weights, 0.95, selection=selection)


@pytest.mark.parametrize(
    ("target", "threshold", "specificity"),
    [(0.5, 0.8, 1.0), (0.51, 0.6, 0.75), (0.75, 0.6, 0.75), (0.95, 0.3, 0.25), (1.0, 0.3, 0.25)],
)
def test_threshold_is_the_highest_that_finds_enough(target, threshold, specificity) -> None:
    assert find_threshold(SCORE, ILL, target) == threshold
    found = specificity_at_sensitivity(SCORE, ILL, np.ones((1, 8)), target)
    assert found[0] == pytest.approx(specificity)


def test_people_with_equal_scores_are_named_together() -> None:
    ill = np.array([True, False, False, True])
    found = specificity_at_sensitivity(np.array([0.5, 0.5, 0.5, 0.9]), ill, np.ones((1, 4)), 0.99)
    assert found[0] == 0


def test_nineteen_of_twenty_are_95_percent() -> None:
    score = np.arange(40.0)
    ill = score >= 20
    assert find_threshold(score, ill, 0.95) == 21
    score[20] = -1  # the one that may be missed
    assert specificity_at_sensitivity(score, ill, np.ones((1, 40)), 0.95)[0] == 1


row = st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=2, max_size=25), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_specificity_at_a_sensitivity_is_that_of_scikit_learns_curve(rows, target) -> None:
    score = np.array([value / 7 for value, _, _ in rows])
    ill = np.array([is_ill for _, is_ill, _ in rows])
    weight = np.array([float(count) for _, _, count in rows])
    found = specificity_at_sensitivity(score, ill, weight[None], target)[0]
    if not (weight[ill].sum() and weight[~ill].sum()):
        assert np.isnan(found)
        return
    alarms, hits, _ = roc_curve(ill, score, sample_weight=weight, drop_intermediate=False)
    assert found == pytest.approx(1 - alarms[np.argmax(hits >= target - 1e-9)])


def test_predictive_values_by_hand() -> None:
    # Of 10,000 people 200 are ill: 180 are found, 1,960 of the well are alarmed.
    ppv, npv = predictive_values(0.9, 0.8, 0.02)
    assert ppv == pytest.approx(180 / 2_140)
    assert npv == pytest.approx(7_840 / 7_860)
    assert np.isnan(predictive_values(0.0, 1.0, 0.02)[0])
    assert np.isnan(predictive_values(1.0, 0.0, 0.02)[1])


def test_predictive_intervals_of_a_known_sensitivity_are_those_of_the_specificity() -> None:
    known, seen = (0.95, (0.95, 0.95)), (0.8, (0.7, 0.88))
    ppv, npv = predictive_intervals(known, seen, 0.05)
    assert ppv == pytest.approx([predictive_values(0.95, one, 0.05)[0] for one in seen[1]])
    assert npv == pytest.approx([predictive_values(0.95, one, 0.05)[1] for one in seen[1]])


def test_predictive_intervals_of_perfect_rates_do_not_claim_certainty() -> None:
    perfect = (1.0, (0.9, 1.0))
    ppv, npv = predictive_intervals(perfect, perfect, 0.02)
    assert ppv[1] == npv[1] == 1
    assert ppv[0] < 0.2
    assert 0.99 < npv[0] < 1
    assert predictive_intervals((0.0, (0.0, 0.1)), perfect, 0.02)[0] is None


def test_so_many_participants_show_95_and_99_percent() -> None:
    # Wilson's lower limit of n out of n, n / (n + 1.96^2), has to reach the target.
    assert count_needed(0.95, 0.95) == 73
    assert count_needed(0.99, 0.95) == 381


def test_points_are_summarised_with_intervals_where_the_sample_can_show_them() -> None:
    found = summarise(draw(240, 240, skill=2.0))["any_abnormality"]
    point = found["sensitivity_95"]
    assert point["reached_sensitivity"] >= point["target_sensitivity"] == 0.95
    assert (
        point["specificity"]["low"] < point["specificity"]["value"] < point["specificity"]["high"]
    )
    too_few = found["sensitivity_99"]["specificity"]
    assert too_few["value"] < point["specificity"]["value"]
    assert too_few["low"] is None
    assert "it takes 381" in too_few["reason"]
    for name in (LIKELIEST, "sensitivity_95", "sensitivity_99"):
        answers = found[name]["predictive_values"]
        assert [one["prevalence"] for one in answers] == list(PREVALENCES)
        assert answers[0]["ppv"]["value"] < answers[-1]["ppv"]["value"]
        assert answers[0]["npv"]["value"] > answers[-1]["npv"]["value"]
        has_interval = name != "sensitivity_99"
        assert all(
            (one[kind]["low"] is not None) == has_interval
            for one in answers
            for kind in ("ppv", "npv")
        )
    assert found[LIKELIEST]["threshold"] is None


def test_predictive_values_of_a_point_take_the_sensitivity_aimed_at() -> None:
    found = summarise(draw(30, 30))["any_abnormality"]["sensitivity_95"]
    ppv, npv = predictive_values(0.95, found["specificity"]["value"], 0.05)
    answer = found["predictive_values"][2]
    assert (answer["ppv"]["value"], answer["npv"]["value"]) == pytest.approx((ppv, npv))


def test_a_threshold_of_the_selection_side_is_judged_as_it_stands() -> None:
    selection = [("s1", "positive", [0.4, 0, 0.6]), ("s2", "positive", [0.3, 0, 0.7])]
    tested = [
        ("t1", "positive", [0.1, 0, 0.9]),
        ("t2", "positive", [0.5, 0, 0.5]),  # missed: below the lowest of the selection side
        ("t3", "negative", [0.35, 0, 0.65]),  # alarmed
        *((f"n{n}", "negative", [0.9, 0.1, 0]) for n in range(3)),
    ]
    question = summarise(tabulate(tested), selection=tabulate(selection))["positive_vs_rest"]
    point = question["sensitivity_95_by_selection"]
    assert point["threshold"] == pytest.approx(0.6)
    assert point["selection_participants"] == 2
    assert point["sensitivity"]["value"] == 0.5
    assert point["specificity"]["value"] == 0.75
    assert point["specificity"]["low"] < 0.75 < point["specificity"]["high"]
    ppv, _ = predictive_values(0.5, 0.75, 0.05)
    assert point["predictive_values"][2]["ppv"]["value"] == pytest.approx(ppv)
    assert question["sensitivity_95"]["threshold"] == 0.5  # that of the test side itself


@pytest.mark.parametrize("selection", [None, [("s1", "negative", [0.9, 0.1, 0])]])
def test_a_selection_side_without_positives_fixes_no_threshold(selection) -> None:
    rows = None if selection is None else tabulate(selection)
    found = summarise(draw(20, 20), selection=rows)["any_abnormality"]
    assert "on the selection side" in found["sensitivity_99_by_selection"]["reason"]


def test_question_without_one_of_its_sides_says_so() -> None:
    found = summarise(tabulate([("a", "neutral", [0.2, 0.8, 0]), ("b", "neutral", [0.9, 0.1, 0])]))
    assert found["any_abnormality"]["reason"].startswith("nobody outside")
    assert found["positive_vs_rest"]["reason"].startswith("nobody inside")
