import errno
import multiprocessing
import os
import pickle
import signal
import threading
import time
from hashlib import sha256

import pytest

from transforms.errors import RefusalError, SettingsError
from transforms.shards.shard_cache import CacheItem, ShardCache, write_all


def _content(number, size=100):
    return bytes([number]) * size


def _item(data):
    return CacheItem(sha256(data).hexdigest(), len(data))


class Source:
    """Fills with the rest of `data`, and remembers from where."""

    def __init__(self, data):
        self.data = data
        self.starts = []

    def __call__(self, stream):
        self.starts.append(stream.seek(0, os.SEEK_END))
        write_all(stream, self.data[self.starts[-1] :])


def _hold(cache, data, source=None):
    with cache.hold(_item(data), source or Source(data)) as path:
        return path.read_bytes()


@pytest.fixture
def cache(tmp_path):
    return ShardCache(tmp_path / "cache", 300, patience_s=0.2)


def test_an_object_is_brought_once(cache):
    source = Source(_content(1))
    assert _hold(cache, source.data, source) == source.data
    assert _hold(cache, source.data, source) == source.data
    other = ShardCache(cache.directory, 300)
    assert _hold(other, source.data, source) == source.data
    assert source.starts == [0]
    assert cache.used_bytes() == 100


def test_an_empty_object_is_an_object(cache):
    assert _hold(cache, b"") == b""


def test_the_least_recently_used_leaves_first(cache):
    contents = [_content(number) for number in range(5)]
    for data in contents[:3]:
        _hold(cache, data)
    _hold(cache, contents[0])
    _hold(cache, contents[3])
    _hold(cache, contents[4])
    kept = {path.name for path in (cache.directory / "objects").iterdir()}
    assert kept == {_item(contents[number]).sha256 for number in (0, 3, 4)}
    assert cache.used_bytes() == 300


def test_a_lower_limit_takes_hold_when_the_cache_is_opened(cache):
    for number in range(3):
        _hold(cache, _content(number))
    assert ShardCache(cache.directory, 150).used_bytes() == 100


def test_files_of_others_are_left_alone(cache):
    foreign = [cache.directory / name for name in ("notes.txt", "objects/readme", "partial/x.1")]
    for path in foreign:
        path.write_bytes(bytes(1000))
    for number in range(5):
        _hold(cache, _content(number))
    assert all(path.exists() for path in foreign)


def test_a_damaged_object_is_brought_again(cache):
    data = _content(1)
    _hold(cache, data)
    path = cache.directory / "objects" / _item(data).sha256
    for damage in (b"\0" + data[1:], data[:-1], b""):
        path.write_bytes(damage)
        source = Source(data)
        assert _hold(ShardCache(cache.directory, 300), data, source) == data
        assert source.starts == [0]


def test_damage_after_the_first_use_is_seen_too(cache):
    data = _content(1)
    _hold(cache, data)
    (cache.directory / "objects" / _item(data).sha256).write_bytes(_content(2))
    assert _hold(cache, data) == data


def test_a_link_is_never_followed(cache, tmp_path):
    data = _content(1)
    (tmp_path / "elsewhere").write_bytes(data)
    (cache.directory / "objects" / _item(data).sha256).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusalError, match="the cache can't be used"):
        _hold(cache, data)


def test_a_file_larger_than_the_cache_is_refused(cache):
    with pytest.raises(SettingsError, match=r"smaller than one file.*at least 301 bytes.*300"):
        _hold(cache, _content(1, 301))


def test_what_is_in_use_stays_and_a_full_cache_says_so(cache):
    first, second = _content(1, 200), _content(2, 200)
    with cache.hold(_item(first), Source(first)) as path:
        with pytest.raises(RefusalError, match=r"full and all of it is in use.*200 of 300"):
            _hold(cache, second)
        assert path.read_bytes() == first
    assert _hold(cache, second) == second


def test_room_is_waited_for(cache):
    patient = ShardCache(cache.directory, 300, patience_s=20)
    first, second = _content(1, 200), _content(2, 200)
    with patient.hold(_item(first), Source(first)):
        waiting = threading.Thread(target=_hold, args=(patient, second))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(10)
    assert {path.name for path in (cache.directory / "objects").iterdir()} == {_item(second).sha256}


def test_a_download_that_broke_off_is_gone_on_with(cache):
    data = _content(1)

    def break_off(stream):
        write_all(stream, data[:30])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), cache.hold(_item(data), break_off):
        pass
    assert cache.used_bytes() == 100  # reserved, yet free for others
    source = Source(data)
    assert _hold(cache, data, source) == data
    assert source.starts == [30]


def test_what_broke_off_makes_room(cache):
    def break_off(stream):
        raise KeyboardInterrupt

    data = _content(1, 200)
    with pytest.raises(KeyboardInterrupt), cache.hold(_item(data), break_off):
        pass
    assert _hold(cache, _content(2, 250)) == _content(2, 250)
    assert cache.used_bytes() == 250


def test_a_full_disk_gives_up_old_objects_first(cache):
    for number in range(2):
        _hold(cache, _content(number))
    objects = cache.directory / "objects"
    data = _content(7)

    def fill(stream):
        if list(objects.iterdir()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(stream, data)

    assert _hold(cache, data, fill) == data


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "the disk that holds the cache is full"), (errno.EIO, "the cache can't be us")],
)
def test_a_disk_that_fails_is_said_and_leaves_nothing_half(cache, number, message):
    def fill(stream):
        write_all(stream, b"half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(RefusalError, match=message):
        _hold(cache, _content(1), fill)
    assert not list((cache.directory / "objects").iterdir())
    assert _hold(cache, _content(2)) == _content(2)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RefusalError, match="the cache can't be used"):
        ShardCache(tmp_path / "file" / "cache", 10)


def test_threads_bring_an_object_once(cache):
    data, calls, found = _content(1), [], []

    def slow(stream):
        calls.append(1)
        time.sleep(0.05)
        write_all(stream, data)

    threads = [
        threading.Thread(target=lambda: found.append(_hold(cache, data, slow))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [data] * 6
    assert calls == [1]


def _use_often(directory, seed, failures):
    cache = ShardCache(directory, 350, patience_s=30)
    for step in range(60):
        data = _content((seed * 7 + step * 5) % 11, 60 + step % 3)
        if _hold(cache, data) != data or cache.used_bytes() > 350:
            failures.put(step)


def test_processes_share_a_cache_that_is_too_small_for_all(tmp_path):
    context = multiprocessing.get_context("fork")
    failures = context.Queue()
    users = [
        context.Process(target=_use_often, args=(tmp_path, seed, failures)) for seed in range(4)
    ]
    for user in users:
        user.start()
    for user in users:
        user.join(60)
    assert [user.exitcode for user in users] == [0] * 4
    assert failures.empty()
    assert not list((tmp_path / "partial").iterdir())


def _stall(directory, data, began):
    def fill(stream):
        write_all(stream, data[:40])
        began.set()
        time.sleep(60)

    with ShardCache(directory, 300).hold(_item(data), fill):
        pass


def test_a_killed_download_neither_blocks_nor_is_lost(tmp_path):
    context = multiprocessing.get_context("fork")
    data, began = _content(3), context.Event()
    child = context.Process(target=_stall, args=(tmp_path, data, began))
    child.start()
    assert began.wait(20)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    source = Source(data)
    assert _hold(ShardCache(tmp_path, 300), data, source) == data
    assert source.starts == [40]


def test_a_pickled_cache_looks_at_the_bytes_itself(cache):
    data = _content(1)
    _hold(cache, data)
    copy = pickle.loads(pickle.dumps(cache))
    assert copy._intact == set()
    assert _hold(copy, data) == data


def test_recall_gives_intact_bytes_only(cache):
    data = _content(1)
    _hold(cache, data)
    digest = _item(data).sha256
    assert cache.recall(digest) == data
    assert cache.recall("../" + digest) is None
    (cache.directory / "objects" / digest).write_bytes(b"other")
    assert cache.recall(digest) is None
    assert cache.recall("0" * 64) is None
