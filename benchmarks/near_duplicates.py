"""What the near-duplicate search finds, what it flags wrongly, what it costs and how that grows.

    python benchmarks/near_duplicates.py [--seed N] [--share F] [--view V] [--two-cameras FRAMES]
        [--per-kind N] [--per-combination N] [--workers N] [--only-growth | --skip-growth]
        [--json FILE]

A synthetic cohort of Scoliosis1K's shape (or a share of it; or 44 elderly patients with 66 walks of
about FRAMES frames, filmed from the front and the side), and copies of each kind under other
ids, made from another stream of the same seed. First the search over the cohort alone (the time
and what it flags there), then over cohort and copies (recall per kind). Growth: the index alone
over 1, 10 and 100 times 1,493 sequences; its descriptors are drawn, not made from pixels. A copy
counts as long where it shows a third of its source's frames or more, or was not trimmed.
"""

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from transforms.manifest import write_manifest
from transforms.near_duplicates.candidates import find_candidates
from transforms.near_duplicates.search import CANDIDATE_LIMIT, find_near_duplicates
from transforms.progress import NoProgress
from transforms.settings import ShardSettings
from transforms.shards.reader import SilhouetteDataset, open_dataset
from transforms.shards.writer import write_shards
from transforms.synth.copies import COPY_KINDS, SINGLE_KINDS, write_copies_batch
from transforms.synth.sequence_plan import (
    SCOLIOSIS1K_SHAPE,
    SPINAL_DEFORMITY_SHAPE,
    CohortShape,
)
from transforms.synth.silhouettes import write_silhouette_batch

GROWTH: Final = (1_493, 14_930, 149_300)
STRETCHES: Final = 7  # of a sequence of 300 frames
DIRECTIONS: Final = 40


def scale_shape(share: float, view: Literal["front", "side"]) -> CohortShape:
    def scaled(counts: Any) -> dict[str, int]:
        return {label: max(round(count * share), 2) for label, count in counts.items()}

    shape = dataclasses.replace(SCOLIOSIS1K_SHAPE, view=view)
    return dataclasses.replace(
        shape, participants=scaled(shape.participants), sequences=scaled(shape.sequences)
    )


def shape_two_cameras(frames: int) -> CohortShape:
    """Return 44 patients, half of whom walk twice."""
    return dataclasses.replace(
        SPINAL_DEFORMITY_SHAPE,
        sequences={"asd": 40, "dhs": 14, "lcs": 9, "hipoa": 3},
        frames_mean=float(frames),
        frames_sd=5.0 if frames < 200 else 20.0,
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


def used_cpu_s() -> float:
    """Return the processor time of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def search(dataset: SilhouetteDataset, workers: int) -> tuple[pl.DataFrame, dict[str, float]]:
    start, cpu = time.perf_counter(), used_cpu_s()
    found = find_near_duplicates(dataset, worker_count=workers, progress=NoProgress())
    seconds = {"wall_s": time.perf_counter() - start, "cpu_s": used_cpu_s() - cpu}
    return found, {name: round(value, 1) for name, value in seconds.items()}


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
    counts = dict(dataset.index.select("sequence_id", "frame_count").iter_rows())
    long = hits.filter(
        pl.Series(
            [
                "trimmed" not in kind or counts[name] >= counts[source] / 3
                for name, source, kind in truth.rows()
            ],
            dtype=pl.Boolean,
        )
    )
    wrong = [pair for pair in pairs if recording(pair[0]) != recording(pair[1])]
    strangers = [pair for pair in wrong if person(pair[0]) != person(pair[1])]
    return {
        "found": count_hits(hits),
        "found_long": count_hits(long),
        "sequences": len(dataset),
        "wrong_pairs": len(wrong),
        "wrong_pairs_across_people": len(strangers),
        "sequences_wrongly_flagged_share": len({n for p in wrong for n in p}) / len(dataset),
        "sequences_flagged_across_people_share": len({n for p in strangers for n in p})
        / len(dataset),
    }


def count_hits(hits: pl.DataFrame) -> dict[str, str]:
    kinds = hits.group_by("kind").agg(pl.len().alias("planted"), pl.col("is_found").sum())
    found = {
        kind: f"{int(found_count)}/{planted}"
        for kind, planted, found_count in kinds.sort("kind").iter_rows()
    }
    return found | {"all": f"{int(hits['is_found'].sum() or 0)}/{hits.height}"}


def measure_growth(workers: int) -> list[dict[str, float]]:
    """Time the index on drawn descriptors, as dense as those of the cohort: 5 candidates each."""
    rows = []
    for count in GROWTH:
        rng = np.random.default_rng(0)
        spread = np.geomspace(8, 1, DIRECTIONS)  # of people, in units of what copying makes
        people = rng.normal(size=(count, 1, DIRECTIONS)) * spread
        stretches = people + rng.normal(size=(count, STRETCHES, DIRECTIONS)) * spread / 8
        flat = stretches.reshape(-1, DIRECTIONS).astype(np.float32)
        owners = np.repeat(np.arange(count), STRETCHES)
        signs = np.repeat(np.float32([1, -1]), [22, 18])
        start, cpu = time.perf_counter(), time.process_time()
        pairs = find_candidates(flat, owners, signs, limit=CANDIDATE_LIMIT, worker_count=workers)
        rows.append(
            {
                "sequences": count,
                "wall_s": round(time.perf_counter() - start, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
                "candidates_per_sequence": round(len(pairs) / count, 2),
            }
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def measure_search(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cohort = scratch / "cohort"
        shape = scale_shape(options.share, options.view)
        if options.two_cameras:
            shape = shape_two_cameras(options.two_cameras)
        write_silhouette_batch(
            shape,
            options.seed,
            cohort,
            worker_count=options.workers,
            progress=NoProgress(),
        )
        combinations = [kind for kind in COPY_KINDS if kind not in SINGLE_KINDS]
        batches, truths = [cohort], []
        for name, kinds, count in (
            ("singles", SINGLE_KINDS, options.per_kind),
            ("combinations", combinations, options.per_combination),
        ):
            batches.append(scratch / name)
            truth = write_copies_batch(
                cohort, kinds, scratch / name, count_per_kind=count, seed=options.seed, prefix=name
            )
            truths.append(truth)
        alone = build(batches[:1], scratch / "alone", options.workers)
        planted = build(batches, scratch / "planted", options.workers)
        truth = pl.concat(truths)
        found, spent = search(alone, options.workers)
        report: dict[str, Any] = {"cohort": spent | judge(found, alone, truth.clear())}
        found, spent = search(planted, options.workers)
        report["planted"] = spent | judge(found, planted, truth)
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--view", choices=["front", "side"], default="front")
    parser.add_argument("--two-cameras", type=int, metavar="FRAMES")
    parser.add_argument("--per-kind", type=int, default=30)
    parser.add_argument("--per-combination", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    growth = parser.add_mutually_exclusive_group()
    growth.add_argument("--skip-growth", action="store_true")
    growth.add_argument("--only-growth", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {} if options.only_growth else measure_search(options)
    if not options.skip_growth:
        report["growth"] = measure_growth(options.workers)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
