"""One of several processes that share every batch: `python -m tests.unit.training.batch_ranks`.

Each stops its stream at many steps and goes on from there with everything opened anew. The first
writes the digests of the whole batches, put together over gloo, a list per interruption.
"""

import argparse
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from training.batches import Batch, BatchReader, BatchStream, build_reader
from training.data import select_side
from training.frame_store import open_frame_store
from training.samplers import build_sampler
from transforms.progress import NoProgress
from transforms.shards.reader import open_dataset
from transforms.splits.load import load_split
from transforms.training_settings import TrainingSettings

CPU = torch.device("cpu")


def open_reader(root: Path, settings: TrainingSettings, rank: int, world_size: int) -> BatchReader:
    """Open everything as a process that has just started does."""
    dataset = open_dataset(root / "shards")
    store = open_frame_store(dataset, root / "scratch", NoProgress())
    split = load_split(root / "splits" / "split.parquet", dataset.version)
    train = select_side(split, "ratio_1_1_2", "train", store)
    sampler = build_sampler(train, settings, seed=0)
    return build_reader(store, train, sampler, CPU, rank=rank, world_size=world_size)


def join(batch: Batch, world_size: int) -> str:
    """Return the digest of the batch that all processes hold together."""
    digest = hashlib.sha256(str(batch.step).encode())
    for tensor in batch[1:]:
        parts = [torch.empty_like(tensor) for _ in range(world_size)]
        dist.all_gather(parts, tensor.contiguous())
        digest.update(torch.cat(parts).numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Read as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--settings", required=True)
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--world-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--stops", type=int, nargs="+", required=True)
    parser.add_argument("--meeting", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    settings = TrainingSettings.model_validate_json(arguments.settings)
    rank, world_size = arguments.rank, arguments.world_size
    dist.init_process_group(
        "gloo",
        init_method=f"file://{arguments.meeting}",
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=60),
    )
    found = []
    for stop in arguments.stops:
        digests = []
        for is_again in (False, True):
            reader = open_reader(arguments.root, settings, rank, world_size)
            steps = range(stop if is_again else 0, arguments.steps)
            with BatchStream(reader, steps, CPU, thread_count=arguments.threads) as stream:
                for batch in stream:
                    if not is_again and batch.step == stop:
                        break
                    digests.append(join(batch, world_size))
        found.append(digests)
    if rank == 0:
        arguments.output.write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
