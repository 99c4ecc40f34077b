"""A video extracted in a process of its own, while the caller loads a model or another video goes.

Ended with the caller, and at once when the caller no longer wants the result.
"""

import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from transforms.errors import GaitworksError
from transforms.extract.single import ExtractedWalk, WalkRequest, extract_walk
from transforms.processes import exit_with_parent

START: Final = "start"
_NEVER_S: Final = 5.0


class WalkProcess:
    """One extraction under way; use it in a `with` block."""

    def __init__(self, request: WalkRequest) -> None:
        context = get_context("spawn")  # a fork of a process with threads may hang
        self._connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve, args=(theirs, request, time.monotonic()), name="extract-walk"
        )
        self._process.start()
        theirs.close()

    def result(self) -> ExtractedWalk:
        """Wait for the walk.

        Raises:
            GaitworksError: as `extract_walk` does, or the process died.
        """
        try:
            answer = self._connection.recv()
        except EOFError:
            self._process.join(_NEVER_S)
            raise GaitworksError(
                "the process that extracts the video died",
                found=f"exit code {self._process.exitcode}",
                fix="look for the kernel's out-of-memory killer; run again",
            ) from None
        if isinstance(answer, ExtractedWalk):
            return answer
        raise answer

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


def _serve(connection: Connection, request: WalkRequest, began: float) -> None:
    exit_with_parent()
    start_s = time.monotonic() - began  # one clock for all processes of a machine
    try:
        walk = extract_walk(request)
    except GaitworksError as error:
        connection.send(error)
    except KeyboardInterrupt:
        return  # the caller got it, too
    except Exception as error:  # whatever it is, the caller gets an error it can show
        connection.send(GaitworksError(f"{type(error).__name__}: {error}", where="extraction"))
    else:
        walk.seconds[START] = start_s
        connection.send(walk)
