"""The files under `videos/`: which may be opened, which nobody mentions, which are copies.

What is inside a file is the probe's business.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from transforms.intake.probe import Fault
from transforms.intake.problems import Problem, show_value

_MAX_NAME_CHARACTERS: Final = 255
_FORBIDDEN_CHARACTERS: Final = frozenset('\\:*?"<>|')


@dataclass(frozen=True)
class Claim:
    """A recording's claim to a video's content."""

    line: int
    recording_id: str
    participant_id: str
    sha256: str
    is_refused: bool  # its row is; it can't be the copy that stays


def locate_video(videos: Path, file: str) -> Path | Fault:
    """Return the path of a video by its name in a table, or why it must not be opened.

    Args:
        videos: the batch's folder of videos.
        file: what the table says, relative to it, separated by slashes.
    """
    inside = "a path inside videos/ such as P0042_side.mp4"
    parts = file.split("/")
    if file.startswith(("/", "~")) or ".." in parts or file[1:2] == ":" or "\\" in file:
        return Fault("outside_videos", "the path leads out of videos/", inside)
    if len(file) > _MAX_NAME_CHARACTERS or not all(map(_is_plain_name, parts)):
        expected = "names of printable characters, each beginning with a letter or a digit"
        return Fault("bad_file_name", "the file name can't be used as it is", expected)
    path = videos / PurePosixPath(file)
    try:
        real = path.resolve()
    except RuntimeError:  # a link that leads back to itself
        return Fault("missing_file", "the link leads nowhere", "a video file")
    if not real.is_relative_to(videos.resolve()):
        return Fault("outside_videos", "a link leads out of videos/", "a file inside videos/")
    if not real.exists():
        return Fault("missing_file", "there is no such file", "a file inside videos/")
    if not real.is_file():
        return Fault("not_a_video", "it is no regular file", "a video file")
    return real


def find_unlisted_files(videos: Path, listed: set[str]) -> list[Problem]:
    """Return a warning for every file under `videos` that no row mentions, hidden ones apart."""
    problems = []
    for folder, subfolders, names in os.walk(videos):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        links = [name for name in subfolders if (Path(folder) / name).is_symlink()]
        for name in names + links:
            file = (Path(folder) / name).relative_to(videos).as_posix()
            is_way_to_listed = any(other.startswith(f"{file}/") for other in listed)
            if not name.startswith(".") and file not in listed and not is_way_to_listed:
                problems.append(
                    Problem(
                        file=f"videos/{show_value(file)}",
                        row=None,
                        column=None,
                        value=None,
                        expected="a row in recordings.csv",
                        code="unlisted_file",
                        message="no recording names this file",
                    )
                )
    return problems


def find_copies(claims: Sequence[Claim]) -> dict[int, Fault]:
    """Return by line a fault for each recording that must go as another has the same content.

    Of one participant's copies the first by recording id stays. Copies that several participants
    claim all go: nobody can tell here whom the video shows. Refused rows can still contradict.
    """
    by_content: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_content[claim.sha256].append(claim)
    faults = {}
    for group in by_content.values():
        group.sort(key=lambda claim: (claim.recording_id, claim.line))
        names = ", ".join(show_value(claim.recording_id) for claim in group)
        if len({claim.participant_id for claim in group}) > 1:
            code, concerned = "duplicate_content_conflict", group
            message = "recordings of several participants have the same video"
        else:
            code, concerned = "duplicate_content", [c for c in group if not c.is_refused][1:]
            message = "another recording of the participant has the same video"
        for claim in concerned:
            faults[claim.line] = Fault(code, message, "one recording per video", names)
    return faults


def _is_plain_name(name: str) -> bool:
    # Names end up in messages, tables and shells: nothing in them may mean anything there.
    return (
        name[:1].isalnum()
        and name == name.rstrip()
        and name.isprintable()
        and not _FORBIDDEN_CHARACTERS.intersection(name)
    )
