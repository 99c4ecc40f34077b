import numpy as np

from transforms.extract.protocols import Detection
from transforms.extract.tracking.fragments import Fragment
from transforms.extract.tracking.meetings import cut_where_shared

SHAPE = (480, 1000)


def walk(
    frames: range, x_start: float, speed: float, *, height: float = 200, width: float = 80
) -> Fragment:
    detections = []
    for frame in frames:
        x = x_start + speed * frame
        detections.append(Detection((x - width / 2, 400 - height, x + width / 2, 400.0), 0.9))
    return Fragment(tuple(frames), tuple(detections))


def frames_of(pieces: list[Fragment]) -> set[int]:
    return {frame for piece in pieces for frame in piece.frames}


def test_boxes_that_cover_one_another_by_half_are_cut_out_of_both() -> None:
    one, other = walk(range(100), 100, 5), walk(range(100), 600, -5)
    meetings = cut_where_shared([one, other], SHAPE)
    assert meetings.shared == set(range(46, 55))
    assert [(piece.first, piece.last) for piece in meetings.pieces] == [(0, 45), (55, 99)] * 2


def test_boxes_that_touch_stay() -> None:
    one, other = walk(range(60), 100, 5), walk(range(60), 150, 5)
    meetings = cut_where_shared([one, other], SHAPE)
    assert not meetings.shared
    assert meetings.pieces == [one, other]


def test_who_is_hidden_and_seen_again_is_in_doubt_with_the_one_in_front() -> None:
    front = walk(range(100), 100, 5)
    before, after = walk(range(47), 600, -5), walk(range(55, 100), 600, -5)
    meetings = cut_where_shared([front, before, after], SHAPE)
    assert set(range(46, 55)) <= meetings.shared
    assert len(meetings.shared) <= 13


def test_who_stops_being_seen_in_the_open_takes_nothing_from_others() -> None:
    one, gone = walk(range(100), 100, 2), walk(range(40), 800, 1)
    meetings = cut_where_shared([one, gone], SHAPE)
    assert meetings.pieces == [one, gone]


def test_a_nearer_person_puts_only_the_covered_one_in_doubt() -> None:
    small, large = (
        walk(range(60), 500, 0, height=90, width=40),
        walk(range(60), 350, 5, height=380, width=150),
    )
    (first, *others) = cut_where_shared([large, small], SHAPE).pieces
    assert first == large
    assert frames_of(others) < set(range(60))


def test_a_long_unexplained_gap_parts_a_track_and_a_short_one_does_not() -> None:
    whole = walk(range(60), 100, 3)
    short = Fragment(
        whole.frames[:20] + whole.frames[24:], whole.detections[:20] + whole.detections[24:]
    )
    long = Fragment(
        whole.frames[:20] + whole.frames[30:], whole.detections[:20] + whole.detections[30:]
    )
    assert cut_where_shared([short], SHAPE).pieces == [short]
    assert [piece.first for piece in cut_where_shared([long], SHAPE).pieces] == [0, 30]


def test_a_box_that_becomes_another_person_is_parted_there() -> None:
    one, other = walk(range(30), 100, 3), walk(range(30, 60), 300, 3)
    stolen = Fragment(one.frames + other.frames, one.detections + other.detections)
    assert [part.first for part in stolen.part_at_jumps()] == [0, 30]
    shrunk = walk(range(30, 60), 100, 3, height=100)
    halved = Fragment(one.frames + shrunk.frames, one.detections + shrunk.detections)
    assert [part.first for part in halved.part_at_jumps()] == [0, 30]
    assert one.part_at_jumps() == [one]
    assert np.allclose(one.boxes[:, 3], 400)


def test_two_who_merge_and_stand_together_are_in_doubt_until_they_part() -> None:
    left = walk(range(40), 100, 5)
    right_before, right_after = walk(range(40), 590, -5), walk(range(140, 180), -310, 5)
    joint = walk(range(40, 140), 345, 0, width=170)
    left_after = walk(range(140, 180), 1000, -5)
    one = Fragment(
        left.frames + joint.frames + left_after.frames,
        left.detections + joint.detections + left_after.detections,
    )
    meetings = cut_where_shared([one, right_before, right_after], SHAPE)
    assert set(range(40, 140)) <= meetings.shared
    assert not frames_of(meetings.pieces) & set(range(40, 140))


def test_who_is_lost_shortly_before_going_behind_somebody_is_hidden_by_them() -> None:
    front = walk(range(100), 100, 5)
    before, after = walk(range(39), 600, -5), walk(range(62, 100), 600, -5)
    meetings = cut_where_shared([front, before, after], SHAPE)
    assert set(range(46, 55)) <= meetings.shared


def test_a_few_calm_frames_in_a_meeting_belong_to_it() -> None:
    one = walk(range(80), 400, 0)
    beside, away = walk(range(80), 430, 0), walk(range(80), 470, 0)
    other = Fragment(
        one.frames,
        (
            *away.detections[:30],
            *beside.detections[30:40],
            *away.detections[40:43],
            *beside.detections[43:50],
            *away.detections[50:],
        ),
    )
    meetings = cut_where_shared([one, other], SHAPE)
    assert meetings.shared == set(range(30, 50))


def test_two_who_change_their_ids_where_they_meet_are_in_doubt_only_there() -> None:
    # The first id goes from one person to the other at frame 50; both gave their box to it.
    swapped = Fragment(
        tuple(range(100)),
        walk(range(50), 100, 5).detections + walk(range(50, 100), 600, -5).detections,
    )
    before, after = walk(range(13, 50), 600, -5), walk(range(52, 100), 100, 5)
    meetings = cut_where_shared([swapped, before, after], SHAPE)
    assert {49, 50, 51} <= meetings.shared <= set(range(40, 61))
    assert max(len(piece.frames) for piece in meetings.pieces) < 55


def test_who_has_two_ids_for_some_frames_after_a_crossing_is_not_hidden_from_then_on() -> None:
    # While two people cross, ByteTrack gives the nearer one a new id two frames before it gives up
    # the old one, whose last boxes are wide: they hold both.
    nearer = walk(range(62), 100, 5)
    wide = walk(range(62, 68), 105, 5, width=110)
    old_id = Fragment(nearer.frames + wide.frames, nearer.detections + wide.detections)
    new_id = walk(range(66, 100), 115, 5, width=70)
    before, after = (walk(frames, 720, -5) for frames in (range(62), range(68, 100)))
    farther = Fragment(before.frames + after.frames, before.detections + after.detections)
    meetings = cut_where_shared([old_id, new_id, farther], SHAPE)
    kept = frames_of([piece for piece in meetings.pieces if piece.detections[-1].box[0] > 400])
    assert kept >= set(range(75, 100))
    assert max(meetings.shared) < 75


def test_of_two_who_end_where_an_id_begins_the_one_that_fits_goes_on_in_it() -> None:
    # The farther one gets a new id just when a nearer one walks in front and is lost for a while.
    own, wide = (
        walk(range(56), 100, 5, height=160),
        walk(range(56, 58), 105, 5, height=160, width=100),
    )
    old_id = Fragment(own.frames + wide.frames, own.detections + wide.detections)
    new_id = walk(range(56, 100), 100, 5, height=160, width=50)
    before, after = (walk(frames, 660, -5) for frames in (range(57), range(64, 100)))
    nearer = Fragment(before.frames + after.frames, before.detections + after.detections)
    meetings = cut_where_shared([old_id, new_id, nearer], SHAPE)
    kept = frames_of([piece for piece in meetings.pieces if piece.detections[-1].box[0] > 450])
    assert kept >= set(range(75, 100))
