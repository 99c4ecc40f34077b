"""Tracks from detections: ByteTrack online, then what only hindsight can do.

ByteTrack swaps people who cross. Here its fragments are cut wherever two people shared one
detection, and the pieces are joined again over the whole recording by motion, size and clothes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from transforms.extract.fragments import Fragment
from transforms.extract.protocols import Detection, RecordingContext, Track
from transforms.extract.stitch import cut_where_shared, stitch_fragments
from transforms.settings import TrackingSettings


class ByteTrackTracker:
    """ByteTrack followed by offline cutting and stitching."""

    def __init__(self, settings: TrackingSettings) -> None:
        # Imported here: the package draws in plotting libraries and takes seconds.
        import supervision
        import trackers

        self._settings = settings
        self._detections_type: Any = supervision.Detections
        self._tracker_type: Any = trackers.ByteTrackTracker

    def track(
        self, detections: Sequence[tuple[Detection, ...]], context: RecordingContext
    ) -> tuple[Track, ...]:
        """Return all tracks of enough detections, ids counting from 0 by first frame."""
        fragments = self._follow(detections)
        pieces, shared_frames = cut_where_shared(fragments, context.frame_shape)
        paths = [
            path
            for path in stitch_fragments(pieces, context.frame_shape)
            if len(path.frames) >= self._settings.min_track_frames
        ]
        paths.sort(key=lambda path: (path.first, path.detections[0].box))
        return tuple(_to_track(number, path, shared_frames) for number, path in enumerate(paths))

    def _follow(self, detections: Sequence[tuple[Detection, ...]]) -> list[Fragment]:
        """Run ByteTrack over the recording and return what it believes are single people."""
        settings = self._settings
        tracker = self._tracker_type(
            lost_track_buffer=settings.lost_buffer_frames,
            frame_rate=30.0,  # the package scales its buffer from 30 frames per second
            track_activation_threshold=settings.new_track_score,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=settings.min_iou,
            high_conf_det_threshold=settings.high_score,
        )
        members: dict[int, list[tuple[int, Detection]]] = {}
        unclaimed: dict[int, list[Detection]] = {}
        for frame_index, found in enumerate(detections):
            usable = [item for item in found if item.score >= settings.low_score]
            result = tracker.update(self._to_supervision(usable))
            for position, track_id in zip(
                result.data.get("position", ()), result.tracker_id, strict=True
            ):
                detection = usable[int(position)]
                if track_id < 0:
                    unclaimed.setdefault(frame_index, []).append(detection)
                    continue
                path = members.setdefault(int(track_id), [])
                if not path:
                    # The package names a track at its second detection; take the first along.
                    path.extend(
                        (frame_index - 1, item)
                        for item in unclaimed.get(frame_index - 1, [])
                        if _iou(item.box, detection.box) >= settings.min_iou
                    )
                    del path[1:]
                path.append((frame_index, detection))
        return [
            Fragment(tuple(f for f, _ in path), tuple(d for _, d in path))
            for _, path in sorted(members.items())
        ]

    def _to_supervision(self, found: Sequence[Detection]) -> Any:
        # `Any`: supervision is not typed for mypy here.
        return self._detections_type(
            xyxy=np.array([item.box for item in found], dtype=np.float32).reshape(-1, 4),
            confidence=np.array([item.score for item in found], dtype=np.float32),
            data={"position": np.arange(len(found))},
        )


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


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return overlap / (areas - overlap)
