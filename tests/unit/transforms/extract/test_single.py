"""One video outside of a batch: the same results as in one, and plain words where there is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transforms.errors import InputError, RefusalError
from transforms.extract.recording import STAGES, extract_recording
from transforms.extract.registry import Resources, build_backends
from transforms.extract.single import (
    ExtractedWalk,
    WalkRequest,
    extract_walk,
    require_accepted,
    store_silhouettes,
)
from transforms.settings import (
    ExtractionSettings,
    IntakeSettings,
    QualitySettings,
    ShardSettings,
)

_QUALITY = QualitySettings(
    min_mask_px=50, require_walking=False, min_gait_cycles=0, min_body_completeness=0
)
_SETTINGS = ExtractionSettings(quality=_QUALITY)
_STRICT = ExtractionSettings(quality=_QUALITY.model_copy(update={"min_kept_frames": 1000}))


@pytest.fixture
def request_for(write_video: Callable[..., Path]) -> Callable[..., WalkRequest]:
    def make(images: list[np.ndarray], **changes: object) -> WalkRequest:
        return replace(
            WalkRequest(
                write_video(images),
                IntakeSettings(min_height_px=100),
                _SETTINGS,
                ShardSettings(),
                Resources(),
            ),
            **changes,
        )

    return make


def test_a_walk_is_what_the_extraction_of_batches_makes_of_it(walk, request_for) -> None:
    request = request_for(walk.images)
    found = extract_walk(request)
    alone = extract_recording(request.video, _SETTINGS, build_backends(_SETTINGS, Resources()))
    assert found.final.verdict == "accepted", found.final.reason
    np.testing.assert_array_equal(found.final.silhouettes, alone.silhouettes)
    assert found.silhouettes.shape == (len(alone.kept_frames), 64, 44)
    assert set(np.unique(found.silhouettes)) == {0, 255}
    np.testing.assert_array_equal(found.times_s, alone.pts_s[alone.kept_frames])
    require_accepted(found)
    assert set(STAGES) | {"load backends", "probe"} == set(found.seconds)
    assert all(seconds >= 0 for seconds in found.seconds.values())
    assert found.facts.frame_count == len(walk.images)


@pytest.mark.parametrize(("codec", "width"), [("binary", 44), ("grey", 44), ("grey", 64)])
def test_silhouettes_take_the_form_of_the_dataset(codec: str, width: int) -> None:
    grey = np.random.default_rng(3).integers(0, 256, (5, 64, 64), dtype=np.uint8)
    stored = store_silhouettes(grey, ShardSettings(codec=codec, width_px=width))
    margin = (64 - width) // 2
    expected = grey[:, :, margin : 64 - margin]
    if codec == "binary":
        expected = np.where(expected >= 128, 255, 0)
    np.testing.assert_array_equal(stored, expected)
    assert store_silhouettes(grey[:0], ShardSettings(width_px=width)).shape == (0, 64, width)


def test_a_walk_that_the_gates_refuse_is_judged_only_if_a_person_says_so(walk, request_for) -> None:
    refused = extract_walk(request_for(walk.images, extraction=_STRICT))
    assert not len(refused.silhouettes)
    with pytest.raises(RefusalError, match="quality gates") as caught:
        require_accepted(refused)
    assert "too_few_frames" in str(caught.value) or "1000" in str(caught.value)
    assert f"0@{refused.found.tracks_id}" in str(caught.value)
    assert "--anyway" in str(caught.value)

    taken = extract_walk(request_for(walk.images, extraction=_STRICT, is_accepted=True))
    require_accepted(taken)
    assert len(taken.silhouettes) == len(taken.found.kept_frames)
    assert taken.found.verdict == "rejected"


def test_a_person_chooses_the_track_by_the_name_the_refusal_gives(crossing, request_for) -> None:
    request = request_for(crossing.images)
    first = extract_walk(request).found
    other = next(one for one in first.tracks if one["track_id"] != first.target_track_id)
    name = f"{other['track_id']}@{first.tracks_id}"
    chosen = extract_walk(replace(request, accepted_track=name))
    assert chosen.found.target_track_id == other["track_id"], chosen.found.reason
    assert chosen.found.target_why == "chosen by a person"
    stale = extract_walk(replace(request, accepted_track="0@00000000"))
    with pytest.raises(RefusalError, match="stale_choice") as caught:
        require_accepted(stale, track_option="--accept-track2")
    assert "--accept-track2, such as" in str(caught.value)


def test_an_empty_room_has_nobody_to_judge(walk, request_for) -> None:
    rng = np.random.default_rng(4)
    room = [
        np.clip(walk.images[0] * 0 + 120 + rng.normal(0, 2, (120, 200, 3)), 0, 255).astype(np.uint8)
        for _ in range(40)
    ]
    found = extract_walk(request_for(room))
    with pytest.raises(RefusalError, match="not sure who") as caught:
        require_accepted(found)
    assert "0 track(s)" in str(caught.value)


@pytest.mark.parametrize("kind", ["text", "cut", "empty"])
def test_what_intake_refuses_is_refused(walk, request_for, kind: str) -> None:
    request = request_for(walk.images)
    data = request.video.read_bytes()
    contents = {"text": b"no video\n" * 500, "cut": data[: len(data) // 2], "empty": b""}
    request.video.write_bytes(contents[kind])
    with pytest.raises(InputError, match="not a video that can be judged"):
        extract_walk(request)


def test_a_damaged_recording_is_no_walk() -> None:
    from transforms.extract.result import RecordingResult
    from transforms.intake.probe import VideoFacts

    failed = RecordingResult(verdict="failed", reason_code="truncated", reason="it ends early")
    nothing = np.zeros(0)
    walk = ExtractedWalk("walk.mp4", VideoFacts(), (), failed, failed, nothing, nothing, {}, {})
    with pytest.raises(InputError, match="it ends early"):
        require_accepted(walk)
