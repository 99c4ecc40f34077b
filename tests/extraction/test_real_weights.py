"""The real files on this machine are what `weights.toml` says."""

from pathlib import Path

import pytest

from tests.extraction.offline import ROOT, find_folder
from transforms.weights.fetch import fetch_weights
from transforms.weights.local import LocalFolder
from transforms.weights.registry import REGISTRY_NAME, read_registry
from transforms.weights.store import State, file_state

pytestmark = [pytest.mark.extraction, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder() -> LocalFolder:
    return LocalFolder(find_folder("GAITWORKS_MODELS_DIR"))


def test_every_entry_without_an_address_comes_from_the_folder(
    folder: LocalFolder, tmp_path: Path
) -> None:
    registry = read_registry(ROOT / REGISTRY_NAME)
    local = [
        registry.weights(name, tmp_path)
        for name, entry in registry.entries.items()
        if all(file.url is None for file in entry.files)
    ]
    assert len(local) == 7
    for weights in local:
        assert fetch_weights(weights, folder=folder) == tuple(file.name for file in weights.files)
        assert {file_state(weights, item) for item in weights.files} == {State.PRESENT}
        assert weights.path("") == weights.directory / weights.files[0].name
