"""sha256 of big files remembered between runs, and what they tell of a whole folder.

The cache is scratch: losing it costs time only, so nothing in it is trusted that does not fit.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from transforms.errors import InputError, IntegrityError
from transforms.files import canonical_json, sha256_file, write_bytes_atomic
from transforms.manifest import read_manifest, verify_directory

_FORMAT: Final = "gaitworks-hashes/1"
_SHA256_LENGTH: Final = 64

# A file written twice within one tick of the clock shows the same times for two contents, so the
# hash of a file that has only just changed is not remembered.
_SETTLING_NS: Final = 2_000_000_000

_SAVE_EVERY_BYTES: Final = 2**30
"""A killed run loses at most about this much hashing."""

_Entry = tuple[int, int, int, int, str]  # size, mtime_ns, ctime_ns, inode, sha256


class HashCache:
    """Remembers sha256 sums of files by where they lie and what `stat` says of them.

    Keys are paths relative to the cache file's folder, so a moved workspace keeps its cache. Size,
    modification time, change time and inode must all be unchanged for a sum to be used again.

    Args:
        path: the JSON file that holds the sums; need not exist. A damaged one is discarded.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._entries: dict[str, _Entry] | None = None
        self._changed: dict[str, _Entry | None] = {}
        self._unsaved_bytes = 0

    def sha256(self, file: Path) -> str:
        """Return the hexadecimal sha256 of a regular file, reading it only when it is new.

        Raises:
            InputError: the file changed while it was read.
        """
        key = self._key(file)
        before = _identity(file)
        known = self._load().get(key)
        if known is not None and known[:4] == before:
            return known[4]
        digest = sha256_file(file)
        if _identity(file) != before:
            raise InputError(
                "the file changed while it was read",
                where=file,
                fix="wait until copying has finished, then run again",
            )
        if time.time_ns() - before[2] >= _SETTLING_NS:
            self._set(key, (*before, digest))
            self._unsaved_bytes += before[0]
            if self._unsaved_bytes >= _SAVE_EVERY_BYTES:
                self.save()
        return digest

    def forget_others(self, root: Path, files: list[Path]) -> None:
        """Drop what is remembered below `root` of files that are not among `files`."""
        prefix = self._key(root) + "/"
        kept = {self._key(file) for file in files}
        for key in [key for key in self._load() if key.startswith(prefix) and key not in kept]:
            self._set(key, None)

    def save(self) -> None:
        """Write what was learnt; sums that another process wrote meanwhile are kept."""
        if not self._changed:
            return
        merged = _read_entries(self._path)
        for key, entry in self._changed.items():
            if entry is None:
                merged.pop(key, None)
            else:
                merged[key] = entry
        write_bytes_atomic(self._path, canonical_json({"format": _FORMAT, "files": merged}))
        self._entries = merged
        self._changed = {}
        self._unsaved_bytes = 0

    def _key(self, file: Path) -> str:
        relative = os.path.relpath(file.absolute(), self._path.parent)
        # JSON can't hold a name that is not UTF-8.
        return os.fsencode(relative).decode(errors="backslashreplace")

    def _load(self) -> dict[str, _Entry]:
        if self._entries is None:
            self._entries = _read_entries(self._path)
        return self._entries

    def _set(self, key: str, entry: _Entry | None) -> None:
        entries = self._load()
        if entry is None:
            entries.pop(key, None)
        else:
            entries[key] = entry
        self._changed[key] = entry


def fingerprint_tree(root: Path, cache: HashCache) -> str:
    """Return one sha256 over the names, sizes and contents of all files below `root`.

    Neither times, owners nor the place of `root` count; empty folders are not seen. A link to a
    file inside `root` counts with that file's content. Links that lead out, links to folders, and
    devices or pipes are never followed or read: they count by their kind only.

    Raises:
        InputError: `root` is no folder, or a file changed while it was read.
    """
    if not root.is_dir():
        raise InputError("no such folder", where=root)
    real_root = root.resolve()
    digest = hashlib.sha256()
    hashed = []
    for relative, path in _walk(real_root):
        kind = _kind(path, real_root)
        content = "0 -"
        if kind == "file":
            hashed.append(path)
            content = f"{path.stat().st_size} {cache.sha256(path)}"
        # NUL can't be part of a name, so no two trees give the same bytes here.
        digest.update(relative + b"\0" + f"{kind} {content}".encode() + b"\0")
    cache.forget_others(real_root, hashed)
    cache.save()
    return digest.hexdigest()


def is_intact(directory: Path, cache: HashCache) -> bool:
    """Tell whether a published directory holds the bytes its manifest lists, and no others.

    Files that `stat` shows unchanged are not read again; `verify_directory` reads all of them.
    """
    try:
        manifest = read_manifest(directory)
        if verify_directory(directory, deep=False, manifest=manifest):
            return False
        files = {directory / entry["path"]: entry["sha256"] for entry in manifest["files"]}
        intact = all(cache.sha256(file) == expected for file, expected in files.items())
    except (InputError, IntegrityError, OSError):
        return False
    cache.forget_others(directory, list(files))
    cache.save()
    return intact


def _walk(root: Path) -> Iterator[tuple[bytes, Path]]:
    found = []
    for folder, subfolders, names in os.walk(root):
        links = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        for name in names + links:
            path = Path(folder) / name
            found.append((os.fsencode(path.relative_to(root).as_posix()), path))
    return iter(sorted(found))


def _kind(path: Path, real_root: Path) -> str:
    try:
        target = path.resolve() if path.is_symlink() else path
    except RuntimeError:  # a link that leads back to itself
        return "special"
    if not target.is_relative_to(real_root):
        return "outside"
    return "file" if target.is_file() else "special"


def _identity(file: Path) -> tuple[int, int, int, int]:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not a regular file", where=file)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read_entries(path: Path) -> dict[str, _Entry]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or content.get("format") != _FORMAT:
        return {}
    return {key: entry for key, value in files.items() if (entry := _parse_entry(value))}


def _parse_entry(value: Any) -> _Entry | None:
    # `Any`: whatever JSON may hold.
    match value:
        case [int(size), int(mtime), int(ctime), int(inode), str(digest)] if (
            len(digest) == _SHA256_LENGTH
        ):
            return size, mtime, ctime, inode, digest
    return None
