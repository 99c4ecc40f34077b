"""ByteTrack as Ultralytics ships it, on its own: boxes in, ids out."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import Detection
from transforms.extract.runtimes.ultralytics_backend import import_ultralytics, scratch_folder
from transforms.extract.tracking.bytetrack import FragmentCollector
from transforms.extract.tracking.fragments import Fragment
from transforms.settings import TrackingSettings


class UltralyticsByteTrack:
    """Ultralytics' `BYTETracker`, scores fused into the overlap as it does by default."""

    def __init__(self, settings: TrackingSettings) -> None:
        """Import the package.

        Raises:
            MissingDependencyError: torchvision is not installed.
        """
        import_ultralytics(scratch_folder())
        from ultralytics.trackers.byte_tracker import BYTETracker

        self._settings = settings
        self._tracker_type: Any = BYTETracker  # `Any`: not typed for mypy here

    def follow(self, detections: Sequence[tuple[Detection, ...]]) -> list[Fragment]:
        """Run ByteTrack over a recording; see `transforms.extract.tracking.bytetrack.Follower`."""
        settings = self._settings
        tracker = self._tracker_type(
            SimpleNamespace(
                track_high_thresh=settings.high_score,
                track_low_thresh=settings.low_score,
                new_track_thresh=settings.new_track_score,
                track_buffer=settings.lost_buffer_frames,
                match_thresh=1 - settings.min_iou,  # it limits the cost, not the overlap
                fuse_score=True,
            )
        )
        collected = FragmentCollector(settings.min_iou)
        for frame, found in enumerate(detections):
            rows = tracker.update(_Boxes.of(found))  # x0, y0, x1, y1, id, score, class, position
            collected.add(frame, found, {int(row[-1]): int(row[4]) for row in rows})
        return collected.fragments()


@dataclass(frozen=True)
class _Boxes:
    """What the tracker reads of detections; it picks the high and the low scores by masks."""

    xywh: NDArray[np.float32]  # (n, 4) centre x, centre y, width, height
    conf: NDArray[np.float32]  # (n,)
    cls: NDArray[np.float32]  # (n,)

    @classmethod
    def of(cls, found: Sequence[Detection]) -> "_Boxes":
        corners = np.array([item.box for item in found], dtype=np.float32).reshape(-1, 4)
        xywh = np.concatenate(
            [(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1
        )
        scores = np.array([item.score for item in found], dtype=np.float32)
        return cls(xywh, scores, np.zeros(len(found), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "_Boxes":
        return _Boxes(self.xywh[chosen], self.conf[chosen], self.cls[chosen])
