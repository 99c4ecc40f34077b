import numpy as np
import pytest

from transforms.metrics.bootstrap import draw_weights
from transforms.metrics.brier import brier_interval, squared_errors
from transforms.metrics.judged import Judged


def judge(people: int, seed: int, *, rows_per_person: int = 2) -> Judged:
    random = np.random.default_rng(seed)
    participant = np.repeat(np.arange(people), rows_per_person)
    raised = np.exp(random.normal(0, 2, (len(participant), 3)))
    truth = random.integers(3, size=people)[participant]
    return Judged(truth, raised / raised.sum(axis=1, keepdims=True), participant)


def test_errors_are_those_of_the_definition() -> None:
    judged = Judged(np.array([0, 2]), np.array([[1.0, 0, 0], [0.5, 0.25, 0.25]]), np.arange(2))
    assert squared_errors(judged) == pytest.approx([0, 0.25 + 0.0625 + 0.5625])


def test_the_interval_is_that_of_resampling_people_one_by_one() -> None:
    people, resamples = 12, 500
    judged = judge(people, seed=3)
    weights = draw_weights(people, resamples, seed=1)
    errors = squared_errors(judged)

    def log_mean_and_error(chosen: np.ndarray) -> tuple[float, float]:
        rows = [errors[judged.participant == person] for person in chosen]
        mean = np.concatenate(rows).mean()
        surplus = [(row - mean).sum() for row in rows]
        spread = np.sqrt(np.square(surplus).sum() * people / (people - 1)) / (2 * people)
        return np.log(mean), spread / mean

    value, error = log_mean_and_error(np.arange(people))
    distances = []
    for drawn in weights:
        log_value, own = log_mean_and_error(np.repeat(np.arange(people), drawn.astype(int)))
        distances.append((log_value - value) / own)
    below, above = np.quantile(distances, [0.025, 0.975])
    wanted = np.exp(value - above * error), np.exp(value - below * error)
    assert brier_interval(judged, weights, 0.95) == pytest.approx(wanted)


@pytest.mark.parametrize("shown", [1.0, 0.5])
def test_errors_that_do_not_differ_have_no_interval(shown: float) -> None:
    rows = np.tile([shown, 1 - shown, 0.0], (8, 1))
    judged = Judged(np.zeros(8, dtype=np.int64), rows, np.arange(8))
    assert brier_interval(judged, draw_weights(8, 200, seed=0), 0.95) is None


def test_three_people_may_have_any_score_but_no_worse_than_the_worst() -> None:
    low, high = brier_interval(judge(3, seed=1), draw_weights(3, 200, seed=0), 0.95)
    assert 0 <= low < 0.5 < high <= 2.0 + 1e-12


def test_one_participant_has_no_interval() -> None:
    assert brier_interval(judge(1, seed=0), draw_weights(1, 200, seed=0), 0.95) is None


@pytest.mark.slow
def test_the_interval_holds_a_skewed_mean_as_often_as_it_says() -> None:
    # Most people are read with ease and few not at all.
    random = np.random.default_rng(5)
    held = 0
    for seed in range(400):
        wrong = random.beta(0.3, 4, size=60)
        rows = np.stack([1 - wrong, wrong, np.zeros(60)], axis=1)
        judged = Judged(np.zeros(60, dtype=np.int64), rows, np.arange(60))
        low, high = brier_interval(judged, draw_weights(60, 400, seed), 0.95)
        held += low <= 2 * (0.3 * 1.3) / (4.3 * 5.3) <= high
    assert 0.915 <= held / 400 <= 0.985
