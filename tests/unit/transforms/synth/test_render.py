from dataclasses import replace

import cv2
import numpy as np
import pytest

from transforms.settings import SynthSettings
from transforms.synth.plan import RecordingPlan, plan_cohort
from transforms.synth.render import RecordingRenderer, Truth

SIZE = (320, 180)


def _plan(view: str = "side", bystander: bool = False) -> RecordingPlan:
    settings = SynthSettings.model_validate(
        {
            "participants": {"positive": 1},
            "batches": 1,
            "second_session_fraction": 0.0,
            "bystander_fraction": float(bystander),
            "frame_width_px": SIZE[0],
            "frame_height_px": SIZE[1],
            "fps": 10,
            "duration_s": 3.0,
            "views": (view,),
        }
    )
    return plan_cohort(settings)[0].recordings[0]


def _render(plan: RecordingPlan) -> tuple[list[np.ndarray], Truth, np.ndarray]:
    renderer = RecordingRenderer(plan)
    frames = list(renderer.frames())
    truth = renderer.truth()
    masks = np.unpackbits(truth.participant_masks, axis=-1, count=plan.width_px).astype(bool)
    return frames, truth, masks


@pytest.mark.parametrize("view", ["side", "front"])
def test_masks_lie_inside_their_boxes_and_are_person_sized(view: str) -> None:
    plan = _plan(view)
    frames, truth, masks = _render(plan)
    assert len(frames) == len(masks) == 30
    assert frames[0].shape == (SIZE[1] * 3 // 2, SIZE[0])
    seen = [index for index, mask in enumerate(masks) if mask.any()]
    assert len(seen) > 20
    for index in seen:
        x0, y0, x1, y1 = truth.boxes[0, index].astype(int)
        rows, columns = np.nonzero(masks[index])
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x0, y0, x1, y1)
    middle = truth.boxes[0, 15]
    assert 0.35 < (middle[3] - middle[1]) / SIZE[1] < 0.8


def test_only_the_persons_pixels_differ_from_the_empty_scene() -> None:
    plan = replace(_plan(), lighting=replace(_plan().lighting, noise=0.0, trend=0.0, ripple=0.0))
    frames, _, masks = _render(plan)
    grey = np.stack([frame[: SIZE[1]] for frame in frames]).astype(int)
    colour = [cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420).astype(int) for frame in frames]
    empty = np.median(grey, axis=0)
    difference = np.abs(grey[15] - empty)
    ring = cv2.dilate(masks[15].astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    feet = np.nonzero(masks[15].any(axis=1))[0].max() - 12
    outside = ~ring
    outside[feet:] = False  # the shadow on the floor
    assert difference[outside].max() <= 2
    background = np.median(np.stack(colour), axis=0)
    contrast = np.linalg.norm(colour[15] - background, axis=-1)
    assert np.median(contrast[masks[15]]) > 40


def test_boxes_are_missing_while_a_person_is_outside() -> None:
    plan = _plan()
    away = replace(plan.actors[0], path=replace(plan.actors[0].path, start_s=2.0))
    _, truth, masks = _render(replace(plan, actors=(away,)))
    outside = ~masks.any(axis=(1, 2))
    assert outside[:5].all()
    assert np.isnan(truth.boxes[0][outside]).all()
    assert not np.isnan(truth.boxes[0][~outside]).any()


def test_who_stands_before_the_participant_hides_them() -> None:
    plan = _plan(bystander=True)
    participant, other = plan.actors
    _, alone, free = _render(replace(plan, actors=(participant,)))
    shadowing = replace(other, path=replace(participant.path, y_m=-0.8))
    _, both, hidden = _render(replace(plan, actors=(participant, shadowing)))
    assert hidden.sum() < 0.5 * free.sum()
    assert np.array_equal(both.boxes[0], alone.boxes[0], equal_nan=True)
    behind = replace(other, path=replace(participant.path, y_m=1.5))
    _, _, unhidden = _render(replace(plan, actors=(participant, behind)))
    assert np.array_equal(unhidden, free)


def test_rendering_twice_gives_the_same_pixels() -> None:
    first, _, _ = _render(_plan(bystander=True))
    again, _, _ = _render(_plan(bystander=True))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))


def test_the_phase_is_a_fraction_of_a_stride() -> None:
    _, truth, _ = _render(_plan())
    assert truth.phase.dtype == np.float32
    assert truth.phase.min() >= 0
    assert truth.phase.max() < 1
