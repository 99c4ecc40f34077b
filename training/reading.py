"""What `gaitworks predict` asks of any model: to read a walk, to judge it, to explain the answer.

There is one reader per kind of sample: `walk_reading` of one video's silhouettes, `clip_reading` of
clips of one or two views.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from training.card_file import Card
from training.judgement import Judgement
from training.models.registry import find_model
from training.walk_explanation import WalkExplanation
from training.wish import ModelPlace, Wish
from transforms.errors import SettingsError
from transforms.explanation.reference import UNKNOWN_VIEW
from transforms.extract.single import ExtractedWalk
from transforms.labels import LabelScheme


class Reading(Protocol):
    """A walk as a model reads it."""

    def judge(self) -> Judgement:
        """Return what the model says of it."""
        ...

    def explain(self, judgement: Judgement) -> list[WalkExplanation]:
        """Return where the answer comes from, in each view that the model reads."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return parts of `prediction.json` besides those that every model has."""
        ...


class Reader(Protocol):
    """A model that is ready to read."""

    @property
    def scheme(self) -> LabelScheme:
        """Whose classes the model tells apart."""
        ...

    @property
    def views(self) -> tuple[str, ...]:
        """What each video shows."""
        ...

    def read(self, walks: Sequence[ExtractedWalk]) -> Reading:
        """Bring the walk of one or two accepted videos into the form that the model reads.

        Raises:
            RefusalError: the videos do not show enough of one walk.
        """
        ...


def open_reader(card: Card, place: ModelPlace, wish: Wish, video_count: int) -> Reader:
    """Load a model and what its explanation compares with.

    Raises:
        SettingsError: the model reads another number of videos, or another view.
        IntegrityError: the model is damaged or of another version.
    """
    from training.clip_reading import open_clip_reader
    from training.models.dual_view import DualViewSpec
    from training.walk_reading import open_walk_reader

    recipe = find_model(str(card.get("model")))
    views = recipe.views if isinstance(recipe, DualViewSpec) else (wish.view,)
    _require_views(card, views, wish, video_count)
    if isinstance(recipe, DualViewSpec):
        return open_clip_reader(place, wish, views)
    return open_walk_reader(place, wish)


def _require_views(card: Card, views: Sequence[str], wish: Wish, video_count: int) -> None:
    name = card.get("model")
    if video_count != len(views):
        raise SettingsError(
            f"the model {name} reads {len(views)} video(s) of a walk",
            where="VIDEO2",
            expected=f"one video{_say_view(views)}" if len(views) == 1 else "front and side view",
            found=f"{video_count} video(s)",
            fix=f"give only {_say_only(views)}, or name a model of two views with --model"
            if video_count == 2
            else "give the side view as second video, or name another model with --model",
        )
    wished = {wish.view} - {UNKNOWN_VIEW}
    if len(views) > 1 and wished:
        raise SettingsError("two videos are the front and the side view", where="--view")
    if not wished <= set(views):
        raise SettingsError(
            f"the model {name} looks at the {views[0]} view only", where="--view", found=wish.view
        )


def _say_only(views: Sequence[str]) -> str:
    return "one video" if views[0] == UNKNOWN_VIEW else f"the {views[0]} view"


def _say_view(views: Sequence[str]) -> str:
    return "" if views[0] == UNKNOWN_VIEW else f", the {views[0]} view"
