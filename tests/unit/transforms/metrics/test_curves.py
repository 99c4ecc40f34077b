import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from transforms.metrics.curves import trace_precision_recall, trace_reliability, trace_roc
from transforms.metrics.ranking import measure_auprc, measure_auroc

# Few distinct scores, so that ties between the sides are common.
CASES = [
    (np.round(random.random(size), digits), random.random(size) < share)
    for random in [np.random.default_rng(3)]
    for size in (2, 5, 40, 300)
    for digits in (1, 3)
    for share in (0.2, 0.5)
]
BOTH_SIDES = [(score, truth) for score, truth in CASES if 0 < truth.sum() < len(truth)]


@pytest.mark.parametrize(("score", "truth"), BOTH_SIDES)
def test_points_are_those_of_scikit_learn(score, truth):
    false_rate, true_rate, _ = roc_curve(truth, score, drop_intermediate=False)
    theirs = {(x, y) for x, y in np.column_stack([false_rate, true_rate]).round(9)}
    # Ours leaves out points inside straight stretches; that no corner is missing shows in the area.
    assert {(x, y) for x, y in trace_roc(score, truth).round(9)} <= theirs
    precision, recall, _ = precision_recall_curve(truth, score)
    theirs = np.column_stack([recall, precision])[-2::-1]  # they add a point nobody measured
    np.testing.assert_allclose(trace_precision_recall(score, truth), theirs)


@pytest.mark.parametrize(("score", "truth"), BOTH_SIDES)
def test_the_areas_under_them_are_the_metrics(score, truth):
    one = np.ones((1, len(score)))
    assert np.trapezoid(*trace_roc(score, truth).T[::-1]) == pytest.approx(
        measure_auroc(score, truth, one)[0]
    )
    recall, precision = trace_precision_recall(score, truth).T
    assert (np.diff(recall, prepend=0) * precision).sum() == pytest.approx(
        measure_auprc(score, truth, one)[0]
    )


def test_a_question_with_one_side_has_no_curve():
    score = np.array([0.2, 0.9])
    for truth in (np.array([True, True]), np.array([False, False])):
        assert trace_roc(score, truth).shape == (0, 2)
        assert trace_precision_recall(score, truth).shape == (0, 2)


def test_reliability_counts_each_row_in_one_bin():
    score = np.array([0.0, 0.1, 0.1001, 0.95, 1.0])
    truth = np.array([False, True, False, True, True])
    points = trace_reliability(score, truth)
    np.testing.assert_allclose(points, [[0.05, 0.5], [0.1001, 0.0], [0.975, 1.0]])
