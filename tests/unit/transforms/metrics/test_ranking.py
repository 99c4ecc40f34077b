import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from transforms.metrics.ranking import measure_auprc, measure_auroc

row = st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=2, max_size=25))
def test_areas_equal_scikit_learn_with_ties_and_weights(
    rows: list[tuple[int, bool, int]],
) -> None:
    score = np.array([value / 7 for value, _, _ in rows])
    truth = np.array([is_positive for _, is_positive, _ in rows])
    weights = np.array([[float(weight) for _, _, weight in rows], [1.0] * len(rows)])
    areas = measure_auroc(score, truth, weights)
    precisions = measure_auprc(score, truth, weights)
    for place, weight in enumerate(weights):
        kept = weight > 0
        if len(set(truth[kept])) < 2:
            assert np.isnan(areas[place])
            assert np.isnan(precisions[place])
            continue
        auroc = roc_auc_score(truth, score, sample_weight=weight)
        auprc = average_precision_score(truth, score, sample_weight=weight)
        assert areas[place] == pytest.approx(auroc)
        assert precisions[place] == pytest.approx(auprc)


def test_all_scores_equal_is_a_coin_toss() -> None:
    truth = np.array([True, False, False, False])
    score, weights = np.full(4, 0.3), np.ones((1, 4))
    assert measure_auroc(score, truth, weights)[0] == 0.5
    assert measure_auprc(score, truth, weights)[0] == 0.25
