"""Extracts one intake batch in a process of its own, for tests that kill it or spread it out.

python extract_program.py BATCH CACHE OUTPUT [ray]
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from transforms.extract.batch import ExtractionSummary, Work, extract_batch
from transforms.extract.registry import Resources
from transforms.progress import NoProgress, Progress
from transforms.settings import Engine, ExtractionSettings


def extract(
    batch: Path, cache: Path, output: Path, *, engine: Engine, progress: Progress
) -> ExtractionSummary:
    """Extract a batch with the embedded backends."""
    output.mkdir(parents=True, exist_ok=True)
    work = Work(
        intake_dir=batch / "intake",
        videos=batch / "videos",
        overrides=batch / "overrides.csv",
        cache_root=cache,
        settings=ExtractionSettings(),
        resources=Resources(),
    )
    return extract_batch(work, output, worker_count=2, progress=progress, engine=engine)


class KillsANode:
    """Takes one node of the cluster away, without a warning, when a recording is done."""

    def __init__(self, cluster: object, node: object) -> None:
        self._cluster, self._node = cluster, node
        self.done = 0

    def start(self, label: str, total: int) -> None:
        pass

    def advance(self, count: int = 1, note: str = "") -> None:
        self.done += count
        if self.done == 2:
            self._cluster.remove_node(self._node, allow_graceful=False)  # type: ignore[attr-defined]


def extract_on_a_failing_cluster(batch: Path, cache: Path, output: Path) -> ExtractionSummary:
    """Extract a batch on three nodes of which one is killed in the middle."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    # Not 127.0.0.1: Ray takes that for a name of this machine and looks for its outward address.
    here = {"node_ip_address": "127.0.0.2", "include_dashboard": False}
    memory = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **here, **memory})
    nodes = [cluster.add_node(num_cpus=1, node_ip_address="127.0.0.2", **memory) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        progress = KillsANode(cluster, nodes[1])
        return extract(batch, cache, output, engine="ray", progress=progress)
    finally:
        ray.shutdown()
        cluster.shutdown()


def main() -> None:
    batch, cache, output = (Path(text) for text in sys.argv[1:4])
    if sys.argv[4:] == ["ray"]:
        summary = extract_on_a_failing_cluster(batch, cache, output)
    else:
        summary = extract(batch, cache, output, engine="local", progress=NoProgress())
    print("summary:" + json.dumps(asdict(summary)))


if __name__ == "__main__":
    main()
