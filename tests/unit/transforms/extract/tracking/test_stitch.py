import numpy as np
import pytest

from transforms.extract.protocols import Detection
from transforms.extract.tracking.fragments import Fragment
from transforms.extract.tracking.meetings import cut_where_shared
from transforms.extract.tracking.stitch import stitch_fragments

SHAPE = (200, 400)


def look(colour: int) -> np.ndarray:
    feature = np.zeros(8, np.float32)
    feature[colour] = 1
    return feature


def path(
    frames: range, x_start: float, speed: float, *, colour: int = 0, width: float = 30
) -> Fragment:
    """A person 80 px tall whose centre is at x_start + speed * frame."""
    detections = []
    for frame in frames:
        x = x_start + speed * frame
        box = (x - width / 2, 50.0, x + width / 2, 130.0)
        detections.append(Detection(box, 0.9, look(colour)))
    return Fragment(tuple(frames), tuple(detections))


def centre(fragment: Fragment, frame: int) -> float:
    box = fragment.detections[fragment.position[frame]].box
    return (box[0] + box[2]) / 2


def test_prediction_goes_on_at_constant_speed_on_both_sides() -> None:
    fragment = path(range(10, 30), 0, 3)
    for frame in (5, 34):
        x0, y0, x1, y1 = fragment.predict(frame)
        assert (x0 + x1) / 2 == pytest.approx(3 * frame, abs=0.01)
        assert (y0, y1) == pytest.approx((50, 130))


def test_two_who_merge_and_part_are_cut_and_joined_as_they_walked() -> None:
    """ByteTrack follows the merged region and comes out with the wrong person."""
    right_before, left_after = (
        path(range(0, 20), 100, 5, colour=1),
        path(range(30, 50), 350, -5, colour=2),
    )
    left_before, right_after = (
        path(range(0, 20), 350, -5, colour=2),
        path(range(30, 50), 100, 5, colour=1),
    )
    merged = path(range(20, 30), 225, 0, width=60)
    swapped = Fragment(
        right_before.frames + merged.frames + left_after.frames,
        right_before.detections + merged.detections + left_after.detections,
    )
    meetings = cut_where_shared([swapped, left_before, right_after], SHAPE)
    pieces, shared = meetings.pieces, meetings.shared
    assert set(range(20, 30)) <= shared
    paths = stitch_fragments(pieces, SHAPE)
    assert len(paths) == 2
    for joined, x_start, speed in zip(paths, (100, 350), (5, -5), strict=True):
        assert (joined.first, joined.last) == (0, 49)
        assert not set(joined.frames) & set(range(20, 30))
        assert centre(joined, 45) == pytest.approx(x_start + speed * 45)


def test_a_gap_inside_a_track_that_another_box_covers_is_shared() -> None:
    """Both ids survive the meeting: the merged region goes now to one, now to the other."""
    one, other = path(range(0, 50), 100, 5, colour=1), path(range(0, 50), 350, -5, colour=2)
    merged = path(range(22, 28), 225, 0, width=80)
    first = Fragment(
        tuple(range(0, 22)) + merged.frames + tuple(range(28, 50)),
        one.detections[:22] + merged.detections + one.detections[28:],
    )
    second = Fragment(
        tuple(range(0, 22)) + tuple(range(28, 50)), other.detections[:22] + other.detections[28:]
    )
    meetings = cut_where_shared([first, second], SHAPE)
    pieces, shared = meetings.pieces, meetings.shared
    assert shared == frozenset(range(22, 28))
    paths = stitch_fragments(pieces, SHAPE)
    assert [(len(p.frames), p.first, p.last) for p in paths] == [(44, 0, 49), (44, 0, 49)]
    assert centre(paths[0], 40) == pytest.approx(300)


def test_a_fragment_parts_into_runs_at_its_gaps() -> None:
    whole = path(range(0, 30), 100, 2)
    holed = Fragment(
        whole.frames[:10] + whole.frames[12:13] + whole.frames[20:],
        whole.detections[:10] + whole.detections[12:13] + whole.detections[20:],
    )
    assert [(run.first, run.last) for run in holed.runs()] == [(0, 9), (12, 12), (20, 29)]
    assert [run.frames for run in whole.runs()] == [whole.frames]


def test_a_gap_that_nobody_explains_does_not_part_a_track() -> None:
    whole = path(range(0, 40), 100, 4)
    holed = Fragment(
        whole.frames[:20] + whole.frames[23:], whole.detections[:20] + whole.detections[23:]
    )
    meetings = cut_where_shared([holed], SHAPE)
    pieces, shared = meetings.pieces, meetings.shared
    assert not shared
    assert [piece.frames for piece in pieces] == [holed.frames]


def test_a_new_id_for_the_same_person_is_no_merge() -> None:
    before, after = path(range(0, 20), 100, 4), path(range(20, 40), 100, 4)
    meetings = cut_where_shared([before, after], SHAPE)
    pieces, shared = meetings.pieces, meetings.shared
    assert not shared
    assert [p.frames for p in stitch_fragments(pieces, SHAPE)] == [tuple(range(40))]


@pytest.mark.parametrize(
    "later",
    [
        path(range(25, 45), 100, 4, colour=5),
        path(range(25, 45), 300, 0, colour=0),
        path(range(140, 160), 100, 1, colour=0),
    ],
    ids=["other clothes, other place", "too far", "too late"],
)
def test_what_does_not_fit_is_not_joined(later: Fragment) -> None:
    earlier = path(range(0, 20), 100, 2 if later.first == 25 else 1)
    assert len(stitch_fragments([earlier, later], SHAPE)) == 2


def test_who_leaves_and_returns_on_one_side_is_known_by_clothes_alone() -> None:
    leaves = path(range(0, 20), 110, -5)
    assert leaves.detections[-1].box[0] <= 3
    same, other = path(range(40, 60), -190, 5), path(range(40, 60), -190, 5, colour=3)
    assert same.detections[0].box[0] <= 3
    assert len(stitch_fragments([leaves, same], SHAPE)) == 1
    assert len(stitch_fragments([leaves, other], SHAPE)) == 2


def test_two_who_cannot_be_told_apart_are_not_joined_by_guess() -> None:
    """They came to a stand at one place, looking alike, and two alike are seen there later."""
    before = [path(range(0, 20), 200, 0), path(range(0, 20), 204, 0)]
    after = [path(range(40, 60), 201, 0), path(range(40, 60), 203, 0)]
    assert len(stitch_fragments([*before, *after], SHAPE)) == 4
    told_apart = [
        path(range(0, 20), 200, 0, colour=1),
        path(range(0, 20), 204, 0, colour=2),
        path(range(40, 60), 201, 0, colour=2),
        path(range(40, 60), 203, 0, colour=1),
    ]
    joined = stitch_fragments(told_apart, SHAPE)
    assert [centre(one, 50) for one in joined] == pytest.approx([203, 201])


def test_who_comes_nearer_through_a_meeting_is_joined() -> None:
    def nearer(frames: range) -> Fragment:
        return Fragment(
            tuple(frames),
            tuple(
                Detection((200 - 0.2 * h, 180 - h, 200 + 0.2 * h, 180.0), 0.9)
                for h in (30 * 1.02**frame for frame in frames)
            ),
        )

    shared = frozenset(range(30, 60))
    assert len(stitch_fragments([nearer(range(30)), nearer(range(60, 80))], SHAPE, 25, shared)) == 1


def test_a_long_absence_without_a_reason_needs_the_same_clothes() -> None:
    earlier, later = path(range(0, 20), 200, 0), path(range(60, 80), 200, 0)
    assert len(stitch_fragments([earlier, later], SHAPE)) == 1
    bare = [
        Fragment(one.frames, tuple(Detection(item.box, item.score) for item in one.detections))
        for one in (earlier, later)
    ]
    assert len(stitch_fragments(bare, SHAPE)) == 2
    hidden = frozenset(range(20, 60))
    assert len(stitch_fragments(bare, SHAPE, shared=hidden)) == 1
