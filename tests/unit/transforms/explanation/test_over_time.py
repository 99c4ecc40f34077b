"""Bags against the gait cycle, and what is written of the weights."""

import numpy as np
import polars as pl
import pytest

from transforms.explanation.cycle import Cycle
from transforms.explanation.over_time import (
    WeighedWalk,
    measure_agreement,
    order_phases,
    summarise_over_time,
    tabulate_over_time,
)

TURNS = np.arange(80) / 20 % 1.0
SECTORS = np.floor(TURNS * 4).astype(np.int64)


def walk(weights, phases=SECTORS, cycle=None, view="front"):
    count = len(weights)
    return WeighedWalk(
        sequence_id="p1_s1",
        participant_id="p1",
        view=view,
        label="negative",
        predicted="neutral",
        silhouettes=np.zeros((count, 64, 44), dtype=np.float32),
        times_s=np.arange(count) / 30,
        phases=phases[:count],
        within=np.asarray(weights, dtype=np.float32),
        weights=np.asarray(weights, dtype=np.float32),
        cycle=cycle,
    )


def test_equal_divisions_agree_whatever_they_are_called_and_wherever_they_begin():
    cycle = Cycle(TURNS, has_halves_alike=False)
    assert measure_agreement((SECTORS + 3) % 4, cycle, 4) == pytest.approx(1.0)
    later = np.floor(TURNS * 4 + 0.5).astype(np.int64) % 4
    assert measure_agreement(later, cycle, 4) == pytest.approx(1.0)


def test_chance_does_not_agree():
    cycle = Cycle(TURNS, has_halves_alike=False)
    drawn = np.random.default_rng(1).integers(4, size=len(TURNS))
    assert measure_agreement(drawn, cycle, 4) < 0.1


def test_from_the_side_a_half_of_the_cycle_is_divided():
    halves = np.floor(TURNS * 2 % 1.0 * 4).astype(np.int64)
    assert measure_agreement(halves, Cycle(TURNS, has_halves_alike=True), 4) == pytest.approx(1.0)
    assert measure_agreement(halves, Cycle(TURNS, has_halves_alike=False), 4) < 0.8


def test_bags_are_numbered_along_the_cycle():
    named = np.array([2, 0, 3, 1])[SECTORS]
    assert order_phases(named, Cycle(TURNS, has_halves_alike=False)).tolist() == SECTORS.tolist()
    assert order_phases(np.array([5, 5, 2, 5, 0]), None).tolist() == [0, 0, 1, 0, 2]


def test_the_table_has_a_row_per_frame_and_says_where_no_rhythm_is_known():
    even = np.full(80, 1 / 80)
    table = tabulate_over_time([walk(even, cycle=Cycle(TURNS, False)), walk(even[:40] * 2)])
    assert table.height == 120
    assert table["cycle"].null_count() == 40
    assert table["frame"].to_list() == [*range(80), *range(40)]
    assert tabulate_over_time([]).schema == table.schema
    assert table.select(pl.col("weight").sum()).item() == pytest.approx(2.0)


def test_even_weights_take_all_frames_and_one_weight_takes_one():
    even, single = np.full(80, 1 / 80), np.eye(80)[3]
    (first,) = summarise_over_time([walk(even)], 4)
    (second,) = summarise_over_time([walk(single)], 4)
    assert first["even_frames"] == pytest.approx(1.0)
    assert second["even_frames"] == pytest.approx(1 / 80)
    assert first["agreement"] is None
    assert first["agreement_sequences"] == 0


def test_views_are_summed_up_apart():
    even = np.full(80, 1 / 80)
    cycle = Cycle(TURNS, False)
    found = summarise_over_time([walk(even, cycle=cycle), walk(even, view="side")], 4)
    assert [(one["view"], one["agreement"]) for one in found] == [
        ("front", pytest.approx(1.0)),
        ("side", None),
    ]
