"""Progress of a running asset: a bar on a terminal, lines in the run's log elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from dagster import AssetExecutionContext

from transforms.progress import Progress

LAUNCHED_BY_TAG: Final = "gaitworks/launched_by"
LAUNCHED_BY_CLI: Final = "cli"
_LINE_EVERY_S: Final = 10.0


class BarProgress:
    """A bar on standard error for each stretch of work."""

    def __init__(self) -> None:
        # Imported here: the code server loads this module and never draws a bar.
        from rich import progress as bars
        from rich.console import Console

        self._bars = bars.Progress(
            bars.TextColumn("  {task.description:32}"),
            bars.BarColumn(24),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            bars.TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
        )
        self._task: bars.TaskID | None = None

    def start(self, label: str, total: int) -> None:
        """Begin a new bar."""
        self._bars.start()
        self._task = self._bars.add_task(label, total=total, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, advance=count, note=note)

    def close(self) -> None:
        """Give the terminal back."""
        self._bars.stop()


class LineProgress:
    """A line every few seconds, and one when a stretch ends."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._label = ""
        self._total = self._done = 0
        self._written = time.monotonic()

    def start(self, label: str, total: int) -> None:
        """Begin a new stretch."""
        self._label, self._total, self._done = label, total, 0

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count, and write a line when the last one is old or the stretch is over.

        A note without a count is a remark, which is worth a line of its own. Work that counts for
        nothing may follow the end of a stretch, which is said once.
        """
        self._done += count
        now = time.monotonic()
        is_remark = count == 0 and bool(note)
        is_over = count > 0 and self._done >= self._total
        if is_remark or is_over or now - self._written > _LINE_EVERY_S:
            self._written = now
            self._write(f"  {self._label}: {self._done}/{self._total} {note}".rstrip())


@contextmanager
def terminal_progress() -> Iterator[Progress]:
    """Yield bars where standard error is a terminal, lines where it is a file."""
    if not sys.stderr.isatty():
        yield LineProgress(lambda line: print(line, file=sys.stderr, flush=True))
        return
    bar = BarProgress()
    try:
        yield bar
    finally:
        bar.close()


@contextmanager
def progress_for(context: AssetExecutionContext) -> Iterator[Progress]:
    """Yield the listener that fits where this asset runs."""
    if context.run.tags.get(LAUNCHED_BY_TAG) == LAUNCHED_BY_CLI:
        with terminal_progress() as progress:
            yield progress
    else:
        yield LineProgress(context.log.info)
