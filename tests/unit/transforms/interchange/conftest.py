"""Readers in this process: starting workers is for the integration tests."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from transforms.interchange import importer


@pytest.fixture(autouse=True)
def read_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import_tree` read without workers, last file first, as workers may finish in any order.

    The limits on memory would otherwise stay with the tests.
    """

    def run(
        function: Callable[[Any], Any], items: Sequence[Any], **_: Any
    ) -> Iterator[tuple[int, Any]]:
        for position in reversed(range(len(items))):
            yield position, function(items[position])

    monkeypatch.setattr(importer, "map_in_workers", run)
    monkeypatch.setattr(importer, "allow_memory", lambda extra_bytes: None)
