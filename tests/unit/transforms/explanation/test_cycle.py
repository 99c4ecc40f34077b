import numpy as np
import pytest

from transforms.explanation.cycle import PHASE_COUNT, follow_cycle
from transforms.synth.draws import generator_for
from transforms.synth.identity import draw_identity
from transforms.synth.sequence_plan import SequencePlan
from transforms.synth.silhouettes import render_sequence
from transforms.synth.variation import draw_variation

FRAMES, SEED, FPS = 150, 3, 30


def walk_of(number: int, view: str):
    """Return silhouettes, times and the true phase of the gait of a synthetic walker."""
    identity = draw_identity(
        f"p{number}", "negative", "FM"[number % 2], np.random.default_rng(number)
    )
    plan = SequencePlan(identity, 1, FRAMES, view, SEED)
    frames = np.ascontiguousarray(render_sequence(plan)[:, :, 10:54])
    times = np.arange(FRAMES) / FPS
    strides = generator_for(SEED, "strides", identity.participant_id, 1)
    ahead = draw_variation(strides, identity.gait.stride_hz, times).phase
    return frames, times, identity.gait.stride_hz * times + ahead  # but for where it began


def agreement(phases: np.ndarray, truth: np.ndarray, turns: int) -> float:
    """Return 1 where the phases keep a fixed distance from the truth, 0 where they are chance."""
    centres = (phases + 0.5) / PHASE_COUNT
    return float(np.abs(np.exp(2j * np.pi * turns * (centres - truth)).mean()))


@pytest.mark.parametrize(("view", "turns"), [("front", 1), ("side", 2)])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_phases_follow_the_walk(view: str, turns: int, number: int) -> None:
    frames, times, truth = walk_of(number, view)
    phases = follow_cycle(frames, times, view).phases
    # Cut into eighths, a perfect phase reaches 0.97 for the cycle and 0.90 for its halves.
    assert agreement(phases, truth, turns) > (0.85 if turns == 2 else 0.9)
    assert set(phases.tolist()) == set(range(PHASE_COUNT))
    # A phase that was shifted about would not pass.
    shuffled = np.random.default_rng(0).permutation(phases)
    assert agreement(shuffled, truth, turns) < 0.3


@pytest.mark.parametrize("view", ["front", "side"])
def test_frames_may_be_missing(view: str) -> None:
    frames, times, truth = walk_of(0, view)
    kept = np.random.default_rng(1).random(FRAMES) > 0.3
    phases = follow_cycle(frames[kept], times[kept], view).phases
    assert agreement(phases, truth[kept], 1 if view == "front" else 2) > 0.85


def test_a_view_without_a_name_is_found_out() -> None:
    for view in ("front", "side"):
        frames, times, _ = walk_of(1, view)
        named, unnamed = (follow_cycle(frames, times, name).phases for name in (view, "000_180"))
        assert np.array_equal(named, unnamed)


def test_who_stands_has_no_phase() -> None:
    frames, times, _ = walk_of(0, "front")
    still = np.repeat(frames[:1], FRAMES, axis=0)
    assert follow_cycle(still, times, "front") is None
    assert follow_cycle(frames[:4], times[:4], "front") is None
