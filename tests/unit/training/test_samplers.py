import numpy as np
import pytest

from training.data import select_side
from training.frame_store import open_frame_store
from training.samplers import IdentitySampler, build_sampler
from transforms.errors import InputError, SettingsError
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split


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
    sampler = IdentitySampler([np.array([0, 1, 2]), np.array([3])], np.full(4, 5), 2, 3, 2, seed=0)
    plan = sampler.plan(0)
    drawn = {number: sorted(plan.members[plan.identities == number].tolist()) for number in (0, 1)}
    assert drawn == {0: [0, 1, 2], 1: [3, 3, 3]}


def test_frames_do_not_repeat_unless_the_sequence_is_too_short():
    groups = [np.array([0]), np.array([1])]
    sampler = IdentitySampler(groups, np.array([8, 3]), 2, 1, 6, seed=0)
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
