"""How often people who cross swap: ByteTrack alone and with the offline stitching.

    python benchmarks/tracking.py [--seeds N] [--follower trackers|ultralytics]

Simulated box detections of people who meet (jitter, missed and merged boxes, false finds), five
kinds of meeting, people of equal or different height, with or without the colours of their clothes.
A swap is a track that holds three or more frames of each of two people outside the time they
overlap.
"""

import argparse
import itertools
import time
from collections import Counter

import numpy as np

from tests.unit.transforms.extract.tracking.walkers import Recording, Simulator, as_context, cross
from transforms.extract.protocols import Track
from transforms.extract.tracking.bytetrack import Follower, TrackersByteTrack
from transforms.extract.tracking.target import choose_target
from transforms.extract.tracking.track import ByteTrackTracker
from transforms.settings import TargetSettings, TrackingSettings

KINDS = ("opposite", "overtaken", "stands", "both_ways", "turns")
SETTINGS = TrackingSettings()


def make_follower(name: str) -> Follower:
    if name == "trackers":
        return TrackersByteTrack(SETTINGS)
    from transforms.extract.tracking.bytetrack_ultralytics import UltralyticsByteTrack

    return UltralyticsByteTrack(SETTINGS)


def follow_only(follower: Follower, recording: Recording) -> tuple[Track, ...]:
    """What ByteTrack says, without hindsight."""
    fragments = [
        fragment
        for fragment in follower.follow(recording.detections)
        if len(fragment.frames) >= SETTINGS.min_track_frames
    ]
    return tuple(
        Track(
            number,
            np.array(fragment.frames, np.int32),
            np.array([item.box for item in fragment.detections], np.float32),
            np.array([item.score for item in fragment.detections], np.float32),
        )
        for number, fragment in enumerate(fragments)
    )


def count_owners(recording: Recording, track: Track) -> Counter[int]:
    """Count the frames of each person that a track holds, outside overlaps."""
    owners = {
        (frame, tuple(np.float32(box).tolist())): who
        for (frame, box), who in recording.owners.items()
    }
    counted: Counter[int] = Counter()
    for frame, box in zip(track.frame_index.tolist(), track.boxes.tolist(), strict=True):
        who = owners.get((frame, tuple(box)), ())
        if len(who) == 1 and who[0] not in recording.overlapped[frame]:
            counted[who[0]] += 1
    return counted


def is_swapped(counted: Counter[int]) -> bool:
    return sum(frames >= 3 for frames in counted.values()) > 1


def measure(follower: Follower, seeds: int, *, with_hindsight: bool) -> dict[str, float]:
    tracker = ByteTrackTracker(SETTINGS, follower)
    found: Counter[str] = Counter()
    frames, seconds = 0, 0.0
    for (position, kind), is_same, has_looks, seed in itertools.product(
        enumerate(KINDS), (True, False), (True, False), range(seeds)
    ):
        rng = np.random.default_rng([seed, position, is_same, has_looks])
        walkers = cross(rng, kind=kind, same_height=is_same, has_looks=has_looks)
        recording = Simulator(rng).film(walkers)
        began = time.perf_counter()
        if with_hindsight:
            tracks = tracker.track(recording.detections, as_context(recording))
        else:
            tracks = follow_only(follower, recording)
        seconds += time.perf_counter() - began
        frames += len(recording.detections)
        counted = {track.track_id: count_owners(recording, track) for track in tracks}
        choice = choose_target(tracks, len(recording.detections), TargetSettings())
        found["recordings"] += 1
        found["with a swapped track"] += any(is_swapped(owners) for owners in counted.values())
        found["surplus tracks"] += len(tracks) - len(recording.walkers)
        if choice.track_id is None:
            found["quarantined"] += 1
        else:
            found["target holds a frame of another person"] += len(counted[choice.track_id]) > 1
    return {**found, "ms per frame": round(1000 * seconds / frames, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--follower", choices=("trackers", "ultralytics"), default="trackers")
    options = parser.parse_args()
    for with_hindsight in (False, True):
        follower = make_follower(options.follower)
        print("with stitching" if with_hindsight else "ByteTrack alone")
        found = measure(follower, options.seeds, with_hindsight=with_hindsight)
        for name, value in found.items():
            print(f"  {name:42}{value:g}")


if __name__ == "__main__":
    main()
