"""What lies in a tree `<id>/<class>/<view>/`: the sequences in it, and everything that is strange.

Only names and kinds are looked at; links are never followed and no file is opened.
"""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from transforms.errors import InputError
from transforms.intake.probe import Fault
from transforms.intake.problems import Problem, show_value
from transforms.interchange.sequence_files import SequenceFiles
from transforms.labels import SCOLIOSIS, parse_label
from transforms.shards.webdataset import SEQUENCE_ID

VIEW: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_PICKLE: Final = ".pkl"
_PNG: Final = ".png"
_LAYOUT: Final = "ID/CLASS/VIEW/VIEW.pkl or ID/CLASS/VIEW/*.png"
_DIGEST_DIGITS: Final = 16


@dataclass(frozen=True)
class Candidate:
    """One folder in the place of a sequence.

    Attributes:
        sequence_id: the id, with the view behind it where the id has several sequences; a hash of
            the place for one whose names can't be used.
        id: the name of the outermost folder, made safe to show.
        label: canonical; None where the class is unknown.
        view: the name of the innermost folder, made safe to show.
        place: where it lies in the tree, made safe to show.
        files: what to read.
        fault: why it must not be read.
    """

    sequence_id: str
    id: str
    label: str | None
    view: str
    place: str
    files: SequenceFiles
    fault: Fault | None = None


def walk_tree(tree: Path) -> tuple[list[Candidate], list[Problem]]:
    """Return the candidates, sorted by sequence id, and what lies where nothing should.

    Raises:
        InputError: there is no such folder, or it holds no sequence at all.
    """
    if not tree.is_dir():
        raise InputError("no such folder", where=tree, expected=_LAYOUT)
    problems: list[Problem] = []
    found = []
    for outer in _folders(tree, tree, problems):
        for middle in _folders(tree, outer, problems):
            for inner in _folders(tree, middle, problems):
                found.append(_look_at(tree, inner, problems))
    if not found:
        raise InputError(
            "no sequence in this folder",
            where=tree,
            expected=_LAYOUT,
            fix="name the folder that holds the ids",
        )
    return _name_all(found), problems


def _folders(tree: Path, parent: Path, problems: list[Problem]) -> Iterator[Path]:
    for entry in _entries(tree, parent, problems):
        if entry.is_dir(follow_symlinks=False):
            yield parent / entry.name
        else:
            problems.append(_stray(tree, Path(entry.path), _kind(entry)))


def _entries(tree: Path, folder: Path, problems: list[Problem]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        why = Fault("unreadable", "it can't be read", "a readable folder")
        problems.append(_stray(tree, folder, why, found=os.strerror(error.errno or 0)))
        return []


def _kind(entry: os.DirEntry[str]) -> Fault | None:
    """Return what is wrong with an entry's kind, or None for a regular file."""
    if entry.is_symlink():
        return Fault("link", "it is a link", "the file itself")
    if not entry.is_file(follow_symlinks=False):
        return Fault("not_a_file", "it is no regular file", "a regular file")
    return None


def _look_at(tree: Path, folder: Path, problems: list[Problem]) -> Candidate:
    """Return what a folder `<id>/<class>/<view>` holds; `sequence_id` is still to be given."""
    identity, label_text, view = folder.relative_to(tree).parts
    pickles: list[str] = []
    pictures: list[str] = []
    faults: list[Fault] = []
    for entry in _entries(tree, folder, problems):
        ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 -- it is no path
        kind = _kind(entry)
        if ending not in (_PICKLE, _PNG) or entry.name.startswith("."):
            problems.append(_stray(tree, folder / entry.name, kind))
        elif kind:
            faults.append(replace(kind, message=f"{show_value(entry.name)}: {kind.message}"))
        else:
            (pickles if ending == _PICKLE else pictures).append(entry.name)
    label, label_fault = _parse_label(label_text)
    fault = (
        _check_name("bad_id", SEQUENCE_ID, identity)
        or label_fault
        or _check_name("bad_view", VIEW, view)
        or next(iter(faults), None)
        or _check_files(pickles, pictures)
    )
    return Candidate(
        sequence_id="",
        id=_show_name(SEQUENCE_ID, identity),
        label=label,
        view=_show_name(VIEW, view),
        place="/".join(_show_name(SEQUENCE_ID, part) for part in (identity, label_text, view)),
        files=SequenceFiles(folder, tuple(pickles or pictures)),
        fault=fault,
    )


def _parse_label(text: str) -> tuple[str | None, Fault | None]:
    try:
        return parse_label(text, scheme=SCOLIOSIS), None
    except InputError as error:
        expected = error.expected or "a known class"
        return None, Fault("unknown_label", "the class is not known", expected, show_value(text))


def _check_name(code: str, pattern: re.Pattern[str], name: str) -> Fault | None:
    if pattern.fullmatch(name):
        return None
    expected = "letters (a-z), digits, - or _, not beginning with - or _"
    return Fault(code, "the folder's name can't be used", expected, show_value(name))


def _show_name(pattern: re.Pattern[str], name: str) -> str:
    return name if pattern.fullmatch(name) else show_value(name)


def _check_files(pickles: list[str], pictures: list[str]) -> Fault | None:
    if len(pickles) + bool(pictures) == 1:
        return None
    found = f"{len(pickles)} pickles, {len(pictures)} PNG files"
    code = "several_files" if pickles else "no_frames"
    return Fault(code, "the folder does not hold one sequence", "one pickle, or PNG files", found)


def _name_all(candidates: list[Candidate]) -> list[Candidate]:
    """Give every candidate its sequence id, and refuse those whose ids can't be told apart."""
    counts = Counter(candidate.id for candidate in candidates)
    named = [
        replace(one, sequence_id=one.id if counts[one.id] == 1 else f"{one.id}_{one.view}")
        for one in candidates
    ]
    same: dict[str, list[str]] = defaultdict(list)
    labels: dict[str, set[str]] = defaultdict(set)
    for one in named:
        same[one.sequence_id.casefold()].append(one.place)
        labels[one.id].update(filter(None, [one.label]))
    result = []
    for one in named:
        places = same[one.sequence_id.casefold()]
        fault = one.fault or _check_ids(one.sequence_id, sorted(labels[one.id]), places)
        sequence_id = one.sequence_id if fault is None else _hash_place(one)
        result.append(replace(one, fault=fault, sequence_id=sequence_id))
    return sorted(result, key=lambda one: one.sequence_id)


def _check_ids(sequence_id: str, labels: list[str], places: list[str]) -> Fault | None:
    if len(labels) > 1:
        message = "the id has several classes"
        return Fault("conflicting_labels", message, "one class", ", ".join(labels))
    if len(places) > 1:
        message = "the ids can't be told apart where case does not count"
        return Fault("id_clash", message, "one id per sequence", ", ".join(places[:4]))
    if not SEQUENCE_ID.fullmatch(sequence_id):
        return Fault("bad_id", "id and view are too long", "at most 80 characters together")
    return None


def _hash_place(one: Candidate) -> str:
    place = os.fsencode("/".join(one.files.folder.parts[-3:]))
    return f"refused_{hashlib.sha256(place).hexdigest()[:_DIGEST_DIGITS]}"


def _stray(tree: Path, path: Path, kind: Fault | None, found: str | None = None) -> Problem:
    fault = kind or Fault("unlisted_file", "the file is no part of the layout", _LAYOUT)
    return Problem(
        file="/".join(map(show_value, path.relative_to(tree).parts)) or ".",
        row=None,
        column=None,
        value=found,
        expected=fault.expected,
        code=fault.code,
        message=fault.message,
    )
