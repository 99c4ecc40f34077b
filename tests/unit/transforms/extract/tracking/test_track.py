from collections import Counter

import numpy as np
import pytest

from tests.unit.transforms.extract.tracking.walkers import Recording, Simulator, as_context, cross
from transforms.extract.detection.background_detector import BackgroundDetector
from transforms.extract.protocols import Box, Detection
from transforms.extract.tracking.bytetrack import TrackersByteTrack
from transforms.extract.tracking.track import ByteTrackTracker
from transforms.settings import TrackingSettings

pytestmark = pytest.mark.slow  # the tracker's package alone takes seconds to import


def test_one_walker_gives_one_track_from_the_first_frame(walk) -> None:
    detections = list(BackgroundDetector().detect(walk.frames(), walk))
    (track,) = ByteTrackTracker(TrackingSettings()).track(detections, walk)
    assert track.track_id == 0
    seen = [index for index, found in enumerate(detections) if found]
    assert track.frame_index[0] == seen[0]
    assert len(track.frame_index) >= 0.9 * len(walk.images)
    assert (np.diff(track.boxes[3:-3].mean(axis=1)) > -3).all()


def test_two_who_cross_keep_their_ids(crossing) -> None:
    detections = list(BackgroundDetector().detect(crossing.frames(), crossing))
    tracks = ByteTrackTracker(TrackingSettings()).track(detections, crossing)
    assert len(tracks) == 2
    for track in tracks:
        centres = (track.boxes[:, 0] + track.boxes[:, 2]) / 2
        direction = np.sign(np.diff(centres[[0, len(centres) // 4, -len(centres) // 4, -1]]))
        assert abs(direction.sum()) == 3, "a track turned back: the people were swapped"
        assert track.shared_frames


def test_noise_and_empty_recordings_give_no_track(walk) -> None:
    tracker = ByteTrackTracker(TrackingSettings())
    assert tracker.track([()] * 20, walk) == ()
    weak = (Detection((10.0, 10.0, 30.0, 70.0), 0.05),)
    assert tracker.track([weak] * 20, walk) == ()
    short = (Detection((10.0, 10.0, 30.0, 70.0), 0.9),)
    assert tracker.track([short] * 5 + [()] * 20, walk) == ()


KINDS = ("opposite", "overtaken", "stands", "both_ways", "turns")


def film(kind: str, seed: int) -> Recording:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    people = cross(rng, kind=kind, same_height=seed % 2 == 0, has_looks=seed % 4 < 2)
    return Simulator(rng).film(people)


def count_owners(recording: Recording, members: list[tuple[int, Box]]) -> Counter[int]:
    """Count whose the boxes are, outside of meetings; boxes of nobody or of two are left out."""
    owners: Counter[int] = Counter()
    for frame, box in members:
        who = recording.owners[frame, box]
        if len(who) == 1 and who[0] not in recording.overlapped[frame]:
            owners[who[0]] += 1
    return owners


def is_swapped(owners: Counter[int]) -> bool:
    return sum(count >= 3 for count in owners.values()) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_people_seen_by_a_faulty_detector_are_not_swapped(kind: str) -> None:
    tracker = ByteTrackTracker(TrackingSettings())
    for seed in range(12):
        recording = film(kind, seed)
        tracks = tracker.track(recording.detections, as_context(recording))
        by_box = {
            (frame, tuple(np.float32(item.box).tolist())): item.box
            for frame, found in enumerate(recording.detections)
            for item in found
        }
        for track in tracks:
            members = [
                (int(frame), by_box[int(frame), tuple(box.tolist())])
                for frame, box in zip(track.frame_index, track.boxes, strict=True)
            ]
            assert not is_swapped(count_owners(recording, members)), (kind, seed)
        assert len(tracks) <= len(recording.walkers) + 3, (kind, seed)


def test_bytetrack_alone_swaps_them() -> None:
    """Else the test before would show nothing."""
    follower = TrackersByteTrack(TrackingSettings())
    swapped = 0
    for kind in KINDS:
        for seed in range(12):
            recording = film(kind, seed)
            swapped += any(
                is_swapped(
                    count_owners(
                        recording,
                        [
                            (f, item.box)
                            for f, item in zip(path.frames, path.detections, strict=True)
                        ],
                    )
                )
                for path in follower.follow(recording.detections)
            )
    assert swapped >= 5


def test_people_who_come_one_after_another_are_different_tracks(walk) -> None:
    """They stand at one place, a few seconds apart, and leave towards the right."""
    visits = []
    for _ in range(3):
        visits += [(Detection((80.0, 30.0, 110.0, 110.0), 0.9),)] * 40
        visits += [(Detection((80.0 + x, 30.0, 110.0 + x, 110.0), 0.9),) for x in range(0, 90, 5)]
        visits += [()] * 50
    tracks = ByteTrackTracker(TrackingSettings()).track(visits, walk)
    assert [(int(t.frame_index[0]), int(t.frame_index[-1])) for t in tracks] == [
        (0, 57),
        (108, 165),
        (216, 273),
    ]


def test_a_box_around_the_upper_body_for_a_while_is_left_out(walk) -> None:
    boxes = [
        (80.0 + frame, 30.0, 110.0 + frame, 70.0 if 30 <= frame < 40 else 110.0)
        for frame in range(60)
    ]
    (track,) = ByteTrackTracker(TrackingSettings()).track(
        [(Detection(box, 0.9),) for box in boxes], walk
    )
    assert track.frame_index.tolist() == [*range(30), *range(40, 60)]
