"""Which track is the participant, why, and how sure that is.

A recording is made of its participant: who walks (across the scene, or towards or away from the
camera), is there longest, is followed without gaps and is not much smaller than anybody else. Each
of these is a factor in 0..1; the target score is their weighted product. The confidence is the best
score's plausibility times its share beside the strongest rival, where coverage counts once more: a
rival as good gives one half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.extract.protocols import Track
from transforms.settings import TargetSettings

_FULL_TRAVEL_HEIGHTS: Final = 1.5
"""Body heights walked sideways from which on the travel counts in full."""
_FULL_GROWTH: Final = 0.35
"""Change of the body's size, as a logarithm, that counts in full: coming nearer or going away."""
_GROWTH_BLOCKS: Final = 8
_PLAUSIBLE_SCORE: Final = 0.06
"""A lone track above this is believed; below, its confidence falls in proportion."""
_EXPONENTS: Final = {"travel": 2.0, "coverage": 3.0, "size": 1.0, "coherence": 1.0}
"""Who stands by travels by a tenth of what walking is, who passes by covers half: both count."""


@dataclass(frozen=True)
class Candidate:
    """One track with what speaks for it, every factor 0..1."""

    track_id: int
    travel_px: float
    mean_height_px: float
    coverage: float
    factors: dict[str, float]
    score: float

    def describe(self) -> str:
        """Return the score with its factors for a person to read."""
        factors = ", ".join(f"{name} {value:.2f}" for name, value in self.factors.items())
        return f"track {self.track_id} scores {self.score:.2f} ({factors})"


@dataclass(frozen=True)
class TargetChoice:
    """The decision: a track, or the reason why none was chosen.

    Attributes:
        candidates: all tracks, rated.
        track_id: the participant's; None where none was chosen.
        confidence: 0..1.
        reason_code: why none was chosen, machine-readable; None where one was.
        reason: the same for a person.
        why: the best track's factors and the runner-up's, whatever was decided.
    """

    candidates: tuple[Candidate, ...]
    track_id: int | None
    confidence: float
    reason_code: str | None
    reason: str | None
    why: str = ""


def choose_target(
    tracks: Sequence[Track], frame_count: int, settings: TargetSettings
) -> TargetChoice:
    """Choose the participant's track of one recording, or refuse with a reason.

    Args:
        tracks: all tracks of the recording.
        frame_count: frames decoded.
        settings: thresholds.

    Returns:
        The choice; `reason_code` is `no_track`, `target_too_short`, `target_uncertain` or None.
    """
    if not tracks:
        nobody = "nobody was followed in the recording"
        return TargetChoice((), None, 0.0, "no_track", nobody, nobody)
    tallest = max(_mean_height(track) for track in tracks)
    candidates = tuple(rate_track(track, frame_count, tallest) for track in tracks)
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.track_id))
    best = ranked[0]
    runner_up = ranked[1].score if len(ranked) > 1 else 0.0
    share = _share(best, ranked[1:])
    confidence = min(1.0, best.score / _PLAUSIBLE_SCORE) * share
    code = reason = None
    if best.coverage < settings.min_coverage:
        code = "target_too_short"
        reason = (
            f"the best track covers {best.coverage:.0%} of the recording, "
            f"expected at least {settings.min_coverage:.0%}"
        )
    elif confidence < settings.min_confidence:
        code = "target_uncertain"
        reason = (
            f"confidence {confidence:.2f}, expected at least {settings.min_confidence:.2f}: "
            f"the best track scores {best.score:.2f}, the runner-up {runner_up:.2f}"
        )
    return TargetChoice(
        candidates,
        best.track_id if code is None else None,
        confidence,
        code,
        reason,
        _explain(ranked),
    )


def _share(best: Candidate, others: Sequence[Candidate]) -> float:
    """Return how much of the evidence is the best track's beside its strongest rival.

    Between two who both walk, the recording is made of who is there longer: coverage counts once
    more than in the score.
    """
    own = best.score * best.coverage
    rival = max((other.score * other.coverage for other in others), default=0.0)
    return own / (own + rival) if own > 0 else 0.0


def rate_track(track: Track, frame_count: int, tallest_px: float) -> Candidate:
    """Rate how much one track looks like the participant's; see the module's docstring."""
    count = len(track.frame_index)
    height = _mean_height(track)
    centres = (track.boxes[:, 0] + track.boxes[:, 2]) / 2
    # Quantiles, not the ends: who turns round and comes back has walked as well.
    low, high = np.quantile(centres, (0.05, 0.95))
    travel = float(high - low)
    span = int(track.frame_index[-1] - track.frame_index[0]) + 1
    shared = [
        frame
        for frame in track.shared_frames
        if track.frame_index[0] < frame < track.frame_index[-1]
    ]
    seen = count + len(shared)
    growth = measure_growth(track.boxes)
    factors = {
        "travel": min(1.0, max(travel / height / _FULL_TRAVEL_HEIGHTS, growth / _FULL_GROWTH)),
        "coverage": min(1.0, span / frame_count),
        "size": min(1.0, height / tallest_px),
        "coherence": min(1.0, seen / span) * float(track.scores.mean()),
    }
    score = float(np.prod([factors[name] ** power for name, power in sorted(_EXPONENTS.items())]))
    return Candidate(track.track_id, travel, height, factors["coverage"], factors, score)


def measure_growth(boxes: NDArray[np.float32]) -> float:
    """Return by how much a person came nearer or went away, as a logarithm of sizes.

    Who bends or sits down gets lower and wider, who swings their arms wider: only what height and
    width have in common is distance.

    Args:
        boxes: `(n, 4)` x0, y0, x1, y1 of one track in the order of its frames.
    """
    sizes = np.maximum(1.0, boxes[:, 2:] - boxes[:, :2])
    # Medians over an eighth of the time each: the gait's swing is not growth.
    blocks = np.array_split(sizes, min(_GROWTH_BLOCKS, len(sizes)))
    logs = np.log([np.median(block, axis=0) for block in blocks])  # (block, side)
    change = logs[:, None] - logs[None]  # (block, block, side)
    common = np.where(
        (change > 0).all(axis=2), change.min(axis=2), np.zeros(change.shape[:2], change.dtype)
    )
    return float(common.max())


def _explain(ranked: Sequence[Candidate]) -> str:
    """Say in one sentence what speaks for the best track and what for the next."""
    best = ranked[0]
    text = best.describe()
    if len(ranked) == 1:
        return f"{text}; nobody else was followed"
    runner_up = ranked[1]
    weighted = {
        name: best.factors[name] ** power / max(1e-9, runner_up.factors[name] ** power)
        for name, power in _EXPONENTS.items()
    }
    name = max(weighted, key=lambda name: weighted[name])
    verdict = f"best by {name}" if weighted[name] > 1.05 else "best by nothing much"
    return f"{text}, {verdict}; next: {runner_up.describe()}"


def _mean_height(track: Track) -> float:
    return max(1.0, float((track.boxes[:, 3] - track.boxes[:, 1]).mean()))
