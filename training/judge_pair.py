"""The place where two views of one walk are judged together."""

from typing import NoReturn

from training.card_file import Card
from transforms.errors import RefusalError, SettingsError
from transforms.extract.single import ExtractedWalk


def reads_two_views(card: Card) -> bool:
    """Return whether the model of a card reads a front and a side view at once."""
    from training.models.dual_view import DUAL_VIEW_MODELS

    return card.get("model") in DUAL_VIEW_MODELS


def require_view_count(card: Card, count: int) -> None:
    """Make sure that a model reads as many videos as were given.

    Raises:
        SettingsError: it reads one, and two were given, or the other way round.
    """
    from training.models.dual_view import DUAL_VIEW_MODELS

    wanted = 2 if reads_two_views(card) else 1
    if count == wanted:
        return
    raise SettingsError(
        f"the model {card.get('model')} reads {wanted} video(s) of a walk",
        where="VIDEO2",
        expected="a model of two views: " + ", ".join(sorted(DUAL_VIEW_MODELS))
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
        RefusalError: always, until models of two views are trained from clips.
    """
    raise RefusalError(
        "models of two views are not trained yet: there is none to judge a pair with",
        where=str(card.get("experiment")),
        found=f"{len(front.times_s)} and {len(side.times_s)} frames"
        + ("" if offset_s is None else f", {offset_s:g} s apart"),
        fix="judge one video with a model of walks",
    )
