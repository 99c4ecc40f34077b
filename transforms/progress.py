"""How long work tells its caller how far it is, without knowing who listens."""

from typing import Protocol


class Progress(Protocol):
    """A listener for one stretch of countable work after another."""

    def start(self, label: str, total: int) -> None:
        """Begin a stretch of `total` units named `label`; ends the one before."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Say that `count` more units are done; `note` may replace the text beside the bar."""


class NoProgress:
    """The listener for callers who do not want to know."""

    def start(self, label: str, total: int) -> None:
        """Ignore the start."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Ignore the step."""
