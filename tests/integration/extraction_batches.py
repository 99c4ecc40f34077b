"""A small synthetic intake batch, its undisturbed extraction, and how to run it elsewhere."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms.intake.batch import take_in_batch
from transforms.progress import NoProgress
from transforms.settings import IntakeSettings, SynthSettings
from transforms.synth.cohort import write_cohort

PROGRAM = Path(__file__).with_name("extract_program.py")
ROOT = PROGRAM.parent.parent.parent


@dataclass(frozen=True)
class SmallBatch:
    """A batch of eight recordings in a folder of its own, which `make_small_batch` made."""

    folder: Path

    def start(self, cache: Path, output: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start extracting it in another process."""
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.folder), str(cache), str(output), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**_environment(), "PYTHONPATH": str(ROOT)},
        )

    def run(self, cache: Path, output: Path, *arguments: str) -> dict[str, Any]:
        """Extract it in another process and return the summary."""
        process = self.start(cache, output, *arguments)
        out, err = process.communicate(timeout=400)
        assert process.returncode == 0, err[-3000:]
        (line,) = [line for line in out.splitlines() if line.startswith("summary:")]
        summary: dict[str, Any] = json.loads(line.removeprefix("summary:"))
        return summary

    @property
    def undisturbed(self) -> dict[str, bytes]:
        """The bytes of a run that nobody disturbed."""
        return read_bytes(self.folder / "undisturbed")

    def measure_s(self, scratch: Path) -> float:
        """Return how long such a run takes here and now."""
        began = time.monotonic()
        self.run(scratch / "cache", scratch / "output")
        return time.monotonic() - began


def make_small_batch(folder: Path) -> None:
    """Render the batch, take it in, and extract it undisturbed."""
    synth = SynthSettings(
        participants={"positive": 2, "neutral": 2, "negative": 4},
        batches=1,
        second_session_fraction=0.0,
        frame_height_px=180,
        frame_width_px=320,
        fps=15,
        duration_s=3.0,
    )
    write_cohort(synth, folder / "raw", folder / "truth", worker_count=1, progress=NoProgress())
    (batch,) = sorted((folder / "raw").glob("*/recordings.csv"))
    (folder / "intake").mkdir()
    take_in_batch(
        batch.parent,
        IntakeSettings(),
        folder / "intake",
        worker_count=2,
        progress=NoProgress(),
    )
    (folder / "videos").symlink_to(batch.parent / "videos")
    SmallBatch(folder).run(folder / "undisturbed-cache", folder / "undisturbed")


def read_bytes(output: Path) -> dict[str, bytes]:
    """Return the files of an output by name."""
    return {path.name: path.read_bytes() for path in sorted(output.iterdir())}


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
