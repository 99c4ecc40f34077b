"""ByteTrack of the `trackers` package, and how ids per frame become fragments.

Ultralytics' implementation is in `transforms.extract.tracking.bytetrack_ultralytics`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from transforms.extract.detection.boxes import intersection_over_union
from transforms.extract.protocols import Detection
from transforms.extract.tracking.fragments import Fragment
from transforms.settings import TrackingSettings


class Follower(Protocol):
    """Joins the boxes of neighbouring frames; what it calls one person may be several."""

    def follow(self, detections: Sequence[tuple[Detection, ...]]) -> list[Fragment]:
        """Return one fragment per id; position in `detections` = frame index."""


class TrackersByteTrack:
    """ByteTrack as the permissively licensed package `trackers` has it."""

    def __init__(self, settings: TrackingSettings) -> None:
        # Imported here: the package draws in plotting libraries and takes seconds.
        import supervision
        import trackers

        self._settings = settings
        self._detections_type: Any = supervision.Detections
        self._tracker_type: Any = trackers.ByteTrackTracker

    def follow(self, detections: Sequence[tuple[Detection, ...]]) -> list[Fragment]:
        """Run ByteTrack over a recording; see `Follower`."""
        settings = self._settings
        tracker = self._tracker_type(
            lost_track_buffer=settings.lost_buffer_frames,
            frame_rate=30.0,  # the package scales its buffer from 30 frames per second
            track_activation_threshold=settings.new_track_score,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=settings.min_iou,
            high_conf_det_threshold=settings.high_score,
        )
        collected = FragmentCollector(settings.min_iou)
        for frame, found in enumerate(detections):
            usable = [item for item in found if item.score >= settings.low_score]
            result = tracker.update(self._to_supervision(usable))
            positions = result.data.get("position", ())
            ids = {
                int(position): int(track_id)
                for position, track_id in zip(positions, result.tracker_id, strict=True)
                if track_id >= 0
            }
            collected.add(frame, usable, ids)
        return collected.fragments()

    def _to_supervision(self, found: Sequence[Detection]) -> Any:
        # `Any`: supervision is not typed for mypy here.
        return self._detections_type(
            xyxy=np.array([item.box for item in found], dtype=np.float32).reshape(-1, 4),
            confidence=np.array([item.score for item in found], dtype=np.float32),
            data={"position": np.arange(len(found))},
        )


class FragmentCollector:
    """Gathers which detection got which id, frame by frame."""

    def __init__(self, min_iou: float) -> None:
        self._min_iou = min_iou
        self._members: dict[int, list[tuple[int, Detection]]] = {}
        self._unclaimed: list[Detection] = []

    def add(self, frame: int, found: Sequence[Detection], ids: Mapping[int, int]) -> None:
        """Note one frame, in the order of the frames.

        Args:
            frame: its index.
            found: the detections that were asked about.
            ids: id by position in `found`, of those that have one.
        """
        for position, track_id in sorted(ids.items()):
            path = self._members.setdefault(track_id, [])
            if not path:
                # ByteTrack names a track at its second detection; take the first along.
                box = found[position].box
                before = [
                    item
                    for item in self._unclaimed
                    if intersection_over_union(item.box, box) >= self._min_iou
                ]
                path.extend((frame - 1, item) for item in before[:1])
            path.append((frame, found[position]))
        self._unclaimed = [item for position, item in enumerate(found) if position not in ids]

    def fragments(self) -> list[Fragment]:
        """Return what was followed under each id, in the order of the ids."""
        return [
            Fragment(tuple(frame for frame, _ in path), tuple(item for _, item in path))
            for _, path in sorted(self._members.items())
        ]
