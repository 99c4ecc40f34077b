"""Trees in the field's layout through the command line, workers and limits included."""

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.integration.workspaces import TINY, gaitworks, make_workspace
from tests.unit.transforms.interchange.hostile_pickles import (
    list_bombs,
    list_damaged,
    list_gadgets,
)
from tests.unit.transforms.interchange.trees import draw, put_pickle, put_pictures
from training.job import TrainingJob
from transforms.manifest import verify_directory
from transforms.settings import parse_settings
from transforms.shards.reader import open_dataset
from transforms.splits.build import build_splits

MEBIBYTE = 2**20

# Run in a process of its own, so that the peak is that of its workers alone.
_MEASURED = """
import json, resource, sys
from pathlib import Path
from transforms.interchange.importer import import_tree
from transforms.progress import NoProgress

if __name__ == "__main__":
    summary = import_tree(
        Path(sys.argv[1]), Path(sys.argv[2]), batch_id="b", fps=30.0, sequence_list=None,
        worker_count=int(sys.argv[3]), progress=NoProgress(),
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"accepted": summary.accepted, "rejected": summary.rejected, "peak": peak}))
"""


def _import_measured(tree: Path, output: Path, workers: int = 2) -> dict[str, Any]:
    output.mkdir()
    program = output.parent / "measured.py"
    program.write_text(_MEASURED)
    done = subprocess.run(
        [sys.executable, str(program), str(tree), str(output), str(workers)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent.parent)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _tables(output: Path) -> dict[str, bytes]:
    return {str(p.relative_to(output)): p.read_bytes() for p in output.rglob("*.parquet")}


@pytest.mark.slow
def test_hostile_files_run_nothing_take_little_and_cost_only_themselves(tmp_path: Path) -> None:
    canary, tree = tmp_path / "canary", tmp_path / "tree"
    put_pickle(tree, "good1/positive/v")
    put_pictures(tree, "good2/negative/v", draw("x"))
    damaged = list(list_damaged().items())[::40]
    hostile = {**list_gadgets(canary), **list_bombs(), **dict(damaged)}
    for number, data in enumerate(hostile.values()):
        put_pickle(tree, f"h{number}/positive/v").write_bytes(data)
    put_pickle(tree, "sparse/positive/v").write_bytes(b"\x80\x04\x8e")
    os.truncate(tree / "sparse" / "positive" / "v" / "v.pkl", 2**40)
    (tree / "linked" / "positive" / "v").mkdir(parents=True)
    (tree / "linked" / "positive" / "v" / "v.pkl").symlink_to("/etc/passwd")
    (tree / "pipe" / "positive" / "v").mkdir(parents=True)
    os.mkfifo(tree / "pipe" / "positive" / "v" / "v.pkl")
    began = time.monotonic()
    result = _import_measured(tree, tmp_path / "output")
    assert result["accepted"] == 2
    assert sum(result["rejected"].values()) == len(hostile) + 3
    assert "timeout" not in result["rejected"]
    assert "unreadable" not in result["rejected"]
    assert not canary.exists()
    assert result["peak"] * 1024 < 300 * MEBIBYTE
    assert time.monotonic() - began < 120
    assert {path.name for path in tmp_path.iterdir()} == {"tree", "output", "measured.py"}


@pytest.mark.slow
def test_a_large_file_that_is_not_what_it_says_takes_a_multiple_of_itself_at_most(
    tmp_path: Path,
) -> None:
    # 240 MiB of a text that must be decoded before it is seen that it can't be an array's bytes.
    shape = b"J" + (60 * MEBIBYTE).to_bytes(4, "little") + b"\x85"
    text = "\U0001f600".encode() * (60 * MEBIBYTE)
    whole = pickle.dumps(np.zeros(5, np.uint8), 2)
    head, _, tail = whole.partition(b"K\x05\x85")
    before, _, _ = tail.partition(b"c__builtin__")
    start = head + shape + before.split(b"h\x03X")[0] + b"h\x03X"
    data = start + len(text).to_bytes(4, "little") + text + b"X\x06\x00\x00\x00latin1\x86Rtb."
    put_pickle(tmp_path / "tree", "big/positive/v").write_bytes(data)
    put_pickle(tmp_path / "tree", "good/positive/v")
    result = _import_measured(tmp_path / "tree", tmp_path / "output", workers=1)
    assert result["accepted"] == 1
    assert result["rejected"] == {"not_an_array": 1}
    assert result["peak"] * 1024 < 1200 * MEBIBYTE


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(12):
        put_pickle(tmp_path / "tree", f"{number:02}/positive/v")
        put_pictures(tmp_path / "tree", f"p{number:02}/negative/v", draw(f"{number}", 2))
    for workers in (1, 3):
        _import_measured(tmp_path / "tree", tmp_path / f"output{workers}", workers)
    assert _tables(tmp_path / "output1") == _tables(tmp_path / "output3")
    assert len(_tables(tmp_path / "output1")) == 8


def _cohort(tree: Path) -> Path:
    """Write sequences of 8 participants of each class, two each, and return the list of them."""
    rows = ["id,participant_id"]
    for label, folder in (
        ("positive", "Positive"),
        ("neutral", "critical"),
        ("negative", "negative"),
    ):
        for number in range(16):
            identity = f"{label}{number:02}"
            put_pickle(tree, f"{identity}/{folder}/000_180", draw(identity, 4, 44))
            rows.append(f"{identity},P{label}{number // 2}")
    path = tree.parent / "sequences.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def _train(dataset: Path, splits: Path, scratch: Path) -> list[str]:
    """Train a tiny model for a few steps and return the names of its results."""
    output = scratch / "model"
    output.mkdir()
    job = TrainingJob(
        experiment="imported",
        model="sconet_mt",
        variant="ratio_1_1_2",
        seed=0,
        dataset=dataset,
        splits=splits,
        output=output,
        scratch=scratch / "scratch",
        device="cpu",
        training=parse_settings({"training": TINY["training"]}).training,
    )
    path = scratch / "job.json"
    path.write_text(job.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "training.run", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert done.returncode == 0, done.stdout[-1000:]
    return sorted(path.name for path in output.iterdir())


@pytest.mark.slow
def test_an_imported_tree_is_split_trained_on_exported_and_imported_again(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "workspace")
    listing = _cohort(tmp_path / "tree")
    put_pickle(tmp_path / "tree", "odd/negative/000_180", draw("odd").astype(np.float32))
    dataset = tmp_path / "dataset"
    done = gaitworks(
        workspace,
        *("import", str(tmp_path / "tree"), "--to", str(dataset), "--sequences", str(listing)),
    )
    assert done.returncode == 0, done.stderr
    assert "48 sequences, 1 rejected" in done.stdout
    assert "1 unlisted_id" in done.stdout
    assert verify_directory(dataset) == []
    assert pl.read_parquet(dataset / "rejects.parquet")["stage"].to_list() == ["intake"]

    splits = tmp_path / "splits"
    splits.mkdir()
    settings = parse_settings({"splits": {"ratios": ["ratio_1_1_2"]}}).splits
    build_splits(dataset, settings, splits)
    assert _train(dataset, splits, tmp_path) == ["history.csv", "model.json", "model.safetensors"]
    tree = tmp_path / "exported"
    split = str(splits / "split.parquet")
    done = gaitworks(workspace, "export", str(dataset), "--to", str(tree), "--split", split)
    assert done.returncode == 0, done.stderr
    assert verify_directory(tree) == []
    partition = json.loads((tree / "partitions" / "ratio_1_1_2.json").read_text())
    people = dict(open_dataset(dataset).index.select("sequence_id", "participant_id").iter_rows())
    sides = [{people[name] for name in names} for names in partition.values()]
    assert all(sides)
    assert len(set().union(*sides)) == sum(map(len, sides))

    again = tmp_path / "again"
    done = gaitworks(
        workspace,
        *("import", str(tree), "--to", str(again), "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"accepted": 48, "rejected": {}, "problems": []}
    first, second = open_dataset(dataset), open_dataset(again)
    columns = ("sequence_id", "participant_id", "label", "view", "fps", "frame_count")
    assert first.index.select(columns).equals(second.index.select(columns))
    for name in first.index["sequence_id"]:
        assert (first.read(name) == second.read(name)).all()

    done = gaitworks(workspace, "import", str(tree), "--to", str(again))
    assert done.returncode == 3
    assert "the folder exists" in done.stderr
