"""The folder in which fetched weights lie, `<store>/<name>/<file>`, and what state they are in."""

import os
import stat
from enum import StrEnum
from pathlib import Path

from transforms.files import fsync_directory, sha256_file
from transforms.weights.registry import PART_SUFFIX
from transforms.weights.verified import Weights, WeightsFile


class State(StrEnum):
    """How a file, or an entry with all its files, stands."""

    PRESENT = "present"
    PARTIAL = "partial"  # a download that broke off, or some files of several
    MISSING = "missing"
    DAMAGED = "damaged"  # other bytes than registered


def part_path(target: Path) -> Path:
    """Return where an unfinished download of `target` is kept."""
    return target.with_name(target.name + PART_SUFFIX)


def file_state(weights: Weights, item: WeightsFile) -> State:
    """Say how one file stands; a file that is there is hashed."""
    path = weights.directory / item.name
    try:
        status = path.stat()
    except FileNotFoundError:
        return State.PARTIAL if part_path(path).exists() else State.MISSING
    if not stat.S_ISREG(status.st_mode) or status.st_size != item.size_bytes:
        return State.DAMAGED
    return State.PRESENT if sha256_file(path) == item.sha256 else State.DAMAGED


def combine_states(states: list[State]) -> State:
    """Return the state of an entry from its files': one damaged file damages it."""
    if State.DAMAGED in states:
        return State.DAMAGED
    return states[0] if len(set(states)) == 1 else State.PARTIAL


def is_registered_content(path: Path, item: WeightsFile) -> bool:
    """Say whether the file at `path` has the registered bytes."""
    return path.stat().st_size == item.size_bytes and sha256_file(path) == item.sha256


def keep_verified(part: Path, target: Path) -> None:
    """Give a verified file its final name, durably and in one step."""
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(target)
    fsync_directory(target.parent)
