"""Training steps of the dual-view models: parameters, time and memory of each, as a table.

    python benchmarks/dual_view_step.py [--presets tiny small] [--models NAME ...] [--batch N]
        [--frames N] [--height N] [--width N] [--channels 1|3] [--rounds N] [--threads N]
        [--json FILE]
    python benchmarks/dual_view_step.py --presets paper --device cuda --precision bf16-mixed
        --height 512 --width 512 --channels 3

All models of a preset take turns, round by round, in one process: a step (forward, cross-entropy,
backward, Adam as published), the judging of as many clips. Then the memory that each adds, in a
process of its own. Full size is for a GPU.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch.nn import functional
from training_step import read_memory_mib

from training.model_card import count_parameters
from training.models.registry import MODELS, build_model
from transforms.dual_view.pairing import VIEWS
from transforms.presets import SIZES

DUAL_VIEW_MODELS: Final = [name for name, one in MODELS.items() if one.reads == "clips"]
LEARNING_RATE: Final = 1e-4
CLASSES: Final = 2


class Contestant:
    """One model with its optimiser and a batch of random clips."""

    def __init__(self, name: str, preset: str, arguments: argparse.Namespace) -> None:
        self._device = torch.device(arguments.device)
        kind = "rgb" if arguments.channels == 3 else "silhouettes"
        settings = SIZES[preset].dual_view.model_copy(update={"input": kind})
        self.model = build_model(name, settings, 0, CLASSES).to(self._device)
        self._optimiser = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self._is_mixed = arguments.precision == "bf16-mixed"
        size = (arguments.channels, arguments.frames, arguments.height, arguments.width)
        drawn = torch.rand(
            (arguments.batch, len(VIEWS), *size), generator=torch.Generator().manual_seed(0)
        )
        self._clips = drawn.to(self._device)
        self._labels = (torch.arange(arguments.batch) % CLASSES).to(self._device)

    def step(self) -> None:
        self.model.train()
        logits = self._classify()
        self._optimiser.zero_grad()
        functional.cross_entropy(logits, self._labels).backward()
        self._optimiser.step()

    def judge(self) -> None:
        self.model.eval()
        with torch.inference_mode():
            self._classify()

    def _classify(self) -> torch.Tensor:
        mixed = torch.autocast(self._device.type, torch.bfloat16)
        with mixed if self._is_mixed else contextlib.nullcontext():
            logits: torch.Tensor = self.model(self._clips).logits
        return logits[:, :, 0].float()


def clock(action: Callable[[], None], device: str) -> tuple[float, float]:
    """Return milliseconds by the wall and of all the process's threads; a device has finished."""
    start, start_cpu = time.perf_counter(), time.process_time()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - start_cpu)


def measure_in_turns(preset: str, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    contestants = {name: Contestant(name, preset, arguments) for name in arguments.models}
    spent: dict[str, dict[str, list[tuple[float, float]]]] = {
        name: {"step": [], "judging": []} for name in contestants
    }
    for number in range(arguments.rounds + 1):
        for name, one in list(contestants.items())[:: 1 if number % 2 else -1]:
            for work, action in (("step", one.step), ("judging", one.judge)):
                clocked = clock(action, arguments.device)
                spent[name][work] += [clocked] if number else []  # the first round warms up
    return {
        name: {
            "parameters": float(count_parameters(one.model)),
            # The lowest: the work is always the same, and what else runs can only add to it.
            "step ms": min(wall for wall, _ in spent[name]["step"]),
            "step CPU ms": min(cpu for _, cpu in spent[name]["step"]),
            "judging ms": min(wall for wall, _ in spent[name]["judging"]),
            "judging CPU ms": min(cpu for _, cpu in spent[name]["judging"]),
        }
        for name, one in contestants.items()
    }


def measure_peak(preset: str, name: str, arguments: argparse.Namespace) -> float:
    """Return the MiB that training adds, model and optimiser included, in this process."""
    on_device = arguments.device == "cuda"
    if on_device:
        torch.cuda.reset_peak_memory_stats()
    before = read_memory_mib("VmRSS")
    one = Contestant(name, preset, arguments)
    for _ in range(2):  # Adam's moments exist from the first update on
        one.step()
    if on_device:
        return torch.cuda.max_memory_allocated() / 2**20
    return read_memory_mib("VmHWM") - before


def ask_for_peak(preset: str, name: str) -> float:
    command = [sys.executable, *sys.argv, "--peak-of", preset, name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_table(preset: str, rows: dict[str, dict[str, Any]]) -> None:
    columns = list(next(iter(rows.values())))
    print(f"\n| {preset} | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        print(f"| `{name}` | " + " | ".join(f"{row[column]:,.0f}" for column in columns) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=SIZES, default=["tiny", "small"])
    parser.add_argument("--models", nargs="+", choices=DUAL_VIEW_MODELS, default=DUAL_VIEW_MODELS)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=44)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    arguments = parser.parse_args()
    if "paper" in arguments.presets and arguments.device == "cpu":
        parser.error("full size is for a GPU: --device cuda")
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        print(measure_peak(*arguments.peak_of, arguments))
        return
    result = {}
    for preset in arguments.presets:
        rows = measure_in_turns(preset, arguments)
        for name, row in rows.items():
            row["peak MiB"] = ask_for_peak(preset, name)
        print_table(preset, rows)
        result[preset] = rows
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
