"""What the near-duplicate search finds, what it flags wrongly, what it costs and how that grows.

    python benchmarks/near_duplicates.py [--seed N] [--share F] [--view V] [--per-kind N]
        [--workers N] [--skip-growth] [--json FILE]

A synthetic cohort of Scoliosis1K's shape (or a share of it), and copies of each kind under other
ids, made from another stream of the same seed. First the search over the cohort alone (the time
and what it flags there), then over cohort and copies (recall per kind). Growth: the index alone
over 1, 10 and 100 times 1,493 sequences; its descriptors are drawn, not made from pixels.
"""

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.manifest import write_manifest
from transforms.near_duplicates.candidates import find_candidates
from transforms.near_duplicates.search import find_near_duplicates
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.writer import write_shards
from transforms.synth.copies import COPY_KINDS, write_copies_batch
from transforms.synth.silhouettes import SCOLIOSIS1K_SHAPE, CohortShape, write_silhouette_batch

GROWTH: Final = (1_493, 14_930, 149_300)
STRETCHES: Final = 7  # of a sequence of 300 frames
DIRECTIONS: Final = 32


def scale_shape(share: float, view: str) -> CohortShape:
    def scaled(counts: Any) -> dict[str, int]:
        return {label: max(round(count * share), 2) for label, count in counts.items()}

    shape = dataclasses.replace(SCOLIOSIS1K_SHAPE, view=view)
    return dataclasses.replace(
        shape, participants=scaled(shape.participants), sequences=scaled(shape.sequences)
    )


def build(batches: list[Path], output: Path, workers: int) -> SilhouetteDataset:
    output.mkdir()
    facts = write_shards(
        [batch / "intake" for batch in batches],
        [batch / "extraction" for batch in batches],
        ShardSettings(),
        output,
        progress=NoProgress(),
        worker_count=workers,
    )
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return open_dataset(output)


def search(dataset: SilhouetteDataset, workers: int) -> tuple[pl.DataFrame, float]:
    start = time.perf_counter()
    found = find_near_duplicates(dataset, worker_count=workers, progress=NoProgress())
    return found, time.perf_counter() - start


def judge(found: pl.DataFrame, dataset: SilhouetteDataset, truth: pl.DataFrame) -> dict[str, Any]:
    """Compare with the truth; pairs of one recording's copies count neither way."""
    sources = dict(truth.select("sequence_id", "source_id").iter_rows())
    people = dict(dataset.index.select("sequence_id", "participant_id").iter_rows())

    def recording(name: str) -> str:
        return sources.get(name, name)

    def person(name: str) -> str:
        return people[recording(name)]

    pairs = set(found.select("first", "second").iter_rows())
    hits = truth.with_columns(
        is_found=pl.Series(
            [tuple(sorted(row)) in pairs for row in truth.select("sequence_id", "source_id").rows()]
        )
    )
    recall = hits.group_by("kind").agg(pl.len().alias("planted"), pl.col("is_found").sum())
    wrong = [pair for pair in pairs if recording(pair[0]) != recording(pair[1])]
    strangers = [pair for pair in wrong if person(pair[0]) != person(pair[1])]
    return {
        "recall": {
            kind: f"{int(found_count)}/{planted}"
            for kind, planted, found_count in recall.sort("kind").iter_rows()
        },
        "recall_overall": float(hits["is_found"].mean() or 0.0) if hits.height else None,
        "sequences": len(dataset),
        "wrong_pairs": len(wrong),
        "wrong_pairs_across_people": len(strangers),
        "sequences_wrongly_flagged_share": len({n for p in wrong for n in p}) / len(dataset),
        "sequences_flagged_across_people_share": len({n for p in strangers for n in p})
        / len(dataset),
    }


def measure_growth(workers: int) -> list[dict[str, float]]:
    """Time the index on drawn descriptors: people differ as those of the cohort do, roughly."""
    rows = []
    for count in GROWTH:
        rng = np.random.default_rng(0)
        spread = np.geomspace(15, 2, DIRECTIONS)  # of people, in units of what copying makes
        people = rng.normal(size=(count, 1, DIRECTIONS)) * spread
        stretches = people + rng.normal(size=(count, STRETCHES, DIRECTIONS)) * spread / 4
        flat = stretches.reshape(-1, DIRECTIONS).astype(np.float32)
        owners = np.repeat(np.arange(count), STRETCHES)
        signs = np.repeat(np.float32([1, -1]), [19, 13])
        start, cpu = time.perf_counter(), time.process_time()
        pairs = find_candidates(flat, owners, signs, limit=4.0, worker_count=workers)
        rows.append(
            {
                "sequences": count,
                "wall_s": round(time.perf_counter() - start, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                "candidates_per_sequence": round(len(pairs) / count, 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--view", choices=["front", "side"], default="front")
    parser.add_argument("--per-kind", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--skip-growth", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        shape = scale_shape(options.share, options.view)
        cohort, copies = scratch / "cohort", scratch / "copies"
        write_silhouette_batch(
            shape, options.seed, cohort, worker_count=options.workers, progress=NoProgress()
        )
        truth = write_copies_batch(
            cohort, COPY_KINDS, copies, count_per_kind=options.per_kind, seed=options.seed
        )
        alone = build([cohort], scratch / "alone", options.workers)
        planted = build([cohort, copies], scratch / "planted", options.workers)
        found, seconds = search(alone, options.workers)
        report: dict[str, Any] = {
            "cohort": {"wall_s": round(seconds, 1), **judge(found, alone, truth.clear())}
        }
        found, seconds = search(planted, options.workers)
        report["planted"] = {"wall_s": round(seconds, 1), **judge(found, planted, truth)}
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if not options.skip_growth:
        report["growth"] = measure_growth(options.workers)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
