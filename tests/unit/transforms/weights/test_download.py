import gzip
import hashlib
import socket
import threading
from pathlib import Path

import pytest

from tests.unit.transforms.weights.loopback import (
    Answer,
    Handler,
    cut,
    ranged,
    redirect,
    serve,
    status,
    whole,
)
from transforms.errors import IntegrityError, MissingDependencyError, RefusalError
from transforms.progress import NoProgress
from transforms.weights.download import download_file
from transforms.weights.verified import WeightsFile

pytestmark = pytest.mark.timeout(60)

DATA = hashlib.shake_256(b"model").digest(200_000)
WRONG = DATA[:-1] + bytes([DATA[-1] ^ 1])
AT_ONCE = (0.0, 0.0, 0.0)


def file_of(data: bytes, name: str = "model.onnx") -> WeightsFile:
    return WeightsFile(name, hashlib.sha256(data).hexdigest(), len(data))


class Listener:
    """Keeps the bars: how far each one came."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int]] = []
        self.done: list[int] = []

    def start(self, label: str, total: int) -> None:
        self.bars.append((label, total))
        self.done.append(0)

    def advance(self, count: int = 1, note: str = "") -> None:
        assert count >= 0
        self.done[-1] += count


def download(url: str, target: Path, pauses_s: tuple[float, ...] = AT_ONCE) -> Listener:
    listener = Listener()
    download_file(file_of(DATA), url, target, listener, pauses_s=pauses_s)
    return listener


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "store" / "model.onnx"


@pytest.fixture
def part(target: Path) -> Path:
    target.parent.mkdir()
    return target.with_name("model.onnx.part")


def only_file(target: Path) -> bool:
    return list(target.parent.iterdir()) == [target]


def test_the_whole_file_arrives_and_its_bytes_are_counted(target: Path) -> None:
    with serve(whole(DATA)) as server:
        listener = download(server.url, target)
    assert target.read_bytes() == DATA
    assert only_file(target)
    assert (listener.bars, listener.done) == ([("model.onnx", len(DATA))], [len(DATA)])
    assert server.ranges == [None]


def test_a_cut_connection_is_gone_on_with_where_it_was(target: Path) -> None:
    with serve(ranged(DATA, cut_after=70_000), ranged(DATA, cut_after=60_000), ranged(DATA)) as s:
        listener = download(s.url, target)
    assert target.read_bytes() == DATA
    assert only_file(target)
    assert s.ranges == [None, "bytes=70000-", "bytes=130000-"]
    assert listener.done == [len(DATA)]


def test_a_cut_connection_without_a_declared_length_is_noticed(target: Path) -> None:
    with serve(lambda handler: handler.answer(200, DATA[:500]), ranged(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == [None, "bytes=500-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(target: Path) -> None:
    with serve(ranged(DATA, cut_after=70_000)) as server:
        with pytest.raises(MissingDependencyError, match="70000 bytes, which are kept"):
            download(server.url, target, pauses_s=())
        assert [path.name for path in target.parent.iterdir()] == ["model.onnx.part"]
        server.answers = (ranged(DATA),)
        listener = download(server.url, target)
    assert target.read_bytes() == DATA
    assert only_file(target)
    assert server.ranges == [None, "bytes=70000-"]
    assert listener.done == [len(DATA)]


def test_a_server_that_ignores_ranges_starts_over(target: Path) -> None:
    with serve(cut(DATA, after=70_000), whole(DATA)) as server:
        listener = download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == [None, "bytes=70000-"]
    assert listener.done == [70_000, len(DATA)]


def test_a_server_that_always_hangs_up_is_given_up_and_nothing_gets_the_name(target: Path) -> None:
    with serve(cut(DATA, after=1000)) as server, pytest.raises(MissingDependencyError) as caught:
        download(server.url, target)
    assert len(server.ranges) == 1 + len(AT_ONCE)
    assert not target.exists()
    assert caught.value.where == server.url
    assert "--from DIR" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(whole(WRONG), id="wrong bytes"),
        pytest.param(whole(DATA + b"x"), id="one byte too many, declared"),
        pytest.param(whole(DATA[:-1]), id="one byte too few, declared"),
        pytest.param(lambda handler: handler.answer(200, DATA + b"x"), id="undeclared excess"),
        pytest.param(
            lambda handler: handler.answer(200, DATA, Content_Length="many"), id="no number"
        ),
    ],
)
def test_another_file_is_refused_at_once_and_leaves_nothing(answer: Answer, target: Path) -> None:
    with serve(answer) as server, pytest.raises(IntegrityError, match="another file"):
        download(server.url, target)
    assert len(server.ranges) == 1
    assert list(target.parent.iterdir()) == []


def pour(code: int, hung_up: threading.Event, **headers: str) -> Answer:
    """Send without end (or nearly: a test that fails must not fill the memory)."""

    def answer(handler: Handler) -> None:
        handler.answer(code, **headers)
        try:
            for _ in range(500):
                handler.wfile.write(DATA)
        except OSError:
            hung_up.set()

    return answer


def test_an_endless_body_is_left_at_the_registered_size(target: Path) -> None:
    hung_up = threading.Event()
    listener = Listener()
    with serve(pour(200, hung_up)) as server:
        with pytest.raises(IntegrityError, match="more bytes"):
            download_file(file_of(DATA), server.url, target, listener, pauses_s=AT_ONCE)
        assert hung_up.wait(10)
    assert max(listener.done) <= len(DATA)
    assert list(target.parent.iterdir()) == []


def test_what_was_kept_of_another_file_costs_one_more_try(target: Path, part: Path) -> None:
    part.write_bytes(WRONG[::-1][:1000])
    with serve(ranged(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == ["bytes=1000-", None]


def test_a_complete_part_needs_no_server(target: Path, part: Path) -> None:
    part.write_bytes(DATA)
    with serve(status(500)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == []


def test_a_complete_part_with_wrong_bytes_is_fetched_anew(target: Path, part: Path) -> None:
    part.write_bytes(WRONG)
    with serve(ranged(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == [None]


def test_a_part_that_is_too_long_is_thrown_away(target: Path, part: Path) -> None:
    part.write_bytes(DATA + b"x")
    with serve(ranged(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == [None]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(status(416), id="range not satisfiable"),
        pytest.param(status(206), id="no Content-Range"),
        pytest.param(status(206, Content_Range=f"bytes 0-1/{len(DATA)}"), id="other beginning"),
        pytest.param(status(206, Content_Range="bytes -5-1/x"), id="nonsense"),
    ],
)
def test_an_unusable_range_starts_over(answer: Answer, target: Path, part: Path) -> None:
    part.write_bytes(DATA[:1000])
    with serve(answer, ranged(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert server.ranges == ["bytes=1000-", None]


def test_a_range_of_a_file_of_another_length_is_refused(target: Path, part: Path) -> None:
    part.write_bytes(DATA[:1000])
    with (
        serve(status(206, Content_Range="bytes 1000-1001/1002")) as server,
        pytest.raises(IntegrityError, match="'1002' bytes"),
    ):
        download(server.url, target)
    assert not target.exists()


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_server_in_trouble_is_asked_again(code: int, target: Path) -> None:
    with serve(status(code), status(code), whole(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert len(server.ranges) == 3


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_file_that_is_not_there_is_not_asked_for_again(code: int, target: Path) -> None:
    with serve(status(code)) as server, pytest.raises(MissingDependencyError, match=f"{code}"):
        download(server.url, target)
    assert len(server.ranges) == 1
    assert list(target.parent.iterdir()) == []


def test_a_redirect_on_this_machine_is_followed_and_the_range_with_it(
    target: Path, part: Path
) -> None:
    part.write_bytes(DATA[:1000])
    with serve(ranged(DATA)) as there, serve(redirect(there.url)) as here:
        download(here.url, target)
    assert target.read_bytes() == DATA
    assert there.ranges == ["bytes=1000-"]


@pytest.mark.parametrize(
    "location", ["http://example.org/model", "file:///etc/hostname", "ftp://127.0.0.1/x", "//["]
)
def test_a_redirect_to_an_unsafe_address_is_refused(location: str, target: Path) -> None:
    with serve(redirect(location)) as server, pytest.raises(RefusalError, match="not allowed"):
        download(server.url, target)
    assert len(server.ranges) == 1


def test_the_endless_body_of_a_redirect_or_an_error_is_not_read(target: Path) -> None:
    for code in (302, 503):
        hung_up = threading.Event()
        with serve(pour(code, hung_up, Location="/model"), whole(DATA)) as server:
            download(server.url, target)
            assert hung_up.wait(10)
        assert target.read_bytes() == DATA
        target.unlink()


def test_redirects_in_a_circle_end(target: Path) -> None:
    with serve(redirect("/model")) as server, pytest.raises(RefusalError, match="redirects"):
        download(server.url, target)
    assert len(server.ranges) == 6


def test_a_body_is_never_decoded(tmp_path: Path) -> None:
    packed = gzip.compress(b"\0" * 100_000)
    target = tmp_path / "model.onnx"

    def answer(handler: Handler) -> None:
        assert handler.headers["Accept-Encoding"] == "identity"
        handler.answer(200, packed, Content_Encoding="gzip")

    with serve(answer) as server:
        download_file(file_of(packed), server.url, target, NoProgress(), pauses_s=())
    assert target.read_bytes() == packed


def test_a_silent_server_is_not_waited_for(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.weights.download._TIMEOUTS_S", (5.0, 0.1))
    over = threading.Event()

    def stall(handler: Handler) -> None:
        handler.answer(200, DATA[:1000], Content_Length=str(len(DATA)))
        over.wait(30)

    with serve(stall) as server:
        with pytest.raises(MissingDependencyError, match="does not answer") as caught:
            download(server.url, target, pauses_s=(0.0,))
        over.set()
    assert caught.value.found == "1000 bytes, which are kept"
    assert len(server.ranges) == 2


def test_no_server_at_all_is_said_plainly(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MissingDependencyError, match="connection failed"):
        download(f"http://127.0.0.1:{port}/model", target)


def test_an_old_file_stays_until_the_new_one_is_verified(target: Path, part: Path) -> None:
    target.write_bytes(b"old")
    with serve(whole(WRONG)) as server, pytest.raises(IntegrityError):
        download(server.url, target)
    assert target.read_bytes() == b"old"
    with serve(whole(DATA)) as server:
        download(server.url, target)
    assert target.read_bytes() == DATA
    assert only_file(target)
