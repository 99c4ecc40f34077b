"""What a cohort of silhouettes without videos consists of: who walks how often, seen from where.

Nothing is rendered here. With a planted effect nothing but the effect depends on a person's label.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from transforms.errors import SettingsError
from transforms.synth.demographics import DEFORMITY_PARTICIPANTS, ELDERLY, count_females
from transforms.synth.draws import draw_normal, generator_for
from transforms.synth.identity import Identity, draw_elderly
from transforms.synth.plan import draw_pseudonym, draw_start, plan_participants
from transforms.synth.walker import Gait

View = Literal["front", "side"]

FPS: Final = 30
_MIN_FRAMES: Final = 30
_PLANTED_LEAN_DEGREES: Final = 12.0


@dataclass(frozen=True)
class Planted:
    """An effect that the people of one label show to one camera alone, which no real one does.

    To the front camera they lean to their left, to the side camera forwards.

    Attributes:
        label: whose silhouettes show it.
        view: the only view in which they do.
        size: 1.0 is a lean of 12 degrees.
    """

    label: str
    view: View
    size: float = 1.0

    def apply(self, gait: Gait, label: str, view: str) -> Gait:
        """Return the gait that this view shows of a person with this label."""
        if (label, view) != (self.label, self.view):
            return gait
        lean = _PLANTED_LEAN_DEGREES * self.size
        if view == "front":
            return replace(gait, lateral_lean=gait.lateral_lean + lean)
        return replace(gait, forward_lean=gait.forward_lean + lean)


@dataclass(frozen=True)
class CohortShape:
    """How many participants and walks of each class, how long the walks are, and who films them.

    Attributes:
        participants: how many of each class.
        sequences: how many walks of each class; each gives one sequence per view.
        frames_mean: of the length of a sequence.
        frames_sd: of the same.
        view: the only view, where `views` is empty.
        batch_id: of the one batch.
        views: cameras that film every walk, as one sync group.
        start_spread_s: each of `views` starts up to so long after the group's clock.
        declares_offsets: whether the table of recordings says when; with a spread only.
        planted: an effect in one of the views; everybody is then an elderly person without a
            disease, and the labels are dealt out.
    """

    participants: Mapping[str, int]
    sequences: Mapping[str, int]
    frames_mean: float = 300.0
    frames_sd: float = 60.0
    view: View = "front"
    batch_id: str = "batch_001"
    views: tuple[View, ...] = ()
    start_spread_s: float = 0.0
    declares_offsets: bool = True
    planted: Planted | None = None

    def __post_init__(self) -> None:
        """Refuse shapes that can't be built or would not be what they say."""
        for label, count in self.participants.items():
            if self.sequences.get(label, 0) < count:
                raise SettingsError(
                    "fewer sequences than participants",
                    where=f"sequences.{label}",
                    expected=f"at least {count}",
                    found=self.sequences.get(label, 0),
                )
        if self.start_spread_s > 0 and len(set(self.views)) < 2:
            raise SettingsError(
                "a spread of starts needs two views", where="views", found=self.views
            )
        if self.planted is not None:
            self._check_planted(self.planted)

    def _check_planted(self, planted: Planted) -> None:
        if planted.label not in self.participants or planted.view not in (
            self.views or (self.view,)
        ):
            raise SettingsError("nobody would show the planted effect", found=planted)
        if len({self.sequences[label] / n for label, n in self.participants.items()}) > 1 or any(
            self.sequences[label] % n for label, n in self.participants.items()
        ):
            raise SettingsError(
                "how often somebody walks would tell the label",
                where="sequences",
                expected="the same multiple of the participants of every class",
                found=dict(self.sequences),
            )


# Table 1 of the Scoliosis1K paper: 1,050 participants, 1,493 sequences of about 300 frames.
SCOLIOSIS1K_SHAPE: Final = CohortShape(
    participants={"positive": 176, "neutral": 82, "negative": 792},
    sequences={"positive": 493, "neutral": 200, "negative": 800},
)

# A dual-view cohort of patients; one walk each, as long as a walk of Scoliosis1K, is ours.
SPINAL_DEFORMITY_SHAPE: Final = CohortShape(
    participants=DEFORMITY_PARTICIPANTS,
    sequences=DEFORMITY_PARTICIPANTS,
    views=("front", "side"),
    start_spread_s=1.0,
)


@dataclass(frozen=True)
class SequencePlan:
    """Everything the silhouettes of one sequence depend on.

    Attributes:
        identity: who walks.
        session: which walk of that person.
        frame_count: how many frames.
        view: which camera.
        seed: the cohort's.
        walk_s: how long the walk is that several cameras film; None where one camera does.
        start_offset_s: when this one starts, on the clock of the sync group; None without a clock.
        planted: see `Planted`.
    """

    identity: Identity
    session: int
    frame_count: int
    view: str
    seed: int
    walk_s: float | None = None
    start_offset_s: float | None = None
    planted: Planted | None = None

    @property
    def sequence_id(self) -> str:
        """Who, which walk and which view."""
        return f"{self.identity.participant_id}_s{self.session}_{self.view}"

    @property
    def sync_group(self) -> str | None:
        """The walk, where several cameras film it."""
        if self.walk_s is None:
            return None
        return f"{self.identity.participant_id}_s{self.session}"


def plan_sequences(shape: CohortShape, seed: int) -> list[SequencePlan]:
    """Return the plan of every sequence, sorted by id; each participant has at least one."""
    if shape.planted is None:
        participants = plan_participants(seed, dict(shape.participants))
    else:
        participants = _deal_labels(seed, shape.participants)
    plans: list[SequencePlan] = []
    for label in shape.participants:
        people = [person for person in participants if person.label == label]
        for person, count in zip(people, _count_walks(shape, seed, label), strict=True):
            for session in range(1, count + 1):
                plans += _plan_walk(shape, seed, person, session)
    return sorted(plans, key=lambda plan: plan.sequence_id)


def _count_walks(shape: CohortShape, seed: int, label: str) -> list[int]:
    """Return how often each participant of a class walks."""
    people, walks = shape.participants[label], shape.sequences[label]
    if shape.planted is not None:
        return [walks // people] * people
    rng = generator_for(seed, "sessions", label)
    extra = rng.multinomial(walks - people, np.full(people, 1 / people))
    return [int(more) + 1 for more in extra]


def _plan_walk(shape: CohortShape, seed: int, person: Identity, session: int) -> list[SequencePlan]:
    rng = generator_for(seed, "length", person.participant_id, session)
    length = round(draw_normal(rng, shape.frames_mean, shape.frames_sd))
    frame_count = max(length, _MIN_FRAMES)
    if not shape.views:
        plan = SequencePlan(person, session, frame_count, shape.view, seed)
        return [replace(plan, planted=shape.planted)]
    key = (person.participant_id, session)
    return [
        SequencePlan(
            person,
            session,
            frame_count,
            view,
            seed,
            walk_s=frame_count / FPS + shape.start_spread_s,
            start_offset_s=draw_start(seed, shape.start_spread_s, *key, view),
            planted=shape.planted,
        )
        for view in sorted(set(shape.views))
    ]


def _deal_labels(seed: int, counts: Mapping[str, int]) -> list[Identity]:
    """Draw elderly people without a disease, then deal the labels out among them.

    Who they are follows from the seed and their number alone.
    """
    labels = [label for label, count in counts.items() for _ in range(count)]
    ranks = [generator_for(seed, "sex", "planted", index).random() for index in range(len(labels))]
    females = set(np.argsort(ranks)[: count_females(ELDERLY, len(labels))].tolist())
    dealt = generator_for(seed, "labels").permutation(len(labels)).tolist()
    people: list[Identity] = []
    for index, place in enumerate(dealt):
        rng = generator_for(seed, "participant", "planted", index)
        participant_id = draw_pseudonym(rng, {person.participant_id for person in people})
        sex = "F" if index in females else "M"
        people.append(draw_elderly(participant_id, labels[place], sex, rng))
    return people
