"""The programs in `examples/`, which load a release with one library each, filled with its place.

They stand alone: every release carries them, and none imports anything of Gaitworks.
"""

import importlib.util
import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from transforms.errors import InputError, IntegrityError, MissingDependencyError
from transforms.manifest import MANIFEST_NAME, read_manifest
from transforms.release.verify_tree import MAX_DOCUMENT_BYTES

_FOLDER: Final = Path(__file__).parent / "examples"
_PLACE: Final = "Path(__file__).resolve().parent.parent"
_INSTALL: Final = re.compile(r"pip install ([\w ]+)")


class Library(StrEnum):
    """What to load a release with."""

    TORCH = "torch"
    PYARROW = "pyarrow"
    POLARS = "polars"
    WEBDATASET = "webdataset"
    HUGGINGFACE = "huggingface"


def fill_example(library: Library, directory: Path) -> str:
    """Return the program that loads the release in `directory` from anywhere.

    Raises:
        InputError: the directory is no release.
        IntegrityError: its manifest is missing or damaged.
    """
    from transforms.release.verify import RELEASE_KIND, WHAT_TO_GIVE

    path = directory / MANIFEST_NAME
    # Before it is read: a pipe would block, and a huge file would not fit.
    if path.exists() and not (path.is_file() and path.stat().st_size <= MAX_DOCUMENT_BYTES):
        raise InputError("not the manifest of a release", where=path)
    if not path.exists():
        raise IntegrityError("no manifest", where=directory, fix=WHAT_TO_GIVE)
    kind = read_manifest(directory).get("kind")
    if kind != RELEASE_KIND:
        raise InputError(
            "not a release", where=directory, expected=RELEASE_KIND, found=kind, fix=WHAT_TO_GIVE
        )
    return read_example(library).replace(_PLACE, f"Path({str(directory.resolve())!r})")


def read_example(library: Library) -> str:
    """Return the program as releases carry it: it loads the release that it lies in."""
    return (_FOLDER / f"load_{library}.py").read_text(encoding="utf-8")


def list_requirements(library: Library) -> tuple[str, ...]:
    """Return the packages that the program needs, all of them, as its first line names them."""
    found = _INSTALL.search(read_example(library))
    return tuple(found[1].split()) if found else ()


def require_installed(library: Library) -> None:
    """Refuse to run a program that needs what is not installed here.

    Raises:
        MissingDependencyError: names the packages and how to get them.
    """
    missing = [name for name in list_requirements(library) if not importlib.util.find_spec(name)]
    if missing:
        raise MissingDependencyError(
            f"the example needs {' and '.join(missing)}",
            where=f"load_{library}.py",
            fix=f"pip install {' '.join(missing)}",
        )
