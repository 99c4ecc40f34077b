"""The place where two views of one walk are judged together."""

from typing import NoReturn

from training.card_file import Card
from transforms.errors import RefusalError, SettingsError
from transforms.extract.single import ExtractedWalk
from transforms.published import PAPER_NAMES


def reads_clips(card: Card) -> bool:
    """Return whether the model of a card reads clips of a front and a side view."""
    from training.models.registry import MODELS

    name = PAPER_NAMES.get(str(card.get("model")), str(card.get("model")))
    return name in MODELS and MODELS[name].reads == "clips"


def require_view_count(card: Card, count: int) -> None:
    """Make sure that a model reads as many videos as were given.

    Raises:
        SettingsError: it reads one, and two were given, or the other way round.
    """
    from training.models.registry import MODELS

    wanted = 2 if reads_clips(card) else 1
    if count == wanted:
        return
    of_clips = ", ".join(name for name, recipe in MODELS.items() if recipe.reads == "clips")
    raise SettingsError(
        f"the model {card.get('model')} reads {wanted} video(s) of a walk",
        where="VIDEO2",
        expected=f"a model of two views: {of_clips}"
        if count == 2
        else "two videos, the front view first",
        found=f"{count} video(s)",
        fix="leave out the second video, or name another --model",
    )


def judge_pair(
    card: Card, front: ExtractedWalk, side: ExtractedWalk, offset_s: float | None
) -> NoReturn:
    """Judge one walk that two cameras saw.

    Args:
        card: of a model of two views.
        front: what the first camera saw.
        side: what the second one saw.
        offset_s: how many seconds after the first video the second begins; None: to be estimated.

    Raises:
        RefusalError: always, until a pair of videos becomes clips here.
    """
    raise RefusalError(
        "a pair of videos is not judged yet: nothing here makes clips of it",
        where=str(card.get("experiment")),
        found=f"{len(front.times_s)} and {len(side.times_s)} frames"
        + ("" if offset_s is None else f", {offset_s:g} s apart"),
        fix="judge one video with a model of walks",
    )
