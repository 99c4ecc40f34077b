import socket
import time

import pytest

from transforms.errors import GaitworksError
from transforms.extract.ray_engine import _require_answer


def test_a_cluster_that_does_not_answer_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(GaitworksError, match="can't be reached") as caught:
        _require_answer(f"127.0.0.1:{port}")
    assert caught.value.where == f"127.0.0.1:{port}"
    assert time.monotonic() - began < 10


def test_a_cluster_that_answers_passes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _require_answer(f"ray://127.0.0.1:{server.getsockname()[1]}")
    _require_answer("auto")
