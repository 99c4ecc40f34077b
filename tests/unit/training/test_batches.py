import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from training.batches import BatchReader, BatchStream, build_reader
from training.data import select_side
from training.frame_store import open_frame_store
from training.samplers import build_sampler
from transforms.errors import IntegrityError
from transforms.progress import NoProgress
from transforms.shards.codec import BITS, GREY
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split

CPU = torch.device("cpu")
STEPS = 40


def make_reader(cohort, settings) -> BatchReader:
    store = open_frame_store(open_dataset(cohort.dataset), cohort.scratch, NoProgress())
    split = load_split(cohort.splits / "split.parquet", cohort.version)
    train = select_side(split, "ratio_1_1_2", "train", store)
    return build_reader(store, train, build_sampler(train, settings, 0), CPU)


@pytest.fixture
def reader(tiny_cohort, tiny_settings):
    return make_reader(tiny_cohort, tiny_settings)


def take(reader, steps, threads):
    """Return copies: a stream uses the memory of a batch again."""
    with BatchStream(reader, steps, CPU, thread_count=threads) as stream:
        return [(batch.step, *(tensor.clone() for tensor in batch[1:])) for batch in stream]


def same(first, second):
    assert [batch[0] for batch in first] == [batch[0] for batch in second]
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one[1:], other[1:], strict=True):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_a_batch_holds_the_frames_that_were_planned(
    tmp_path, write_tiny_cohort, tiny_settings, codec
):
    cohort = write_tiny_cohort(tmp_path / "cohort", codec=codec)
    reader = make_reader(cohort, tiny_settings)
    ids = [scalar.as_py() for scalar in reader.store.index.sequence_ids]
    for step, silhouettes, labels, identities in take(reader, range(5), 1):
        plan = reader.plan(step)
        assert silhouettes.shape == (6, 1, 2, 64, 44)
        assert identities.tolist() == plan.identities.tolist()
        for row, member in enumerate(plan.members):
            name = ids[reader.positions[member]]
            assert labels[row] == int(name[2])
            expected = cohort.silhouettes[name][plan.frames[row]] / np.float32(255)
            np.testing.assert_array_equal(silhouettes[row, 0].numpy(), expected)


@pytest.mark.parametrize("balance", ["none", "classes"])
@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_stream_that_was_interrupted_goes_on_with_the_same_batches(
    tiny_cohort, tiny_settings, threads, world_size, balance
):
    settings = tiny_settings.model_copy(update={"batch_balance": balance})
    whole = make_reader(tiny_cohort, settings)
    expected = take(whole, range(STEPS), 0)
    generator = np.random.default_rng(threads)
    for stop in generator.choice(STEPS, 20, replace=False).tolist():
        parts = []
        for rank in range(world_size):
            part = replace(whole, rank=rank, world_size=world_size)
            with BatchStream(part, range(STEPS), CPU, thread_count=threads) as stream:
                before = []
                for batch in stream:
                    if batch.step == stop:
                        break
                    before.append((batch.step, *(tensor.clone() for tensor in batch[1:])))
            parts.append(before + take(part, range(stop, STEPS), threads))
        joined = [
            (
                ranks[0][0],
                *(torch.cat(tensors) for tensors in zip(*(r[1:] for r in ranks), strict=True)),
            )
            for ranks in zip(*parts, strict=True)
        ]
        same(joined, expected)


@pytest.mark.slow
def test_a_torch_loader_with_worker_processes_gives_the_same_batches(reader):
    expected = take(reader, range(3, 13), 0)
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=range(3, 13),
        num_workers=2,
        multiprocessing_context="spawn",
    )
    same([tuple(batch) for batch in loader], expected)


def test_packed_batches_are_expanded_to_the_same_floats(reader):
    packed = replace(reader, is_packed=True)
    assert packed.read(0, None).silhouettes.shape == (6, 2, 352)
    same(take(packed, range(6), 1), take(reader, range(6), 1))


@pytest.mark.gpu
def test_a_gpu_gets_the_same_batches(reader):
    packed = replace(reader, is_packed=True)
    expected = take(reader, range(STEPS), 0)
    cuda = torch.device("cuda")
    with BatchStream(packed, range(STEPS), cuda, thread_count=2) as stream:
        found = [(batch.step, *(tensor.cpu() for tensor in batch[1:])) for batch in stream]
    same(found, expected)


def test_no_step_is_no_batch(reader):
    for threads in (0, 2):
        assert take(reader, range(4, 4), threads) == []


def test_a_damaged_sequence_stops_the_stream_at_its_batch(reader):
    (path,) = reader.store.directory.glob("frames.bin")
    with path.open("r+b") as stream:
        stream.seek(0)
        stream.write(b"\xff" * path.stat().st_size)
    for threads in (0, 1):
        with pytest.raises(IntegrityError, match=r"sequence s\d+: damaged frames"):
            take(reader, range(3), threads)


def test_threads_end_with_the_stream(reader):
    before = threading.active_count()
    with BatchStream(reader, range(STEPS), CPU, thread_count=2) as stream:
        next(iter(stream))
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_waiting_is_measured(reader):
    with BatchStream(reader, range(3), CPU, thread_count=0) as stream:
        assert stream.waited_s == 0
        list(stream)
        assert stream.waited_s > 0
