"""What lies in a directory from elsewhere, found out without opening or following any of it.

Links, pipes and devices, folders that can't be read, trees too deep or too large to be a release:
all become problems here, before anything is read.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from transforms.errors import InputError
from transforms.manifest import Problem
from transforms.printable import escape
from transforms.shards.integrity import ShardProblem

MAX_ENTRIES: Final = 200_000
"""Files and folders; a release has tens of shards, and its documents."""
MAX_DEPTH: Final = 16
MAX_DOCUMENT_BYTES: Final = 16 << 20
"""Of JSON and lists that are read whole: some 80,000 files."""
_WHAT: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


@dataclass(frozen=True)
class Tree:
    """What was found.

    Attributes:
        files: the size of each regular file, by relative path.
        problems: what a release never holds.
        is_complete: False if the search was given up; `problems` says why.
    """

    files: dict[str, int]
    problems: tuple[Problem, ...]
    is_complete: bool


def survey_tree(directory: Path) -> Tree:
    """List a directory without following links or opening files.

    Raises:
        InputError: it is no directory.
    """
    if not directory.is_dir():
        raise InputError("no such folder", where=directory, expected="the folder of a release")
    files: dict[str, int] = {}
    problems: list[Problem] = []
    folders = [""]
    seen = 0
    while folders:
        prefix = folders.pop()
        try:
            with os.scandir(directory / prefix) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            problems.append(Problem(prefix or ".", "folder", "a readable folder", reason))
            continue
        if not found and prefix:
            problems.append(Problem(prefix, "extra", "no such folder", "an empty folder"))
        seen += len(found)
        if seen > MAX_ENTRIES:
            limit = f"at most {MAX_ENTRIES} files and folders"
            return Tree(files, (*problems, Problem(prefix or ".", "limit", limit, "more")), False)
        for entry in found:
            name = prefix + entry.name
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                files[name] = status.st_size
            elif stat.S_ISDIR(status.st_mode):
                if name.count("/") >= MAX_DEPTH:
                    limit = f"folders at most {MAX_DEPTH} deep"
                    return Tree(files, (*problems, Problem(name, "limit", limit, "deeper")), False)
                folders.append(f"{name}/")
            elif not stat.S_ISLNK(status.st_mode):  # links are for whoever compares with a list
                what = _WHAT.get(stat.S_IFMT(status.st_mode), "something else")
                problems.append(Problem(name, "special", "a regular file or none", what))
    return Tree(files, tuple(problems), True)


def find_clashes(names: Iterable[str]) -> list[Problem]:
    """Return names of a list that are there twice, or the same to some file systems.

    Some ignore case, some the difference between an accented letter and a letter with an accent.
    """
    counts = Counter(names)
    problems = [
        Problem(name, "name", "one entry", f"{count} entries")
        for name, count in counts.items()
        if count > 1
    ]
    first_of: dict[str, str] = {}
    for name in sorted(counts):
        first = first_of.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if first != name:
            problems.append(Problem(name, "name", "names that differ everywhere", first))
    return problems


def make_printable(problem: Problem) -> Problem:
    """Return a problem whose texts are safe on a terminal: file names may hold any bytes."""
    texts = {"path": problem.path, "expected": problem.expected, "found": problem.found}
    shown: dict[str, Any] = {key: escape(text) for key, text in texts.items()}
    if isinstance(problem, ShardProblem):
        shown["sequences"] = tuple(map(escape, problem.sequences))
    return replace(problem, **shown)
