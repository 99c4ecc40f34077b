"""What `gaitworks predict` is asked: which model is to judge, and how it is to read the videos."""

from dataclasses import dataclass
from pathlib import Path

from transforms.settings import ClipSettings


@dataclass(frozen=True)
class ModelPlace:
    """A trained model and what lies around it.

    Attributes:
        directory: its weights and card.
        evaluations: where its own test may lie, the first that is there counts.
        dataset: where the dataset it was trained on may lie.
        is_synthetic: whether that dataset shows nobody who was filmed; None: not recorded.
        splits: where the split it was trained by may lie.
    """

    directory: Path
    evaluations: tuple[Path, ...]
    dataset: Path
    is_synthetic: bool | None
    splits: Path


@dataclass(frozen=True)
class Wish:
    """How the videos are to be read.

    Attributes:
        view: what the camera of the one video saw, or `unknown`.
        offset_s: how many seconds after the first of two videos the second begins, if known.
        frame_cap: frames of a walk to explain, at most.
        clips: how two videos are aligned, and how often a clip begins.
    """

    view: str
    offset_s: float | None
    frame_cap: int
    clips: ClipSettings
