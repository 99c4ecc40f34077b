import dataclasses

import numpy as np
import pytest

from transforms.near_duplicates.judge import Match, match_walks, measure_distance
from transforms.near_duplicates.space import Projection, Space
from transforms.near_duplicates.walks import Features, Walk

SAME = Projection(even=np.eye(6), odd=np.eye(6)[:, :4], centre=np.zeros(6))
SPACE = Space(shape=SAME, pose=SAME, stride=SAME)
ROUGH = Match(False, 1.0, 250, 1.0, 1.0, 0.7, 0.1, 0.2, 0.1, 1.0)


def draw_walk(seed: int, frame_count: int = 200) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=(frame_count, 10))
    return np.cumsum(steps, axis=0).astype(np.float32) * 4


def as_walk(features: np.ndarray) -> Walk:
    return Walk("", len(features), Features(features, features, features))


def test_a_copy_is_near_and_a_stranger_is_not() -> None:
    walk = draw_walk(0)
    noise = np.random.default_rng(9).normal(size=walk.shape).astype(np.float32) * 0.3
    match = match_walks(as_walk(walk), as_walk(walk + noise), SPACE, is_mirrored=False)
    assert match is not None
    assert measure_distance(match) < 1
    stranger = match_walks(as_walk(walk), as_walk(draw_walk(1)), SPACE, is_mirrored=False)
    assert stranger is None or measure_distance(stranger) > 1


def test_a_mirrored_copy_is_found_mirrored_only() -> None:
    walk = draw_walk(0)
    mirrored = as_walk(walk * SAME.signs)
    match = match_walks(as_walk(walk), mirrored, SPACE, is_mirrored=True)
    assert match is not None
    assert (match.overlap_frames, match.cover, match.drift) == (200, 1.0, 0.0)
    plain = match_walks(as_walk(walk), mirrored, SPACE, is_mirrored=False)
    assert plain is None or measure_distance(plain) > 1


@pytest.mark.parametrize("rate", [0.5, 1.5, 2.0])
def test_rate_and_cover_tell_how_the_copy_was_made(rate: float) -> None:
    walk = draw_walk(3)
    times = np.rint(np.arange(0, 199, rate)).astype(int)
    match = match_walks(as_walk(walk), as_walk(walk[times]), SPACE, is_mirrored=False)
    assert match is not None
    assert match.rate == pytest.approx(rate, rel=0.02)
    assert match.cover > 0.95
    assert match.drift < 0.5


def test_parts_that_overlap_cover_each_other_wholly() -> None:
    walk = draw_walk(4)
    match = match_walks(as_walk(walk[:140]), as_walk(walk[60:]), SPACE, is_mirrored=False)
    assert match is not None
    assert (match.overlap_frames, match.cover) == (80, 1.0)


@pytest.mark.parametrize(
    ("name", "worse"), [("movement", 9.0), ("drift", 1.5), ("cover", 0.3), ("overlap_frames", 60)]
)
def test_each_kind_of_evidence_alone_can_turn_the_verdict(name: str, worse: float) -> None:
    assert measure_distance(ROUGH) < 1
    assert measure_distance(dataclasses.replace(ROUGH, **{name: worse, "strides": 3.0})) > 1


def test_other_bodies_are_not_one_however_they_move() -> None:
    short = dataclasses.replace(ROUGH, overlap_frames=140, movement=0.2)
    assert measure_distance(short) < 1
    assert measure_distance(dataclasses.replace(short, body=8.0)) > 1


def test_a_longer_common_part_may_leave_more_unexplained() -> None:
    calm = dataclasses.replace(ROUGH, movement=0.2, unexplained=0.4)
    assert measure_distance(dataclasses.replace(calm, overlap_frames=140)) > 1
    assert measure_distance(dataclasses.replace(calm, overlap_frames=280)) < 1


def test_what_has_gaps_need_not_keep_an_even_speed() -> None:
    gaps = dataclasses.replace(ROUGH, drift=6.0, movement=0.2, strides=0.2, unsteadiness=0.4)
    assert measure_distance(gaps) < 1
    assert measure_distance(dataclasses.replace(gaps, movement=2.0, strides=2.0)) > 1


def draw_calm_walk(seed: int, size: float) -> np.ndarray:
    """Six strides of 25 frames that differ a little; `size` is the swing in units of copying."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(150) / 25
    waves = np.sin(angles[:, None] + np.arange(10)) * np.sqrt(2) * size
    return np.asarray(waves + rng.normal(size=(150, 10)) * 0.8, dtype=np.float32)


def test_two_walks_that_lie_within_the_noise_of_copying_are_not_one() -> None:
    first, second = (as_walk(draw_calm_walk(seed, size=0.3)) for seed in (1, 2))
    match = match_walks(first, second, SPACE, is_mirrored=False)
    assert match is not None
    match = dataclasses.replace(match, body=0.0)
    assert measure_distance(dataclasses.replace(match, unexplained=0.0)) < 1  # they agree closely
    assert measure_distance(match) > 1


def test_calm_walks_are_copies_where_little_of_their_movement_is_left() -> None:
    walk = draw_calm_walk(1, size=0.3)
    noise = np.random.default_rng(9).normal(size=walk.shape).astype(np.float32) * 0.3
    match = match_walks(as_walk(walk), as_walk(walk + noise), SPACE, is_mirrored=False)
    assert match is not None
    assert measure_distance(match) < 1


def test_walks_without_features_do_not_match() -> None:
    assert match_walks(Walk("", 5), as_walk(draw_walk(0)), SPACE, is_mirrored=False) is None
