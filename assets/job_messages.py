"""What a training process says, as its caller hears it: Pipes messages, JSON lines, or any text.

The words are those of `training.reporting`. A process may mix the two forms (under `torchrun` only
the first speaks Pipes), and a library or a launcher may print what it likes in between.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dagster import PipesMessageHandler, PipesMessageReader
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD, PipesDefaultMessageWriter

from transforms.progress import Progress

Event = Mapping[str, Any]  # `Any`: JSON
_CUSTOM: Final = "report_custom_message"


class JobListener:
    """Turns lines into progress and log entries and keeps how the job ended.

    Attributes:
        error: what the process that failed first said of it; empty as long as none did.
        done: how the result was made; None as long as the job has not said that it is there.
    """

    def __init__(
        self,
        progress: Progress,
        log: Callable[[str], None],
        handler: PipesMessageHandler | None = None,
    ) -> None:
        self.error: Event = {}
        self.done: Event | None = None
        self._progress = progress
        self._log = log
        self._handler = handler

    def hear(self, line: str) -> None:
        """Take one line."""
        event = _parse(line)
        if PIPES_PROTOCOL_VERSION_FIELD not in event:
            self._take(event, line)
        elif event.get("method") == _CUSTOM:
            parameters = event.get("params")
            self._take(parameters.get("payload") if isinstance(parameters, dict) else None, line)
        else:
            self._hand_on(event, line)

    def _take(self, event: object, line: str) -> None:
        match event:
            case {"start": str(label), "total": int(total)}:
                self._progress.start(label, total)
            case {"advance": int(count), "note": str(note)}:
                self._progress.advance(count, note)
            case {"error": {"what": str()} as error}:
                # Of several processes the first has the reason, the others only its consequence.
                self.error = self.error or error
            case {"done": dict(facts)}:
                self.done = facts
            case {"log": str(text)}:
                self._log(text)
            case _ if line.strip():
                self._log(line.rstrip())

    def _hand_on(self, message: dict[str, Any], line: str) -> None:
        if self._handler is None:
            self._log(line.rstrip())
            return
        try:
            self._handler.handle_message(message)  # type: ignore[arg-type]  # it checks that itself
        except Exception as error:
            # Something that only looks like a message must not end a training of hours.
            self._log(f"not a Pipes message ({type(error).__name__}): {line.rstrip()}")


class OutputReader(PipesMessageReader):
    """Tells the process to write its messages to standard output, where `run_job` reads them.

    Unlike a file that both sides know it also works where they share nothing but a launcher.
    """

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, str]]:
        """Yield where to write; reading is the caller's, line by line."""
        yield {PipesDefaultMessageWriter.STDIO_KEY: PipesDefaultMessageWriter.STDOUT}

    @property
    def expected_writer_count(self) -> int:
        """One process alone speaks Pipes. Not inherited: reading Dagster's own warns."""
        return 1

    def no_messages_debug_text(self) -> str:
        """Say where messages should have been."""
        return "Expected messages on the process's standard output."


def _parse(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}
