import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.unit.transforms.weights.loopback import Handler, cut, ranged, serve, status, whole
from transforms.errors import IntegrityError, MissingDependencyError, RefusalError
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.store import State, combine_states, file_state
from transforms.weights.verified import Weights, WeightsFile

pytestmark = pytest.mark.timeout(60)

DATA = b"a model" * 1000
EXTRA = b"some: yaml"


def make_weights(store: Path, url: str | None, *, with_extra: bool = False) -> Weights:
    files = [WeightsFile("model.onnx", sha256(DATA).hexdigest(), len(DATA), url)]
    if with_extra:
        files.append(WeightsFile("deploy.yaml", sha256(EXTRA).hexdigest(), len(EXTRA), None))
    return Weights("walker", "onnx", "detect", tuple(files), store / "walker", {})


def state_of(weights: Weights) -> State:
    return combine_states([file_state(weights, item) for item in weights.files])


def test_a_second_fetch_does_nothing(tmp_path: Path) -> None:
    with serve(whole(DATA)) as server:
        weights = make_weights(tmp_path, server.url)
        assert fetch_weights(weights) == ("model.onnx",)
        before = (weights.directory / "model.onnx").stat()
        assert fetch_weights(weights) == ()
        assert len(server.ranges) == 1
    assert (weights.directory / "model.onnx").stat() == before
    assert weights.read(".onnx") == DATA


def test_an_interrupted_fetch_is_partial_and_goes_on(tmp_path: Path) -> None:
    with serve(cut(DATA, after=3000), ranged(DATA)) as server:
        weights = make_weights(tmp_path, server.url)
        with pytest.raises(MissingDependencyError):
            fetch_weights(weights, pauses_s=())
        assert state_of(weights) is State.PARTIAL
        assert fetch_weights(weights, pauses_s=()) == ("model.onnx",)
        assert server.ranges == [None, "bytes=3000-"]
    assert state_of(weights) is State.PRESENT


def test_wrong_bytes_are_refused_and_never_become_weights(tmp_path: Path) -> None:
    with serve(whole(DATA[::-1])) as server:
        weights = make_weights(tmp_path, server.url)
        with pytest.raises(IntegrityError):
            fetch_weights(weights)
    assert state_of(weights) is State.MISSING


def test_only_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    with serve(whole(DATA)) as server:
        weights = make_weights(tmp_path, server.url, with_extra=True)
        weights.directory.mkdir()
        (weights.directory / "deploy.yaml").write_bytes(EXTRA)
        (weights.directory / "model.onnx").write_bytes(DATA[:-1])
        assert state_of(weights) is State.DAMAGED
        assert fetch_weights(weights) == ("model.onnx",)
    assert state_of(weights) is State.PRESENT


def test_without_an_address_nothing_is_asked_for(tmp_path: Path) -> None:
    with serve(whole(DATA)) as server:
        weights = make_weights(tmp_path, server.url, with_extra=True)
        with pytest.raises(MissingDependencyError, match=r"no `url` for deploy\.yaml"):
            fetch_weights(weights)
        assert server.ranges == []
    assert state_of(weights) is State.MISSING


def test_a_folder_is_taken_instead_of_the_network(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "whatever").write_bytes(DATA)
    with serve(status(500)) as server:
        weights = make_weights(tmp_path, server.url)
        assert fetch_weights(weights, folder=LocalFolder(stick)) == ("model.onnx",)
        assert fetch_weights(weights, folder=LocalFolder(stick)) == ()
        assert server.ranges == []
    assert state_of(weights) is State.PRESENT


def test_a_folder_without_the_file_does_not_fall_back_to_the_network(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    with serve(whole(DATA)) as server:
        weights = make_weights(tmp_path, server.url)
        with pytest.raises(MissingDependencyError, match="registered bytes"):
            fetch_weights(weights, folder=LocalFolder(stick))
        assert server.ranges == []


def test_two_at_once_download_once(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answer(handler: Handler) -> None:
        asked.set()
        go_on.wait(30)
        whole(DATA)(handler)

    class Listener:
        labels: tuple[str, ...] = ()

        def start(self, label: str, total: int) -> None:
            self.labels += (label,)
            go_on.set()  # the second one waits by now

        def advance(self, count: int = 1, note: str = "") -> None: ...

    listener = Listener()
    with serve(answer) as server, ThreadPoolExecutor(2) as pool:
        weights = make_weights(tmp_path, server.url)
        first = pool.submit(fetch_weights, weights)
        assert asked.wait(30)
        second = pool.submit(fetch_weights, weights, progress=listener)
        assert (first.result(), second.result()) == (("model.onnx",), ())
        assert len(server.ranges) == 1
    assert listener.labels == ("waiting for another command",)
    assert state_of(weights) is State.PRESENT


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    weights = make_weights(tmp_path / "store", "https://example.org/model.onnx")
    with pytest.raises(RefusalError, match="can't be stored"):
        fetch_weights(weights)
    beside = replace(weights, directory=tmp_path / "walker")
    (tmp_path / "walker").mkdir()
    (tmp_path / "walker" / "model.onnx").mkdir()
    with serve(whole(DATA)) as server, pytest.raises(RefusalError) as caught:
        fetch_weights(make_weights(tmp_path, server.url))
    assert str(beside.directory / "model.onnx") in str(caught.value.where)
