"""What a batch holds: a pure function of the seed and the step, so resuming needs no state.

Steps count from the start of the training, over all epochs. Processes that share a batch plan the
whole of it and take their part: the data do not depend on how many they are.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np

from training.data import SequenceSet
from training.frame_index import Positions
from training.frame_sampling import draw_distinct, draw_frames
from transforms.errors import SettingsError
from transforms.training_settings import FrameSampling, TrainingSettings


@dataclass(frozen=True)
class BatchPlan:
    """Which frames make a batch; nothing is read yet.

    Attributes:
        members: `(sample,)` positions in the `SequenceSet`.
        identities: `(sample,)` numbers that are equal where the triplet loss sees one identity.
        frames: `(sample, frame)` positions inside each sequence.
    """

    members: Positions
    identities: Positions
    frames: Positions

    def share(self, rank: int, world_size: int) -> "BatchPlan":
        """Return the part of one of `world_size` processes: consecutive samples.

        Raises:
            SettingsError: the batch has no equal parts for so many.
        """
        count, rest = divmod(len(self.members), world_size)
        if rest:
            raise SettingsError(
                "a batch that its processes cannot share equally",
                where="training.identities_per_batch x sequences_per_identity",
                expected=f"a multiple of {world_size} processes",
                found=len(self.members),
            )
        part = slice(rank * count, (rank + 1) * count)
        return BatchPlan(self.members[part], self.identities[part], self.frames[part])


class IdentityDraw(Protocol):
    """A way to choose the identities of a batch."""

    def draw(self, generator: np.random.Generator, step: int, count: int) -> Positions:
        """Return `count` identities for a step; random numbers come from the step's generator."""


@dataclass(frozen=True)
class UniformDraw:
    """Every identity is as likely as any other; none twice in a batch. Nothing balances classes."""

    identity_count: int

    def draw(self, generator: np.random.Generator, step: int, count: int) -> Positions:
        """Return `count` different identities."""
        population = np.array([self.identity_count])
        return draw_distinct(population, generator.random((1, count))).reshape(-1)


@dataclass(frozen=True)
class BalancedDraw:
    """The classes take turns; within a class every identity comes once before any comes again.

    The draws of all batches are one sequence: draw number d belongs to class `d % classes`. Any
    batch therefore holds the classes equally often up to one, whatever its size.

    Attributes:
        classes: the identities of each class that has any.
        seed: of the order within the classes.
    """

    classes: tuple[Positions, ...]
    seed: int

    def draw(self, generator: np.random.Generator, step: int, count: int) -> Positions:
        """Return `count` identities, one twice only where a class begins anew."""
        chosen = np.empty(count, np.int64)
        for place in range(count):
            turn, number = divmod(step * count + place, len(self.classes))
            members = self.classes[number]
            round_, position = divmod(turn, len(members))
            chosen[place] = members[_shuffled(self.seed, number, round_, len(members))[position]]
        return chosen


@lru_cache(maxsize=16)
def _shuffled(seed: int, number: int, round_: int, count: int) -> Positions:
    """Return the order of one round through a class."""
    return np.random.default_rng([seed, round_, number, count]).permutation(count)


@dataclass(frozen=True)
class IdentitySampler:
    """Draws identities, then sequences of each, then frames of each.

    Attributes:
        identities: how identities are chosen.
        members: the positions in the `SequenceSet`, identity after identity.
        offsets: `(identity + 1,)`: those of identity i are `members[offsets[i]:offsets[i + 1]]`.
        lengths: frames of each sequence of the `SequenceSet`.
        frame_sampling: see `training.frame_sampling`.
    """

    identities: IdentityDraw
    members: Positions
    offsets: Positions
    lengths: Positions
    identities_per_batch: int
    sequences_per_identity: int
    frames_per_sequence: int
    frame_sampling: FrameSampling
    seed: int

    @property
    def sample_count(self) -> int:
        """Samples of a batch."""
        return self.identities_per_batch * self.sequences_per_identity

    def plan(self, step: int) -> BatchPlan:
        """Return the batch of a step, counted from 0.

        An identity with fewer sequences than asked for gives some more than once.
        """
        generator = np.random.default_rng([self.seed, step])
        chosen = self.identities.draw(generator, step, self.identities_per_batch)
        starts = self.offsets[chosen]
        drawn = draw_distinct(
            self.offsets[chosen + 1] - starts,
            generator.random((self.identities_per_batch, self.sequences_per_identity)),
        )
        members = self.members[(starts[:, None] + drawn).reshape(-1)]
        frames = draw_frames(
            self.frame_sampling, self.lengths[members], self.frames_per_sequence, generator
        )
        return BatchPlan(members, np.repeat(chosen, self.sequences_per_identity), frames)


def build_sampler(sequences: SequenceSet, settings: TrainingSettings, seed: int) -> IdentitySampler:
    """Build the sampler of a training run.

    Args:
        sequences: the training side.
        settings: the size of a batch, what an identity is, whether the classes take turns or every
            identity comes once before any comes again (see `BalancedDraw`), and which frames are
            drawn (see `training.frame_sampling`).
        seed: of everything that is drawn.

    Raises:
        SettingsError: the training side has fewer identities than a batch needs, or a batch
            would hold a single sample, for which batch normalisation has no variance.
    """
    members, offsets = group_by_identity(sequences, settings.triplet_identity)
    identity_count = len(offsets) - 1
    if settings.identities_per_batch > identity_count:
        raise SettingsError(
            "a batch needs more identities than the training side has",
            where="training.identities_per_batch",
            expected=f"at most {identity_count}",
            found=settings.identities_per_batch,
            fix="lower it, or train on more data",
        )
    if settings.identities_per_batch * settings.sequences_per_identity < 2:
        raise SettingsError(
            "a batch of one sample cannot be normalised",
            where="training.identities_per_batch",
            expected="identities_per_batch x sequences_per_identity of at least 2",
            found=1,
        )
    identities: IdentityDraw = UniformDraw(identity_count)
    if settings.batch_balance == "epochs":
        identities = BalancedDraw((np.arange(identity_count),), seed)
    if settings.batch_balance == "classes":
        labels = sequences.labels[members[offsets[:-1]]]
        classes = tuple(np.flatnonzero(labels == label) for label in np.unique(labels))
        identities = BalancedDraw(classes, seed)
    return IdentitySampler(
        identities=identities,
        members=members,
        offsets=offsets,
        lengths=sequences.lengths,
        identities_per_batch=settings.identities_per_batch,
        sequences_per_identity=settings.sequences_per_identity,
        frames_per_sequence=settings.frames_per_sequence,
        frame_sampling=settings.frame_sampling,
        seed=seed,
    )


def group_by_identity(
    sequences: SequenceSet, identity: Literal["sequence", "participant"]
) -> tuple[Positions, Positions]:
    """Return the positions of all sequences, identity after identity, and where each begins.

    `sequence`, as the reference is trained: every sequence is an identity of its own.

    Returns:
        `(sequence,)` and `(identity + 1,)`, see `IdentitySampler`.
    """
    if identity == "sequence":
        return np.arange(len(sequences)), np.arange(len(sequences) + 1)
    counts = np.bincount(sequences.participants, minlength=1)
    members = np.argsort(sequences.participants, kind="stable")
    return members, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
