from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np
import pytest

from transforms.extract.protocols import MaskCrop
from transforms.extract.quality.sequence_gates import (
    BODY_INCOMPLETE,
    FLICKERING,
    NO_RHYTHM,
    NOT_WALKING,
    SEQUENCE_BLURRED,
    TOO_FEW_FRAMES,
    TOO_FEW_GAIT_CYCLES,
    TOO_MANY_DROPPED,
    TOO_MANY_MISSING,
    SequenceEvidence,
    judge_sequence,
    measure_flicker,
    measure_frame_drops,
)
from transforms.settings import QualitySettings

SETTINGS = QualitySettings()
COUNT = 100
STRIDE_HZ = 0.95


def silhouette(phase: float) -> np.ndarray:
    image = np.zeros((64, 64), np.uint8)
    cv2.rectangle(image, (27, 0), (37, 36), 255, -1)
    reach = 12 * abs(np.sin(2 * np.pi * phase))
    for side in (-1, 1):
        cv2.line(image, (32, 34), (round(32 + side * reach), 63), 255, 5)
    return image


def evidence(kept: range | list[int] = range(COUNT), **changes: Any) -> SequenceEvidence:
    """One who walks from left to right, 128 px high, 4 s at 25 frames per second."""
    times = np.arange(COUNT) / 25
    kept = np.array(kept, dtype=int)
    pictures = [silhouette(STRIDE_HZ * t) for t in times]
    lefts = [round(60 + 90 * t) for t in times]
    whole = SequenceEvidence(
        crops=[
            MaskCrop(
                int(i),
                (lefts[i], 150, lefts[i] + 128, 278),
                cv2.resize(pictures[i], (128, 128), interpolation=cv2.INTER_NEAREST),
                0.9,
            )
            for i in kept
        ],
        silhouettes=np.array([pictures[i] for i in kept], np.uint8).reshape(-1, 64, 64),
        pts_s=times,
        first_frame=0,
        last_frame=COUNT - 1,
        boxes=np.array([(left + 30, 150, left + 98, 278) for left in lefts], np.float32),
        box_frames=np.arange(COUNT, dtype=np.int32),
        sharpness=np.full(len(kept), 0.4, np.float32),
        fps=25.0,
        frame_shape=(360, 640),
    )
    return replace(whole, **changes)


def standing() -> SequenceEvidence:
    sound = evidence()
    return replace(
        sound,
        silhouettes=np.repeat(sound.silhouettes[:1], COUNT, axis=0),
        boxes=np.repeat(sound.boxes[:1], COUNT, axis=0),
    )


def broken_masks() -> SequenceEvidence:
    silhouettes = evidence().silhouettes.copy()
    silhouettes[::3, 20:32] = 0
    return evidence(silhouettes=silhouettes)


def footless() -> SequenceEvidence:
    sound = evidence()
    masks = [np.vstack([crop.mask[:96], 0 * crop.mask[96:]]) for crop in sound.crops]
    crops = [replace(crop, mask=mask) for crop, mask in zip(sound.crops, masks, strict=True)]
    return replace(sound, crops=crops)


def with_camera_drops() -> SequenceEvidence:
    """Every third frame never came: the timestamps alone say so."""
    all_times = np.arange(3 * COUNT // 2) / 25
    return evidence(pts_s=all_times[np.arange(len(all_times)) % 3 != 2])


def test_a_sound_walk_is_accepted_with_its_measures() -> None:
    verdict = judge_sequence(evidence(), SETTINGS)
    assert verdict.is_accepted
    assert (verdict.reason_code, verdict.reason) == (None, None)
    assert verdict.quality_score == pytest.approx(0.9, abs=0.01)
    measures = verdict.measures
    assert measures.cadence_steps_per_min == pytest.approx(120 * STRIDE_HZ, rel=0.02)
    assert measures.gait_cycles == pytest.approx(4 * STRIDE_HZ, abs=0.15)
    assert measures.direction == "left_to_right"
    assert measures.lateral_speed == pytest.approx(90 / 128, rel=0.03)
    assert (measures.kept_frames, measures.kept_fraction, measures.completeness) == (100, 1, 1)
    assert (measures.frame_drop_fraction, measures.mean_confidence) == (0, pytest.approx(0.9))
    assert measures.sharpness == pytest.approx(0.4)
    assert measures.flicker == pytest.approx(0, abs=0.005)


def test_measures_are_plain_values() -> None:
    for damaged in (evidence(), evidence([]), standing()):
        for name, value in asdict(judge_sequence(damaged, SETTINGS).measures).items():
            assert type(value) in (float, str, type(None)), name


@pytest.mark.parametrize(
    ("damaged", "changes", "expected"),
    [
        (evidence(range(15)), {}, TOO_FEW_FRAMES),
        (evidence(range(30)), {}, TOO_MANY_DROPPED),
        (with_camera_drops(), {}, TOO_MANY_MISSING),
        (standing(), {}, NOT_WALKING),
        (standing(), {"require_walking": False}, None),
        (standing(), {"require_walking": False, "require_rhythm": True}, NO_RHYTHM),
        (evidence(), {"min_gait_cycles": 5.0}, TOO_FEW_GAIT_CYCLES),
        (evidence(), {"min_rhythm_confidence": 1.0}, None),
        (evidence(), {"min_rhythm_confidence": 1.0, "min_gait_cycles": 5.0}, None),
        (evidence(), {"min_rhythm_confidence": 1.0, "require_rhythm": True}, NO_RHYTHM),
        (footless(), {}, BODY_INCOMPLETE),
        (broken_masks(), {}, FLICKERING),
        (evidence(sharpness=np.full(COUNT, 0.01, np.float32)), {}, SEQUENCE_BLURRED),
        (evidence(sharpness=np.full(COUNT, np.nan, np.float32)), {}, None),
    ],
)
def test_every_gate(
    damaged: SequenceEvidence, changes: dict[str, Any], expected: str | None
) -> None:
    verdict = judge_sequence(damaged, SETTINGS.model_copy(update=changes))
    assert verdict.reason_code == expected
    assert verdict.is_accepted == (expected is None)
    assert (verdict.reason is None) == (expected is None)
    assert 0 <= verdict.quality_score <= 1


def test_damage_lowers_the_score_whatever_the_thresholds() -> None:
    sound = judge_sequence(evidence(), SETTINGS).quality_score
    for damaged in (evidence(range(15)), with_camera_drops(), footless(), broken_masks()):
        assert judge_sequence(damaged, SETTINGS).quality_score < 0.97 * sound


def test_a_rejection_names_every_gate_and_its_code_is_the_first() -> None:
    verdict = judge_sequence(evidence(range(15), sharpness=np.full(15, 0.01, np.float32)), SETTINGS)
    assert verdict.reason_code == TOO_FEW_FRAMES
    assert verdict.reason is not None
    for words in ("15 frames kept", "15% of the target's frames", "sharpness 0.010"):
        assert words in verdict.reason


def test_one_who_walks_in_place_is_walking() -> None:
    treadmill = evidence(boxes=np.repeat(evidence().boxes[:1], COUNT, axis=0))
    verdict = judge_sequence(treadmill, SETTINGS)
    assert verdict.measures.direction == "standing"
    assert verdict.is_accepted


def test_nothing_kept_is_rejected_with_a_score_of_zero() -> None:
    verdict = judge_sequence(evidence([]), SETTINGS)
    assert verdict.reason_code == TOO_FEW_FRAMES
    assert verdict.quality_score == 0
    assert verdict.measures.flicker is None
    assert verdict.measures.gait_cycles is None


def test_walking_is_no_flicker_and_a_patch_for_one_frame_is() -> None:
    frames = np.arange(COUNT)
    sound = evidence().silhouettes
    clean = measure_flicker(sound, frames)
    broken = sound.copy()
    broken[50, 10:20, 27:38] = 0
    found = measure_flicker(broken, frames)
    assert clean is not None
    assert found is not None
    area = np.count_nonzero(sound[49])
    assert found[0] - clean[0] == pytest.approx(110 / area / 98, rel=0.05)


def test_a_ragged_outline_is_jitter_and_no_flicker() -> None:
    silhouettes = np.repeat(silhouette(0.2)[None], 9, axis=0)
    silhouettes[::2, :30, 38] = 255
    found = measure_flicker(silhouettes, np.arange(9))
    assert found is not None
    assert found[0] == 0
    assert found[1] > 0.01


def test_flicker_needs_three_frames_in_a_row() -> None:
    silhouettes = evidence().silhouettes[:4]
    assert measure_flicker(silhouettes, np.array([0, 2, 4, 5])) is None
    assert measure_flicker(silhouettes[:2], np.array([0, 1])) is None
    assert measure_flicker(silhouettes, np.array([0, 1, 2, 5])) is not None


def test_long_sequences_are_measured_in_parts_to_the_same_result() -> None:
    once = np.concatenate([evidence().silhouettes, evidence().silhouettes[:1]])
    many = np.concatenate([np.tile(once[:-1], (25, 1, 1)), once[:1]])
    turn = measure_flicker(np.concatenate([once[:-1], once[:2]]), np.arange(102))
    whole = measure_flicker(np.concatenate([many, once[1:2]]), np.arange(2502))
    assert whole == pytest.approx(turn)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (lambda i: True, 0.0),
        (lambda i: i % 2 == 0, 0.0),  # half the rate is a rate
        (lambda i: i % 3 != 2, 1 / 3),
        (lambda i: not 40 <= i < 80, 0.4),
    ],
)
def test_missing_frames_are_read_from_the_timestamps(kept: Any, expected: float) -> None:
    times = np.array([i / 30 for i in range(100) if kept(i)])
    assert measure_frame_drops(times) == pytest.approx(expected, abs=0.01)


def test_jitter_of_the_timestamps_is_no_drop() -> None:
    times = np.arange(200) / 30 + np.random.default_rng(0).normal(0, 0.002, 200)
    assert measure_frame_drops(times) == 0


@pytest.mark.parametrize("times", [[], [1.0], [2.0, 2.0, 2.0]])
def test_no_interval_is_no_drop(times: list[float]) -> None:
    assert measure_frame_drops(np.array(times)) == 0
