import multiprocessing

import numpy as np
import pytest

from training.frame_store import find_positions, open_frame_store
from transforms.errors import InputError, IntegrityError
from transforms.progress import NoProgress
from transforms.shards.codec import GREY
from transforms.shards.reader import open_dataset


def open_store(cohort):
    return open_frame_store(open_dataset(cohort.dataset), cohort.scratch, NoProgress())


def store_files(cohort):
    return {
        path.name: path.stat().st_mtime_ns
        for path in (cohort.scratch / "frames").glob("*/*")
        if path.is_file()
    }


@pytest.mark.parametrize("width_px", [44, 64])
@pytest.mark.parametrize("codec", ["bits-zstd/1", GREY])
def test_gather_returns_exactly_the_frames_asked_for(tmp_path, write_tiny_cohort, codec, width_px):
    cohort = write_tiny_cohort(tmp_path / "cohort", codec=codec, width_px=width_px)
    store = open_store(cohort)
    cut = (width_px - 44) // 2
    wanted, frames = ["s100", "s020"], np.array([[2, 0, 2], [1, 1, 0]])
    found = store.gather(find_positions(store, wanted), frames)
    assert found.shape == (2, 1, 3, 64, 44)
    assert found.dtype == np.float32
    for row, sequence_id in enumerate(wanted):
        source = cohort.silhouettes[sequence_id][frames[row]][:, :, cut : width_px - cut]
        np.testing.assert_array_equal(found[row, 0], source.astype(np.float32) / np.float32(255))


def test_read_returns_whole_sequences_up_to_the_cap(tiny_cohort):
    store = open_store(tiny_cohort)
    for position, sequence_id in enumerate(store.sequence_ids):
        source = tiny_cohort.silhouettes[sequence_id] / np.float32(255)
        np.testing.assert_array_equal(store.read(position, cap=720)[0, 0], source)
        np.testing.assert_array_equal(store.read(position, cap=2)[0, 0], source[:2])
    assert store.lengths.tolist() == [len(tiny_cohort.silhouettes[s]) for s in store.sequence_ids]


def test_the_store_is_built_once(tiny_cohort):
    open_store(tiny_cohort)
    before = store_files(tiny_cohort)
    open_store(tiny_cohort)
    assert before
    assert store_files(tiny_cohort) == before


@pytest.mark.parametrize("name", ["frames.npy", "index.json", "manifest.json"])
def test_a_damaged_store_is_built_again(tiny_cohort, name):
    expected = open_store(tiny_cohort).rows.copy()
    (path,) = (tiny_cohort.scratch / "frames").glob(f"*/{name}")
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    np.testing.assert_array_equal(open_store(tiny_cohort).rows, expected)


def test_a_size_that_no_model_takes_is_refused(tmp_path, write_tiny_cohort):
    cohort = write_tiny_cohort(tmp_path / "cohort", width_px=48)
    with pytest.raises(InputError, match=r"sequence s000: .* expected 64x44 or 64x64, found 64x48"):
        open_store(cohort)
    assert not store_files(cohort)


def test_sequences_outside_the_dataset_are_named(tiny_cohort):
    with pytest.raises(IntegrityError, match=r"sequence s999: 1 sequence\(s\) of the split"):
        find_positions(open_store(tiny_cohort), ["s000", "s999"])


def _open_and_sum(dataset, scratch, results):
    store = open_frame_store(open_dataset(dataset), scratch, NoProgress())
    results.put(int(store.rows.sum()))


@pytest.mark.slow
def test_concurrent_builders_end_with_one_whole_store(tiny_cohort):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    arguments = (tiny_cohort.dataset, tiny_cohort.scratch, results)
    workers = [context.Process(target=_open_and_sum, args=arguments) for _ in range(2)]
    for worker in workers:
        worker.start()
    sums = {results.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join()
    assert sums == {int(open_store(tiny_cohort).rows.sum())}
