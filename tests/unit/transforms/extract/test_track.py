import numpy as np
import pytest

from transforms.extract.detect import BackgroundDetector
from transforms.extract.protocols import Detection
from transforms.extract.track import ByteTrackTracker
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
