"""The file operations of a process, counted, and one of them failing or being the last.

What Python code does to files goes through `open` and `os`; `CallLog.written` tells a test whether
that was all of it.
"""

import builtins
import errno
import io
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from transforms import files

_CALLS = ("fsync", "rename", "replace", "mkdir", "link", "sendfile", "unlink", "rmdir")
_NEEDS_SPACE = ("write", "fsync", "mkdir", "link", "sendfile", "rename", "replace")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and at which call.

    `eio`: that call fails. `enospc`: that call and, until the process ends, every later one that
    needs space. `kill`: the process is killed in the middle of that call.
    """

    kind: Literal["eio", "enospc", "kill"]
    number: int


@dataclass
class CallLog:
    """The calls so far."""

    calls: int = 0
    names: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)  # bytes by file name


def inject(fault: Fault | None) -> CallLog:
    """Count the calls of this process from now on, and let one go wrong; not undone."""
    log = CallLog()

    def step(name: str) -> bool:
        """Count a call; tell whether it is to fail or to be the last."""
        log.calls += 1
        log.names[name] += 1
        if fault is None:
            return False
        if fault.kind == "enospc":
            return log.calls >= fault.number and name in _NEEDS_SPACE
        return log.calls == fault.number

    def go_wrong() -> None:
        assert fault is not None
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = errno.EIO if fault.kind == "eio" else errno.ENOSPC
        raise OSError(code, os.strerror(code))

    class Writing(io.FileIO):
        def write(self, data: Any, /) -> int:  # any buffer
            view = memoryview(data).cast("B")
            if step("write"):
                super().write(view[: len(view) // 2])
                go_wrong()
            done = super().write(view)
            log.written[Path(str(self.name)).name] += done
            return done

    plain_open = io.open

    def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:  # as `open`
        if not set(mode) & set("wxa+"):
            return plain_open(file, mode, *rest, **named)
        assert set(mode) <= set("wxb"), f"a mode these tests do not know: {mode}"
        raw = Writing(file, mode.replace("b", ""))
        writer = io.BufferedWriter(raw)
        return writer if "b" in mode else io.TextIOWrapper(writer, encoding="utf-8")

    def wrap(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            is_wrong = step(name)
            if is_wrong and fault is not None and fault.kind != "kill":
                go_wrong()
            result = call(*arguments, **named)
            if is_wrong:
                go_wrong()
            return result

        return wrapped

    io.open = builtins.open = opened  # type: ignore[assignment]  # stands in for both
    for name in _CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))
    files.exchange_names = wrap("rename", files.exchange_names)
    return log
