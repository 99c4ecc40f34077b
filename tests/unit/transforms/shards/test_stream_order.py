import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import SettingsError
from transforms.shards.stream_order import StreamOrder

SHARD_OF = np.repeat(np.arange(10), 5)
ROWS = np.arange(50)


def _order(rows=ROWS, shard_of=SHARD_OF, seed=1, window_shards=3):
    return StreamOrder(rows, shard_of, seed, window_shards)


def test_the_order_follows_from_seed_and_epoch():
    np.testing.assert_array_equal(_order().epoch(4), _order().epoch(4))
    others = [_order().epoch(5), _order(seed=2).epoch(4), _order(window_shards=4).epoch(4)]
    assert all(not np.array_equal(_order().epoch(4), other) for other in others)


def test_the_order_does_not_depend_on_how_rows_were_listed():
    listed = np.random.default_rng(0).permutation(ROWS)
    np.testing.assert_array_equal(_order(listed).epoch(0), _order().epoch(0))


def test_the_order_is_the_one_of_released_seeds():
    # A change here changes what every resumed training reads.
    found = _order(np.arange(8), np.repeat(np.arange(4), 2), seed=7, window_shards=2).epoch(1)
    assert found.tolist() == [4, 5, 0, 1, 2, 3, 6, 7]


def test_sequences_mix_within_windows_of_shards():
    shards = SHARD_OF[_order().epoch(0)]
    windows = [shards[start : start + 15] for start in range(0, 50, 15)]
    assert [len(set(window)) for window in windows] == [3, 3, 3, 1]
    assert set().union(*map(set, windows)) == set(range(10))
    assert not np.array_equal(windows[0], np.sort(windows[0]))
    assert len(set(_order(window_shards=10).epoch(0)[:10] // 5)) > 3


def test_shards_come_in_another_order_each_epoch():
    first = {tuple(sorted(set(SHARD_OF[_order().epoch(epoch)[:15]]))) for epoch in range(6)}
    assert len(first) > 3


@settings(max_examples=60, deadline=None)
@given(
    shard_of=st.lists(st.integers(0, 6), max_size=40),
    chosen=st.randoms(use_true_random=False),
    epoch=st.integers(0, 5),
    window_shards=st.integers(1, 8),
    world_size=st.integers(1, 5),
)
def test_shares_neither_overlap_nor_lose(shard_of, chosen, epoch, window_shards, world_size):
    rows = np.array([row for row in range(len(shard_of)) if chosen.random() < 0.7], dtype=np.int64)
    order = _order(rows, np.array(shard_of, dtype=np.int64), 0, window_shards)
    shares = [order.share(epoch, rank, world_size) for rank in range(world_size)]
    np.testing.assert_array_equal(np.concatenate(shares), order.epoch(epoch))
    assert sorted(np.concatenate(shares)) == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("rank", "world_size"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_outside_its_world_is_refused(rank, world_size):
    with pytest.raises(SettingsError, match="no such rank"):
        _order().share(0, rank, world_size)


@pytest.mark.parametrize("wrong", [{"window_shards": 0}, {"seed": -1}])
def test_an_impossible_order_is_refused(wrong):
    with pytest.raises(SettingsError, match="a window and a seed"):
        _order(**wrong)
