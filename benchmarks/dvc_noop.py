"""How long a `dvc repro` with nothing to do takes, beside DVC's own floor.

The floor is the same command in a repository with one stage that reads and writes one small file.
The two take turns, so that other work on the machine meets both alike. Times are processor
seconds of the command and wall-clock seconds; the least of the rounds is the honest one.

    python benchmarks/dvc_noop.py WORKSPACE [--rounds 5]

WORKSPACE must be up to date: the demo's, for instance.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DVC = Path(sys.executable).parent / "dvc"
FLOOR = """
stages:
  copy:
    cmd: cp input output
    deps: [input]
    outs: [output]
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        floor = make_floor(Path(folder))
        places = {"floor": floor, "workspace": arguments.workspace.resolve()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in places}
        for _ in range(arguments.rounds):
            for name, place in places.items():
                times[name].append(measure_repro(place))
    print(f"{'':10} {'processor s':>12} {'wall s':>8}   (least of {arguments.rounds} rounds)")
    for name, measured in times.items():
        processor, wall = (min(column) for column in zip(*measured, strict=True))
        print(f"{name:10} {processor:12.2f} {wall:8.2f}")


def make_floor(folder: Path) -> Path:
    run("git", "init", "-q", place=folder)
    run(str(DVC), "init", "-q", place=folder)
    (folder / "input").write_text("floor\n")
    (folder / "dvc.yaml").write_text(FLOOR)
    run(str(DVC), "repro", "-q", place=folder)
    return folder


def measure_repro(place: Path) -> tuple[float, float]:
    """Return processor and wall-clock seconds of a `dvc repro` that finds nothing to do."""
    before, began = processor_seconds(), time.monotonic()
    text = run(str(DVC), "repro", place=place)
    if "up to date" not in text:
        raise SystemExit(f"{place} was not up to date:\n{text}")
    return processor_seconds() - before, time.monotonic() - began


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(*command: str, place: Path) -> str:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    return subprocess.run(
        command, cwd=place, env=environment, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    main()
