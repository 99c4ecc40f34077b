"""One video read by a model of silhouette sequences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.described_model import DescribedModel, open_described_model
from training.explain_walk import explain_walk
from training.judge_walk import Floats, judge_walk, to_model_input
from training.judgement import Judgement, Reals
from training.walk_explanation import WalkExplanation
from training.wish import ModelPlace, Wish
from transforms.explanation.reference import Reference, find_reference, take_own_mean
from transforms.extract.single import ExtractedWalk
from transforms.labels import LabelScheme


@dataclass(frozen=True)
class WalkReader:
    """A model of walks and what its explanation compares with.

    Attributes:
        reference: of the dataset, or why there is none.
    """

    described: DescribedModel
    wish: Wish
    reference: Reference | str

    @property
    def scheme(self) -> LabelScheme:
        """Whose classes the model tells apart."""
        return self.described.scheme

    @property
    def views(self) -> tuple[str, ...]:
        """What the video shows."""
        return (self.wish.view,)

    def read(self, walks: Sequence[ExtractedWalk]) -> "WalkReading":
        """Bring the walk of an accepted video into the form that the model reads."""
        (walk,) = walks
        return WalkReading(self, to_model_input(walk.silhouettes), walk.times_s)


@dataclass(frozen=True)
class WalkReading:
    """A walk as a model of walks reads it.

    Attributes:
        silhouettes: `(frame, 64, 44)` in [0, 1].
        times_s: `(frame,)` rising.
    """

    reader: WalkReader
    silhouettes: Floats
    times_s: Reals

    def judge(self) -> Judgement:
        """Return what the model says of it."""
        return judge_walk(self.reader.described, self.silhouettes, self.times_s)

    def explain(self, judgement: Judgement) -> list[WalkExplanation]:
        """Return where the answer comes from."""
        found, wish = self.reader.reference, self.reader.wish
        one = explain_walk(
            self.reader.described,
            self.silhouettes,
            self.times_s,
            take_own_mean(self.silhouettes, found) if isinstance(found, str) else found,
            explained=judgement.predicted,
            view=wish.view,
            frame_cap=min(wish.frame_cap, *judgement.frames),
        )
        return [one]

    def describe(self) -> dict[str, Any]:
        """Return nothing: there is no more to say than of every model."""
        return {}


def open_walk_reader(place: ModelPlace, wish: Wish) -> WalkReader:
    """Load a model of walks.

    Raises:
        IntegrityError: it is damaged, of another version, or a shard is damaged.
    """
    described = open_described_model(place.directory)
    version = str(described.card["dataset_version"])
    return WalkReader(described, wish, find_reference(place.dataset, version, wish.view))
