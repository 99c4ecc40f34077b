import errno
import multiprocessing
import os
import pickle
import signal
from collections import namedtuple

import numpy as np
import pytest

import training.frame_files
from training.frame_files import read_store
from training.frame_store import FrameStore, open_frame_store
from transforms.errors import GaitworksError, InputError, IntegrityError
from transforms.progress import NoProgress
from transforms.shards.codec import BITS, GREY
from transforms.shards.reader import open_dataset


def open_store(cohort):
    return open_frame_store(open_dataset(cohort.dataset), cohort.scratch, NoProgress())


def store_file(cohort, name):
    (path,) = (cohort.scratch / "frames").glob(f"*/{name}")
    return path


def store_files(cohort):
    return {
        path.name: path.stat().st_mtime_ns for path in (cohort.scratch / "frames").glob("[!.]*/*")
    }


def flip_bit(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("width_px", [44, 64])
@pytest.mark.parametrize("codec", [BITS, GREY])
def test_gather_returns_exactly_the_frames_asked_for(tmp_path, write_tiny_cohort, codec, width_px):
    cohort = write_tiny_cohort(tmp_path / "cohort", codec=codec, width_px=width_px)
    store = open_store(cohort)
    cut = (width_px - 44) // 2
    wanted, frames = ["s100", "s020"], np.array([[2, 0, 2], [1, 1, 0]])
    positions = store.index.find_positions(wanted)
    found = store.gather(positions, frames)
    assert found.shape == (2, 1, 3, 64, 44)
    assert found.dtype == np.float32
    for row, sequence_id in enumerate(wanted):
        source = cohort.silhouettes[sequence_id][:, :, cut : width_px - cut]
        expected = source[frames[row]].astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(found[row, 0], expected)
        np.testing.assert_array_equal(store.read_uint8(int(positions[row])), source)


def test_gather_writes_where_it_is_told(tiny_cohort):
    store = open_store(tiny_cohort)
    sequences, frames = np.array([3, 0]), np.array([[1, 2], [0, 0]])
    room = np.full((2, 1, 2, 64, 44), np.nan, np.float32)
    assert store.gather(sequences, frames, room) is room
    np.testing.assert_array_equal(room, store.gather(sequences, frames))
    packed = np.empty((2, 2, 352), np.uint8)
    assert store.gather_packed(sequences, frames, packed) is packed
    np.testing.assert_array_equal(np.unpackbits(packed, axis=-1).reshape(room.shape), room)
    with pytest.raises(ValueError, match="expected a contiguous float32 buffer"):
        store.gather(sequences, frames, room[:1])
    large = np.full((9, 64, 44), 7, np.uint8)
    whole = store.read_uint8(3, large)
    assert np.shares_memory(whole, large)
    np.testing.assert_array_equal(whole, store.read_uint8(3))
    assert (large[len(whole) :] == 7).all()


@pytest.mark.parametrize(("sequence", "frame"), [(0, 3), (0, -1), (-1, 0), (15, 0)])
def test_a_frame_outside_its_sequence_is_refused(tiny_cohort, sequence, frame):
    store = open_store(tiny_cohort)
    for gather in (store.gather, store.gather_packed):
        with pytest.raises(IndexError):
            gather(np.array([sequence]), np.array([[frame]]))


def test_read_returns_whole_sequences_up_to_the_cap(tiny_cohort):
    store = open_store(tiny_cohort)
    assert len(store) == len(tiny_cohort.silhouettes) == 15
    for position, sequence_id in enumerate(sorted(tiny_cohort.silhouettes)):
        source = tiny_cohort.silhouettes[sequence_id] / np.float32(255)
        np.testing.assert_array_equal(store.read(position, cap=720)[0, 0], source)
        np.testing.assert_array_equal(store.read(position, cap=2)[0, 0], source[:2])
        assert store.lengths[position] == len(source)


def test_the_store_is_built_once(tiny_cohort):
    open_store(tiny_cohort)
    before = store_files(tiny_cohort)
    open_store(tiny_cohort)
    assert before
    assert store_files(tiny_cohort) == before


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
@pytest.mark.parametrize("name", ["index.parquet", "store.json", "frames.bin"])
def test_a_store_whose_index_is_damaged_is_built_again(tiny_cohort, name, damage):
    expected = open_store(tiny_cohort).rows.copy()
    path = store_file(tiny_cohort, name)
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif name != "frames.bin":  # which is looked at when it is read, see below
        flip_bit(path, 0)
    np.testing.assert_array_equal(open_store(tiny_cohort).rows, expected)


@pytest.mark.parametrize("name", ["index.parquet", "store.json"])
def test_no_flipped_bit_beside_the_frames_goes_unseen(tiny_cohort, name):
    store = open_store(tiny_cohort)
    path, version = store_file(tiny_cohort, name), open_dataset(tiny_cohort.dataset).version
    good = path.read_bytes()
    for position in range(0, len(good), 1 if name == "store.json" else 23):
        flip_bit(path, position)
        try:
            files = read_store(store.directory, version)
        except IntegrityError:
            pass
        else:  # white space between two names of the description
            assert good[position] in b" \n"
            np.testing.assert_array_equal(files.index.checksums, store.index.checksums)
        path.write_bytes(good)


@pytest.mark.parametrize("codec", [BITS, GREY])
def test_a_damaged_sequence_is_named_and_never_returned(tmp_path, write_tiny_cohort, codec):
    cohort = write_tiny_cohort(tmp_path / "cohort", codec=codec)
    generator = np.random.default_rng(0)
    pristine = open_store(cohort)
    path, row_bytes = store_file(cohort, "frames.bin"), pristine.rows.shape[1]
    good = path.read_bytes()
    everywhere = np.arange(len(pristine)), np.zeros((len(pristine), 1), np.int64)
    for position in generator.integers(0, len(good), 25).tolist():
        flip_bit(path, position)
        damaged = int(np.searchsorted(pristine.index.offsets, position // row_bytes, "right")) - 1
        name = sorted(cohort.silhouettes)[damaged]
        store = open_store(cohort)
        for read in (
            lambda s: s.gather(*everywhere),
            lambda s: s.gather_packed(*everywhere),
            lambda s, d=damaged: s.read(d, cap=1),
            lambda s, d=damaged: s.read_uint8(d),
        ):
            with pytest.raises(IntegrityError, match=rf"sequence {name}: .*delete .*frames"):
                read(store)
        others = np.delete(np.arange(len(store)), damaged)
        for other in others.tolist():
            frames = store.read_uint8(other)
            np.testing.assert_array_equal(
                frames, cohort.silhouettes[sorted(cohort.silhouettes)[other]]
            )
        path.write_bytes(good)


def test_another_dataset_has_another_store(tmp_path, write_tiny_cohort):
    first = write_tiny_cohort(tmp_path / "a")
    second = write_tiny_cohort(tmp_path / "b", per_class=3)
    stores = [
        open_frame_store(open_dataset(cohort.dataset), tmp_path / "scratch", NoProgress())
        for cohort in (first, second)
    ]
    assert [len(store) for store in stores] == [15, 12]
    with pytest.raises(IntegrityError, match="damaged frame store, expected dataset"):
        FrameStore(stores[0].directory, open_dataset(second.dataset).version)


def test_a_store_travels_to_another_process_by_name(tiny_cohort):
    store = open_store(tiny_cohort)
    message = pickle.dumps(store)
    assert len(message) < 500
    np.testing.assert_array_equal(pickle.loads(message).rows, store.rows)


def test_a_size_that_no_model_takes_is_refused(tmp_path, write_tiny_cohort):
    cohort = write_tiny_cohort(tmp_path / "cohort", width_px=48)
    with pytest.raises(InputError, match=r"sequence s000: .* expected 64x44 or 64x64, found 64x48"):
        open_store(cohort)
    assert not store_files(cohort)


def test_sequences_outside_the_dataset_are_named(tiny_cohort):
    index = open_store(tiny_cohort).index
    assert index.find_positions(["s001", "s000"]).tolist() == [1, 0]
    with pytest.raises(IntegrityError, match=r"sequence s999: 1 sequence\(s\) of the split"):
        index.find_positions(["s000", "s999"])


def test_a_disk_too_small_is_refused_before_anything_is_written(tiny_cohort, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(training.frame_files.shutil, "disk_usage", lambda path: usage(1000))
    with pytest.raises(GaitworksError, match=r"no room for the frame store, .*found 1000 bytes"):
        open_store(tiny_cohort)
    assert not store_files(tiny_cohort)


def test_a_disk_that_fills_up_leaves_no_store(tiny_cohort, monkeypatch):
    def append_until_full(stream, dataset, sequence_id, count, *, is_binary):
        if sequence_id == "s100":
            raise OSError(errno.ENOSPC, "No space left on device")
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(training.frame_files, "_append", append_until_full)
        with pytest.raises(GaitworksError, match="no room for the frame store"):
            open_store(tiny_cohort)
    assert not store_files(tiny_cohort)
    assert len(open_store(tiny_cohort)) == 15


class KillAt(NoProgress):
    def __init__(self, count):
        self.left = count

    def advance(self, count=1, note=""):
        self.left -= count
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _open_and_sum(dataset, scratch, progress, results):
    store = open_frame_store(open_dataset(dataset), scratch, progress)
    results.put(int(store.rows.sum()))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 15])
def test_a_killed_builder_leaves_nothing_that_is_taken_for_a_store(tiny_cohort, count):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (tiny_cohort.dataset, tiny_cohort.scratch, KillAt(count), results)
    worker = context.Process(target=_open_and_sum, args=arguments)
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert not store_files(tiny_cohort)
    store = open_store(tiny_cohort)
    for position, sequence_id in enumerate(sorted(tiny_cohort.silhouettes)):
        source = tiny_cohort.silhouettes[sequence_id]
        np.testing.assert_array_equal(store.read_uint8(position), source)
    assert not list((tiny_cohort.scratch / "frames").glob(".tmp-*"))


@pytest.mark.slow
def test_concurrent_builders_end_with_one_whole_store(tiny_cohort):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (tiny_cohort.dataset, tiny_cohort.scratch, NoProgress(), results)
    workers = [context.Process(target=_open_and_sum, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    sums = {results.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join()
    assert sums == {int(open_store(tiny_cohort).rows.sum())}
