"""Seconds of `gaitworks predict`, whole command and stage by stage, beside the published 90 s.

    python benchmarks/predict.py --workspace DIR [--rounds N] [--model EXPERIMENT]
        [--video FILE [FILE2]] [--models DIR [--pair PAIR]]

`--workspace` is one that the demo has finished; without `--video` its first video is judged, which
is the demo's size. Two videos are the front and the side view, for a model of both. With
`--models`, a folder with the files of `weights.toml`, extraction uses real backends, from a copy of
the workspace's settings. Each round starts the command anew, answer and page written; one more
round before them fills the file cache. Beside wall time the processor time of all processes is
given: on a machine that does something else too, wall time says little.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

from transforms.layout import EXPERIMENTS_FOLDER, PARAMS_NAME, SCORE_FOLDER, SHARDS_FOLDER
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import REGISTRY_NAME, STORE_NAME, read_registry

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED_S = (90.0, 120.0)
PAIRS: Mapping[str, tuple[str, str, str, str]] = {
    "yolo11+pphumanseg": ("yolo_onnx", "yolo11n_onnx", "pphumanseg_onnx", "pphumanseg_onnx"),
    "yolox+pphumanseg": ("yolox_onnx", "yolox_nano_onnx", "pphumanseg_onnx", "pphumanseg_onnx"),
    "yolo11+yoloseg": ("yolo_onnx", "yolo11n_onnx", "yolo_seg_onnx", "yolo11n_seg_onnx"),
}


def copy_workspace(source: Path, to: Path, models: Path | None, pair: str) -> None:
    """Make a workspace with the same models and dataset, and other backends where asked for."""
    to.mkdir()
    for folder in (EXPERIMENTS_FOLDER, SHARDS_FOLDER, SCORE_FOLDER):
        (to / folder).parent.mkdir(exist_ok=True)
        (to / folder).symlink_to((source / folder).resolve())
    shutil.copyfile(ROOT / REGISTRY_NAME, to / REGISTRY_NAME)
    params = yaml.safe_load((source / PARAMS_NAME).read_text())
    params["runtime"]["device"] = "cpu"
    if models is not None:
        names = ("detector", "detector_weights", "segmenter", "segmenter_weights")
        params["extraction"] |= dict(zip(names, PAIRS[pair], strict=True))
        registry = read_registry(to / REGISTRY_NAME)
        for name in (PAIRS[pair][1], PAIRS[pair][3]):
            fetch_weights(registry.weights(name, to / STORE_NAME), folder=LocalFolder(models))
    (to / PARAMS_NAME).write_text(yaml.safe_dump(params, sort_keys=False))


def judge(arguments: list[str], output: Path) -> dict[str, float]:
    """Run the command once and return its seconds by name."""
    command = [sys.executable, "-m", "orchestration.cli.entry", *arguments, "--output", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    timing = json.loads((output / "timing.json").read_bytes())
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "whole command": wall_s,
        "whole command, processor": processor_s,
        **{f"here: {name}": seconds for name, seconds in timing["here_s"].items()},
        **{
            f"extraction of video {number}: {name}": seconds
            for number, stages in enumerate(timing["extraction_s"], start=1)
            for name, seconds in stages.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--video", type=Path, nargs="+")
    parser.add_argument("--model")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--pair", choices=PAIRS, default="yolo11+pphumanseg")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("options", nargs="*", help="for the command, after --")
    options = parser.parse_args()
    source = options.workspace.resolve()
    videos = options.video or sorted((source / "raw").glob("*/videos/*.mp4"))[:1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace, output = folder / "workspace", folder / "answer"
        copy_workspace(source, workspace, options.models, options.pair)
        model = options.model or sorted((source / EXPERIMENTS_FOLDER).iterdir())[0].name
        arguments = ["-C", str(workspace), "predict", *(str(one.resolve()) for one in videos)]
        arguments += ["--model", model, *options.options]
        rounds = [judge(arguments, output) for _ in range(1 + options.rounds)][1:]
        answers = json.loads((output / "prediction.json").read_bytes())
    load = os.getloadavg()[0]
    for one in answers["videos"]:
        print(f"{one['file']}: {one['frames']} frames, {one['kept_frames']} usable")
    print(f"{model}; {options.rounds} rounds")
    print(f"{os.cpu_count()} cores, load average {load:.1f} (about 1 to 2 is this command alone)\n")
    print("| seconds | median | lowest |\n|---|---|---|")
    for stage in rounds[0]:
        values = [one[stage] for one in rounds]
        print(f"| {stage} | {statistics.median(values):.2f} | {min(values):.2f} |")
    whole = statistics.median(one["whole command"] for one in rounds)
    ratios = " to ".join(f"{published / whole:.0f}" for published in PUBLISHED_S)
    print(
        f"\n{ratios} times faster than the published {PUBLISHED_S[0]:.0f} to {PUBLISHED_S[1]:.0f} s"
    )


if __name__ == "__main__":
    main()
