"""A video extracted in a process of its own, while the caller loads a model or another video goes.

Ended with the caller, and at once when the caller no longer wants the result. Cheap to import: the
process loads what extraction needs while the caller still finds out what to ask of it.
"""

import contextlib
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from transforms.errors import GaitworksError
from transforms.processes import exit_with_parent, spare_collector

if TYPE_CHECKING:
    from transforms.extract.single import ExtractedWalk, WalkRequest

START: Final = "start"
_EXIT_LIMIT_S: Final = 5.0


class WalkProcess:
    """A process that extracts one video; use it in a `with` block.

    Attributes:
        pid: of the process.
    """

    def __init__(self) -> None:
        context = get_context("spawn")  # a fork of a process with threads may hang
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, time.monotonic()), name="extract-walk"
        )
        self._process.start()
        self.pid = self._process.pid or 0  # it has one once it was started
        theirs.close()

    def submit(self, request: "WalkRequest") -> None:
        """Say which video; once."""
        # That it has died shows when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._connection.send(request)

    def result(self) -> "ExtractedWalk":
        """Wait for the walk.

        Raises:
            GaitworksError: as `extract_walk` does, or the process died.
        """
        try:
            answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(_EXIT_LIMIT_S)
            raise GaitworksError(
                "the process that extracts the video died",
                found=f"exit code {self._process.exitcode}",
                fix="look for the kernel's out-of-memory killer; run again",
            ) from None
        if isinstance(answer, GaitworksError):
            raise answer
        walk: ExtractedWalk = answer
        return walk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, began: float) -> None:
    exit_with_parent()
    try:
        with spare_collector():
            from transforms.extract.single import extract_walk

        start_s = time.monotonic() - began  # one clock for all processes of a machine
        walk = extract_walk(connection.recv())
    except GaitworksError as error:
        connection.send(error)
    except (EOFError, KeyboardInterrupt):
        return  # the caller is gone, or was interrupted, too
    except Exception as error:  # whatever it is, the caller gets an error it can show
        connection.send(GaitworksError(f"{type(error).__name__}: {error}", where="extraction"))
    else:
        connection.send(walk.after(START, start_s))
