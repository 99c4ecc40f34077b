"""What it costs to read a batch of clips as pictures.

    python benchmarks/dual_view_reading.py WORKSPACE [--batch 8] [--rounds 15]

Reads random clips of a workspace whose `dual_view_clips` were built with `clips.rgb`, as training
does: as float32 for a CPU, and packed as uint8 for a GPU. CPU time of one thread, the lowest of all
rounds.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from training.clip_store import RgbClipStore


def measure(name: str, store: RgbClipStore, batch: int, frames: int, rounds: int) -> None:
    """Print one row of a table."""
    rng = np.random.default_rng(0)
    cells = []
    for gather, is_packed in ((store.gather, False), (store.gather_packed, True)):
        room = np.empty(
            store.shape_of(batch, frames, is_packed=is_packed),
            np.uint8 if is_packed else np.float32,
        )
        spent = []
        for _ in range(rounds):
            positions = rng.choice(len(store), batch, replace=len(store) < batch)
            began = time.process_time()
            gather(positions, np.tile(np.arange(frames), (batch, 1)), room)
            spent.append(time.process_time() - began)
        cells.append(f"{1000 * min(spent):.1f} ms, {room.nbytes / 2**20:.1f} MiB")
    print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    data = arguments.workspace / "data"
    clips = pl.read_parquet(data / "clips" / "clips.parquet")
    frames = len(clips["front_frames"][0])
    pictures = RgbClipStore(data / "clips", clips)
    size = pictures.shape_of(1, 1, is_packed=False)[-1]
    print(f"| {arguments.batch} clips of {frames} frames | to a CPU | packed, to a GPU |")
    print("|---|---|---|")
    measure(f"{size} px", pictures, arguments.batch, frames, arguments.rounds)


if __name__ == "__main__":
    main()
