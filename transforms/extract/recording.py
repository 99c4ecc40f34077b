"""One recording from video to silhouettes, with a ledger row for every decoded frame."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.background import BackgroundModel, as_uint8
from transforms.extract.background_learning import learn_background
from transforms.extract.decode import VideoFrames
from transforms.extract.normalise import SIZE_PX, normalise_frame
from transforms.extract.protocols import Box, MaskCrop, Track
from transforms.extract.quality import judge_masks, judge_sequence
from transforms.extract.registry import Backends
from transforms.extract.target import TargetChoice, choose_target
from transforms.settings import ExtractionSettings

NO_TARGET: Final = "no_target"
OVERLAPPING_PERSON: Final = "overlapping_person"
NOT_SEGMENTED: Final = "not_segmented"
RECORDING_FAILED: Final = "recording_failed"
RECORDING_QUARANTINED: Final = "recording_quarantined"
SEQUENCE_REJECTED: Final = "sequence_rejected"


@dataclass(frozen=True)
class RecordingResult:
    """Everything extraction has to say of one video; arrays over frames are in decoding order.

    Attributes:
        verdict: accepted, quarantined, rejected or failed.
        reason_code: machine-readable, None where accepted.
        reason: for a person.
        target_track_id: the participant's track.
        target_confidence: 0..1.
        quality_score: 0..1.
        pts_s: `(frame,)` float64.
        boxes: `(frame, 4)` float32, NaN where the target was not seen.
        scores: `(frame,)` float32, NaN where the target was not seen.
        mask_px: `(frame,)` int32, -1 where there is no mask.
        drop_reasons: per frame, None where kept.
        tracks: plain rows of the TRACKS table without `recording_id`.
        silhouettes: `(kept, 64, 64)` uint8 grey.
        mask_boxes: `(kept, 4)` int32 x0, y0, x1, y1, half-open.
        mask_bits: `(n,)` uint8: the kept masks, each row padded to whole bytes, one after another.
    """

    verdict: str
    reason_code: str | None = None
    reason: str | None = None
    target_track_id: int | None = None
    target_confidence: float | None = None
    quality_score: float | None = None
    pts_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    mask_px: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    drop_reasons: tuple[str | None, ...] = ()
    tracks: tuple[dict[str, Any], ...] = ()  # `Any`: int, float and str columns
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


@dataclass(frozen=True)
class VideoContext:
    """What backends may ask about the recording at hand; see `RecordingContext`."""

    video: VideoFrames
    frame_shape: tuple[int, int]
    fps: float

    @cached_property
    def background(self) -> BackgroundModel:
        """The scene without its people, learnt on first use."""
        return learn_background(self.video.frames())


def extract_recording(
    path: Path, settings: ExtractionSettings, backends: Backends
) -> RecordingResult:
    """Take one video through decode, detect, track, target, segment, normalise and judge.

    Deterministic: equal bytes and settings give equal results. Bad videos give the verdict
    `failed`; nothing is raised for them.
    """
    video = VideoFrames(path)
    pts: list[float] = []
    frame_shape = (0, 0)
    for frame in video.frames():
        pts.append(frame.pts_s)
        frame_shape = (frame.image.shape[0], frame.image.shape[1])
    ledger = _empty_ledger(np.array(pts, dtype=np.float64))
    if video.problem is not None:
        return replace(
            ledger,
            verdict="failed",
            reason_code=video.problem.code,
            reason=video.problem.message,
            drop_reasons=(RECORDING_FAILED,) * len(pts),
        )
    context = VideoContext(video, frame_shape, video.fps)
    detections = list(backends.detector.detect(video.frames(), context))
    tracks = backends.tracker.track(detections, context)
    choice = choose_target(tracks, len(pts), settings.target)
    ledger = replace(
        ledger,
        tracks=_describe_tracks(tracks, choice),
        target_track_id=choice.track_id,
        target_confidence=choice.confidence,
    )
    if choice.track_id is None:
        return replace(
            ledger,
            verdict="quarantined",
            reason_code=choice.reason_code,
            reason=choice.reason,
            drop_reasons=(RECORDING_QUARANTINED,) * len(pts),
        )
    target = next(track for track in tracks if track.track_id == choice.track_id)
    others = [track for track in tracks if track.track_id != choice.track_id]
    crops = list(
        backends.segmenter.segment(
            video.frames(), _boxes_by_frame(target), _neighbours_by_frame(others), context
        )
    )
    return _judge(ledger, target, crops, context, settings)


def _empty_ledger(pts_s: NDArray[np.float64]) -> RecordingResult:
    count = len(pts_s)
    return RecordingResult(
        verdict="failed",
        pts_s=pts_s,
        boxes=np.full((count, 4), np.nan, dtype=np.float32),
        scores=np.full(count, np.nan, dtype=np.float32),
        mask_px=np.full(count, -1, dtype=np.int32),
        drop_reasons=(NO_TARGET,) * count,
    )


def _boxes_by_frame(track: Track) -> dict[int, Box]:
    return {
        int(index): (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        for index, box in zip(track.frame_index, track.boxes, strict=True)
    }


def _neighbours_by_frame(tracks: list[Track]) -> dict[int, list[Box]]:
    neighbours: dict[int, list[Box]] = {}
    for track in tracks:
        for index, box in _boxes_by_frame(track).items():
            neighbours.setdefault(index, []).append(box)
    return neighbours


def _describe_tracks(tracks: tuple[Track, ...], choice: TargetChoice) -> tuple[dict[str, Any], ...]:
    # `Any`: rows of a table.
    candidates = {candidate.track_id: candidate for candidate in choice.candidates}
    return tuple(
        {
            "track_id": track.track_id,
            "first_frame": int(track.frame_index[0]),
            "last_frame": int(track.frame_index[-1]),
            "frame_count": len(track.frame_index),
            "mean_score": float(track.scores.mean(dtype=np.float64)),
            "mean_height_px": candidates[track.track_id].mean_height_px,
            "travel_px": candidates[track.track_id].travel_px,
            "target_score": candidates[track.track_id].score,
            "role": "target" if track.track_id == choice.track_id else "other",
        }
        for track in tracks
    )


def _judge(
    ledger: RecordingResult,
    target: Track,
    crops: list[MaskCrop],
    context: VideoContext,
    settings: ExtractionSettings,
) -> RecordingResult:
    """Fill the ledger from the target's masks and decide on the sequence."""
    reasons = list(ledger.drop_reasons)
    for index in target.shared_frames:
        reasons[index] = OVERLAPPING_PERSON
    boxes, scores, mask_px = ledger.boxes.copy(), ledger.scores.copy(), ledger.mask_px.copy()
    boxes[target.frame_index] = target.boxes
    scores[target.frame_index] = target.scores
    for index in target.frame_index:
        reasons[index] = NOT_SEGMENTED
    kept: list[MaskCrop] = []
    silhouettes: list[NDArray[np.uint8]] = []
    verdicts = judge_masks(crops, context.frame_shape, settings.quality)
    for crop, verdict in zip(crops, verdicts, strict=True):
        mask_px[crop.frame_index] = np.count_nonzero(crop.mask)
        reason = verdict
        if reason is None:
            silhouette, reason = normalise_frame(_full_mask(crop, context.frame_shape))
            if reason is None:
                silhouettes.append(silhouette)
                kept.append(crop)
        reasons[crop.frame_index] = reason
    span = int(target.frame_index[-1] - target.frame_index[0]) + 1
    confidence = float(np.mean([crop.confidence for crop in kept])) if kept else 0.0
    sequence = judge_sequence(len(kept), span, confidence, settings.quality)
    if not sequence.is_accepted:
        reasons = [SEQUENCE_REJECTED if reason is None else reason for reason in reasons]
        silhouettes, kept = [], []
    packed = [np.packbits(crop.mask, axis=-1).ravel() for crop in kept]
    return replace(
        ledger,
        verdict="accepted" if sequence.is_accepted else "rejected",
        reason_code=sequence.reason_code,
        reason=sequence.reason,
        quality_score=sequence.quality_score,
        boxes=boxes,
        scores=scores,
        mask_px=mask_px,
        drop_reasons=tuple(reasons),
        silhouettes=np.array(silhouettes, dtype=np.uint8).reshape(-1, SIZE_PX, SIZE_PX),
        mask_boxes=np.array([crop.box for crop in kept], dtype=np.int32).reshape(-1, 4),
        mask_bits=np.concatenate(packed) if packed else ledger.mask_bits,
    )


def _full_mask(crop: MaskCrop, frame_shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Put a crop back into an empty picture: the field's rule scales by the full width."""
    x0, y0, x1, y1 = crop.box
    height, width = frame_shape
    return as_uint8(
        cv2.copyMakeBorder(
            crop.mask, y0, height - y1, x0, width - x1, cv2.BORDER_CONSTANT, value=(0,)
        )
    )
