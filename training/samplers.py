"""What a batch holds: a pure function of the seed and the step, so resuming needs no state.

Identities are drawn uniformly and nothing balances the classes, as in the field's protocol.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.data import SequenceSet
from training.frame_store import Positions
from transforms.errors import SettingsError
from transforms.settings import TrainingSettings


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


@dataclass(frozen=True)
class IdentitySampler:
    """Draws identities, then sequences of each, then frames of each.

    Attributes:
        groups: for every identity the positions of its sequences in the `SequenceSet`.
        lengths: frames of each sequence of the `SequenceSet`.
    """

    groups: Sequence[Positions]
    lengths: Positions
    identities_per_batch: int
    sequences_per_identity: int
    frames_per_sequence: int
    seed: int

    def plan(self, step: int) -> BatchPlan:
        """Return the batch of a step, counted from 0.

        Identities do not repeat within a batch. An identity with fewer sequences than asked for
        gives some more than once. Frames come in random order, each at most once, unless the
        sequence is shorter than what is asked for: then with replacement (`fixed_unordered`).
        """
        generator = np.random.default_rng([self.seed, step])
        chosen = generator.choice(len(self.groups), self.identities_per_batch, replace=False)
        members = np.concatenate(
            [
                _draw(generator, self.groups[identity], self.sequences_per_identity)
                for identity in chosen
            ]
        )
        frames = np.stack(
            [
                _draw(generator, np.arange(self.lengths[member]), self.frames_per_sequence)
                for member in members
            ]
        )
        return BatchPlan(members, np.repeat(chosen, self.sequences_per_identity), frames)


def _draw(generator: np.random.Generator, values: Positions, count: int) -> Positions:
    drawn: Positions = generator.choice(values, count, replace=len(values) < count)
    return drawn


def build_sampler(sequences: SequenceSet, settings: TrainingSettings, seed: int) -> IdentitySampler:
    """Build the sampler of a training run.

    Raises:
        SettingsError: the training side has fewer identities than a batch needs, or a batch
            would hold a single sample, for which batch normalisation has no variance.
    """
    groups = group_by_identity(sequences, settings.triplet_identity)
    if settings.identities_per_batch > len(groups):
        raise SettingsError(
            "a batch needs more identities than the training side has",
            where="training.identities_per_batch",
            expected=f"at most {len(groups)}",
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
    return IdentitySampler(
        groups=groups,
        lengths=sequences.lengths,
        identities_per_batch=settings.identities_per_batch,
        sequences_per_identity=settings.sequences_per_identity,
        frames_per_sequence=settings.frames_per_sequence,
        seed=seed,
    )


def group_by_identity(
    sequences: SequenceSet, identity: Literal["sequence", "participant"]
) -> list[Positions]:
    """Return the positions of each identity's sequences.

    `sequence`, as the reference is trained: every sequence is an identity of its own.
    """
    if identity == "sequence":
        return [np.array([position]) for position in range(len(sequences))]
    return [
        np.flatnonzero(sequences.participants == participant)
        for participant in range(sequences.participant_count)
    ]
