"""How fast masks become silhouettes, against the field's per-frame loop, on one core.

    python benchmarks/normalisation.py [--masks N] [--rounds N] [--json]

Every round runs, one after the other on the same synthetic walkers: the field's loop, re-created
from its description; a chain of OpenCV calls; our kernel on the frame, and on the figure's box
alone, as the pipeline calls it; and one read of every byte, the limit for whoever reads a frame.
The table gives medians over the rounds of the processor time per frame and of the ratio to the loop
within the same round, so that noise of the machine meets all of them. The bytes are compared, too.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.extract.normalisation.normalise import (
    normalise_crop,
    normalise_frame,
    normalise_with_opencv,
)
from transforms.synth.body import build_capsules, trace_polygons
from transforms.synth.camera import place_side_camera
from transforms.synth.draws import generator_for
from transforms.synth.outfit import draw_outfit
from transforms.synth.plan import plan_participants
from transforms.synth.walker import Path as WalkPath
from transforms.synth.walker import pose_walker

Mask = NDArray[np.uint8]

# name: height, width, the figure's height and how far it walks, as parts of height and width
SCENES: Final = {
    "256x192 crop": (256, 192, 0.85, 0.0),
    "1280x720 frame": (720, 1280, 0.6, 0.6),
}

_SHORTEST_S: Final = 0.02
"""The processor's clock is read this far apart at least."""


def draw_walker(
    height: int, width: int, figure_part: float, path_part: float, count: int
) -> list[Mask]:
    """Draw `count` masks (height, width) uint8 {0, 255} of a person who walks to and fro."""
    person = plan_participants(1, {"negative": 1})[0]
    path = WalkPath(0.0, 0.0, 1, person.natural_speed_m_s, 0.0, None, 0.3)
    joints = pose_walker(person.physique, person.gait, path, np.arange(count) / 10)
    outfit = draw_outfit(generator_for(1, "outfit"), person.sex, [(128, 128, 128)])
    camera = place_side_camera(
        px_per_m=100.0, distance_m=200.0, height_m=1.0, floor_px=200.0, width_px=0
    )
    polygons = trace_polygons(build_capsules(joints, person.physique, outfit), camera)
    masks = []
    for index, parts in enumerate(polygons):  # (part, point, 2)
        low, high = parts.min(axis=(0, 1)), parts.max(axis=(0, 1))
        scale = figure_part * height / (high[1] - low[1])
        centre = width * (0.5 + path_part * (index / max(count - 1, 1) - 0.5))
        points = (parts - (low + high) / 2) * scale + (centre, height / 2)
        mask = np.zeros((height, width), np.uint8)
        for polygon in np.rint(points).astype(np.int32):
            cv2.fillConvexPoly(mask, polygon, 255)
        masks.append(mask)
    return masks


def run_fields_loop(mask: Mask) -> Mask | None:
    """Normalise one mask the way the field's tool goes about it, its sums where it has them."""
    if np.sum(mask) <= 10_000:
        return None
    rows = np.nonzero(mask.sum(axis=1))[0]
    mask = mask[rows[0] : rows[-1] + 1, :]
    width = int(64 * mask.shape[1] / mask.shape[0])
    scaled = cv2.resize(mask, (width, 64), interpolation=cv2.INTER_CUBIC)
    centre = None
    for column, passed in enumerate(scaled.sum(axis=0).cumsum()):
        if passed > scaled.sum() / 2:  # the whole picture, for every column
            centre = column
            break
    if not centre:
        return None
    first = centre - 32
    if first <= 0 or first + 64 >= width:
        edge = np.zeros((64, 32))
        scaled, first = np.concatenate([edge, scaled, edge], axis=1), first + 32
    return scaled[:, first : first + 64].astype(np.uint8)


def read_every_byte(mask: Mask) -> int:
    return int(np.max(mask.reshape(-1).view(np.uint64)))


def time_per_call(function: Callable[[int], object], count: int) -> float:
    """Return microseconds of processor time per call over indices 0..count-1."""
    calls, start = 0, time.process_time()
    while (spent := time.process_time() - start) < _SHORTEST_S:
        for index in range(count):
            function(index)
        calls += count
    return spent / calls * 1e6


def compare_bytes(masks: Sequence[Mask]) -> tuple[int, float]:
    """Return the largest difference to the field's loop in grey levels, and the share of pixels."""
    largest, differing = 0, 0
    for mask in masks:
        expected = run_fields_loop(mask)
        found, reason = normalise_frame(mask)
        if (expected is None) != (reason is not None):
            raise SystemExit("the kernel keeps other frames than the field's loop")
        if expected is not None:
            difference = np.abs(found.astype(int) - expected)
            largest = max(largest, int(difference.max()))
            differing += np.count_nonzero(difference)
    return largest, differing / (len(masks) * 64 * 64)


def measure(name: str, mask_count: int, round_count: int) -> dict[str, object]:
    """Run all contestants interleaved on one scene and return what the table needs."""
    masks = draw_walker(*SCENES[name], mask_count)
    shape = masks[0].shape
    boxes = [cv2.boundingRect(mask) for mask in masks]
    boxes = [(x, y, x + width, y + height) for x, y, width, height in boxes]
    crops = [
        np.ascontiguousarray(mask[y0:y1, x0:x1])
        for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True)
    ]
    contestants: dict[str, Callable[[int], object]] = {
        "the field's loop": lambda i: run_fields_loop(masks[i]),
        "chain of OpenCV calls": lambda i: normalise_with_opencv(masks[i]),
        "our kernel": lambda i: normalise_frame(masks[i]),
        "our kernel, figure's box only": lambda i: normalise_crop(crops[i], boxes[i], shape),
        "reading every byte once": lambda i: read_every_byte(masks[i]),
    }
    for function in contestants.values():
        function(0)  # compiles and warms up
    times: dict[str, list[float]] = {label: [] for label in contestants}
    for _ in range(round_count):
        for label, function in contestants.items():
            times[label].append(time_per_call(function, mask_count))
    loop = times["the field's loop"]
    largest, share = compare_bytes(masks)
    return {
        "scene": name,
        "masks": mask_count,
        "rounds": round_count,
        "largest_difference": largest,
        "differing_share": share,
        "rows": [
            {
                "what": label,
                "us_per_frame": statistics.median(values),
                "ratio": statistics.median(a / b for a, b in zip(loop, values, strict=True)),
                "ratio_lowest": min(a / b for a, b in zip(loop, values, strict=True)),
            }
            for label, values in times.items()
        ],
    }


def print_table(result: dict[str, object]) -> None:
    print(f"{result['scene']}: {result['masks']} masks, median of {result['rounds']} rounds")
    print(f"  {'':32}{'us/frame':>10}{'times the loop':>16}{'lowest round':>14}")
    rows = result["rows"]
    assert isinstance(rows, list)
    for row in rows:
        print(
            f"  {row['what']:32}{row['us_per_frame']:10.1f}{row['ratio']:16.1f}"
            f"{row['ratio_lowest']:14.1f}"
        )
    print(
        f"  largest difference to the loop: {result['largest_difference']} grey level(s), "
        f"on {result['differing_share']:.4%} of pixels\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = [measure(name, arguments.masks, arguments.rounds) for name in SCENES]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for result in results:
        print_table(result)


if __name__ == "__main__":
    main()
