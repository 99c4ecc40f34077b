import numpy as np
import pytest

from transforms.extract.protocols import Track
from transforms.extract.tracking.target import choose_target, rate_track
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
    half = 20 * heights / height
    boxes = np.stack([x - half, 200 - heights, x + half, np.full(len(x), 200.0)], axis=1)
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


def test_who_bends_or_sits_down_has_not_come_nearer() -> None:
    sitting = track(0, speed=0)
    boxes = sitting.boxes.copy()
    boxes[50:] += np.array([-8, 45, 8, 0], dtype=np.float32)  # lower and wider
    choice = choose_target([Track(0, sitting.frame_index, boxes, sitting.scores)], 100, SETTINGS)
    assert choice.reason_code == "target_uncertain"


def test_swinging_arms_and_legs_are_not_walking() -> None:
    standing = track(0, speed=0)
    boxes = standing.boxes.copy()
    swing = (12 * np.abs(np.sin(standing.frame_index * 0.25))).astype(np.float32)
    boxes[:, 0] -= swing
    boxes[:, 2] += swing
    choice = choose_target([Track(0, standing.frame_index, boxes, standing.scores)], 100, SETTINGS)
    assert choice.track_id is None


def test_a_walker_seen_for_a_part_of_the_recording_is_the_target_beside_standing_clinicians() -> (
    None
):
    participant = track(0, frames=range(25, 70))
    clinicians = [track(1, x_start=20, speed=0.05), track(2, x_start=400, speed=-0.05)]
    choice = choose_target([participant, *clinicians], 100, SETTINGS)
    assert choice.track_id == 0
    assert choose_target([participant], 100, SETTINGS).track_id == 0


def test_who_walks_away_and_then_stands_is_the_target() -> None:
    away = track(0, speed=0, height=160, growth=-1.2)
    boxes = away.boxes.copy()
    boxes[50:] = boxes[50]
    choice = choose_target([Track(0, away.frame_index, boxes, away.scores)], 100, SETTINGS)
    assert choice.track_id == 0


def test_why_names_the_factors_of_the_best_and_of_the_next() -> None:
    accepted = choose_target([track(3), track(5, speed=0.1)], 100, SETTINGS)
    assert accepted.reason is None
    assert accepted.why.startswith("track 3 scores 0.9")
    assert "best by travel; next: track 5 scores 0.0" in accepted.why
    alone = choose_target([track(3)], 100, SETTINGS)
    assert alone.why.endswith("nobody else was followed")
    equals = choose_target([track(0), track(1, x_start=450, speed=-4)], 100, SETTINGS)
    assert "best by nothing much" in equals.why


def test_frames_shared_with_others_are_no_gaps() -> None:
    whole = track(0)
    index = np.concatenate([np.arange(40), np.arange(60, 100)])
    shared = Track(
        0,
        whole.frame_index[index],
        whole.boxes[index],
        whole.scores[index],
        shared_frames=tuple(range(40, 60)),
    )
    with_gap = Track(0, whole.frame_index[index], whole.boxes[index], whole.scores[index])
    assert rate_track(shared, 100, 100).factors["coherence"] == pytest.approx(0.9)
    assert rate_track(with_gap, 100, 100).factors["coherence"] == pytest.approx(0.72)
