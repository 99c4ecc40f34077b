"""The contact sheets of one batch as one self-contained page, from which a person can decide.

What is said of one recording is in `transforms.describe.recording_block`. The page asks for nothing
from anywhere, runs no script, shows no raw frame, and is the same bytes for the same results.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from transforms.describe.formatting import format_cell, plural
from transforms.describe.recording_block import describe_recording, list_decisions
from transforms.describe.rendering import load_template
from transforms.extract.overrides import COLUMNS, Override
from transforms.extract.result import ACCEPTED, FAILED, QUARANTINED, REJECTED, RecordingResult

SHEETS_NAME: Final = "contact_sheets.html"

_VERDICTS: Final = {
    QUARANTINED: "it was not sure who the participant is",
    REJECTED: "the walk did not pass the quality gates, or a person said so",
    FAILED: "extraction did not get through",
    ACCEPTED: "in the dataset",
}  # what needs a person first


@dataclass(frozen=True)
class _Entry:
    """A line of the page's index and the recording's part of the page."""

    anchor: str
    recording_id: str
    verdict: str
    quality_score: float | None
    kept: str
    reason: str
    override: Override | None
    decisions: tuple[str, ...]
    html: str

    @property
    def quality(self) -> str:
        return format_cell(self.quality_score)


@dataclass
class RecordingSheets:
    """The page as it grows: pictures are drawn and encoded when a recording is added.

    Attributes:
        batch_id: the batch's name, for the title and the ledger's path.
    """

    batch_id: str
    _entries: list[_Entry] = field(default_factory=list)

    def add(
        self,
        recording_id: str,
        found: RecordingResult,
        final: RecordingResult,
        override: Override | None,
    ) -> None:
        """Add one recording; the page keeps the order.

        Args:
            recording_id: its id, any text.
            found: what extraction found, before the verdict took effect.
            final: after it took effect, a person's decision included.
            override: what a person has decided about it.
        """
        # Ids are any text: a number is the anchor that needs no quoting.
        anchor = f"recording-{len(self._entries) + 1}"
        html = load_template("recording_sheet.html.jinja").render(
            anchor=anchor,
            recording_id=recording_id,
            verdict=final.verdict,
            is_overruled=final.verdict != found.verdict,
            blocks=describe_recording(recording_id, found, final, override),
        )
        self._entries.append(
            _Entry(
                anchor=anchor,
                recording_id=recording_id,
                verdict=final.verdict,
                quality_score=found.quality_score,
                kept=f"{len(found.kept_frames):,} of {len(found.pts_s):,}",
                reason=final.reason or "",
                override=override,
                decisions=tuple(list_decisions(recording_id, found, final)),
                html=html,
            )
        )

    def write(self, path: Path) -> None:
        """Write the page."""
        from markupsafe import Markup

        groups = [
            (verdict, meaning, sorted(entries, key=_worst_first))
            for verdict, meaning in _VERDICTS.items()
            if (entries := [entry for entry in self._entries if entry.verdict == verdict])
        ]
        page = load_template("contact_sheets.html.jinja").generate(
            batch_id=self.batch_id,
            total=plural(len(self._entries), "recording"),
            groups=groups,
            example=_give_example([entry for _, _, entries in groups for entry in entries]),
            # Each was rendered, and so escaped, by itself.
            blocks=(Markup(entry.html) for entry in self._entries),
        )
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(page)


def _worst_first(entry: _Entry) -> tuple[float, str]:
    return (-1.0 if entry.quality_score is None else entry.quality_score, entry.recording_id)


def _give_example(entries: Sequence[_Entry]) -> str:
    """Return a ledger with one row, about the recording that needs a person most."""
    rows = [entry.decisions[0] for entry in entries if entry.decisions]
    if not rows:
        return ",".join(COLUMNS)
    return f"{','.join(COLUMNS)}\n{rows[0].removesuffix(',,')},A. Person,what you have seen"
