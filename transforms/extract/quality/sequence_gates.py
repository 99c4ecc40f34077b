"""Whether a recording's kept frames make a sequence that is worth publishing.

Measures first, then gates: every measure is reported whatever its gate says, and a rejection names
all gates that failed. Single frames are judged in `transforms.extract.quality.frame_gates`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import MaskCrop
from transforms.extract.quality.gait import Direction, find_rhythm, measure_motion
from transforms.settings import QualitySettings

TOO_FEW_FRAMES: Final = "too_few_frames"
TOO_MANY_DROPPED: Final = "too_many_dropped"
TOO_MANY_MISSING: Final = "too_many_missing"
NOT_WALKING: Final = "not_walking"
NO_RHYTHM: Final = "no_rhythm"
TOO_FEW_GAIT_CYCLES: Final = "too_few_gait_cycles"
BODY_INCOMPLETE: Final = "body_incomplete"
FLICKERING: Final = "flickering"
SEQUENCE_BLURRED: Final = "sequence_blurred"

_GAP: Final = 1.5
"""Times the usual interval between frames, beyond which a frame is missing."""
_USUAL_INTERVAL_QUANTILE: Final = 0.25
"""With every third frame missing half of the intervals are double: the median would be of those."""

_IS_BODY: Final = 128
"""Grey level from which a pixel of a silhouette is the body."""
_CHUNK: Final = 2048
"""Frames looked at at once, which bounds the memory."""
_PATCH_PX: Final = 4
"""Of 64. Measured on synthetic walks: at 25 frames per second 3 also tells clean masks from broken
ones, at 12 only 4 does."""


@dataclass(frozen=True)
class SequenceEvidence:
    """What the gates look at.

    Attributes:
        crops: the kept frames' masks.
        silhouettes: `(kept, 64, 64)` uint8, normalised.
        pts_s: `(frame,)` float64 of all frames of the recording, never falling.
        first_frame: the target's first.
        last_frame: the target's last.
        boxes: `(target frame, 4)` float32 x0, y0, x1, y1 of the target's track.
        box_frames: `(target frame,)` int32, rising.
        sharpness: `(kept,)` float32 of `measure_sharpness`.
        fps: frames per second that the file declares.
        frame_shape: height and width of the picture.
    """

    crops: Sequence[MaskCrop]
    silhouettes: NDArray[np.uint8]
    pts_s: NDArray[np.float64]
    first_frame: int
    last_frame: int
    boxes: NDArray[np.float32]
    box_frames: NDArray[np.int32]
    sharpness: NDArray[np.float32]
    fps: float
    frame_shape: tuple[int, int]


@dataclass(frozen=True)
class SequenceMeasures:
    """What was measured of a sequence; None where it could not be.

    Attributes:
        kept_frames: number of frames kept.
        kept_fraction: of the frames from the target's first to its last, 0..1.
        mean_confidence: of the kept masks, 0..1.
        completeness: how much of the target's box the kept masks fill in height, mean, 0..1.
        frame_drop_fraction: share of the frames that the camera or the file left out, 0..1.
        flicker: share of the silhouette that breaks for one frame, in patches, mean, 0..1.
        outline_jitter: the same of all its pixels; grows at low frame rates, hence has no gate.
        sharpness: median of the kept frames, see `measure_sharpness`.
        cadence_steps_per_min: steps per minute.
        gait_cycles: gait cycles, two steps each, in the kept frames.
        rhythm_confidence: 0..1, of these two.
        direction: where the target walks, as the camera sees it.
        lateral_speed: body heights per second, positive to the picture's right.
        depth_speed: the same, positive towards the camera; rough, the lens is not known.
        moving_fraction: share of the target's time in which it goes anywhere, 0..1.
    """

    kept_frames: float
    kept_fraction: float
    mean_confidence: float
    completeness: float
    frame_drop_fraction: float
    flicker: float | None
    outline_jitter: float | None
    sharpness: float | None
    cadence_steps_per_min: float | None
    gait_cycles: float | None
    rhythm_confidence: float | None
    direction: Direction
    lateral_speed: float
    depth_speed: float
    moving_fraction: float


@dataclass(frozen=True)
class SequenceVerdict:
    """What the gates say of a whole sequence.

    Attributes:
        is_accepted: no gate failed.
        reason_code: of the first gate that failed.
        reason: all gates that failed, for a person.
        quality_score: 0..1, a product of shares that does not depend on any threshold: how much of
            a complete, steady, surely segmented walk is there.
        measures: what was measured.
    """

    is_accepted: bool
    reason_code: str | None
    reason: str | None
    quality_score: float
    measures: SequenceMeasures


def judge_sequence(evidence: SequenceEvidence, settings: QualitySettings) -> SequenceVerdict:
    """Measure a sequence and hold it against the thresholds."""
    measures = measure_sequence(evidence, settings)
    failures = _find_failures(measures, settings)
    code, reason = None, None
    if failures:
        code, reason = failures[0][0], "; ".join(text for _, text in failures)
    return SequenceVerdict(not failures, code, reason, _score(measures), measures)


def measure_sequence(evidence: SequenceEvidence, settings: QualitySettings) -> SequenceMeasures:
    """Measure a sequence; a rhythm less sure than the settings ask for counts as none."""
    frames = np.array([crop.frame_index for crop in evidence.crops], dtype=np.int64)
    span = evidence.last_frame - evidence.first_frame + 1
    sharpness = evidence.sharpness[np.isfinite(evidence.sharpness)]
    motion = measure_motion(
        evidence.boxes, evidence.pts_s[evidence.box_frames], evidence.frame_shape
    )
    rhythm = find_rhythm(evidence.silhouettes, evidence.pts_s[frames], motion.direction)
    if rhythm is not None and rhythm.confidence < settings.min_rhythm_confidence:
        rhythm = None
    flicker, jitter = measure_flicker(evidence.silhouettes, frames) or (None, None)
    return SequenceMeasures(
        kept_frames=float(len(frames)),
        kept_fraction=len(frames) / span,
        mean_confidence=float(np.mean([crop.confidence for crop in evidence.crops] or [0.0])),
        completeness=_measure_completeness(evidence, frames),
        frame_drop_fraction=measure_frame_drops(
            evidence.pts_s[evidence.first_frame : evidence.last_frame + 1]
        ),
        flicker=flicker,
        outline_jitter=jitter,
        sharpness=float(np.median(sharpness)) if len(sharpness) else None,
        cadence_steps_per_min=rhythm.steps_per_min if rhythm else None,
        gait_cycles=rhythm.gait_cycles if rhythm else None,
        rhythm_confidence=rhythm.confidence if rhythm else None,
        direction=motion.direction,
        lateral_speed=motion.lateral_speed,
        depth_speed=motion.depth_speed,
        moving_fraction=motion.moving_fraction,
    )


def measure_flicker(
    silhouettes: NDArray[np.uint8], frames: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Return flicker and jitter: shares of the silhouette unlike the two frames around it.

    Where the frames before and after agree and the one between does not, its mask broke. Jitter
    counts all such pixels: mostly outlines, and at low frame rates limbs that pass. Flicker counts
    only patches of some size, which clean masks of a walker hardly ever have.

    Args:
        silhouettes: `(kept, 64, 64)` uint8.
        frames: `(kept,)` their indices; only frames with both neighbours kept can tell.

    Returns:
        Means of both, 0..1 of the silhouette's area; None where no three frames follow one another.
    """
    middles = np.flatnonzero(frames[2:] - frames[:-2] == 2) + 1
    if not len(middles):
        return None
    shares = [
        _measure_blinks(silhouettes, middles[first : first + _CHUNK])
        for first in range(0, len(middles), _CHUNK)
    ]
    flicker, jitter = np.concatenate(shares, axis=1).mean(axis=1).tolist()
    return flicker, jitter


def _measure_blinks(
    silhouettes: NDArray[np.uint8], middles: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Return `(2, middle)`: per frame the shares of patches and of pixels that break in it."""
    before, now, behind = (silhouettes[middles + step] >= _IS_BODY for step in (-1, 0, 1))
    blinks = ((before == behind) & (now != before)).astype(np.uint8)
    # One tall picture for all frames, with a row between them that nothing reaches over.
    tall = np.pad(blinks, ((0, 0), (0, 1), (0, 0))).reshape(-1, blinks.shape[2])
    opened = cv2.morphologyEx(tall, cv2.MORPH_OPEN, np.ones((_PATCH_PX, _PATCH_PX), np.uint8))
    patches = np.asarray(opened).reshape(len(blinks), -1, blinks.shape[2])
    area = np.maximum(np.count_nonzero(before, axis=(1, 2)), 1)
    counts = np.stack([np.count_nonzero(pixels, axis=(1, 2)) for pixels in (patches, blinks)])
    shares: NDArray[np.float64] = np.minimum(counts / area, 1.0)
    return shares


def measure_frame_drops(pts_s: NDArray[np.float64]) -> float:
    """Return the share of frames that gaps between the timestamps show to be missing, 0..1."""
    intervals = np.diff(pts_s)
    intervals = intervals[intervals > 0]
    if not len(intervals):
        return 0.0
    usual = np.quantile(intervals, _USUAL_INTERVAL_QUANTILE)
    gaps = intervals[intervals > _GAP * usual]
    missing = float(np.sum(np.round(gaps / usual) - 1))
    return missing / (missing + len(pts_s))


def _measure_completeness(evidence: SequenceEvidence, frames: NDArray[np.int64]) -> float:
    """Return the mean share of the target's box that a kept mask fills in height, 0..1."""
    places = np.searchsorted(evidence.box_frames, frames)
    if not len(places):
        return 0.0
    boxes = evidence.boxes[np.minimum(places, len(evidence.boxes) - 1)]
    box_heights = np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)
    heights = np.array([cv2.boundingRect(crop.mask)[3] for crop in evidence.crops])
    return float(np.mean(np.minimum(heights / box_heights, 1.0)))


def _find_failures(measures: SequenceMeasures, settings: QualitySettings) -> list[tuple[str, str]]:
    """Return code and words of every gate that fails, the most basic first."""
    cycles, flicker, sharpness = measures.gait_cycles, measures.flicker, measures.sharpness
    is_standing = measures.direction == "standing" and cycles is None
    gates = (
        (
            TOO_FEW_FRAMES,
            measures.kept_frames < settings.min_kept_frames,
            f"{measures.kept_frames:.0f} frames kept, expected at least {settings.min_kept_frames}",
        ),
        (
            TOO_MANY_DROPPED,
            measures.kept_fraction < settings.min_kept_fraction,
            f"{measures.kept_fraction:.0%} of the target's frames kept, "
            f"expected at least {settings.min_kept_fraction:.0%}",
        ),
        (
            TOO_MANY_MISSING,
            measures.frame_drop_fraction > settings.max_missing_fraction,
            f"{measures.frame_drop_fraction:.0%} of the frames missing from the video, "
            f"expected at most {settings.max_missing_fraction:.0%}",
        ),
        (
            NOT_WALKING,
            settings.require_walking and is_standing,
            "the target stays in place without stepping, expected a walk",
        ),
        (
            NO_RHYTHM,
            settings.require_rhythm and cycles is None,
            "no rhythm of steps found, expected one",
        ),
        (
            TOO_FEW_GAIT_CYCLES,
            cycles is not None and cycles < settings.min_gait_cycles,
            f"{cycles or 0:.1f} gait cycles, expected at least {settings.min_gait_cycles:g}",
        ),
        (
            BODY_INCOMPLETE,
            measures.completeness < settings.min_body_completeness,
            f"masks fill {measures.completeness:.0%} of the target's height, "
            f"expected at least {settings.min_body_completeness:.0%}",
        ),
        (
            FLICKERING,
            flicker is not None and flicker > settings.max_flicker,
            f"{flicker or 0:.1%} of the silhouette flickers, "
            f"expected at most {settings.max_flicker:.1%}",
        ),
        (
            SEQUENCE_BLURRED,
            sharpness is not None and sharpness < settings.min_sharpness,
            f"sharpness {sharpness or 0:.3f}, expected at least {settings.min_sharpness:g}",
        ),
    )
    return [(code, text) for code, is_failed, text in gates if is_failed]


def _score(measures: SequenceMeasures) -> float:
    shares = (
        measures.kept_fraction,
        measures.mean_confidence,
        measures.completeness,
        1.0 - measures.frame_drop_fraction,
        1.0 - (measures.flicker or 0.0),
    )
    return float(np.clip(np.prod(shares), 0.0, 1.0))
