"""Take over parts of the version before, so that a further batch costs what it adds.

Nothing is trusted: a part is taken if it was made from the same source with the same settings and
libraries, and if its bytes still have the hash that its name and its manifest state.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from transforms.errors import IntegrityError
from transforms.files import sha256_file
from transforms.manifest import read_manifest
from transforms.schemas import SEQUENCE_INDEX
from transforms.shards.parquet import read_table
from transforms.shards.part import (
    FRAMES_FOLDER,
    PARQUET_FOLDER,
    TAR_FOLDER,
    LedgerPlan,
    Part,
    ShardPlan,
    name_part,
)

_INDEX_NAME: Final = "index.parquet"
_SHARD_FILES: Final = {"parquet": (PARQUET_FOLDER, ".parquet"), "tar": (TAR_FOLDER, ".tar")}
_LEDGER_FILES: Final = {"frames": (FRAMES_FOLDER, ".parquet")}


@dataclass(frozen=True)
class PreviousVersion:
    """A dataset version to take parts from; made by `open_previous`.

    Attributes:
        directory: where it lies.
        files: the manifest's entries by name.
        parts: file names of each part by its source, as the facts have them.
        index: the rows of each shard.
    """

    directory: Path
    files: dict[str, dict[str, Any]]
    parts: dict[str, dict[str, Any]]
    index: dict[str, pl.DataFrame]

    def take(self, plan: ShardPlan | LedgerPlan, output: Path) -> Part | None:
        """Link or copy the files of the planned part into `output`; None if it must be made."""
        is_shard = isinstance(plan, ShardPlan)
        entry = self.parts.get(plan.source, {})
        found = [
            self._find(entry.get(key), folder, suffix)
            for key, (folder, suffix) in (_SHARD_FILES if is_shard else _LEDGER_FILES).items()
        ]
        names = tuple(name for name in found if name is not None)
        rows = self.index.get(names[0]) if names else None
        if len(names) != len(found) or (is_shard and rows is None):
            return None
        for name in names:
            _link_or_copy(self.directory / name, output / name)
        if rows is None:
            return Part(names, self.files[names[0]]["rows"])
        table = rows.select(SEQUENCE_INDEX.names).to_arrow().cast(SEQUENCE_INDEX)
        return Part(names, table.num_rows, table)

    def _find(self, name: object, folder: str, suffix: str) -> str | None:
        """Return the name if the file is what name and manifest say."""
        entry = self.files.get(name) if isinstance(name, str) else None
        if entry is None or name != f"{folder}/{name_part(entry['sha256'], suffix)}":
            return None
        path = self.directory / name
        is_whole = (
            not path.is_symlink()
            and path.is_file()
            and isinstance(entry.get("rows"), int)
            and sha256_file(path) == entry["sha256"]
        )
        return name if is_whole else None


def open_previous(directory: Path | None) -> PreviousVersion | None:
    """Open a version to take parts from; None if there is none, or none that can be read."""
    if directory is None or not directory.is_dir():
        return None
    try:
        manifest = read_manifest(directory)
        files = {entry["path"]: entry for entry in manifest["files"]}
        path = directory / _INDEX_NAME
        if sha256_file(path) != files[_INDEX_NAME]["sha256"]:
            return None
        index = pl.DataFrame(read_table(path, SEQUENCE_INDEX))
    except (IntegrityError, OSError, KeyError):
        return None
    facts = manifest["facts"]
    entries = [
        entry
        for key in ("shards", "ledgers")
        for entry in (facts[key] if isinstance(facts.get(key), list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("source"), str)
    ]
    parts = {entry["source"]: entry for entry in entries}
    by_shard = index.sort("row", maintain_order=True).partition_by("shard", as_dict=True)
    return PreviousVersion(
        directory, files, parts, {str(shard): rows for (shard,), rows in by_shard.items()}
    )


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
