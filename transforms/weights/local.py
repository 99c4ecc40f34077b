"""Weights from a folder the user has: found by size and hash, whatever their names there."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from transforms.errors import InputError, IntegrityError, MissingDependencyError
from transforms.files import sha256_file
from transforms.progress import Progress
from transforms.weights.store import is_registered_content, keep_verified, part_path
from transforms.weights.verified import Weights, WeightsFile

_CHUNK_BYTES: Final = 1 << 20


class LocalFolder:
    """The regular files anywhere below a folder, by size.

    Links to folders are not followed; links to files are if they stay inside.

    Args:
        root: the folder.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError("no such folder", where=root)
        self.root = root.resolve()
        self._by_size: dict[int, list[Path]] = defaultdict(list)
        for folder, _, names in os.walk(self.root):
            for name in names:
                self._add(Path(folder) / name)

    def find(self, item: WeightsFile) -> Path | None:
        """Return the first file, in the order of their paths, that has the registered bytes."""
        for path in sorted(self._by_size.get(item.size_bytes, [])):
            if sha256_file(path) == item.sha256:
                return path
        return None

    def namesakes(self, item: WeightsFile) -> list[Path]:
        """Return the files that are only called like it."""
        paths = (path for paths in self._by_size.values() for path in paths)
        return sorted(path for path in paths if path.name == item.name)

    def _add(self, path: Path) -> None:
        try:
            inside = path.resolve().is_relative_to(self.root)
            status = path.stat()
        except (OSError, RuntimeError):  # gone, out of reach, or a link that leads back to itself
            return
        if inside and stat.S_ISREG(status.st_mode):
            self._by_size[status.st_size].append(path)


def copy_from_folder(
    weights: Weights, items: Iterable[WeightsFile], folder: LocalFolder, progress: Progress
) -> None:
    """Copy what the folder has of `items` to where the weights lie.

    Raises:
        MissingDependencyError: some are not there; the others were copied.
        IntegrityError: a file changed while it was copied.
    """
    absent = []
    for item in items:
        source = folder.find(item)
        if source is None:
            absent.append(item)
            continue
        progress.start(item.name, item.size_bytes)
        _copy(source, weights.directory / item.name, item, progress)
    if absent:
        raise _not_found(weights, absent, folder)


def _copy(source: Path, target: Path, item: WeightsFile, progress: Progress) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target)
    with source.open("rb") as reader, part.open("wb") as writer:
        left = item.size_bytes + 1  # a file that grows meanwhile is not followed
        while left and (chunk := reader.read(min(left, _CHUNK_BYTES))):
            writer.write(chunk)
            left -= len(chunk)
            progress.advance(len(chunk))
    if not is_registered_content(part, item):
        part.unlink()
        raise IntegrityError(
            "the file changed while it was copied",
            where=source,
            fix="run again when nothing writes there",
        )
    keep_verified(part, target)


def _not_found(
    weights: Weights, absent: Sequence[WeightsFile], folder: LocalFolder
) -> MissingDependencyError:
    wanted = "; ".join(
        f"{item.name} ({item.size_bytes} bytes, sha256 {item.sha256})" for item in absent
    )
    others = [str(path) for item in absent for path in folder.namesakes(item)]
    return MissingDependencyError(
        f"no file with the registered bytes for {len(absent)} of {len(weights.files)} file(s) "
        f"of {weights.name!r}",
        where=folder.root,
        expected=wanted,
        found=f"files of that name with other bytes: {', '.join(others[:5])}" if others else None,
        fix="bring these files; their names there do not matter",
    )
