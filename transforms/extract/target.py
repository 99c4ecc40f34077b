"""Which track is the participant, why, and how sure that is.

A recording is made of its participant: who walks (across the scene, or towards or away from the
camera), is there longest, is followed without gaps and is not much smaller than anybody else. Each
of these is a factor in 0..1; the target score is their weighted product. The confidence is the best
score's plausibility times its share of the two best scores: a runner-up as good gives one half.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from transforms.extract.protocols import Track
from transforms.settings import TargetSettings

_FULL_TRAVEL_HEIGHTS: Final = 1.5
"""Body heights walked sideways from which on the travel counts in full."""
_FULL_GROWTH: Final = 0.35
"""Change of the body height's logarithm that counts in full: coming nearer or going away."""
_PLAUSIBLE_SCORE: Final = 0.3
"""A lone track above this is believed; below, its confidence falls in proportion."""
_EXPONENTS: Final = {"travel": 1.0, "coverage": 3.0, "size": 1.0, "coherence": 1.0}


@dataclass(frozen=True)
class Candidate:
    """One track with what speaks for it, every factor 0..1."""

    track_id: int
    travel_px: float
    mean_height_px: float
    coverage: float
    factors: dict[str, float]
    score: float


@dataclass(frozen=True)
class TargetChoice:
    """The decision: a track, or the reason why none was chosen."""

    candidates: tuple[Candidate, ...]
    track_id: int | None
    confidence: float
    reason_code: str | None
    reason: str | None


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
        return TargetChoice((), None, 0.0, "no_track", "nobody was followed in the recording")
    tallest = max(_mean_height(track) for track in tracks)
    candidates = tuple(rate_track(track, frame_count, tallest) for track in tracks)
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.track_id))
    best = ranked[0]
    runner_up = ranked[1].score if len(ranked) > 1 else 0.0
    share = best.score / (best.score + runner_up) if best.score > 0 else 0.0
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
        candidates, best.track_id if code is None else None, confidence, code, reason
    )


def rate_track(track: Track, frame_count: int, tallest_px: float) -> Candidate:
    """Rate how much one track looks like the participant's; see the module's docstring."""
    count = len(track.frame_index)
    heights = track.boxes[:, 3] - track.boxes[:, 1]
    height = _mean_height(track)
    centres = (track.boxes[:, 0] + track.boxes[:, 2]) / 2
    # Quantiles, not the ends: who turns round and comes back has walked as well.
    low, high = np.quantile(centres, (0.05, 0.95))
    travel = float(high - low)
    small, large = np.quantile(heights, (0.1, 0.9))
    growth = float(np.log(large / small))
    span = int(track.frame_index[-1] - track.frame_index[0]) + 1
    seen = count + len(track.shared_frames)
    factors = {
        "travel": min(1.0, max(travel / height / _FULL_TRAVEL_HEIGHTS, growth / _FULL_GROWTH)),
        "coverage": min(1.0, span / frame_count),
        "size": min(1.0, height / tallest_px),
        "coherence": min(1.0, seen / span) * float(track.scores.mean()),
    }
    score = float(np.prod([factors[name] ** power for name, power in sorted(_EXPONENTS.items())]))
    return Candidate(track.track_id, travel, height, factors["coverage"], factors, score)


def _mean_height(track: Track) -> float:
    return max(1.0, float((track.boxes[:, 3] - track.boxes[:, 1]).mean()))
