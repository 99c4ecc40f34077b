"""The whole way of one recording on backends that need no time to load."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transforms.extract.detection.background_detector import BackgroundDetector
from transforms.extract.protocols import Track
from transforms.extract.recording import extract_recording
from transforms.extract.registry import Backends
from transforms.extract.result import RecordingResult, settle
from transforms.extract.segmentation.background_grabcut import BackgroundGrabCutSegmenter
from transforms.settings import ExtractionSettings

SETTINGS = ExtractionSettings()


class BestDetectionTracker:
    """Takes the best detection of every frame for one person, but for the frames it is told of."""

    def __init__(self, *, unseen: range = range(0), shared: tuple[int, ...] = ()) -> None:
        self._unseen = unseen
        self._shared = shared

    def track(self, detections, context) -> tuple[Track, ...]:
        seen = [
            (index, found[0])
            for index, found in enumerate(detections)
            if found and index not in self._unseen
        ]
        if not seen:
            return ()
        return (
            Track(
                0,
                np.array([index for index, _ in seen], np.int32),
                np.array([item.box for _, item in seen], np.float32),
                np.array([item.score for _, item in seen], np.float32),
                shared_frames=self._shared,
            ),
        )


def backends(**tracker) -> Backends:
    return Backends(
        BackgroundDetector(), BestDetectionTracker(**tracker), BackgroundGrabCutSegmenter()
    )


def check_ledger(found: RecordingResult, frame_count: int) -> None:
    """What must hold of every result, whatever its verdict."""
    result = settle(found)
    assert len(result.pts_s) == len(result.drop_reasons) == frame_count
    assert result.boxes.shape == (frame_count, 4)
    assert result.scores.shape == result.mask_px.shape == (frame_count,)
    kept = result.kept_frames
    assert result.silhouettes.shape == (len(kept), 64, 64)
    assert result.mask_boxes.shape == (len(kept), 4)
    sizes = [(y1 - y0) * ((x1 - x0 + 7) // 8) for x0, y0, x1, y1 in result.mask_boxes.tolist()]
    assert result.mask_bits.size == sum(sizes)
    if result.verdict != "accepted":
        assert result.reason_code
        assert len(kept) == 0


@pytest.fixture
def video(walk, write_video) -> Path:
    return write_video(walk.images)


def test_a_walk_becomes_silhouettes_with_every_frame_accounted_for(video: Path) -> None:
    result = extract_recording(video, SETTINGS, backends(unseen=range(18, 22), shared=(19, 20)))
    check_ledger(result, 40)
    assert result.verdict == "accepted"
    assert [result.drop_reasons[index] for index in (18, 19, 20, 21)] == [
        "no_target",
        "overlapping_person",
        "overlapping_person",
        "no_target",
    ]
    assert len(result.kept_frames) >= 30
    assert np.isnan(result.boxes[19]).all()
    assert (result.mask_px[result.kept_frames] > 800).all()
    assert result.silhouettes.max() == 255
    assert result.silhouettes.any(axis=2)[:, [0, -1]].all(), "head and feet touch the edges"
    assert result.tracks[0]["role"] == "target"
    assert 0 < (result.quality_score or 0) <= 1


def test_the_same_video_gives_the_same_result(video: Path) -> None:
    first, second = (extract_recording(video, SETTINGS, backends()) for _ in range(2))
    for name in ("silhouettes", "mask_bits", "boxes", "pts_s", "scores"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.drop_reasons == second.drop_reasons


def test_frames_below_a_threshold_are_dropped_for_it(video: Path) -> None:
    cut = SETTINGS.model_copy(
        update={"quality": SETTINGS.quality.model_copy(update={"min_mask_px": 5000})}
    )
    rejected = extract_recording(video, cut, backends())
    check_ledger(rejected, 40)
    assert (rejected.verdict, rejected.reason_code) == ("rejected", "too_few_frames")
    assert "mask_too_small" in rejected.drop_reasons


def test_frames_of_a_rejected_sequence_say_so(video: Path) -> None:
    strict = SETTINGS.model_copy(
        update={"quality": SETTINGS.quality.model_copy(update={"min_kept_frames": 1000})}
    )
    result = extract_recording(video, strict, backends())
    check_ledger(result, 40)
    assert len(result.kept_frames) > 30, "a person may still accept it"
    assert "sequence_rejected" in settle(result).drop_reasons


def test_nobody_is_quarantined_with_every_frame_in_the_ledger(
    walk, write_video: Callable[..., Path]
) -> None:
    empty = np.clip(walk.background.colour, 0, 255).astype(np.uint8)
    result = extract_recording(write_video([empty] * 30), SETTINGS, backends())
    check_ledger(result, 30)
    assert (result.verdict, result.reason_code) == ("quarantined", "no_track")
    assert set(result.drop_reasons) == {"recording_quarantined"}


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_a_bad_file_fails_without_an_exception(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    result = extract_recording(path, SETTINGS, backends())
    check_ledger(result, 0)
    assert (result.verdict, result.reason_code) == ("failed", "unreadable")


def test_a_chosen_track_counts_only_among_the_tracks_it_was_chosen_from(video: Path) -> None:
    found = extract_recording(video, SETTINGS, backends())
    assert found.tracks_id
    chosen = extract_recording(video, SETTINGS, backends(), chosen_track=f"0@{found.tracks_id}")
    assert (chosen.verdict, chosen.target_why) == ("accepted", "chosen by a person")
    for stale in ("0@00000000", f"7@{found.tracks_id}"):
        result = extract_recording(video, SETTINGS, backends(), chosen_track=stale)
        check_ledger(result, 40)
        assert (result.verdict, result.reason_code) == ("quarantined", "stale_choice")
