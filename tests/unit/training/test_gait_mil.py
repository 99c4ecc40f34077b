"""Gait-MIL: phases follow the gait cycle, weights add up, and each ablation lacks its part."""

import numpy as np
import pytest
import torch

from training.models.gait_mil import FrameWeights
from training.models.gait_phases import assign_gait_phases, sort_by_cycle
from training.models.registry import build_model
from transforms.explanation.cycle import Cycle
from transforms.explanation.over_time import measure_agreement

FRAMES = 60
CYCLE_FRAMES = 24


def legs(phases, height=64, width=44):
    """Draw two bars that swing like legs: `(frame, 64, 44)`, one bends on its way forwards."""
    rows = np.arange(height)[:, None] - height // 2
    columns = np.arange(width)[None] - width / 2
    frames = np.zeros((len(phases), height, width), dtype=np.float32)
    for number, phase in enumerate(phases):
        for turn in (0.0, 0.5):
            swing = 2 * np.pi * (phase + turn)
            reach, bend = 0.3 * np.cos(swing), 0.25 * max(np.sin(swing), 0.0)
            middle = reach * rows - bend * np.minimum(rows, 31 - rows).clip(0)
            frames[number] += (np.abs(columns - middle) < 3) & (rows >= 0)
        frames[number, : height // 2] = np.abs(columns) < 6
    return torch.from_numpy(frames.clip(0, 1))


@pytest.fixture(scope="module")
def walk():
    turns = np.arange(FRAMES) / CYCLE_FRAMES % 1.0
    return legs(turns), Cycle(turns, has_halves_alike=True)


def weigh(name, settings, frames) -> FrameWeights:
    model = build_model(name, settings, 0).eval()
    with torch.no_grad():
        features = model.backbone(frames[:, None])
        return model.temporal.weigh(features[None], frames[None])


@pytest.mark.parametrize("phase_count", [2, 3, 4, 6, 8])
def test_sectors_follow_the_gait_cycle_of_legs(walk, phase_count):
    frames, cycle = walk
    found = sort_by_cycle(frames[None], phase_count)[0].numpy()
    assert measure_agreement(found, cycle, phase_count) > 0.4
    shuffled = np.random.default_rng(0).permutation(found)
    assert measure_agreement(shuffled, cycle, phase_count) < 0.2


def test_sectors_do_not_depend_on_the_order_of_frames(walk):
    frames, _ = walk
    order = torch.randperm(FRAMES, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        sort_by_cycle(frames[None], 4)[0, order], sort_by_cycle(frames[order][None], 4)[0]
    )


def test_of_two_frames_or_of_none_alike_no_plane_is_made(walk):
    frames, _ = walk
    assert not sort_by_cycle(frames[None, :2], 4).any()
    still = frames[:1].expand(5, -1, -1)
    assert sort_by_cycle(still[None], 4).shape == (1, 5)


def test_clusters_have_their_members_nearest(walk, tiny_settings):
    frames, _ = walk
    features = build_model("gait_mil", tiny_settings, 0).eval().backbone(frames[:, None])
    phases = assign_gait_phases(features[None], frames[None], 3)[0]
    described = features.mean(dim=-1).flatten(1)
    own = [described[phases == phase].mean(dim=0) for phase in range(3)]
    distances = torch.stack([(described - centre).square().sum(dim=1) for centre in own], dim=1)
    # Three rounds are no convergence: nearly all are where they belong.
    assert (distances.argmin(dim=1) == phases).float().mean() > 0.8


@pytest.mark.parametrize(
    "name",
    [
        "gait_mil",
        "gait_mil_no_phases",
        "gait_mil_no_frame_attention",
        "gait_mil_no_phase_attention",
        "gait_mil_mean",
    ],
)
def test_weights_add_up_and_an_ablation_lacks_its_part(name, walk, tiny_settings):
    frames, _ = walk
    phases, within, of_phase, whole = (value[0] for value in weigh(name, tiny_settings, frames))
    assert whole.sum() == pytest.approx(1.0, abs=1e-5)
    assert (whole > 0).all()
    assert of_phase.sum() == pytest.approx(1.0, abs=1e-5)
    for phase in phases.unique():
        assert within[phases == phase].sum() == pytest.approx(1.0, abs=1e-5)
    has_phases = name not in ("gait_mil_no_phases", "gait_mil_mean")
    assert (len(phases.unique()) > 1) == has_phases
    biggest = within[phases == phases.mode().values]
    has_attention = name not in ("gait_mil_no_frame_attention", "gait_mil_mean")
    assert (float(biggest.std()) > 1e-7) == has_attention
    taken = of_phase[phases.unique()]
    if has_phases:
        weighs_phases = name != "gait_mil_no_phase_attention"
        assert (float(taken.std()) > 1e-7) == weighs_phases


def test_a_phase_without_frames_takes_no_weight_and_sends_no_gradient_astray(tiny_settings):
    model = build_model("gait_mil", tiny_settings.model_copy(update={"phase_count": 8}), 0)
    silhouettes = torch.rand(2, 1, 10, 64, 44, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = model.backbone(silhouettes.reshape(-1, 1, 64, 44)).unflatten(0, (2, 10))
        weights = model.temporal.weigh(features, silhouettes[:, 0])
    is_used = torch.nn.functional.one_hot(weights.phases, 8).any(dim=1)
    assert not is_used.all()
    assert not weights.of_phase[~is_used].any()
    output = model(silhouettes)
    output.logits.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    for attention in (model.temporal.frames, model.temporal.bags):
        assert attention.content.weight.grad.any()


def test_the_number_of_phases_is_a_setting(walk, tiny_settings):
    frames, _ = walk
    six = tiny_settings.model_copy(update={"phase_count": 6})
    found = weigh("gait_mil", six, frames)
    assert found.of_phase.shape == (1, 6)
    assert len(found.phases.unique()) > 4


def test_half_precision_features_are_weighed_in_full(walk, tiny_settings):
    frames, _ = walk
    model = build_model("gait_mil", tiny_settings, 0).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        weights = model.temporal.weigh(
            model.backbone(frames[:, None])[None].bfloat16(), frames[None]
        )
    assert weights.whole.dtype == torch.float32
    assert weights.whole.sum() == pytest.approx(1.0, abs=1e-5)
