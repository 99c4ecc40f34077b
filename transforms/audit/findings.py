"""What an audit says: the checks it made, how much each looked at, and what each found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

_SHOWN: Final = 5


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a split or its dataset.

    Attributes:
        code: a stable name of what is wrong.
        severity: `error` blocks a release, `warning` does not.
        records: the participants, sequences, pairs or variants concerned, sorted.
        message: one sentence for a person.
    """

    code: str
    severity: Literal["error", "warning"]
    records: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        shown = name_some(self.records)
        return f"{self.code}: {self.message}" + (f" ({shown})" if shown else "")


@dataclass(frozen=True)
class Check:
    """One claim that was held against the tables.

    Attributes:
        group: what kind of claim: dataset, rows, leaks, copies or protocol.
        claim: what holds where nothing was found.
        examined: how many things were looked at; None where the check could not be made.
        unit: what these things are, in the plural.
        findings: what contradicts the claim.
        reason: why the check could not be made.
    """

    group: str
    claim: str
    examined: int | None
    unit: str
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def status(self) -> Literal["clean", "warning", "error", "nothing to check", "not checked"]:
        """The gravest of what was found; "clean" only where there was something to look at."""
        if any(finding.severity == "error" for finding in self.findings):
            return "error"
        if self.findings:
            return "warning"
        if self.examined is None:
            return "not checked"
        return "clean" if self.examined else "nothing to check"


def error(code: str, records: Iterable[str], message: str) -> Finding:
    """Return a finding that blocks a release."""
    return Finding(code, "error", tuple(sorted(set(records))), message)


def warning(code: str, records: Iterable[str], message: str) -> Finding:
    """Return a finding that a person should look at."""
    return Finding(code, "warning", tuple(sorted(set(records))), message)


def name_some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
