import json
import os
import subprocess
import sys

import polars as pl
import pytest

READ_ALL = """
import json, sys
from datasets import get_dataset_config_names, load_dataset

rows = {}
for name in get_dataset_config_names(sys.argv[1]):
    rows[name] = load_dataset(sys.argv[1], name)["full"].to_list()
rows["default"] = load_dataset(sys.argv[1], split="full").to_list()
print(json.dumps(rows, default=lambda value: value.decode("latin-1")))
"""


@pytest.mark.slow
def test_load_dataset_reads_every_table_offline(release, tmp_path):
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(release)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read = json.loads(done.stdout.splitlines()[-1])
    tables = {
        "index": "index.parquet",
        "participants": "participants.parquet",
        "splits": "splits/split.parquet",
        "frames": "frames.parquet",
    }
    assert set(read) == {*tables, "sequences", "default"}
    for name, path in tables.items():
        assert read[name] == pl.read_parquet(release / path).to_dicts()
    sequences = pl.concat(map(pl.read_parquet, sorted((release / "sequences").iterdir())))
    rows = sequences.to_dicts()
    assert [row["silhouettes"].encode("latin-1") for row in read["sequences"]] == [
        row["silhouettes"] for row in rows
    ]
    assert read["default"] == read["sequences"]
