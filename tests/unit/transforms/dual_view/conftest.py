"""Walks seen by two cameras: simulated ones, and datasets made of them."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.dual_view.motion import Walk
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.schemas import FRAMES
from transforms.settings import ShardSettings
from transforms.shards.codec import GREY, encode_silhouettes
from transforms.shards.parquet import write_table
from transforms.shards.writer import write_shards

SCRIPT = Path(__file__).parents[4] / "benchmarks" / "dual_view_alignment.py"
FPS = 25.0


@pytest.fixture(scope="session")
def simulation() -> ModuleType:
    """The simulator of benchmarks/dual_view_alignment.py, which measures the whole."""
    spec = importlib.util.spec_from_file_location("dual_view_alignment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def uneven_walk(simulation: ModuleType) -> tuple[Walk, Walk]:
    """A walk with a turn; its side video began 0.637 s after the front's."""
    views: tuple[Walk, Walk] = simulation.simulate(
        simulation.Scene(9.0, 0.03, turns=True), 4, 0.637
    )
    return views


@pytest.fixture(scope="session")
def even_walk(simulation: ModuleType) -> tuple[Walk, Walk]:
    """A short walk whose strides are all alike; its side video began 0.3 s after the front's."""
    views: tuple[Walk, Walk] = simulation.simulate(simulation.Scene(6.0, 0.0), 2, 0.3)
    return views


@pytest.fixture
def write_walks(
    write_batch: Callable[..., Any], tmp_path: Path
) -> Callable[[Sequence[tuple[str, Walk]]], tuple[Path, Path]]:
    """Return a function from (sync group, view of a walk) to an intake and a dataset directory."""

    def write(views: Sequence[tuple[str, Walk]]) -> tuple[Path, Path]:
        recordings, ledger = [], []
        for group, walk in views:
            name = f"{group}-{walk.view}"
            frames = np.round(walk.times_s * FPS).astype(int)
            silhouettes = np.pad(walk.silhouettes, ((0, 0), (0, 0), (10, 10)))
            recordings.append(
                {
                    "participant_id": group.partition("-")[0],
                    "recording_id": name,
                    "view": walk.view,
                    "sync_group": group,
                    "frames": len(frames),
                    "frame_index": frames.tolist(),
                    "pts_s": walk.times_s.tolist(),
                    "silhouettes": encode_silhouettes(silhouettes, GREY, 1),
                }
            )
            ledger += _ledger(name, frames, walk)
        batch = write_batch("batch_001", recordings)
        write_table(
            pa.Table.from_pylist(ledger, schema=FRAMES), batch.extraction / "frames.parquet"
        )
        dataset = tmp_path / "dataset"
        dataset.mkdir()
        facts = write_shards(
            [batch.intake], [batch.extraction], ShardSettings(), dataset, progress=NoProgress()
        )
        write_manifest(dataset, kind="silhouette_shards", facts=facts)
        return batch.intake, dataset

    return write


def _ledger(name: str, frames: np.ndarray, walk: Walk) -> list[dict[str, Any]]:
    empty = dict.fromkeys(FRAMES.names) | {"recording_id": name}
    place_of = {int(frame): place for place, frame in enumerate(frames)}
    rows = []
    for index in range(int(frames[-1]) + 1):
        row = empty | {"frame_index": index, "pts_s": index / FPS}
        place = place_of.get(index)
        if place is None:
            rows.append(row | {"status": "dropped", "reason": "no_mass"})
        else:
            box = dict(zip(("x0", "y0", "x1", "y1"), walk.boxes[place].tolist(), strict=True))
            rows.append(row | box | {"status": "kept", "sequence_index": place})
    return rows
