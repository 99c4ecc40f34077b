"""What went wrong in a job's process, in words that its caller can show."""

import signal
from types import FrameType
from typing import Final, NoReturn

from transforms.errors import GaitworksError

_KEPT: Final = "the last checkpoint is kept, and an equal job goes on from it"
# What torch says on a CPU, cuBLAS and cuDNN where they allocate for themselves.
_OUT_OF_MEMORY: Final = ("allocate memory", "alloc_failed", "out of memory")
# What gloo and NCCL say when the process at the other end is gone.
_LOST_CONNECTION: Final = (
    "connection closed by peer",
    "connection reset by peer",
    "connection refused",
    "socket closed",
    "broken pipe",
    "remote process exited",
)


def translate_failure(error: Exception) -> GaitworksError:
    """Return the error to show for one that nobody foresaw where it happened."""
    text = str(error)
    found = text.splitlines()[0] if text else type(error).__name__
    # By name: a torch that cannot be imported is one of the failures.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError"} or _mentions(text, _OUT_OF_MEMORY):
        return GaitworksError(
            "out of memory",
            found=found,
            fix="lower training.identities_per_batch, sequences_per_identity or "
            f"evaluation_frame_cap; {_KEPT}",
        )
    if "DistError" in kinds or _mentions(text, _LOST_CONNECTION):
        return GaitworksError(
            "another process of this training has ended",
            found=found,
            fix=f"see its own error or torchrun's summary, then run again; {_KEPT}",
        )
    if "TorchDynamoException" in kinds:
        return GaitworksError(
            "torch.compile cannot compile the training step",
            found=found,
            fix="install a C++ compiler (g++), or set training.compile_step: false",
        )
    return GaitworksError(
        "the job failed in a way that is not foreseen",
        found=f"{type(error).__name__}: {error}",
        fix="see the traceback on standard error",
    )


def raise_on_termination() -> None:
    """Make a SIGTERM an error with words: `torchrun` sends it where another process has died."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise GaitworksError(
            "torchrun ended this process",
            found="SIGTERM: another process of this training has died, or torchrun was stopped",
            fix=f"see torchrun's summary, then run again; {_KEPT}",
        )

    signal.signal(signal.SIGTERM, end)


def accept_termination() -> None:
    """Let a SIGTERM end this process where its parent ignores the signal and passed that on.

    Dagster gives SIGTERM the meaning of SIGINT, and a shell's `&` makes that one ignored.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _mentions(text: str, phrases: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(phrase in lower for phrase in phrases)
