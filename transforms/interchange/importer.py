"""A tree of silhouettes taken in: every sequence of it read, judged and turned into tables.

No sequence stops the others: what is not taken is listed with its reason, as after intake.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from transforms.errors import InputError
from transforms.intake.probe import Fault
from transforms.intake.problems import Problem, show_value
from transforms.interchange.allowance import allow_memory
from transforms.interchange.import_tables import Imported, write_import_tables
from transforms.interchange.sequence_files import SequenceContent, SequenceFiles, read_sequence
from transforms.interchange.sequence_list import Listed, read_sequence_list
from transforms.interchange.tree import Candidate, walk_tree
from transforms.progress import Progress
from transforms.worker_pool import Limits, Lost, map_in_workers

BATCH_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MEMORY_BYTES: Final = 2 * 2**30
"""What one sequence may take in a worker, on top of the worker itself."""
_MIN_FPS: Final = 1.0
_MAX_FPS: Final = 1000.0
_TIME_S: Final = 60.0
_TIME_PER_FILE_S: Final = 0.2
_NO_LIST: Final = Problem(
    file=".",
    row=None,
    column=None,
    value=None,
    expected="a list that names the participant of each id",
    code="id_as_participant",
    message="each id counts as a participant: nothing shows that splits are participant-disjoint",
)


@dataclass(frozen=True)
class ImportSummary:
    """What became of the sequences of a tree.

    Attributes:
        accepted: how many were taken.
        rejected: reason code to number.
        problems: everything a person should look at, warnings included.
    """

    accepted: int
    rejected: dict[str, int]
    problems: tuple[Problem, ...]


def import_tree(
    tree: Path,
    output: Path,
    *,
    batch_id: str,
    fps: float,
    sequence_list: Path | None,
    worker_count: int,
    progress: Progress,
) -> ImportSummary:
    """Read a tree `<id>/<class>/<view>/` and write `intake/` and `extraction/` below `output`.

    Equal trees give equal bytes, whatever the number of workers.

    Args:
        tree: the folder that holds the ids.
        output: an empty folder.
        batch_id: the name of the batch that the sequences make up.
        fps: the frame rate of sequences whose rate the list does not name: a tree holds no times.
        sequence_list: a CSV file that names the participant of each id; without it every id counts
            as a participant of its own.
        worker_count: processes that read.
        progress: advanced once per sequence.

    Raises:
        InputError: the tree or the list as a whole can't be used, the batch's name is no id, or the
            frame rate is not possible.
    """
    if not BATCH_ID.fullmatch(batch_id):
        expected = "letters (a-z), digits, - or _"
        raise InputError("the batch's name is no id", found=show_value(batch_id), expected=expected)
    if not _MIN_FPS <= fps <= _MAX_FPS:
        expected = f"{_MIN_FPS:g} to {_MAX_FPS:g} frames per second"
        raise InputError("the frame rate is not possible", expected=expected, found=fps)
    candidates, problems = walk_tree(tree)
    listed: dict[str, Listed] | None = None
    if sequence_list is None:
        problems.append(_NO_LIST)
    else:
        listed, found = read_sequence_list(sequence_list)
        problems += found
        problems += _find_absent(sequence_list.name, listed, candidates)
    sequences = [_attribute(one, listed, fps) for one in candidates]
    sequences = _refuse_several_labels(sequences)
    sequences = _read_all(sequences, worker_count, progress)
    sequences = _refuse_copies(sequences, are_people_known=listed is not None)
    write_import_tables(sequences, problems, batch_id, output)
    codes = Counter(one.fault.code for one in sequences if one.fault)
    return ImportSummary(
        accepted=len(sequences) - codes.total(),
        rejected=dict(sorted(codes.items())),
        problems=tuple(problems) + tuple(p for one in sequences for p in one.problems),
    )


def _attribute(one: Candidate, listed: Mapping[str, Listed] | None, fps: float) -> Imported:
    """Say whose walk a candidate is; one that the list does not name is refused."""
    row = Listed(one.id) if listed is None else listed.get(one.id)
    if row is None:
        fault = Fault("unlisted_id", "the list does not name the id's participant", "a row for it")
        row = Listed(one.id)
        one = replace(one, fault=one.fault or fault)
    return Imported(one, row if row.fps else replace(row, fps=fps))


def _find_absent(
    file: str, listed: Mapping[str, Listed], candidates: Sequence[Candidate]
) -> list[Problem]:
    absent = sorted(listed.keys() - {one.id for one in candidates})
    message = "the tree holds nothing of this id"
    return [
        Problem(file, None, "id", name, "an id of the tree", "absent_id", message)
        for name in absent
    ]


def _refuse_several_labels(sequences: Sequence[Imported]) -> list[Imported]:
    """Refuse the sequences of people whose sequences bear different labels; every claim counts."""
    labels = defaultdict(set)
    for one in sequences:
        if one.candidate.label:
            labels[one.listed.participant_id].add(one.candidate.label)
    result = []
    for one in sequences:
        found = sorted(labels[one.listed.participant_id])
        message = "the participant's sequences are of several classes"
        fault = Fault("conflicting_labels", message, "one class", ", ".join(found))
        result.append(one.refused(fault) if len(found) > 1 else one)
    return result


def _read_all(
    sequences: Sequence[Imported], worker_count: int, progress: Progress
) -> list[Imported]:
    result = list(sequences)
    wanted = [position for position, one in enumerate(sequences) if one.fault is None]
    files = [sequences[position].candidate.files for position in wanted]
    progress.start("reading sequences", len(files))
    limits = Limits[SequenceFiles](time_s=_allow_time, preload=("cv2",))
    for position, content in map_in_workers(
        read_within_limits, files, worker_count=worker_count, limits=limits
    ):
        one = sequences[wanted[position]]
        taken = _judge_loss(content) if isinstance(content, Lost) else content
        result[wanted[position]] = replace(one, content=taken)
        progress.advance(note=one.candidate.place)
    return result


def read_within_limits(files: SequenceFiles) -> SequenceContent:
    """Read a sequence in a worker, whose memory stays limited from then on."""
    allow_memory(MEMORY_BYTES)
    return read_sequence(files)


def _allow_time(files: SequenceFiles) -> float:
    return _TIME_S + _TIME_PER_FILE_S * len(files.names)


def _judge_loss(lost: Lost) -> SequenceContent:
    if lost.cause == "died":
        return SequenceContent(Fault("unreadable", "reading it crashes the reader", "silhouettes"))
    return SequenceContent(Fault("timeout", "reading it takes too long", "a walking sequence"))


def _refuse_copies(sequences: Sequence[Imported], *, are_people_known: bool) -> list[Imported]:
    """Refuse sequences with the same silhouettes as another, as intake does with videos.

    Of one person's copies the first stays; copies of several people, or classes where the people
    are not known, all go: one of the claims is wrong.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for position, one in enumerate(sequences):
        if one.fault is None:
            holders[one.content.content_sha256].append(position)
    result = list(sequences)
    for positions in holders.values():
        group = [sequences[position] for position in positions]
        claims = {
            one.listed.participant_id if are_people_known else one.candidate.label for one in group
        }
        names = ", ".join(one.candidate.place for one in group[:4])
        if len(claims) > 1:
            code, losers = "duplicate_content_conflict", positions
            message = f"several {'people' if are_people_known else 'classes'} have the same frames"
        else:
            code, losers = "duplicate_content", positions[1:]
            message = "another sequence has the same frames"
        for position in losers:
            fault = Fault(code, message, "frames of its own", names)
            result[position] = sequences[position].refused(fault)
    return result
