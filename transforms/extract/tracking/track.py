"""Tracks from detections: ByteTrack online, then what only hindsight can do.

ByteTrack swaps people who cross. Here its fragments are freed of ghosts, cut wherever two people
met, and the pieces are joined again over the whole recording by motion, size and clothes.
"""

from collections.abc import Sequence

import numpy as np

from transforms.extract.protocols import Detection, RecordingContext, Track
from transforms.extract.tracking.bytetrack import Follower, TrackersByteTrack
from transforms.extract.tracking.fragments import Fragment
from transforms.extract.tracking.ghosts import drop_ghosts
from transforms.extract.tracking.meetings import cut_where_shared
from transforms.extract.tracking.stitch import stitch_fragments
from transforms.settings import TrackingSettings


class ByteTrackTracker:
    """ByteTrack followed by offline cutting and stitching."""

    def __init__(self, settings: TrackingSettings, follower: Follower | None = None) -> None:
        """Choose who follows the boxes from frame to frame.

        Args:
            settings: thresholds.
            follower: an implementation of ByteTrack; the package `trackers`' where None.
        """
        self._settings = settings
        self._follower = TrackersByteTrack(settings) if follower is None else follower

    def track(
        self, detections: Sequence[tuple[Detection, ...]], context: RecordingContext
    ) -> tuple[Track, ...]:
        """Return all tracks of enough detections, ids counting from 0 by first frame."""
        shape, fps = context.frame_shape, context.fps
        min_score = self._settings.new_track_score
        followed = [
            part
            for fragment in self._follower.follow(detections)
            for part in fragment.part_at_jumps()
        ]
        people = drop_ghosts(followed, min_score=min_score, fps=fps)
        meetings = cut_where_shared(people, shape, fps)
        joined = stitch_fragments(meetings.pieces, shape, fps, meetings.shared)
        paths = [
            path
            for path in drop_ghosts(joined, min_score=min_score, fps=fps)
            if len(path.frames) >= self._settings.min_track_frames
        ]
        return tuple(_to_track(number, path, meetings.shared) for number, path in enumerate(paths))


def _to_track(track_id: int, path: Fragment, shared_frames: frozenset[int]) -> Track:
    own = set(path.frames)
    features = [item.feature for item in path.detections]
    known = [feature for feature in features if feature is not None]
    return Track(
        track_id=track_id,
        frame_index=np.array(path.frames, dtype=np.int32),
        boxes=np.array([item.box for item in path.detections], dtype=np.float32),
        scores=np.array([item.score for item in path.detections], dtype=np.float32),
        shared_frames=tuple(
            sorted(f for f in shared_frames if path.first < f < path.last and f not in own)
        ),
        appearance=np.mean(known, axis=0, dtype=np.float32) if known else None,
    )
