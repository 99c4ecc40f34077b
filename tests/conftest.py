"""In which order the tests run, so that no process waits for another in the end."""

from itertools import groupby

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each process an equal share of the slow files, to begin with, and then quick ones.

    pytest-xdist cuts the list into a piece per process; one that is done takes over the end of
    another's piece. A file stays together, for what its tests share.
    """
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    files = [list(file) for _, file in groupby(items, key=lambda item: item.path)]
    files.sort(key=_estimate_s, reverse=True)  # of equal ones, the order stays
    shares: list[list[list[pytest.Item]]] = [[] for _ in range(count)]
    for file in files:
        if _estimate_s(file):
            min(shares, key=lambda share: sum(map(_estimate_s, share))).append(file)
    for share in shares[1:]:  # not all begin with waiting for what the first one makes
        share.sort(key=_needs_reference)
    pieces = [[item for file in share for item in file] for share in shares]
    quick = [item for file in files if not _estimate_s(file) for item in file]
    for piece in pieces[:-1]:
        room = max(0, len(items) // count - len(piece))
        piece += quick[:room]
        del quick[:room]
    items[:] = [item for piece in [*pieces, quick] for item in piece]


def _estimate_s(file: list[pytest.Item]) -> int:
    return sum(
        60 if item.get_closest_marker("long") else 4 if item.get_closest_marker("slow") else 0
        for item in file
    )


def _needs_reference(file: list[pytest.Item]) -> bool:
    return any("reference" in getattr(item, "fixturenames", ()) for item in file)
