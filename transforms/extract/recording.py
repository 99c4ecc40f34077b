"""One recording from video to silhouettes, with a ledger row for every decoded frame."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.decoding.video_frames import DEFAULT_CACHE_BYTES, VideoFrames
from transforms.extract.detection.background import BackgroundModel
from transforms.extract.detection.background_learning import NoFramesError, learn_background
from transforms.extract.normalisation.kernel import SIZE_PX
from transforms.extract.normalisation.normalise import normalise_crop
from transforms.extract.protocols import Box, Frame, MaskCrop, Track
from transforms.extract.quality.frame_gates import judge_masks, measure_sharpness
from transforms.extract.quality.sequence_gates import SequenceEvidence, judge_sequence
from transforms.extract.registry import Backends
from transforms.extract.result import (
    ACCEPTED,
    FAILED,
    QUARANTINED,
    REJECTED,
    RecordingResult,
    empty_result,
)
from transforms.extract.segmentation.mask_cleanup import grow_box
from transforms.extract.tracking.target import TargetChoice, choose_target
from transforms.files import canonical_json, sha256_bytes
from transforms.settings import ExtractionSettings
from transforms.stopwatch import Stopwatch

NO_TARGET: Final = "no_target"
OVERLAPPING_PERSON: Final = "overlapping_person"
STALE_CHOICE: Final = "stale_choice"
NOT_SEGMENTED: Final = "not_segmented"
RECORDING_FAILED: Final = "recording_failed"
RECORDING_QUARANTINED: Final = "recording_quarantined"

_TRACK_SAMPLES: Final = 24

DECODE: Final = "decode"
DETECT: Final = "detect"
TRACK: Final = "track"
SEGMENT: Final = "segment"
NORMALISE: Final = "normalise"
GATES: Final = "gates"
STAGES: Final = (DECODE, DETECT, TRACK, SEGMENT, NORMALISE, GATES)
"""What the time of a recording is charged to; waiting for the decoding process is `DECODE`."""


@dataclass(frozen=True)
class VideoContext:
    """What backends may ask about the recording at hand; see `RecordingContext`."""

    video: VideoFrames
    clock: Stopwatch

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.video.fps

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Height and width of the upright picture."""
        return self.video.frame_shape

    @cached_property
    def background(self) -> BackgroundModel:
        """The scene without its people, learnt on first use."""
        return learn_background(self.frames())

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, the time they take charged to decoding."""
        return self.clock.charge(DECODE, self.video.frames())


def extract_recording(
    path: Path,
    settings: ExtractionSettings,
    backends: Backends,
    *,
    chosen_track: str | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    clock: Stopwatch | None = None,
) -> RecordingResult:
    """Take one video through decode, detect, track, target, segment, normalise and judge.

    Deterministic: equal bytes and settings give equal results. Bad videos give the verdict
    `failed`; nothing is raised for them. The verdict has not taken effect yet: see `settle`.

    Args:
        path: the video.
        settings: thresholds and limits.
        backends: who detects, tracks and segments.
        chosen_track: the participant's track where a person has chosen it, as `N@TRACKS_ID`.
        cache_bytes: a video whose frames fit is decoded once only.
        clock: told how long each of `STAGES` takes.
    """
    clock = clock or Stopwatch()
    with VideoFrames(path, settings.decode, cache_bytes=cache_bytes) as video:
        # Backends may ask about the picture before they take the first frame.
        with clock.stage(DECODE):
            video.peek()
        if video.problem is not None:
            return _fail(empty_result(np.zeros(0), NO_TARGET), video)
        context = VideoContext(video, clock)
        times: list[float] = []
        try:
            with clock.stage(DETECT):
                frames = _note_times(context.frames(), times)
                detections = list(backends.detector.detect(frames, context))
        except NoFramesError:
            detections = []  # the video's problem says why
        ledger = empty_result(np.array(times, dtype=np.float64), NO_TARGET)
        if video.problem is not None:
            return _fail(ledger, video)
        with clock.stage(TRACK):
            tracks = backends.tracker.track(detections, context)
            choice = choose_target(tracks, len(times), settings.target)
        ledger = replace(
            ledger,
            frame_shape=context.frame_shape,
            target_confidence=choice.confidence,
            target_why=choice.why,
        )
        rows = _describe_tracks(tracks, choice)
        tracks_id = identify_tracks(rows)
        if chosen_track is not None:
            choice = _follow_choice(choice, chosen_track, tracks_id)
            rows = _describe_tracks(tracks, choice)
            ledger = replace(ledger, target_why="chosen by a person", target_confidence=None)
        ledger = replace(ledger, tracks=rows, tracks_id=tracks_id, target_track_id=choice.track_id)
        target = next((track for track in tracks if track.track_id == choice.track_id), None)
        if target is None:
            return _quarantine(ledger, choice)
        others = [track for track in tracks if track is not target]
        # Who is hidden by somebody has no silhouette of their own, whatever a mask looks like.
        shared = set(target.shared_frames)
        target_boxes = {
            index: box for index, box in _boxes_by_frame(target).items() if index not in shared
        }
        sharpness: dict[int, float] = {}
        with clock.stage(SEGMENT):
            crops = list(
                backends.segmenter.segment(
                    _note_sharpness(context.frames(), target_boxes, sharpness),
                    target_boxes,
                    _neighbours_by_frame(others),
                    context,
                )
            )
        if video.problem is not None:
            return _fail(ledger, video)
        with clock.stage(GATES):
            return _judge(ledger, target, crops, sharpness, context, settings)


def _note_times(frames: Iterator[Frame], times: list[float]) -> Iterator[Frame]:
    for frame in frames:
        times.append(frame.pts_s)
        yield frame


def _note_sharpness(
    frames: Iterator[Frame], boxes: Mapping[int, Box], sharpness: dict[int, float]
) -> Iterator[Frame]:
    for frame in frames:
        box = boxes.get(frame.index)
        if box is not None:
            x0, y0, x1, y1 = grow_box(box, 0, 0, frame.picture.shape)
            grey = frame.picture.grey((slice(y0, y1), slice(x0, x1)))
            sharpness[frame.index] = measure_sharpness(grey)
        yield frame


def _fail(ledger: RecordingResult, video: VideoFrames) -> RecordingResult:
    problem = video.problem
    return replace(
        ledger,
        verdict=FAILED,
        reason_code=problem.code if problem else None,
        reason=problem.message if problem else None,
        is_about_the_moment=bool(problem and problem.is_about_the_moment),
        drop_reasons=(RECORDING_FAILED,) * len(ledger.pts_s),
    )


def identify_tracks(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a name of these very tracks, so that a person's choice among them fits no others."""
    names = ("track_id", "first_frame", "last_frame", "frame_count", "sample_boxes")
    return sha256_bytes(canonical_json([{name: row[name] for name in names} for row in rows]))[:8]


def _follow_choice(choice: TargetChoice, chosen_track: str, tracks_id: str) -> TargetChoice:
    """Return the choice a person has made, or none where it was made among other tracks."""
    number, _, chosen_among = chosen_track.partition("@")
    known = {str(candidate.track_id) for candidate in choice.candidates}
    if chosen_among == tracks_id and number in known:
        return replace(choice, track_id=int(number))
    reason = (
        f"track {chosen_track} was chosen, but the tracks are {tracks_id} now: "
        "look at the contact sheet again and append a row"
    )
    return replace(choice, track_id=None, reason_code=STALE_CHOICE, reason=reason)


def _quarantine(ledger: RecordingResult, choice: TargetChoice) -> RecordingResult:
    return replace(
        ledger,
        verdict=QUARANTINED,
        reason_code=choice.reason_code,
        reason=choice.reason,
        drop_reasons=(RECORDING_QUARANTINED,) * len(ledger.pts_s),
    )


def _boxes_by_frame(track: Track) -> dict[int, Box]:
    return {
        int(index): (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
        for index, box in zip(track.frame_index, track.boxes, strict=True)
    }


def _neighbours_by_frame(tracks: Sequence[Track]) -> dict[int, list[Box]]:
    neighbours: dict[int, list[Box]] = {}
    for track in tracks:
        for index, box in _boxes_by_frame(track).items():
            neighbours.setdefault(index, []).append(box)
    return neighbours


def _describe_tracks(tracks: Sequence[Track], choice: TargetChoice) -> tuple[dict[str, Any], ...]:
    # `Any`: rows of a table.
    candidates = {candidate.track_id: candidate for candidate in choice.candidates}
    samples = {
        track.track_id: np.unique(
            np.linspace(0, len(track.frame_index) - 1, _TRACK_SAMPLES).round().astype(int)
        )
        for track in tracks
    }
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
            "sample_frames": track.frame_index[samples[track.track_id]].tolist(),
            "sample_boxes": track.boxes[samples[track.track_id]].round(1).tolist(),
        }
        for track in tracks
    )


def _judge(
    ledger: RecordingResult,
    target: Track,
    crops: Sequence[MaskCrop],
    sharpness: Mapping[int, float],
    context: VideoContext,
    settings: ExtractionSettings,
) -> RecordingResult:
    """Fill the ledger from the target's masks and decide on the sequence."""
    count = len(ledger.pts_s)
    mask_px = np.full(count, -1, dtype=np.int32)
    boxes, scores, confidences, sharp = (
        array.copy()
        for array in (ledger.boxes, ledger.scores, ledger.confidences, ledger.sharpness)
    )
    reasons = list(ledger.drop_reasons)
    for index in target.frame_index:
        reasons[index] = NOT_SEGMENTED
    for index in target.shared_frames:
        reasons[index] = OVERLAPPING_PERSON
    boxes[target.frame_index] = target.boxes
    scores[target.frame_index] = target.scores
    for crop in crops:
        mask_px[crop.frame_index] = np.count_nonzero(crop.mask)
        confidences[crop.frame_index] = crop.confidence
        sharp[crop.frame_index] = sharpness[crop.frame_index]
    frames = [crop.frame_index for crop in crops]
    kept: list[MaskCrop] = []
    silhouettes: list[NDArray[np.uint8]] = []
    verdicts = judge_masks(crops, context.frame_shape, sharp[frames], settings.quality)
    for crop, reason in zip(crops, verdicts, strict=True):
        if reason is None:
            with context.clock.stage(NORMALISE):
                silhouette, reason = normalise_crop(crop.mask, crop.box, context.frame_shape)
            if reason is None:
                silhouettes.append(silhouette)
                kept.append(crop)
        reasons[crop.frame_index] = reason
    pixels = np.array(silhouettes, dtype=np.uint8).reshape(-1, SIZE_PX, SIZE_PX)
    evidence = SequenceEvidence(
        crops=kept,
        silhouettes=pixels,
        pts_s=ledger.pts_s,
        first_frame=int(target.frame_index[0]),
        last_frame=int(target.frame_index[-1]),
        boxes=target.boxes,
        box_frames=target.frame_index,
        sharpness=sharp[[crop.frame_index for crop in kept]],
        fps=context.fps,
        frame_shape=context.frame_shape,
    )
    sequence = judge_sequence(evidence, settings.quality)
    packed = [np.packbits(crop.mask, axis=-1).ravel() for crop in kept]
    return replace(
        ledger,
        verdict=ACCEPTED if sequence.is_accepted else REJECTED,
        reason_code=sequence.reason_code,
        reason=sequence.reason,
        quality_score=sequence.quality_score,
        measures=asdict(sequence.measures),
        boxes=boxes,
        scores=scores,
        mask_px=mask_px,
        confidences=confidences,
        sharpness=sharp,
        drop_reasons=tuple(reasons),
        silhouettes=pixels,
        mask_boxes=np.array([crop.box for crop in kept], dtype=np.int32).reshape(-1, 4),
        mask_bits=np.concatenate(packed) if packed else ledger.mask_bits,
    )
