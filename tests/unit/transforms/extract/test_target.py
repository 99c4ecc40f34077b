import numpy as np
import pytest

from transforms.extract.protocols import Track
from transforms.extract.target import choose_target
from transforms.settings import TargetSettings

SETTINGS = TargetSettings()


def track(
    track_id: int,
    *,
    frames: range = range(100),
    x_start: float = 50,
    speed: float = 4,
    height: float = 100,
    growth: float = 0,
) -> Track:
    index = np.array(frames, dtype=np.int32)
    x = x_start + speed * (index - index[0])
    heights = height + growth * (index - index[0])
    boxes = np.stack([x - 20, 200 - heights, x + 20, np.full(len(x), 200.0)], axis=1)
    return Track(track_id, index, boxes.astype(np.float32), np.full(len(index), 0.9, np.float32))


def test_a_lone_walker_is_the_target() -> None:
    choice = choose_target([track(0)], 100, SETTINGS)
    assert choice.track_id == 0
    assert choice.confidence > 0.9
    assert choice.reason_code is None


@pytest.mark.parametrize(
    "other",
    [
        track(1, speed=0),
        track(1, frames=range(30, 90), speed=-6),
        track(1, height=40),
        track(1, frames=range(0, 100, 3), height=60),
    ],
    ids=["stands by", "crosses for a while", "far away", "small and seen now and then"],
)
def test_the_participant_is_chosen_before_a_bystander(other: Track) -> None:
    choice = choose_target([other, track(0)], 100, SETTINGS)
    assert choice.track_id == 0
    assert {candidate.track_id for candidate in choice.candidates} == {0, 1}


def test_coming_nearer_counts_as_walking() -> None:
    assert choose_target([track(0, speed=0, growth=0.8)], 100, SETTINGS).track_id == 0
    standing = choose_target([track(0, speed=0)], 100, SETTINGS)
    assert standing.track_id is None
    assert standing.reason_code == "target_uncertain"


def test_turning_round_counts_as_walking() -> None:
    there = track(0)
    boxes = np.concatenate([there.boxes[:50], there.boxes[49::-1]])
    assert (
        choose_target([Track(0, there.frame_index, boxes, there.scores)], 100, SETTINGS).track_id
        == 0
    )


def test_two_equals_are_quarantined_not_guessed() -> None:
    choice = choose_target([track(0), track(1, x_start=450, speed=-4)], 100, SETTINGS)
    assert choice.track_id is None
    assert choice.reason_code == "target_uncertain"
    assert choice.confidence == pytest.approx(0.5, abs=0.01)
    assert "runner-up" in (choice.reason or "")


def test_a_short_visit_is_no_participant() -> None:
    choice = choose_target([track(0, frames=range(20))], 100, SETTINGS)
    assert choice.track_id is None
    assert choice.reason_code == "target_too_short"


def test_nobody_is_said_plainly() -> None:
    choice = choose_target([], 100, SETTINGS)
    assert (choice.track_id, choice.reason_code) == (None, "no_track")
