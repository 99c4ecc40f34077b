"""What the pipeline adds to the time of its two models, measured side by side in one run.

    python benchmarks/extraction_throughput.py --models DIR --video FILE [--copies N] [--rounds N]

`--models` is a folder with the files of `weights.toml`; `--video` any walking video. Each round
runs, one after the other: the detector and the segmenter alone on as many pictures as the
recordings give them, by as many processes with as many threads, models loaded and warm; and
the whole extraction of the same recordings from files to published tables, start of the processes
and loading of the models included.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.extract.batch import Work, extract_batch
from transforms.extract.registry import Resources
from transforms.files import sha256_file
from transforms.processes import count_workers, share_memory
from transforms.progress import NoProgress
from transforms.schemas import RECORDINGS
from transforms.settings import ExtractionSettings
from transforms.shards.parquet import write_table
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import read_registry
from transforms.weights.verified import Weights
from transforms.worker_pool import Limits, map_in_workers

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ModelsOnly:
    """How many pictures one process puts through the two models."""

    detector: Weights
    segmenter: Weights
    detections: int
    segmentations: int
    threads: int


def run_models(task: ModelsOnly) -> float:
    """Return the seconds the models take for their pictures, loading and warming-up left out."""
    from transforms.extract.runtimes.onnx_session import OnnxModel, resolve_providers

    spent = 0.0
    for weights, count in ((task.detector, task.detections), (task.segmenter, task.segmentations)):
        model = OnnxModel(weights, providers=resolve_providers("cpu"), threads=task.threads)
        shape = [size if isinstance(size, int) else 1 for size in model.input_shape]
        picture = np.random.default_rng(0).random(shape, dtype=np.float32)
        for _ in range(3):
            model.run(picture)
        began = time.perf_counter()
        for _ in range(count):
            model.run(picture)
        spent += time.perf_counter() - began
    return spent


def time_models(task: ModelsOnly, workers: int) -> float:
    """Return the wall time of the models alone, shared by the same number of processes."""
    shares = [
        ModelsOnly(
            task.detector,
            task.segmenter,
            len(range(worker, task.detections, workers)),
            len(range(worker, task.segmentations, workers)),
            task.threads,
        )
        for worker in range(workers)
    ]
    limits = Limits[ModelsOnly]()
    found = map_in_workers(run_models, shares, worker_count=workers, limits=limits)
    return max(float(seconds) for _, seconds in found)  # type: ignore[arg-type]


def make_batch(folder: Path, video: Path, copies: int) -> None:
    """Put copies of a video, each with other bytes at its end, into an intake batch."""
    (folder / "videos").mkdir(parents=True)
    rows = []
    for number in range(copies):
        path = folder / "videos" / f"r{number:03}{video.suffix}"
        shutil.copyfile(video, path)
        # A "free" box: ignored by every reader, yet other bytes, so that nothing is reused.
        with path.open("ab") as stream:
            stream.write((16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))
        row: dict[str, object] = dict.fromkeys(RECORDINGS.names)
        rows.append(
            row
            | {
                "recording_id": f"r{number:03}",
                "batch_id": "benchmark",
                "participant_id": f"p{number:03}",
                "label": "negative",
                "view": "side",
                "file": path.name,
                "fps": 30.0,
                "video_sha256": sha256_file(path),
                "verdict": "accepted",
            }
        )
    write_table(pa.Table.from_pylist(rows, schema=RECORDINGS), folder / "recordings.parquet")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=count_workers(0))
    parser.add_argument("--detector", default="yolo_onnx")
    parser.add_argument("--detector-weights", default="yolo11n_onnx")
    parser.add_argument("--segmenter", default="pphumanseg_onnx")
    parser.add_argument("--segmenter-weights", default="pphumanseg_onnx")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = read_registry(ROOT / "weights.toml")
        names = (options.detector_weights, options.segmenter_weights)
        detector, segmenter = (registry.weights(item, folder / "weights") for item in names)
        for item in (detector, segmenter):
            fetch_weights(item, folder=LocalFolder(options.models))
        make_batch(folder / "batch", options.video, options.copies)
        threads = max(1, count_workers(0) // options.workers)
        work = Work(
            intake_dir=folder / "batch",
            videos=folder / "batch" / "videos",
            overrides=folder / "overrides.csv",
            cache_root=folder / "cache",
            settings=ExtractionSettings(
                detector=options.detector,
                detector_weights=options.detector_weights,
                segmenter=options.segmenter,
                segmenter_weights=options.segmenter_weights,
            ),
            resources=Resources(
                detector, segmenter, "cpu", threads, share_memory(options.workers, 0.25)
            ),
        )
        alone, whole = [], []
        frames = masks = 0
        for number in range(options.rounds):
            output = folder / f"output{number}"
            output.mkdir()
            shutil.rmtree(work.cache_root, ignore_errors=True)
            began = time.perf_counter()
            extract_batch(work, output, worker_count=options.workers, progress=NoProgress())
            whole.append(time.perf_counter() - began)
            ledger = pl.read_parquet(output / "frames.parquet")
            frames, masks = ledger.height, int(ledger["mask_px"].is_not_null().sum())
            models = ModelsOnly(detector, segmenter, frames, masks, threads)
            alone.append(time_models(models, options.workers))
        ratios = [pipeline / models for pipeline, models in zip(whole, alone, strict=True)]
        result = {
            "recordings": options.copies,
            "frames": frames,
            "masks": masks,
            "workers": options.workers,
            "threads": threads,
            "models_alone_s": [round(value, 2) for value in alone],
            "pipeline_s": [round(value, 2) for value in whole],
            "ratio_median": round(statistics.median(ratios), 3),
            "frames_per_s": round(frames / statistics.median(whole), 1),
        }
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:16}{value}")


if __name__ == "__main__":
    main()
