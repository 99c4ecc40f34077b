"""How a job's process speaks on standard output: Dagster Pipes messages, or plain JSON lines.

Both carry the same events, one JSON object each; `training.run` lists them. Pipes is spoken where a
context of it is announced, and `dagster_pipes` is imported there only.
"""

import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from transforms.errors import GaitworksError
from transforms.progress import Progress

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

# The names under which Pipes announces itself: in the environment, or as options of the same words,
# which also arrive where a launcher (ssh, say) passes no environment on.
_ANNOUNCEMENTS: Final = ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")
_OPTIONS: Final = {f"--{name.lower().replace('_', '-')}": name for name in _ANNOUNCEMENTS}

Event = dict[str, Any]  # `Any`: JSON


class Reporter(Progress, Protocol):
    """What a job tells whoever started it, from its first step to its end."""

    def log(self, text: str) -> None:
        """Say something that a reader of the run's log wants to know."""

    def fail(self, error: GaitworksError) -> None:
        """Say why the job failed; the last word."""

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Say that the result is there, and how it was made; the last word."""


class JsonReporter:
    """Writes each event as a line of JSON: for a shell, and for whoever has no Dagster."""

    def start(self, label: str, total: int) -> None:
        """Announce a stretch of work."""
        self._emit({"start": label, "total": total})

    def advance(self, count: int = 1, note: str = "") -> None:
        """Announce finished units."""
        self._emit({"advance": count, "note": note})

    def log(self, text: str) -> None:
        """Write the text."""
        self._emit({"log": text})

    def fail(self, error: GaitworksError) -> None:
        """Write the error with its fields and exit code."""
        self._emit(_describe_failure(error))

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write that the job is done."""
        self._emit({"done": dict(facts)})

    def _emit(self, event: Event) -> None:
        print(json.dumps(event), flush=True)


class PipesReporter:
    """Sends each event as a Dagster Pipes message; text goes straight to the run's log."""

    def __init__(self, context: "PipesContext") -> None:
        self._context = context

    def start(self, label: str, total: int) -> None:
        """Announce a stretch of work."""
        self._context.report_custom_message({"start": label, "total": total})

    def advance(self, count: int = 1, note: str = "") -> None:
        """Announce finished units."""
        self._context.report_custom_message({"advance": count, "note": note})

    def log(self, text: str) -> None:
        """Write the text to the run's log."""
        self._context.log.info(text)

    def fail(self, error: GaitworksError) -> None:
        """Send the error with its fields, and show it in the run with where it was raised."""
        self._context.report_custom_message(_describe_failure(error))
        self._context.close(
            {
                "message": str(error),
                "stack": traceback.format_tb(error.__traceback__),
                "name": type(error).__name__,
                "cause": None,
                "context": None,
            }
        )

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Send that the job is done, and end the session."""
        self._context.report_custom_message({"done": dict(facts)})
        self._context.close()


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the words of a command line without Pipes' options, and what these announce."""
    words, announced = [], {}
    rest = iter(arguments)
    for word in rest:
        name = _OPTIONS.get(word)
        if name is None:
            words.append(word)
        else:
            announced[name] = next(rest, "")
    return words, announced


def open_reporter(announced: Mapping[str, str], *, is_first_process: bool) -> Reporter:
    """Return the reporter that whoever started this process listens to.

    Args:
        announced: what the command line says of Pipes; else the environment is asked.
        is_first_process: of several processes one alone holds the Pipes session. The others have
            nothing to say but errors, as JSON lines, which the reading side knows as well.
    """
    found = announced or {name: os.environ[name] for name in _ANNOUNCEMENTS if name in os.environ}
    if not found or not is_first_process:
        return JsonReporter()
    from dagster_pipes import PipesMappingParamsLoader, open_dagster_pipes

    # Pipes does not flush: without this, messages would come in blocks of 8 KiB.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    return PipesReporter(open_dagster_pipes(params_loader=PipesMappingParamsLoader(found)))


def _describe_failure(error: GaitworksError) -> Event:
    return {"error": {"what": error.what, **error.details(), "exit_code": error.exit_code}}
