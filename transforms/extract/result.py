"""What extraction finds in one recording, and what a verdict does to it.

A result is computed and cached before its verdict takes effect, so that a person can overrule the
verdict without anything being computed again; `settle` then withdraws what was not accepted.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.normalisation.kernel import SIZE_PX

ACCEPTED: Final = "accepted"
QUARANTINED: Final = "quarantined"
REJECTED: Final = "rejected"
FAILED: Final = "failed"

SEQUENCE_REJECTED: Final = "sequence_rejected"


@dataclass(frozen=True)
class RecordingResult:
    """Everything extraction has to say of one video; arrays over frames are in decoding order.

    Attributes:
        verdict: accepted, quarantined, rejected or failed.
        reason_code: machine-readable, None where accepted.
        reason: for a person.
        is_about_the_moment: the failure may not come again (a time limit, memory): not cached.
        target_track_id: the participant's track.
        target_confidence: 0..1.
        target_why: why this track, or why none.
        quality_score: 0..1.
        measures: the sequence's quality by name: numbers, names or None where not measurable.
        frame_shape: height and width of the upright picture.
        pts_s: `(frame,)` float64.
        boxes: `(frame, 4)` float32, NaN where the target was not seen.
        scores: `(frame,)` float32, NaN where the target was not seen.
        mask_px: `(frame,)` int32, -1 where there is no mask.
        confidences: `(frame,)` float32 of the mask 0..1, NaN where there is no mask.
        sharpness: `(frame,)` float32 of the picture inside the box, NaN where there is no mask.
        drop_reasons: per frame, None where kept.
        tracks: plain rows of the TRACKS table without `recording_id`.
        tracks_id: names these tracks: a person's choice among them fits no others.
        silhouettes: `(kept, 64, 64)` uint8 grey.
        mask_boxes: `(kept, 4)` int32 x0, y0, x1, y1, half-open.
        mask_bits: `(n,)` uint8: the kept masks, each row padded to whole bytes, one after another.
    """

    verdict: str
    reason_code: str | None = None
    reason: str | None = None
    is_about_the_moment: bool = False
    target_track_id: int | None = None
    target_confidence: float | None = None
    target_why: str | None = None
    quality_score: float | None = None
    measures: dict[str, float | str | None] = field(default_factory=dict)
    frame_shape: tuple[int, int] = (0, 0)
    pts_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    mask_px: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    confidences: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    sharpness: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    drop_reasons: tuple[str | None, ...] = ()
    tracks: tuple[dict[str, Any], ...] = ()  # `Any`: int, float and str columns
    tracks_id: str | None = None
    silhouettes: NDArray[np.uint8] = field(
        default_factory=lambda: np.zeros((0, SIZE_PX, SIZE_PX), np.uint8)
    )
    mask_boxes: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 4), np.int32))
    mask_bits: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    @property
    def kept_frames(self) -> NDArray[np.int32]:
        """Indices of the kept frames, rising."""
        kept = [index for index, reason in enumerate(self.drop_reasons) if reason is None]
        return np.array(kept, dtype=np.int32)


def empty_result(pts_s: NDArray[np.float64], drop_reason: str) -> RecordingResult:
    """Return the ledger of a recording of which only the frames' times are known."""
    count = len(pts_s)
    unknown = np.full(count, np.nan, dtype=np.float32)
    return RecordingResult(
        verdict=FAILED,
        pts_s=pts_s,
        boxes=np.full((count, 4), np.nan, dtype=np.float32),
        scores=unknown,
        mask_px=np.full(count, -1, dtype=np.int32),
        confidences=unknown,
        sharpness=unknown,
        drop_reasons=(drop_reason,) * count,
    )


def fail(code: str, reason: str) -> RecordingResult:
    """Return the result of a recording that could not be worked on; another run may do better."""
    return RecordingResult(
        verdict=FAILED, reason_code=code, reason=reason, is_about_the_moment=True
    )


def settle(result: RecordingResult) -> RecordingResult:
    """Let a verdict take effect: only an accepted recording keeps frames."""
    if result.verdict == ACCEPTED:
        return result
    nothing = RecordingResult(verdict=result.verdict)
    return replace(
        result,
        drop_reasons=tuple(reason or SEQUENCE_REJECTED for reason in result.drop_reasons),
        silhouettes=nothing.silhouettes,
        mask_boxes=nothing.mask_boxes,
        mask_bits=nothing.mask_bits,
    )
