"""`manifest.json`: every file of a published directory with size, sha256 and rows.

The sha256 of the manifest's own bytes is the version of the directory.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transforms.errors import IntegrityError
from transforms.files import canonical_json, sha256_bytes, sha256_file

MANIFEST_NAME: Final = "manifest.json"
FORMAT: Final = "gaitworks/1"
_ENTRY_TYPES: Final = {"path": str, "bytes": int, "sha256": str}


@dataclass(frozen=True)
class Problem:
    """One way in which a directory differs from its manifest."""

    path: str
    kind: str  # missing | extra | size | sha256 | link
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}, expected {self.expected}, found {self.found}"


def list_files(directory: Path) -> list[Path]:
    """Return all regular files and links below `directory` but its manifest, sorted by name."""
    return sorted(
        path
        for path in directory.rglob("*")
        if (path.is_file() or path.is_symlink()) and path != directory / MANIFEST_NAME
    )


def write_manifest(directory: Path, *, kind: str, facts: dict[str, Any]) -> str:
    """Write the manifest of what lies in `directory` and return the directory's version.

    Args:
        directory: the finished directory; call this last.
        kind: what the directory is (`silhouette_shards`, `dataset_release`, ...).
        facts: plain JSON values that belong to the version: counts, lineage, rows per file under
            the key `rows` (a mapping from relative path to row count).
    """
    rows: dict[str, int] = facts.get("rows", {})
    files = []
    for path in list_files(directory):
        name = path.relative_to(directory).as_posix()
        entry: dict[str, Any] = {
            "path": name,
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
        if name in rows:
            entry["rows"] = rows[name]
        files.append(entry)
    other_facts = {key: value for key, value in facts.items() if key != "rows"}
    data = canonical_json({"format": FORMAT, "kind": kind, "files": files, "facts": other_facts})
    (directory / MANIFEST_NAME).write_bytes(data)
    return sha256_bytes(data)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Read the manifest of a directory.

    Raises:
        IntegrityError: there is none, it is not one of ours, or it is damaged.
    """
    path = directory / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise IntegrityError(
            "no manifest", where=directory, fix="build the directory again"
        ) from None
    except (ValueError, RecursionError) as error:
        raise IntegrityError("unreadable manifest", where=path, found=error) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise IntegrityError("not a manifest of this format", where=path, expected=FORMAT)
    files, facts = manifest.get("files"), manifest.get("facts")
    if not (isinstance(files, list) and isinstance(facts, dict) and all(map(_is_entry, files))):
        raise IntegrityError(
            "damaged manifest",
            where=path,
            expected="files with path, bytes and sha256, and facts",
            fix="copy or build the directory again",
        )
    return manifest


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key), kind) for key, kind in _ENTRY_TYPES.items()
    )


def directory_version(directory: Path) -> str:
    """Return the version of a published directory: the sha256 of its manifest."""
    path = directory / MANIFEST_NAME
    if not path.is_file():
        raise IntegrityError("no manifest", where=directory, fix="build the directory again")
    return sha256_file(path)


def verify_directory(directory: Path, *, deep: bool = True) -> list[Problem]:
    """Compare a directory with its manifest and return every difference.

    Args:
        directory: the directory to check.
        deep: hash every file; otherwise compare names and sizes only.
    """
    manifest = read_manifest(directory)
    listed = {entry["path"]: entry for entry in manifest["files"]}
    present = {path.relative_to(directory).as_posix(): path for path in list_files(directory)}
    problems = [
        Problem(name, "missing", f"{listed[name]['bytes']} bytes", "no file")
        for name in sorted(listed.keys() - present.keys())
    ]
    problems += [
        Problem(name, "extra", "no such file", f"{present[name].lstat().st_size} bytes")
        for name in sorted(present.keys() - listed.keys())
    ]
    for name in sorted(listed.keys() & present.keys()):
        path, entry = present[name], listed[name]
        if path.is_symlink():
            problems.append(Problem(name, "link", "a regular file", "a symbolic link"))
        elif path.stat().st_size != entry["bytes"]:
            found = f"{path.stat().st_size} bytes"
            problems.append(Problem(name, "size", f"{entry['bytes']} bytes", found))
        elif deep and (digest := sha256_file(path)) != entry["sha256"]:
            problems.append(Problem(name, "sha256", entry["sha256"], digest))
    return problems
