import time

import numpy as np
import pytest

from training.data import SequenceSet, select_side
from training.frame_store import open_frame_store
from training.samplers import BalancedDraw, IdentitySampler, UniformDraw, build_sampler
from transforms.errors import InputError, SettingsError
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split


def sampler_of(groups, lengths, identities, sequences, frames):
    return IdentitySampler(
        identities=UniformDraw(len(groups)),
        members=np.concatenate(groups),
        offsets=np.cumsum([0, *map(len, groups)]),
        lengths=np.array(lengths),
        identities_per_batch=identities,
        sequences_per_identity=sequences,
        frames_per_sequence=frames,
        frame_sampling="fixed_unordered",
        seed=0,
    )


@pytest.fixture
def store(tiny_cohort):
    return open_frame_store(open_dataset(tiny_cohort.dataset), tiny_cohort.scratch, NoProgress())


@pytest.fixture
def split(tiny_cohort):
    return load_split(tiny_cohort.splits / "split.parquet", tiny_cohort.version)


@pytest.fixture
def train(store, split):
    return select_side(split, "ratio_1_1_2", "train", store)


def test_a_side_is_sorted_and_labelled(train):
    ids = train.table["sequence_id"].to_list()
    assert ids == sorted(ids)
    assert len(train) == 9
    assert train.participant_count == 6
    assert train.labels.tolist() == [int(sequence_id[2]) for sequence_id in ids]
    assert train.lengths.tolist() == [3 + int(s[1]) + int(s[3]) for s in ids]
    people = train.table["participant_id"].to_list()
    assert [people.index(person) for person in people] == [
        train.participants.tolist().index(number) for number in train.participants
    ]


def test_an_unknown_variant_is_refused(store, split):
    with pytest.raises(InputError, match="expected ratio_1_1_2, found ratio_1_1_8"):
        select_side(split, "ratio_1_1_8", "train", store)


def test_a_batch_is_a_function_of_seed_and_step(train, tiny_settings):
    def plans(seed, steps):
        sampler = build_sampler(train, tiny_settings, seed)
        return {step: sampler.plan(step) for step in steps}

    forwards, backwards = plans(1, range(4)), plans(1, reversed(range(4)))
    for step in range(4):
        for name in ("members", "identities", "frames"):
            first = getattr(forwards[step], name)
            np.testing.assert_array_equal(first, getattr(backwards[step], name))
    assert not np.array_equal(forwards[0].frames, forwards[1].frames)
    assert not np.array_equal(forwards[0].frames, plans(2, [0])[0].frames)


@pytest.mark.parametrize("identity", ["sequence", "participant"])
def test_a_batch_holds_identities_times_sequences(train, tiny_settings, identity):
    settings = tiny_settings.model_copy(update={"triplet_identity": identity})
    sampler = build_sampler(train, settings, 0)
    names = train.table[f"{identity}_id"].to_list()
    for step in range(20):
        plan = sampler.plan(step)
        assert len(plan.members) == 6
        assert len(set(plan.identities.tolist())) == 3
        by_number = {}
        for member, number in zip(plan.members, plan.identities, strict=True):
            by_number.setdefault(number, set()).add(names[member])
        assert all(len(people) == 1 for people in by_number.values())


def test_sequences_of_a_participant_do_not_repeat_while_there_are_enough():
    sampler = sampler_of([[0, 1, 2], [3]], [5] * 4, identities=2, sequences=3, frames=2)
    plan = sampler.plan(0)
    drawn = {number: sorted(plan.members[plan.identities == number].tolist()) for number in (0, 1)}
    assert drawn == {0: [0, 1, 2], 1: [3, 3, 3]}


def test_frames_do_not_repeat_unless_the_sequence_is_too_short():
    sampler = sampler_of([[0], [1]], [8, 3], identities=2, sequences=1, frames=6)
    for step in range(20):
        plan = sampler.plan(step)
        for member, frames in zip(plan.members, plan.frames, strict=True):
            assert len(frames) == 6
            assert frames.min() >= 0
            assert frames.max() < sampler.lengths[member]
            if member == 0:
                assert len(set(frames.tolist())) == 6


def test_every_identity_and_frame_is_drawn_sooner_or_later(train, tiny_settings):
    sampler = build_sampler(train, tiny_settings, 0)
    seen = {
        (member, frame)
        for step in range(300)
        for plan in [sampler.plan(step)]
        for member, frames in zip(plan.members.tolist(), plan.frames.tolist(), strict=True)
        for frame in frames
    }
    assert len(seen) == train.lengths.sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identities_per_batch": 10}, "expected at most 9, found 10"),
        ({"identities_per_batch": 7, "triplet_identity": "participant"}, "expected at most 6"),
        ({"identities_per_batch": 1, "sequences_per_identity": 1}, "of at least 2, found 1"),
    ],
)
def test_a_batch_that_cannot_be_drawn_is_refused(train, tiny_settings, changes, message):
    with pytest.raises(SettingsError, match=message):
        build_sampler(train, tiny_settings.model_copy(update=changes), 0)


@pytest.mark.parametrize("balance", ["none", "classes"])
@pytest.mark.parametrize("frame_sampling", ["fixed_unordered", "fixed_ordered"])
def test_processes_share_the_same_batch(train, tiny_settings, balance, frame_sampling):
    settings = tiny_settings.model_copy(
        update={"batch_balance": balance, "frame_sampling": frame_sampling}
    )
    sampler = build_sampler(train, settings, 0)
    for step in range(5):
        plan = sampler.plan(step)
        for world_size in (1, 2, 3):
            parts = [sampler.plan(step).share(rank, world_size) for rank in range(world_size)]
            for name in ("members", "identities", "frames"):
                joined = np.concatenate([getattr(part, name) for part in parts])
                np.testing.assert_array_equal(joined, getattr(plan, name))
    with pytest.raises(SettingsError, match="expected a multiple of 4 processes, found 6"):
        plan.share(0, 4)


@pytest.mark.parametrize("identity", ["sequence", "participant"])
def test_balanced_batches_hold_every_class_equally_often(train, tiny_settings, identity):
    settings = tiny_settings.model_copy(
        update={
            "triplet_identity": identity,
            "identities_per_batch": 5,
            "batch_balance": "classes",
        }
    )
    sampler = build_sampler(train, settings, 0)
    for step in range(12):
        plan = sampler.plan(step)
        per_class = np.bincount(train.labels[plan.members], minlength=3)
        assert per_class.sum() == 10
        assert per_class.max() - per_class.min() <= 2  # two sequences of each identity


def test_a_class_is_gone_through_before_it_begins_anew():
    draw = BalancedDraw((np.array([0, 1, 2, 3, 4]), np.array([5, 6])), seed=3)
    drawn = np.concatenate([draw.draw(None, step, 4) for step in range(50)])
    assert set(drawn[0::2].tolist()) == {0, 1, 2, 3, 4}
    rounds = drawn[0::2].reshape(-1, 5)
    assert (np.sort(rounds, axis=1) == np.arange(5)).all()
    assert len({tuple(order) for order in rounds.tolist()}) > 10
    assert (np.sort(drawn[1::2].reshape(-1, 2), axis=1) == [5, 6]).all()
    np.testing.assert_array_equal(draw.draw(None, 7, 4), drawn[28:32])


def test_many_sequences_are_grouped_and_planned_at_once(train, tiny_settings):
    count = 150_000
    many = SequenceSet(
        table=train.table.clear(),
        positions=np.arange(count),
        labels=np.arange(count) % 3,
        lengths=np.full(count, 300),
        participants=np.random.default_rng(0).permutation(count) // 3,
    )
    settings = tiny_settings.model_copy(update={"triplet_identity": "participant"})
    start = time.perf_counter()
    sampler = build_sampler(many, settings, 0)
    members = sampler.plan(0).members.reshape(3, 2)
    assert time.perf_counter() - start < 2  # minutes, where every participant is looked for
    assert (many.participants[members[:, 0]] == many.participants[members[:, 1]]).all()
    assert (members[:, 0] != members[:, 1]).all()
