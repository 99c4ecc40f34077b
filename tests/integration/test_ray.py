"""Extraction on a real Ray cluster of three nodes, one of which is killed in the middle."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integration.extraction_batches import SmallBatch, read_bytes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def test_a_cluster_that_loses_a_node_gives_the_same_bytes(
    small_batch: SmallBatch, tmp_path: Path
) -> None:
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: extraction on a cluster is NOT tested")
    cache = tmp_path / "cache"
    summary = small_batch.run(cache, tmp_path / "output", "ray")
    assert summary["recordings"] == 8
    assert summary["computed"] + summary["reused"] == 8
    assert len(list(cache.rglob("checksums.json"))) == 8
    assert read_bytes(tmp_path / "output") == small_batch.undisturbed
