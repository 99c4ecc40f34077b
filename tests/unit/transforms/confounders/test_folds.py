import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from transforms.confounders.folds import assign_folds


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(2, 6), st.integers(0, 99))
def test_every_class_and_the_whole_are_spread_evenly(
    labels: list[int], fold_count: int, seed: int
) -> None:
    truth = np.array(labels, dtype=np.int64)
    folds = assign_folds(truth, fold_count, np.random.default_rng(seed))
    for members in [folds, *(folds[truth == label] for label in set(labels))]:
        assert np.ptp(np.bincount(members, minlength=fold_count)) <= 1


def test_the_seed_decides_who_goes_where() -> None:
    truth = np.arange(90, dtype=np.int64) % 3
    one, same, other = (assign_folds(truth, 5, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
