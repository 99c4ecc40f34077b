import dataclasses

import numpy as np
import pytest

from transforms.dual_view.alignment import (
    Alignment,
    Estimate,
    choose_offset,
    estimate_offset,
)
from transforms.dual_view.motion import Walk
from transforms.dual_view.pairing import Reject
from transforms.settings import ClipSettings

SETTINGS = ClipSettings()
FRAME_S = 1 / 25


def estimated(offset_s: float, confidence: float, support: dict[float, float]) -> Estimate:
    lags = np.round(np.arange(-2, 2.001, 0.01), 2)
    return Estimate(
        offset_s, confidence, 0.95, lags, np.array([support.get(float(lag), 0.0) for lag in lags])
    )


def test_a_turn_and_uneven_strides_give_the_offset_to_a_fraction_of_a_frame(uneven_walk):
    estimate = estimate_offset(*uneven_walk, SETTINGS.max_offset_s)
    assert estimate is not None
    assert estimate.offset_s == pytest.approx(0.637, abs=FRAME_S / 2)
    assert estimate.confidence >= SETTINGS.min_offset_confidence
    found = choose_offset("g", None, estimate, SETTINGS)
    assert found == Alignment(estimate.offset_s, "estimated", estimate.confidence)


def test_an_even_walk_is_not_aligned_by_guessing_a_step(even_walk):
    estimate = estimate_offset(*even_walk, SETTINGS.max_offset_s)
    assert estimate is not None
    assert estimate.likeness > 0.9
    assert estimate.confidence < 0.6
    found = choose_offset("g", None, estimate, SETTINGS)
    assert isinstance(found, Reject)
    assert (found.stage, found.reason_code) == ("alignment", "offset_uncertain")
    # The true offset is one of those that are left, and half a step off is none of them.
    assert estimate.support_near(0.3, 0.05) > 0.05
    assert estimate.support_near(0.3 + 0.27, 0.05) < 1e-3


@pytest.mark.parametrize("wrong_by_s", [0.25, -0.8])
def test_a_declared_offset_that_lies_between_two_steps_is_contradicted(even_walk, wrong_by_s):
    estimate = estimate_offset(*even_walk, SETTINGS.max_offset_s)
    assert choose_offset("g", 0.3, estimate, SETTINGS) == Alignment(0.3, "declared", None)
    found = choose_offset("g", 0.3 + wrong_by_s, estimate, SETTINGS)
    assert isinstance(found, Reject)
    assert found.reason_code == "offset_contradicted"
    assert f"declared {0.3 + wrong_by_s:+.3f} s" in found.reason
    assert f"motion says {estimate.offset_s:+.3f} s" in found.reason


def test_the_clock_that_is_moved_moves_the_estimate_with_it(uneven_walk):
    front, side = uneven_walk
    later = dataclasses.replace(side, times_s=side.times_s + 0.2)
    first = estimate_offset(front, side, 2.0)
    moved = estimate_offset(front, later, 2.0)
    assert moved.offset_s == pytest.approx(first.offset_s - 0.2, abs=0.005)


def test_a_sure_estimate_elsewhere_quarantines_a_declared_offset():
    sure = estimated(0.5, 0.95, {0.5: 1.0, -0.03: 0.05})
    found = choose_offset("g", -0.03, sure, SETTINGS)
    assert isinstance(found, Reject)
    assert choose_offset("g", 0.45, sure, SETTINGS) == Alignment(0.45, "declared", None)
    # Not sure of it, the motion does not outweigh what people say.
    unsure = estimated(0.5, 0.6, {0.5: 1.0, -0.03: 0.05})
    assert choose_offset("g", -0.03, unsure, SETTINGS) == Alignment(-0.03, "declared", None)


def test_a_declared_offset_needs_no_estimate_and_may_be_larger_than_one_is_looked_for():
    assert choose_offset("g", 7.5, None, SETTINGS) == Alignment(7.5, "declared", None)
    sure = estimated(0.5, 0.95, {0.5: 1.0})
    assert choose_offset("g", 7.5, sure, SETTINGS) == Alignment(7.5, "declared", None)


def test_nothing_declared_and_nothing_seen_is_quarantined():
    found = choose_offset("g", None, None, SETTINGS)
    assert isinstance(found, Reject)
    assert found.reason_code == "offset_unknown"


def test_too_few_frames_and_standing_give_no_estimate(uneven_walk):
    front, side = uneven_walk
    cut = {"times_s": side.times_s[:8], "silhouettes": side.silhouettes[:8]}
    assert estimate_offset(front, Walk("side", **cut, boxes=side.boxes[:8]), 2.0) is None
    still = dataclasses.replace(
        side, silhouettes=np.repeat(side.silhouettes[:1], len(side.times_s), axis=0)
    )
    assert estimate_offset(front, still, 2.0) is None
    empty = Walk("front", np.empty(0), front.silhouettes[:0], np.empty((0, 4)))
    assert estimate_offset(empty, side, 2.0) is None


@pytest.mark.proof
def test_what_is_sure_is_right_over_many_walks(simulation):
    for scene in (
        simulation.Scene(12.0, 0.02),
        simulation.Scene(20.0, 0.02),
        simulation.Scene(8.0, 0.02, turns=True),
        simulation.Scene(6.0, 0.0),
        simulation.Scene(12.0, 0.0),
    ):
        rows = np.array(simulation.measure(scene, 40))
        sure = rows[:, 0] >= SETTINGS.min_offset_confidence
        wrong = np.abs(rows[sure, 1]) > 0.12
        assert wrong.sum() <= max(2, 0.05 * sure.sum()), scene
        if scene.stride_cv == 0.0:
            assert sure.sum() <= 2, scene


@pytest.mark.parametrize(
    ("confidence", "said"), [(0.4, "0.40"), (0.898, "0.898"), (0.8999999, "0.8999999")]
)
def test_a_confidence_just_too_low_reads_as_too_low(confidence, said):
    found = choose_offset("g", None, estimated(0.5, confidence, {0.5: 1.0}), SETTINGS)
    assert isinstance(found, Reject)
    assert f"confidence {said}, expected at least 0.9" in found.reason
