"""Bringing the files of one entry of the registry into the store, from the network or a folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from filelock import FileLock, Timeout

from transforms.errors import MissingDependencyError, RefusalError
from transforms.progress import NoProgress, Progress
from transforms.weights.download import PAUSES_S, download_file
from transforms.weights.local import LocalFolder, copy_from_folder
from transforms.weights.store import State, file_state
from transforms.weights.verified import Weights, WeightsFile


def fetch_weights(
    weights: Weights,
    *,
    folder: LocalFolder | None = None,
    progress: Progress | None = None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> tuple[str, ...]:
    """Bring what is missing or damaged of an entry, verified; do nothing where all is there.

    Args:
        weights: the entry, with the folder its files shall lie in.
        folder: where to take the files from instead of the network.
        progress: is told of each file and its bytes.
        pauses_s: how long to wait before each further try of a download.

    Returns:
        The names of the files that were brought.

    Raises:
        IntegrityError: what came is not what is registered; it was removed.
        MissingDependencyError: the files are not to be had there.
        RefusalError: a server leads elsewhere, or the folder can't be written.
    """
    listener = progress or NoProgress()
    try:
        if not _unfinished(weights):
            return ()
        weights.directory.parent.mkdir(parents=True, exist_ok=True)
        with _lock(weights, listener):
            items = _unfinished(weights)  # again: another command may have brought them meanwhile
            if folder is not None:
                copy_from_folder(weights, items, folder, listener)
            else:
                _download(weights, items, listener, pauses_s)
    except OSError as error:
        raise RefusalError(
            f"the weights {weights.name!r} can't be stored",
            where=error.filename or weights.directory,
            found=error.strerror or error,
            fix="make room or give yourself the right to write there, then run again",
        ) from error
    return tuple(item.name for item in items)


def _unfinished(weights: Weights) -> list[WeightsFile]:
    return [item for item in weights.files if file_state(weights, item) is not State.PRESENT]


@contextmanager
def _lock(weights: Weights, progress: Progress) -> Iterator[None]:
    """Let one command at a time fetch an entry: two would write into the same unfinished file."""
    lock = FileLock(weights.directory.with_name(f".{weights.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.start("waiting for another command", 1)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(
    weights: Weights, items: list[WeightsFile], progress: Progress, pauses_s: Sequence[float]
) -> None:
    homeless = [item.name for item in items if item.url is None]
    if homeless:
        raise MissingDependencyError(
            f"the weights {weights.name!r} have no address to download from",
            where=weights.directory,
            found=f"no `url` for {', '.join(homeless)}",
            fix=f"run `gaitworks weights fetch {weights.name} --from DIR` with a folder that has "
            "the files; `gaitworks weights list --json` says where they come from",
        )
    for item in items:
        if item.url is not None:
            target = weights.directory / item.name
            download_file(item, item.url, target, progress, pauses_s=pauses_s)
