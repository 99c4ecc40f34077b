"""Compare a dataset's or release's files with its manifest and name the sequences concerned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from transforms.errors import IntegrityError
from transforms.files import canonical_json
from transforms.manifest import MANIFEST_NAME, Problem, read_manifest, verify_directory

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


def check_files(directory: Path, *, deep: bool) -> list[Problem]:
    """Return every difference between files and manifest; a damaged manifest is one of them.

    Args:
        directory: the dataset or release.
        deep: hash every file; otherwise compare names and sizes only.
    """
    try:
        manifest = read_manifest(directory)
    except IntegrityError as error:
        return [Problem(MANIFEST_NAME, "manifest", "a readable manifest", str(error))]
    if deep and (directory / MANIFEST_NAME).read_bytes() != canonical_json(manifest):
        return [Problem(MANIFEST_NAME, "manifest", "canonical JSON", "other bytes")]
    return verify_directory(directory, deep=deep)


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
