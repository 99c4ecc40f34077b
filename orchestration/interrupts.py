"""Ctrl-C that nothing swallows.

Dagster catches SIGINT while it runs a stage and looks at it between steps; one that comes after the
last look it forgets, and the next stage would begin as if nobody had asked to stop.
"""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_MORE_THAN_ANYBODY_PRESSES: Final = 4096


@contextmanager
def watch_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt if SIGINT came, whoever has handled it.

    Outside the main thread, where signals do not arrive, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    # Python writes the number of each signal there before it calls any handler.
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield lambda: _raise_if_noted(reader)
        finally:
            signal.set_wakeup_fd(previous)


def _raise_if_noted(reader: socket.socket) -> None:
    try:
        numbers = reader.recv(_MORE_THAN_ANYBODY_PRESSES)
    except BlockingIOError:
        return
    if signal.SIGINT in numbers:
        raise KeyboardInterrupt
