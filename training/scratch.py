"""Directories in scratch: each is whole by its manifest, or made again."""

from pathlib import Path

from transforms.errors import GaitworksError
from transforms.manifest import MANIFEST_NAME, verify_directory


def is_whole(directory: Path) -> bool:
    """Say whether `directory` is there and every file of it has the bytes that were published."""
    if not (directory / MANIFEST_NAME).is_file():
        return False
    try:
        return not verify_directory(directory)
    except (GaitworksError, KeyError, OSError):
        return False
