import asyncio
import pickle
import threading
import time
from hashlib import sha256
from io import FileIO

import pytest
from fsspec.asyn import AsyncFileSystem

from transforms.errors import InputError, IntegrityError, MissingDependencyError, RefusalError
from transforms.shards import object_store
from transforms.shards.object_store import ObjectStore, is_plain_name
from transforms.shards.shard_cache import CacheItem

DATA = bytes(range(200))
ITEM = CacheItem(sha256(DATA).hexdigest(), len(DATA))


class Scripted:
    """A filesystem that does one thing after the other, the last one for ever."""

    async_impl = False

    def __init__(self, *answers):
        self.answers = answers
        self.asked = []

    def cat_file(self, path, start, end):
        self.asked.append((path, start, end))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer(DATA, start, end)


def _whole(data, start, end):
    return data[start:end]


def _cut(data, start, end):
    return data[start:end][:30]


def _other(data, start, end):
    return b"x" * (end - start)


def _deaf_to_ranges(data, start, end):
    return data


@pytest.fixture
def store(tmp_path, monkeypatch):
    store = ObjectStore(f"file://{tmp_path}", pauses_s=(0.0, 0.0, 0.0))

    def use(*answers):
        filesystem = Scripted(*answers)
        monkeypatch.setattr(store, "_filesystem", lambda: (filesystem, "root"))
        return filesystem

    store.use = use
    return store


@pytest.fixture
def target(tmp_path):
    with FileIO(tmp_path / "target", "w+b") as stream:
        yield stream


def _bytes(stream):
    stream.seek(0)
    return stream.read()


def test_a_file_comes_in_pieces(store, target, monkeypatch):
    monkeypatch.setattr(object_store, "_PIECE_BYTES", 64)
    filesystem = store.use(_whole)
    store.fill("a/b", ITEM, target)
    assert _bytes(target) == DATA
    assert filesystem.asked == [
        ("root/a/b", start, min(start + 64, 200)) for start in range(0, 200, 64)
    ]


def test_a_try_goes_on_where_the_last_one_broke_off(store, target, monkeypatch):
    monkeypatch.setattr(object_store, "_PIECE_BYTES", 64)
    filesystem = store.use(_whole, _whole, OSError("reset"), OSError("reset"), _whole)
    store.fill("a", ITEM, target)
    assert _bytes(target) == DATA
    assert [start for _, start, _ in filesystem.asked] == [0, 64, 128, 128, 128, 192]


def test_a_file_that_is_too_short_is_begun_again(store, target):
    filesystem = store.use(_cut, _whole)
    store.fill("a", ITEM, target)
    assert _bytes(target) == DATA
    assert [start for _, start, _ in filesystem.asked] == [0, 0]


def test_what_was_there_is_not_read_again(store, target):
    target.write(DATA[:150])
    filesystem = store.use(_whole)
    store.fill("a", ITEM, target)
    assert filesystem.asked == [("root/a", 150, 200)]


def test_a_wrong_beginning_is_thrown_away(store, target):
    target.write(b"x" * 150)
    filesystem = store.use(_whole)
    store.fill("a", ITEM, target)
    assert _bytes(target) == DATA
    assert [start for _, start, _ in filesystem.asked] == [150, 0]


def test_more_than_the_file_is_never_kept(store, target):
    store.use(_deaf_to_ranges)
    short = CacheItem(sha256(DATA[:50]).hexdigest(), 50)
    store.fill("a", short, target)
    assert _bytes(target) == DATA[:50]


def test_damage_on_the_way_is_tried_again(store, target):
    filesystem = store.use(_other, _whole)
    store.fill("a", ITEM, target)
    assert _bytes(target) == DATA
    assert len(filesystem.asked) == 2


@pytest.mark.parametrize(
    ("answer", "error", "message", "tries"),
    [
        (_other, IntegrityError, r"another file than the manifest lists.*found sha256 ", 4),
        (_cut, IntegrityError, r"another file .* expected 200 bytes .* found 30 bytes", 4),
        (OSError("503"), MissingDependencyError, r"the storage fails \(OSError\)", 4),
        (TimeoutError(), MissingDependencyError, r"does not answer in time", 4),
        (RuntimeError("token"), MissingDependencyError, r"the storage fails \(RuntimeError\)", 4),
        (FileNotFoundError(), IntegrityError, r"no such file", 1),
        (PermissionError(), RefusalError, r"refuses access", 1),
    ],
)
def test_what_cannot_be_had_is_said(store, target, answer, error, message, tries):
    filesystem = store.use(answer)
    with pytest.raises(error, match=message) as caught:
        store.fill("a/shard", ITEM, target)
    assert "/a/shard" in caught.value.where
    assert "token" not in str(caught.value)
    assert len(filesystem.asked) == tries


def test_a_small_file_is_read_whole(store):
    store.use(OSError("503"), _whole)
    assert store.read("a", limit_bytes=200) == DATA
    with pytest.raises(IntegrityError, match="too large"):
        store.read("a", limit_bytes=199)
    store.use(TimeoutError())
    with pytest.raises(MissingDependencyError, match="does not answer"):
        store.read("a", limit_bytes=200)


def test_it_pauses_longer_and_longer(tmp_path, monkeypatch):
    store = ObjectStore(f"file://{tmp_path}")
    waits = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, seconds=None: waits.append(seconds))
    monkeypatch.setattr(store, "_filesystem", lambda: (Scripted(TimeoutError()), ""))
    with pytest.raises(MissingDependencyError):
        store.read("a", limit_bytes=1)
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_stopped_read_ends_without_another_try(store, target):
    stop = threading.Event()
    stop.set()
    filesystem = store.use(_whole)
    with pytest.raises(RefusalError, match="stopped"):
        store.fill("a", ITEM, target, stop=stop)
    assert filesystem.asked == []


class Silent(AsyncFileSystem):
    protocol = "silent"
    cachable = False

    async def _cat_file(self, path, start=None, end=None, **kwargs):
        await asyncio.sleep(60)


def _fill_from_silence(tmp_path, monkeypatch, target, timeout_s, stop):
    store = ObjectStore(f"file://{tmp_path}", timeout_s=timeout_s, pauses_s=())
    filesystem = Silent()
    monkeypatch.setattr(store, "_filesystem", lambda: (filesystem, ""))
    began = time.monotonic()
    try:
        store.fill("a", ITEM, target, stop=stop)
    finally:
        assert time.monotonic() - began < 5


def test_a_silent_storage_is_given_up(tmp_path, monkeypatch, target):
    with pytest.raises(MissingDependencyError, match="does not answer in time"):
        _fill_from_silence(tmp_path, monkeypatch, target, 0.1, None)


def test_a_stop_reaches_a_read_that_waits(tmp_path, monkeypatch, target):
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(RefusalError, match="stopped"):
        _fill_from_silence(tmp_path, monkeypatch, target, 60, stop)
    timer.join()


def test_an_unknown_storage_is_refused():
    with pytest.raises(InputError, match="no storage of that kind"):
        ObjectStore("nonsense://bucket/path")


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingDependencyError, match=r"not installed.*extra `s3`"):
        ObjectStore("s3://bucket/path")


def test_secrets_show_nowhere(tmp_path):
    store = ObjectStore(f"file://{tmp_path}", {"auto_mkdir": False})
    store._url = "https://user:word@host/data?token=word"
    assert object_store._without_secrets(store._url) == "https://host/data"
    assert "auto_mkdir" not in repr(store)


def test_a_pickled_store_reads(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    store = ObjectStore(f"file://{tmp_path}/")
    assert store.read("a", limit_bytes=200) == DATA
    assert pickle.loads(pickle.dumps(store)).read("a", limit_bytes=200) == DATA


@pytest.mark.parametrize("name", ["a", "a/b-1.parquet", "lineage/facts.json", "a/.b"])
def test_plain_names(name):
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "..", "a/../b", "a//b", "./a", "a/", "a\\b", "a?b", "a*", "a\nb", "x::y"]
)
def test_names_that_lead_elsewhere(name):
    assert not is_plain_name(name)
