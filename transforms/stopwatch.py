"""Where the time goes: seconds by named stage, each moment counted once."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

_Item = TypeVar("_Item")
_END: Final = object()


class Stopwatch:
    """Seconds by stage; a stage inside another takes its time from the outer one.

    Attributes:
        seconds: wall time by stage, in the order in which stages were first entered.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge what happens inside to a stage."""
        self._settle()
        self._open.append(name)
        self.seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self._settle()
            self._open.pop()

    def charge(self, name: str, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield items, charging the time they take to come, and not what is done with them."""
        source = iter(items)
        while True:
            with self.stage(name):
                item = next(source, _END)
            if item is _END:
                return
            yield item  # type: ignore[misc]  # `_END` is no item

    def _settle(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now
