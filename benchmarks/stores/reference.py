"""The reference loader, re-created from its description, and the best its own files can give.

One pickled `(frame, 64, 64) uint8` array per sequence. The loader unpickles whole sequences, draws
frames one sequence at a time, collates lists of arrays, and cuts and divides in the main process.
The pickles here are our own; nothing else is ever unpickled.
"""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from stores.base import CUT, HEIGHT_PX, WIDTH_PX, Bytes, Floats, Source, Store, Wanted


class _Pickles(Dataset[Bytes]):
    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> Bytes:
        with self.paths[position].open("rb") as stream:
            sequence: Bytes = pickle.load(stream)
        return sequence


class _Collate:
    """Draws frames as the reference does: a choice per sequence, then frame by frame into lists."""

    def __init__(self, frame_count: int) -> None:
        self.frame_count = frame_count

    def __call__(self, batch: list[Bytes]) -> list[Bytes]:
        drawn = []
        for sequence in batch:
            indices = list(range(len(sequence)))
            replace = len(sequence) < self.frame_count
            chosen = np.random.choice(indices, self.frame_count, replace=replace)
            drawn.append([sequence[index] for index in chosen])
        return [np.asarray(frames) for frames in drawn]


class ReferenceLoader(Store):
    """`DataLoader` without workers (they do not help it: the transform is in the main process)."""

    name = "reference loader (pickles)"
    key = "pickles"
    is_peer = False

    def build(self, source: Source) -> None:
        for position, sequence in enumerate(source.sequences()):
            folder = self.folder / f"{position:05d}" / "negative" / "000_180"
            folder.mkdir(parents=True)
            with (folder / "000_180.pkl").open("wb") as stream:
                pickle.dump(sequence, stream)

    def open(self) -> None:
        self.dataset = _Pickles(sorted(self.folder.rglob("*.pkl")))

    def close(self) -> None:
        del self.dataset  # every read has closed its file

    def batches(self, wanted: Sequence[Wanted]) -> Iterator[Floats]:
        """Yield a batch of each; the loader draws the frames itself, as many as asked for."""
        loader = DataLoader(
            self.dataset,
            batch_sampler=[batch.sequences.tolist() for batch in wanted],
            collate_fn=_Collate(wanted[0].frames.shape[1]),
        )
        for drawn in loader:
            # (sample, frame, 64, 44): the division in float64, the cast in torch.
            cut = np.asarray([sequence[..., CUT] / 255.0 for sequence in drawn])
            yield torch.from_numpy(cut).float().unsqueeze(1).numpy()

    def batch(self, wanted: Wanted) -> Floats:
        return next(self.batches([wanted]))

    def sequence(self, position: int) -> Bytes:
        return self.dataset[position]


class VectorisedPickles(ReferenceLoader):
    """The same files at their best: only the wanted frames, uint8 up to one vectorised division."""

    name = "the same pickles, vectorised"
    is_peer = True

    def batches(self, wanted: Sequence[Wanted]) -> Iterator[Floats]:
        for batch in wanted:
            yield self.batch(batch)

    def batch(self, wanted: Wanted) -> Floats:
        out = np.empty((*wanted.frames.shape, HEIGHT_PX, WIDTH_PX), np.uint8)
        for row, (sequence, frames) in enumerate(zip(wanted.sequences, wanted.frames, strict=True)):
            out[row] = self.dataset[sequence][frames, :, CUT]
        return np.divide(out, np.float32(255), dtype=np.float32)[:, None]
