import numpy as np

from transforms.near_duplicates.candidates import find_candidates

SIGNS = np.float32([1, 1, 1, 1, -1, -1])


def find(stretches: np.ndarray, owners: list[int], limit: float = 1.0) -> list[list[int]]:
    pairs = find_candidates(
        stretches.astype(np.float32), np.array(owners), SIGNS, limit=limit, worker_count=1
    )
    return pairs.tolist()


def test_near_stretches_of_different_sequences_are_pairs_and_own_ones_are_not() -> None:
    base = np.random.default_rng(0).normal(size=(4, 6)) * 20
    stretches = np.concatenate([base, base[1:2] + 0.1, base[0:1] + 0.1])
    assert find(stretches, [0, 1, 2, 3, 3, 0]) == [[1, 3, 0]]


def test_mirrored_stretches_are_pairs_marked_as_such() -> None:
    base = np.random.default_rng(1).normal(size=(3, 6)) * 20
    stretches = np.concatenate([base, base[2:] * SIGNS])
    assert find(stretches, [0, 1, 2, 3]) == [[2, 3, 1]]


def test_nothing_is_a_pair_beyond_the_limit() -> None:
    stretches = np.zeros((2, 6))
    stretches[1] = 1.01
    assert find(stretches, [0, 1]) == []
    assert find(stretches, [0, 1], limit=1.5) != []


def test_a_crowd_does_not_make_every_pair_a_candidate() -> None:
    stretches = np.random.default_rng(2).normal(size=(30, 6)) * 0.01
    stretches[29] = stretches[0]
    pairs = find(stretches, list(range(30)))
    assert [0, 29, 0] in pairs
    assert len(pairs) <= 30 * 8


def test_one_stretch_has_no_pair() -> None:
    assert find(np.ones((1, 6)), [0]) == []
