"""Compare a dataset's or release's files with its manifest and name the sequences concerned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from transforms.errors import IntegrityError
from transforms.manifest import MANIFEST_NAME, Problem, read_manifest, verify_directory
from transforms.progress import Progress

_NAMED_SEQUENCES: Final = 5


@dataclass(frozen=True)
class ShardProblem(Problem):
    """A problem that makes these sequences unreadable or doubtful."""

    sequences: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.sequences:
            return super().__str__()
        names = ", ".join(self.sequences[:_NAMED_SEQUENCES])
        more = len(self.sequences) - _NAMED_SEQUENCES
        return f"{super().__str__()}; affects {names}" + (f" and {more} more" if more > 0 else "")


def listed_hashes(directory: Path) -> dict[str, str]:
    """Return the sha256 of every file the manifest lists, by relative path."""
    return {entry["path"]: entry["sha256"] for entry in read_manifest(directory)["files"]}


def check_files(directory: Path, *, deep: bool, progress: Progress | None = None) -> list[Problem]:
    """Return every difference between files and manifest; a damaged manifest is one of them.

    Args:
        directory: the dataset or release.
        deep: hash every file; otherwise compare names and sizes only.
        progress: advanced once per file that is hashed.
    """
    try:
        return verify_directory(directory, deep=deep, progress=progress)
    except IntegrityError as error:
        return [Problem(MANIFEST_NAME, "manifest", "a readable manifest", str(error))]


def name_sequences(
    problems: list[Problem], sequences_of: Mapping[str, tuple[str, ...]]
) -> list[Problem]:
    """Add to problems of shards which sequences they concern."""
    return [
        ShardProblem(**asdict(problem), sequences=sequences_of[problem.path])
        if problem.path in sequences_of
        else problem
        for problem in problems
    ]


def shard_pairs(directory: Path) -> dict[str, str]:
    """Return the tar shard of every Parquet shard, as far as the manifest's facts pair them."""
    return pair_in_facts(directory, "shards", "parquet", "tar")


def pair_in_facts(directory: Path, fact: str, key: str, value: str) -> dict[str, str]:
    """Return two strings of every entry of a list among the manifest's facts, the first by name.

    Facts are not checked against a contract when they are read: what does not fit is left out.
    """
    entries = read_manifest(directory)["facts"].get(fact)
    return {
        entry[key]: entry[value]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get(key), str)
        and isinstance(entry.get(value), str)
    }
