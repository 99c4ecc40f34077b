"""Every pair of backends on real footage: verdicts, tracks, overlap of the masks, contact sheets.

    python benchmarks/real_clips.py --models DIR --videos DIR [--output DIR]

`--models` is a folder with the files of `weights.toml`, `--videos` one with the clips that
docs/benchmarks.md names. Prints a Markdown table; with `--output` also writes a contact sheet of
silhouettes per accepted clip and pair. No raw picture is written.
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transforms.describe.contact_sheet import draw_contact_sheet
from transforms.describe.recording_block import flag_frames
from transforms.extract.recording import extract_recording
from transforms.extract.registry import Resources, build_backends, check_backends
from transforms.extract.result import RecordingResult
from transforms.processes import count_workers, share_memory
from transforms.settings import ExtractionSettings
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import read_registry
from transforms.worker_pool import map_in_processes

ROOT = Path(__file__).resolve().parent.parent
Mask = tuple[tuple[int, int, int, int], NDArray[np.bool_]]

PAIRS: Mapping[str, tuple[str, str | None, str, str | None]] = {
    "yolo11+pphumanseg": ("yolo_onnx", "yolo11n_onnx", "pphumanseg_onnx", "pphumanseg_onnx"),
    "yolox+pphumanseg": ("yolox_onnx", "yolox_nano_onnx", "pphumanseg_onnx", "pphumanseg_onnx"),
    "yolo11+yoloseg": ("yolo_onnx", "yolo11n_onnx", "yolo_seg_onnx", "yolo11n_seg_onnx"),
    "yolo11+paddle": (
        "yolo_onnx",
        "yolo11n_onnx",
        "pphumanseg_paddle",
        "pphumanseg_v1_lite_paddle",
    ),
    "ultralytics": (
        "yolo_ultralytics",
        "yolo11n_onnx",
        "yolo_seg_ultralytics",
        "yolo11n_seg_onnx",
    ),
    "embedded": ("background", None, "background_grabcut", None),
}


@dataclass(frozen=True)
class Run:
    """One clip through one pair of backends."""

    clip: Path
    pair: str
    chosen_track: str | None = None


def extract(run: Run, store: Path) -> RecordingResult:
    detector, detector_weights, segmenter, segmenter_weights = PAIRS[run.pair]
    registry = read_registry(ROOT / "weights.toml")
    weights = [
        registry.weights(name, store) if name else None
        for name in (detector_weights, segmenter_weights)
    ]
    settings = ExtractionSettings(
        detector=detector,
        detector_weights=detector_weights,
        segmenter=segmenter,
        segmenter_weights=segmenter_weights,
    )
    resources = Resources(*weights, device="cpu", threads=1)
    check_backends(settings, resources)
    return extract_recording(
        run.clip,
        settings,
        build_backends(settings, resources),
        chosen_track=run.chosen_track,
        cache_bytes=share_memory(count_workers(0), 0.2),
    )


def unpack(result: RecordingResult) -> dict[int, Mask]:
    masks, offset = {}, 0
    for index, (x0, y0, x1, y1) in zip(
        result.kept_frames.tolist(), result.mask_boxes.tolist(), strict=True
    ):
        row_bytes = (x1 - x0 + 7) // 8
        size = row_bytes * (y1 - y0)
        bits = result.mask_bits[offset : offset + size].reshape(-1, row_bytes)
        masks[index] = ((x0, y0, x1, y1), np.unpackbits(bits, axis=1, count=x1 - x0) > 0)
        offset += size
    return masks


def overlap(one: Mask, other: Mask) -> float:
    boxes = np.array([one[0], other[0]])
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = boxes[:, 2:].max(axis=0)
    canvas = np.zeros((2, bottom - top, right - left), dtype=bool)
    for plane, ((x0, y0, x1, y1), mask) in zip(canvas, (one, other), strict=True):
        plane[y0 - top : y1 - top, x0 - left : x1 - left] = mask
    return float(canvas.all(axis=0).sum() / max(1, canvas.any(axis=0).sum()))


def describe(run: Run, result: RecordingResult, reference: dict[int, Mask] | None) -> str:
    masks = unpack(result)
    common = sorted(set(masks) & set(reference or {}))
    ious = [overlap(masks[index], (reference or {})[index]) for index in common]
    iou = f"{np.mean(ious):.3f}" if ious and run.pair != "yolo11+yoloseg" else ""
    spans = [(track["first_frame"], track["last_frame"]) for track in result.tracks]
    tracks = ", ".join(f"{first}-{last}" for first, last in spans)
    cadence = result.measures.get("cadence_steps_per_min")
    steps_per_min = f"{cadence:.0f} " if isinstance(cadence, float) else ""
    verdict = result.verdict if result.reason_code is None else result.reason_code
    if run.chosen_track is not None:
        verdict += f", track {run.chosen_track} by a person"
    return (
        f"| {run.clip.stem} | {run.pair} | {verdict} | {len(masks)}/{len(result.pts_s)} "
        f"| {tracks} | {iou} | {steps_per_min}|"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    clips = sorted(options.videos.glob("*.mp4"))
    runs = [Run(clip, pair) for clip in clips for pair in PAIRS]
    with tempfile.TemporaryDirectory() as name:
        store, folder = Path(name), LocalFolder(options.models)
        registry = read_registry(ROOT / "weights.toml")
        for entry in {item for pair in PAIRS.values() for item in (pair[1], pair[3]) if item}:
            fetch_weights(registry.weights(entry, store), folder=folder)
        results = dict(
            map_in_processes(partial(extract, store=store), runs, worker_count=count_workers(0))
        )
        # Of people who come one by one, somebody who walks: as a person would choose.
        for position, run in enumerate(list(runs)):
            if "one-by-one" in run.clip.stem and run.pair == "yolo11+pphumanseg":
                chosen = Run(run.clip, run.pair, f"3@{results[position].tracks_id}")
                results[len(runs)] = extract(chosen, store)
                runs.append(chosen)
    print("| clip | backends | verdict | kept | tracks | IoU with YOLO11-seg | steps/min |")
    print("|---|---|---|---|---|---|---|")
    reference = {
        run.clip: unpack(results[position])
        for position, run in enumerate(runs)
        if run.pair == "yolo11+yoloseg"
    }
    for position, run in enumerate(runs):
        result = results[position]
        print(describe(run, result, reference[run.clip]))
        if options.output and len(result.kept_frames):
            options.output.mkdir(parents=True, exist_ok=True)
            sheet = draw_contact_sheet(
                result.silhouettes,
                result.kept_frames,
                flagged=flag_frames(result),
                title=f"{run.clip.stem}: {run.pair}",
                max_bytes=60_000,
            )
            (options.output / f"{run.clip.stem}_{run.pair}.png").write_bytes(sheet)


if __name__ == "__main__":
    main()
