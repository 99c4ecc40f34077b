"""The snippets of docs/format.md read what the writer writes."""

import contextlib
import gc
import os
import re
from pathlib import Path

import numpy as np
import pytest

from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.schemas import SEQUENCES
from transforms.settings import ShardSettings
from transforms.shards.reader import open_dataset
from transforms.shards.writer import write_shards

PAGE = Path(__file__).parents[4] / "docs" / "format.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(params=["binary", "grey"])
def dataset(write_batch, tmp_path, request):
    lengths = {"p1": 3, "p2": 0, "p3": 1, "p4": 9, "p5": 2}
    batch = write_batch(
        "batch_001", [{"participant_id": name, "frames": n} for name, n in lengths.items()]
    )
    output = tmp_path / "dataset"
    output.mkdir()
    facts = write_shards(
        [batch.intake],
        [batch.extraction],
        ShardSettings(sequences_per_shard=2, codec=request.param),
        output,
        progress=NoProgress(),
    )
    write_manifest(output, kind="silhouette_shards", facts=facts)
    return open_dataset(output)


def _run(dataset, snippets: list[str]) -> dict[str, np.ndarray]:
    """Run snippets in the dataset's folder; return what `decode` gave for each sequence."""
    found = {}

    def note(sequence_id, shape):
        row, sample = names["row"], names.get("sample")
        data = sample["silhouettes.zst"] if sample else row["silhouettes"]
        size = row["frame_count"], row["height_px"], row["width_px"]
        found[sequence_id] = names["decode"](data, row["codec"], *size)
        assert found[sequence_id].shape == shape

    names = {"print": note}
    before = Path.cwd()
    os.chdir(dataset.directory)
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, before)
        for snippet in snippets:
            exec(snippet, names)  # the page's own text
    return found


def _same(dataset, found) -> bool:
    assert list(found) == dataset.index["sequence_id"].to_list()
    return all(np.array_equal(dataset.read(name), pixels) for name, pixels in found.items())


def test_pyarrow_and_numpy_are_enough(dataset):
    assert len(SNIPPETS) == 2
    assert _same(dataset, _run(dataset, SNIPPETS[:1]))


@pytest.mark.slow  # importing webdataset loads torch
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # it leaves files open
def test_webdataset_is_enough(dataset):
    pytest.importorskip("webdataset")
    found = _run(dataset, [SNIPPETS[0], SNIPPETS[1]])
    assert set(found) == set(dataset.index["sequence_id"])
    assert all(np.array_equal(dataset.read(name), pixels) for name, pixels in found.items())
    gc.collect()


def test_the_page_names_every_column_and_codec(dataset):
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in SEQUENCES.names if f"`{name}`" not in text] == []
    assert set(dataset.index["codec"]) <= set(re.findall(r"\*\*`(\S+)`\*\*", text))
