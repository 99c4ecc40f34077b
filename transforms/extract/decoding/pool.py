"""Decoding processes to borrow, so that one start serves many videos."""

import contextlib
from collections.abc import Sequence
from typing import Final

from transforms.errors import GaitworksError
from transforms.extract.decoding.process import COMMAND, DecoderProcess

_START_ATTEMPTS: Final = 3
"""One that dies at its start may be the kernel's choice, out of memory; three are a broken one."""


class DecoderPool:
    """Decoding processes to borrow; one that comes back is kept for the next video.

    Use `take` and either `give_back` or the process's own `kill`.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._idle: DecoderProcess | None = None

    def take(self, memory_limit_mib: int) -> DecoderProcess:
        """Return a process that no one else uses.

        Raises:
            GaitworksError: it does not start.
        """
        decoder, self._idle = self._idle, None
        if decoder is not None:
            if decoder.is_alive and decoder.memory_limit_mib == memory_limit_mib:
                return decoder
            decoder.kill()
        for _ in range(_START_ATTEMPTS - 1):
            with contextlib.suppress(GaitworksError):
                return DecoderProcess(memory_limit_mib, self._command)
        return DecoderProcess(memory_limit_mib, self._command)

    def give_back(self, decoder: DecoderProcess) -> None:
        """Keep a process that has come to the end of a video."""
        if self._idle is None:
            self._idle = decoder
        else:
            decoder.kill()

    def close(self) -> None:
        """End the process that is kept, if one is."""
        decoder, self._idle = self._idle, None
        if decoder is not None:
            decoder.kill()


SHARED_POOL: Final = DecoderPool()
"""The usual source: it makes one process serve all videos that a worker reads one by one."""
