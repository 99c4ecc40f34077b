"""How well the motion alone aligns two cameras: errors, and how often which confidence is right.

    python benchmarks/dual_view_alignment.py --walks 200 --seconds 6 12 --stride-cv 0 0.02

Walks of the synthetic cohort are drawn as silhouettes for both cameras, whose clocks differ by a
known, random time; strides vary by `--stride-cv`. Boxes are read to two pixels and outlines tremble
by half a pixel, as extraction leaves them; one frame in twenty is missing.
"""

import argparse
from dataclasses import asdict, dataclass

import numpy as np

from transforms.dual_view.alignment import estimate_offset
from transforms.dual_view.motion import Walk
from transforms.settings import SynthSettings
from transforms.synth.body import build_capsules, trace_polygons
from transforms.synth.plan import plan_cohort
from transforms.synth.silhouettes import normalise_polygons
from transforms.synth.variation import draw_variation
from transforms.synth.walker import Path, Variation, pose_walker

_FINE_HZ = 200
_MAX_OFFSET_S = 2.0
_RIGHT_S = 0.12  # a quarter of a step: nearer than any other step


@dataclass(frozen=True)
class Scene:
    """What is simulated besides the walk itself."""

    seconds: float
    stride_cv: float
    fps: float = 25.0
    turns: bool = False
    seed: int = 1


def simulate(scene: Scene, number: int, offset_s: float) -> tuple[Walk, Walk]:
    """Return the front and the side view of one walk; the side camera starts `offset_s` later."""
    settings = SynthSettings(
        seed=scene.seed * 1000 + number,
        participants={"positive": 1},
        batches=1,
        second_session_fraction=0.0,
        bystander_fraction=0.0,
        duration_s=scene.seconds,
        views=("front", "side"),
    )
    plans = plan_cohort(settings)[0].recordings
    rng = np.random.default_rng([scene.seed, number])
    actor = plans[0].actors[0]
    path = actor.path
    if scene.turns:  # in the middle of the way, inside both pictures
        way_m = path.speed_m_s * scene.seconds * 0.55
        path = Path(**{**asdict(path), "start_s": 0.0, "length_m": way_m})
    fine_s = np.arange(-3.0, scene.seconds + 3.0, 1 / _FINE_HZ)
    strides = draw_variation(rng, actor.gait.stride_hz, fine_s - fine_s[0])
    factor = scene.stride_cv / 0.02
    walks = []
    for plan in plans:  # front, side
        start_s = offset_s if plan.view == "side" else 0.0
        times_s = np.arange(round((scene.seconds - abs(offset_s)) * scene.fps)) / scene.fps
        world_s = times_s + start_s + max(0.0, -offset_s)
        variation = Variation(
            phase=factor * np.interp(world_s, fine_s, strides.phase),
            swing=np.interp(world_s, fine_s, strides.swing),
            lean_degrees=np.interp(world_s, fine_s, strides.lean_degrees),
        )
        joints = pose_walker(actor.physique, actor.gait, path, world_s, variation)
        outlines = trace_polygons(build_capsules(joints, actor.physique, actor.outfit), plan.camera)
        walks.append(_film(outlines, plan, times_s, rng))
    return walks[0], walks[1]


def _film(outlines, plan, times_s, rng) -> Walk:
    low, high = outlines.min(axis=(1, 2)), outlines.max(axis=(1, 2))
    boxes = np.concatenate([low, high], axis=1)
    boxes = 2 * np.round((boxes + rng.normal(0, 0.5, boxes.shape)) / 2)
    inside = (boxes[:, 0] > 2) & (boxes[:, 2] < plan.width_px - 2)
    kept = np.flatnonzero(inside & (rng.random(len(times_s)) > 0.05))
    trembling = outlines[kept] + rng.normal(0, 0.5, (len(kept), outlines.shape[1], 1, 2))
    silhouettes = normalise_polygons(trembling)[:, :, 10:54]
    silhouettes = np.where(silhouettes >= 128, np.uint8(255), np.uint8(0))
    return Walk(plan.view, times_s[kept], silhouettes, boxes[kept])


def measure(scene: Scene, walks: int) -> list[tuple[float, float, float]]:
    """Return confidence, error in seconds and support of the true offset, walk by walk."""
    found = []
    for number in range(walks):
        rng = np.random.default_rng([scene.seed, number, 7])
        offset_s = float(rng.uniform(-1.5, 1.5))
        estimate = estimate_offset(*simulate(scene, number, offset_s), _MAX_OFFSET_S)
        if estimate is not None:
            support = estimate.support_near(offset_s, 0.1)
            found.append((estimate.confidence, estimate.offset_s - offset_s, support))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--walks", type=int, default=200)
    parser.add_argument("--seconds", type=float, nargs="+", default=[6.0, 12.0, 20.0])
    parser.add_argument("--stride-cv", type=float, nargs="+", default=[0.0, 0.02, 0.03])
    parser.add_argument("--seed", type=int, default=2)  # with 1 the thresholds were chosen
    options = parser.parse_args()
    print("| seconds | turns | stride CV | best is right | error SD of those, ms | ", end="")
    print("sure at 0.5: n, right | 0.7 | 0.8 | 0.9 | true offset contradicted |")
    for turns in (False, True):
        for seconds in options.seconds:
            for stride_cv in options.stride_cv:
                scene = Scene(seconds, stride_cv, turns=turns, seed=options.seed)
                rows = np.array(measure(scene, options.walks))
                right = np.abs(rows[:, 1]) <= _RIGHT_S
                cells = []
                for limit in (0.5, 0.7, 0.8, 0.9):
                    sure = rows[:, 0] >= limit
                    cells.append(f"{sure.sum()}, {right[sure].sum()}")
                print(
                    f"| {seconds:g} | {'yes' if turns else 'no'} | {stride_cv:.0%} | "
                    f"{right.mean():.0%} | {rows[right, 1].std() * 1e3:.1f} | "
                    + " | ".join(cells)
                    + f" | {int((rows[:, 2] < 0.01).sum())} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
