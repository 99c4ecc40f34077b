"""Training steps and the judging of whole sequences, beside a plain eager float32 re-creation.

    python benchmarks/training_step.py [--device cpu|cuda] [--precision 32-true|bf16-mixed]
        [--identities N] [--per-identity N] [--frames N] [--rounds N] [--compiled] [--json FILE]

The plain model is written here from the description of the field's reference: convolutions, batch
normalisation, in-place ReLU, the default memory format, all frames at once. It starts from our
weights, and what both say is compared. In turns, round by round, in one process: a step (forward,
losses, backward, update), the judging of a whole sequence. Then each kind's peak memory in a
process of its own, and our steps fed by the frame store, with what they waited for it.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from reading import make_reader
from silhouette_stores import build, make_source
from stores.ours import FrameStoreFloats
from torch import Tensor, nn
from torch.nn import functional

from training.batches import BatchStream
from training.loop import compute_losses
from training.models.classifier import ModelOutput
from training.models.registry import build_model
from transforms.training_settings import TrainingSettings

SETTINGS: Final = TrainingSettings()
LOSSES: Final = ("cross_entropy", "triplet")
PAPER_STEPS: Final = 20_000


class PlainBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        inner += self.downsample(features)
        return self.relu(inner)


class PlainScoNet(nn.Module):
    """The field's model, eager, in the order of our state entries."""

    def __init__(self) -> None:
        super().__init__()
        widths = SETTINGS.channels
        self.conv = nn.Conv2d(1, widths[0], 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.blocks = nn.Sequential(
            *map(PlainBlock, (widths[0], *widths[:-1]), widths, (1, 2, 2, 1))
        )
        # Lists: their entries then stand in the order of ours.
        self.fc = nn.ParameterList([torch.empty(16, widths[-1], SETTINGS.embedding_size)])
        self.classes = nn.ParameterList([torch.empty(16, SETTINGS.embedding_size, 3)])
        self.bn1d = nn.BatchNorm1d(16 * SETTINGS.embedding_size)

    def forward(self, silhouettes: Tensor) -> ModelOutput:
        samples, _, frames, height, width = silhouettes.shape
        features = self.conv(silhouettes.reshape(-1, 1, height, width))
        features = self.blocks(functional.relu(self.bn(features), inplace=True))
        pooled = features.reshape(samples, frames, *features.shape[1:]).max(dim=1).values
        strips = pooled.reshape(*pooled.shape[:2], 16, -1)
        strips = strips.mean(-1) + strips.max(-1).values
        embeddings = (strips.permute(2, 0, 1) @ self.fc[0]).permute(1, 2, 0)
        normal = self.bn1d(embeddings.flatten(start_dim=1)).view_as(embeddings)
        normal = functional.normalize(normal, dim=1).permute(2, 0, 1)
        logits = (normal @ functional.normalize(self.classes[0], dim=1)).permute(1, 2, 0)
        return ModelOutput(embeddings, logits, SETTINGS.logit_scale)


class Contestant:
    """A model with its optimiser, ours or the plain one, both with equal weights."""

    def __init__(self, kind: str, device: torch.device, precision: str) -> None:
        ours = build_model("sconet_mt", SETTINGS, 0)
        self.model: nn.Module = ours
        if kind == "plain":
            self.model = PlainScoNet()
            names = self.model.state_dict()
            self.model.load_state_dict(dict(zip(names, ours.state_dict().values(), strict=True)))
        self.model.to(device)
        self._stepped = torch.compile(self.model) if kind == "compiled" else self.model
        self._device = device
        self._is_mixed = kind != "plain" and precision == "bf16-mixed"
        self._optimiser = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4
        )

    def step(self, silhouettes: Tensor, labels: Tensor, identities: Tensor) -> Tensor:
        self.model.train()
        mixed = torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_mixed)
        with mixed if self._is_mixed else contextlib.nullcontext():
            output = self._stepped(silhouettes)
        output = ModelOutput(output.embeddings.float(), output.logits.float(), output.scale)
        loss = compute_losses(output, labels, identities, LOSSES, SETTINGS).sum()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return loss.detach()

    def judge(self, silhouettes: Tensor) -> Tensor:
        self.model.eval()
        with torch.inference_mode():
            logits: Tensor = self.model(silhouettes).logits
        return logits


def make_batch(arguments: argparse.Namespace) -> tuple[Tensor, Tensor, Tensor]:
    count = arguments.identities * arguments.per_identity
    identities = torch.arange(arguments.identities).repeat_interleave(arguments.per_identity)
    shape = (count, 1, arguments.frames, 64, 44)
    silhouettes = torch.rand(shape, generator=torch.Generator().manual_seed(0)) > 0.5
    device = torch.device(arguments.device)
    return silhouettes.float().to(device), (identities % 3).to(device), identities.to(device)


def make_walk(arguments: argparse.Namespace) -> Tensor:
    shape = (1, 1, arguments.judged_frames, 64, 44)
    walk = torch.rand(shape, generator=torch.Generator().manual_seed(1)) > 0.5
    return walk.float().to(arguments.device)


def clock(action: Callable[[], Tensor], device: str) -> tuple[float, float]:
    """Return seconds by the wall and of all the process's threads; a device has finished."""
    start, start_cpu = time.perf_counter(), time.process_time()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - start_cpu


def describe_ratios(times: list[float], others: list[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(times, others, strict=True)]
    return {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}


def measure_in_turns(arguments: argparse.Namespace) -> dict[str, Any]:
    device = torch.device(arguments.device)
    kinds = ("plain", "ours", "compiled") if arguments.compiled else ("plain", "ours")
    all_of_them = {kind: Contestant(kind, device, arguments.precision) for kind in kinds}
    batch, walk = make_batch(arguments), make_walk(arguments)
    said = {kind: one.judge(walk) for kind, one in all_of_them.items()}
    spent: dict[str, dict[str, list[tuple[float, float]]]] = {
        work: {kind: [] for kind in kinds} for work in ("step", "judging")
    }
    for number in range(arguments.rounds + 1):
        order = list(all_of_them.items())[:: 1 if number % 2 else -1]
        for kind, one in order:
            clocked = {
                "step": clock(lambda one=one: one.step(*batch), arguments.device),
                "judging": clock(lambda one=one: one.judge(walk), arguments.device),
            }
            for work, pair in clocked.items():
                spent[work][kind] += [pair] if number else []  # the first round warms up
    result: dict[str, Any] = {
        "largest difference of judged logits": float((said["ours"] - said["plain"]).abs().max())
    }
    for work in spent:
        for index, unit in enumerate(("wall_s", "cpu_s")):
            times = {kind: [pair[index] for pair in spent[work][kind]] for kind in kinds}
            result[f"{work} {unit}"] = {kind: statistics.median(times[kind]) for kind in kinds} | {
                f"{kind} to plain, each round": describe_ratios(times[kind], times["plain"])
                for kind in kinds[1:]
            }
    seconds = result["step wall_s"]
    result["hours for 20,000 steps"] = {kind: seconds[kind] * PAPER_STEPS / 3600 for kind in kinds}
    result["sequences judged per second"] = {
        kind: 1 / result["judging wall_s"][kind] for kind in kinds
    }
    return result


def read_memory_mib(name: str) -> float:
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{name}:")[1].split()[0]) / 1024


def measure_peak(arguments: argparse.Namespace, work: str, kind: str) -> float:
    """Return the MiB that one step or judgement adds, in this process."""
    device = torch.device(arguments.device)
    one = Contestant(kind, device, arguments.precision)
    batch, walk = make_batch(arguments), make_walk(arguments)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    before = read_memory_mib("VmRSS")
    for _ in range(2):  # momentum exists from the first update on
        one.step(*batch) if work == "step" else one.judge(walk)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return read_memory_mib("VmHWM") - before


def measure_fed(arguments: argparse.Namespace) -> dict[str, float]:
    """Train on batches of 64 as the loop does, from a frame store."""
    device = torch.device(arguments.device)
    one = Contestant("ours", device, arguments.precision)
    with tempfile.TemporaryDirectory() as name:
        store = FrameStoreFloats(Path(name) / FrameStoreFloats.key)
        build(store, make_source(Path(name) / "source", 80, 60))
        store.open()
        reader = make_reader(store.store, is_packed=device.type != "cpu")
        start = waited = 0.0
        with BatchStream(reader, range(arguments.fed_steps + 5), device) as batches:
            for batch in batches:
                if batch.step == 5:
                    if device.type == "cuda":
                        torch.cuda.synchronize()
                    start, waited = time.perf_counter(), batches.waited_s
                loss = one.step(batch.silhouettes, batch.labels, batch.identities % 8)
            loss.item()
        spent = time.perf_counter() - start
        return {
            "ms per step of 64 x 30 frames": 1000 * spent / arguments.fed_steps,
            "share of the time waited for data": (batches.waited_s - waited) / spent,
            "minutes for 20,000 steps": spent / arguments.fed_steps * PAPER_STEPS / 60,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--identities", type=int, default=4)
    parser.add_argument("--per-identity", type=int, default=2)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--judged-frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compiled", action="store_true", help="our step by torch.compile, too")
    parser.add_argument("--fed-steps", type=int, default=0, help="steps fed by a frame store")
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        print(measure_peak(arguments, *arguments.peak_of))
        return
    result = measure_in_turns(arguments)
    result["peak MiB"] = {
        f"{work}, {kind}": float(
            subprocess.run(
                [sys.executable, *sys.argv, "--peak-of", work, kind],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for work in ("step", "judging")
        for kind in ("plain", "ours")
    }
    if arguments.fed_steps:
        result["fed"] = measure_fed(arguments)
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
