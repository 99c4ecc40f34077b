"""The files of one sequence read, judged and brought to `(frame, 64, 64)` uint8 0..255.

Runs in a worker of `importer`, because the files are hostile until proven otherwise. Whatever is
wrong with them is in the result; nothing is raised.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.intake.probe import Fault
from transforms.intake.problems import show_value
from transforms.interchange.pickled_array import read_pickled_array
from transforms.interchange.png import read_grey_png
from transforms.interchange.refusal import Refused
from transforms.interchange.regular_file import read_regular_file
from transforms.shards.codec import GREY, encode_silhouettes

MAX_PICKLE_BYTES: Final = 256 * 2**20
MAX_PNG_BYTES: Final = 16 * 2**20
MAX_FRAMES: Final = 65_536
SIZE_PX: Final = 64
_NARROW_PX: Final = 44
_MARGIN_PX: Final = (SIZE_PX - _NARROW_PX) // 2
_COMPRESSION_LEVEL: Final = 9
_SIZES: Final = "frames of 64x64 or 64x44"

_Silhouettes = NDArray[np.uint8]


@dataclass(frozen=True)
class SequenceFiles:
    """What to read: one pickle, or the PNG files of one folder."""

    folder: Path
    names: tuple[str, ...]

    @property
    def is_pickle(self) -> bool:
        """Whether the sequence is one pickled array."""
        return self.names[0].lower().endswith(".pkl")


@dataclass(frozen=True)
class SequenceContent:
    """A sequence as read.

    Attributes:
        fault: why it is not taken; then the rest is empty.
        source_sha256: over the names and bytes of its files.
        content_sha256: over the silhouettes.
        encoded: the silhouettes in the codec `grey-zstd/1`.
        drop_reasons: for each frame of the files why it is not among the silhouettes, or None.
        notes: what was done to the values, for a person to look at.
    """

    fault: Fault | None = None
    source_sha256: str = ""
    content_sha256: str = ""
    encoded: bytes = b""
    drop_reasons: tuple[str | None, ...] = ()
    notes: tuple[Fault, ...] = ()


def read_sequence(files: SequenceFiles) -> SequenceContent:
    """Read one sequence; may take long or much memory on files made for that.

    64x44 frames get ten empty columns on each side. Levels 0 and 1 alone mean 0 and 255. Other
    whole numbers are taken where all lie in 0..255. PNG frames of other sizes go through the
    normalisation that extracted masks go through.
    """
    notes: list[Fault] = []
    digest = hashlib.sha256()
    try:
        if files.is_pickle:
            silhouettes = _read_pickle(files, digest, notes)
            reasons: tuple[str | None, ...] = (None,) * len(silhouettes)
        else:
            silhouettes, reasons = _read_pictures(files, digest, notes)
        silhouettes = _judge(silhouettes, notes)
        return SequenceContent(
            source_sha256=digest.hexdigest(),
            content_sha256=hashlib.sha256(silhouettes.tobytes()).hexdigest(),
            encoded=encode_silhouettes(silhouettes, GREY, _COMPRESSION_LEVEL),
            drop_reasons=reasons,
            notes=tuple(notes),
        )
    except Refused as refused:
        return SequenceContent(refused.fault)
    except MemoryError:
        return SequenceContent(
            Fault("too_large", "reading it takes too much memory", "a walking sequence")
        )


def sort_frames(names: Sequence[str]) -> tuple[str, ...]:
    """Return frame names in the order of their numbers: 2 before 10, with or without zeros."""

    def key(name: str) -> tuple[object, ...]:
        # Texts and numbers take turns, so that equal places hold equal types.
        parts = re.split(r"([0-9]+)", name)
        return (*(int(part) if place % 2 else part for place, part in enumerate(parts)), name)

    return tuple(sorted(names, key=key))


def _read_pickle(files: SequenceFiles, digest: Any, notes: list[Fault]) -> _Silhouettes:
    # `Any`: hashlib's type has no public name.
    data = read_regular_file(files.folder / files.names[0], max_bytes=MAX_PICKLE_BYTES)
    digest.update(data)
    array = read_pickled_array(data)
    if array.ndim != 3 or array.shape[1:] not in ((SIZE_PX, SIZE_PX), (SIZE_PX, _NARROW_PX)):
        found = "x".join(map(str, array.shape)) or "a single number"
        raise Refused("wrong_size", "the array does not hold silhouettes", _SIZES, found)
    if len(array) > MAX_FRAMES:
        found = str(len(array))
        raise Refused("too_long", "the sequence is too long", f"{MAX_FRAMES} frames", found)
    return _as_levels(array, notes)


def _as_levels(array: NDArray[Any], notes: list[Fault]) -> _Silhouettes:
    """Return the array as uint8 where that loses nothing."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    is_number = array.dtype.kind in "biu"
    if not is_number or (array.size and (array.min() < 0 or array.max() > 255)):
        found = str(array.dtype) if not is_number else f"{array.min()} to {array.max()}"
        expected = "uint8, or whole numbers from 0 to 255"
        raise Refused("wrong_dtype", "the array does not hold grey levels", expected, found)
    notes.append(Fault("converted_dtype", "converted without loss", "uint8", str(array.dtype)))
    return array.astype(np.uint8)


def _read_pictures(
    files: SequenceFiles, digest: Any, notes: list[Fault]
) -> tuple[_Silhouettes, tuple[str | None, ...]]:
    if len(files.names) > MAX_FRAMES:
        found = str(len(files.names))
        raise Refused("too_long", "the sequence is too long", f"{MAX_FRAMES} frames", found)
    pictures: list[_Silhouettes] = []
    reasons: list[str | None] = []
    sizes = set()
    for name in sort_frames(files.names):
        try:
            data = read_regular_file(files.folder / name, max_bytes=MAX_PNG_BYTES)
            digest.update(os.fsencode(name) + b"\0" + f"{len(data)} ".encode() + data)
            picture = read_grey_png(data)
        except Refused as refused:
            fault = refused.fault
            message = f"frame {show_value(name)}: {fault.message}"
            raise Refused(fault.code, message, fault.expected, fault.found) from refused
        sizes.add(picture.shape)
        if picture.shape in ((SIZE_PX, SIZE_PX), (SIZE_PX, _NARROW_PX)):
            pictures.append(picture)
            reasons.append(None)
        else:
            silhouette, reason = _normalise(picture)
            reasons.append(reason)
            if reason is None:
                pictures.append(silhouette)
    if len({picture.shape for picture in pictures}) > 1 or (
        len(sizes) > 1 and sizes & {(SIZE_PX, SIZE_PX), (SIZE_PX, _NARROW_PX)}
    ):
        found = ", ".join(f"{height}x{width}" for height, width in sorted(sizes)[:4])
        raise Refused("wrong_size", "the frames are of several sizes", "one size", found)
    dropped = sum(reason is not None for reason in reasons)
    if dropped:
        found = f"{dropped} of {len(reasons)}"
        notes.append(Fault("dropped_frames", "frames show nobody", "a person in each", found))
    empty = np.zeros((0, SIZE_PX, SIZE_PX), np.uint8)
    return (np.stack(pictures) if pictures else empty), tuple(reasons)


def _normalise(picture: _Silhouettes) -> tuple[_Silhouettes, str | None]:
    from transforms.extract.normalisation.normalise import normalise_frame

    return normalise_frame(picture)


def _judge(silhouettes: _Silhouettes, notes: list[Fault]) -> _Silhouettes:
    if not len(silhouettes):
        raise Refused("no_frames", "no frame is left", "at least one frame", "0 frames")
    highest = int(silhouettes.max())
    if highest == 0:
        raise Refused("no_foreground", "nobody is to be seen in any frame", "grey levels up to 255")
    if highest == 1:
        notes.append(Fault("scaled_levels", "levels 0 and 1 scaled", "levels 0 to 255", "0 and 1"))
        silhouettes = silhouettes * np.uint8(255)
    if silhouettes.shape[2] == _NARROW_PX:
        margins = ((0, 0), (0, 0), (_MARGIN_PX, _MARGIN_PX))
        silhouettes = np.pad(silhouettes, margins)
    return silhouettes
