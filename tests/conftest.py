"""In which order the tests run."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with tests that take a minute or more: at the end, one process would wait for them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
