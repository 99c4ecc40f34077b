"""Small trees in OpenGait's layout, and silhouettes to put into them."""

import pickle
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.interchange.importer import ImportSummary, import_tree
from transforms.progress import NoProgress


def draw(name: str, frame_count: int = 3, width: int = 64) -> NDArray[np.uint8]:
    """Return grey noise `(frame, 64, width)`, a function of the name."""
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).integers(0, 256, (frame_count, 64, width), dtype=np.uint8)


def put_pickle(tree: Path, place: str, array: Any = None, *, protocol: int = 4) -> Path:
    """Write `place` (`id/class/view`) with a pickled array, by default noise of its own."""
    folder = tree / place
    folder.mkdir(parents=True)
    path = folder / f"{folder.name}.pkl"
    path.write_bytes(pickle.dumps(draw(place) if array is None else array, protocol))
    return path


def put_pictures(tree: Path, place: str, frames: Sequence[Any], names: Sequence[str] = ()) -> Path:
    """Write `place` with one PNG per frame."""
    folder = tree / place
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        name = names[index] if names else f"{index:04}.png"
        (folder / name).write_bytes(encode_png(frame))
    return folder


def encode_png(frame: Any) -> bytes:
    """Return a picture as PNG."""
    return bytes(cv2.imencode(".png", frame)[1])


def run_import(tree: Path, output: Path, **options: Any) -> ImportSummary:
    """Import a tree with the defaults of the command; `output` is made."""
    output.mkdir()
    settings: dict[str, Any] = {
        "batch_id": "imported",
        "fps": 30.0,
        "sequence_list": None,
        "worker_count": 1,
        "progress": NoProgress(),
    }
    return import_tree(tree, output, **(settings | options))
