"""The one tree of errors a user may see, each with what, where, expected, found and what to do.

Exit codes are part of the CLI's contract: they stay stable once released.
"""

from typing import ClassVar


class GaitworksError(Exception):
    """An error with a message a person can act on.

    Args:
        what: what went wrong, in one sentence.
        where: the file, row, key or record it concerns.
        expected: what would have been right.
        found: what was there instead.
        fix: what the reader should do now.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        found: object = None,
        fix: str | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.expected = None if expected is None else str(expected)
        self.found = None if found is None else str(found)
        self.fix = fix
        super().__init__(str(self))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip from a worker process, keyword arguments included."""
        return (_rebuild, (type(self), self.what, self.details()))

    def details(self) -> dict[str, str]:
        """Return the fields that are set, by name, without the summary."""
        fields = {
            "where": self.where,
            "expected": self.expected,
            "found": self.found,
            "fix": self.fix,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.found is not None:
            parts.append(f"found {self.found}")
        text = ", ".join(parts)
        return f"{text}; {self.fix}" if self.fix else text


def error_from_exit_code(code: int, what: str, details: dict[str, str]) -> GaitworksError:
    """Return the error a process of ours ended with, from its exit code and its words."""
    kinds = {kind.exit_code: kind for kind in GaitworksError.__subclasses__()}
    return kinds.get(code, GaitworksError)(what, **details)


def _rebuild(kind: type[GaitworksError], what: str, details: dict[str, str]) -> GaitworksError:
    return kind(what, **details)


class InputError(GaitworksError):
    """Data from outside does not meet its contract."""

    exit_code = 3


class SettingsError(InputError):
    """`params.yaml` or a command line value is not allowed."""


class IntegrityError(GaitworksError):
    """Bytes on disk are not the bytes that were published."""

    exit_code = 4


class RefusalError(GaitworksError):
    """A request that is understood but must not or cannot be met; the message shows why."""

    exit_code = 5


class MissingDependencyError(GaitworksError):
    """A backend, file or program that this request needs is not there."""

    exit_code = 6
