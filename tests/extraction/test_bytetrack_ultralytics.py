"""Ultralytics' ByteTrack follows boxes as the other one does, in a process of its own, offline."""

from typing import Any

import pytest

from tests.extraction.offline import run_offline

pytestmark = [pytest.mark.extraction, pytest.mark.slow]

PROGRAM = """
import numpy as np
from tests.unit.transforms.extract.tracking.walkers import Simulator, as_context, cross
from transforms.extract.tracking.bytetrack import TrackersByteTrack
from transforms.extract.tracking.bytetrack_ultralytics import UltralyticsByteTrack
from transforms.extract.protocols import Detection
from transforms.extract.tracking.track import ByteTrackTracker
from transforms.settings import TrackingSettings

settings = TrackingSettings()
followers = {"ultralytics": UltralyticsByteTrack(settings), "trackers": TrackersByteTrack(settings)}

def person(x, score=0.9):
    return Detection((x, 50.0, x + 40, 150.0), score)

plain = [
    (person(10 + 2.0 * f, 0.3 if f == 10 else 0.9), person(300 - 2.0 * f)) if f != 20 else ()
    for f in range(40)
]
found = {"plain": {}, "tracks": {}, "again": []}
for name, follower in followers.items():
    found["plain"][name] = [
        [list(one.frames), all(item in plain[f] for f, item in zip(one.frames, one.detections))]
        for one in follower.follow(plain)
    ]
    found["tracks"][name] = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        kind = ("opposite", "stands")[seed % 2]
        people = cross(rng, kind=kind, same_height=False, has_looks=True)
        recording = Simulator(rng).film(people)
        tracker = ByteTrackTracker(settings, follower)
        context = as_context(recording)
        tracks = tracker.track(recording.detections, context)
        again = tracker.track(recording.detections, context)
        found["again"].append(all(
            (one.boxes == two.boxes).all() and (one.frame_index == two.frame_index).all()
            for one, two in zip(tracks, again, strict=True)
        ))
        found["tracks"][name].append([one.frame_index.tolist() for one in tracks])
answer(found)
"""


@pytest.fixture(scope="module")
def answer() -> Any:
    return run_offline(PROGRAM)


def test_both_follow_two_apart_from_the_first_frame_on(answer: Any) -> None:
    expected = [frame for frame in range(40) if frame != 20]
    for name in ("ultralytics", "trackers"):
        assert answer["plain"][name] == [[expected, True]] * 2, name


def test_after_stitching_both_tell_the_same_people(answer: Any) -> None:
    pairs = zip(answer["tracks"]["ultralytics"], answer["tracks"]["trackers"], strict=True)
    for seed, (ours, theirs) in enumerate(pairs):
        assert len(ours) == len(theirs), seed
        for one, two in zip(ours, theirs, strict=True):
            both = len(set(one) & set(two))
            assert both >= 0.9 * max(len(one), len(two)), seed


def test_a_second_recording_starts_afresh(answer: Any) -> None:
    assert all(answer["again"])
