from pathlib import Path

import pytest

from assets.partitions import Partitioning
from assets.stage import REMARK, Source, Stage, lineage_of
from assets.states import list_remarks, list_states, say_states
from assets.workspace import Workspace
from transforms.manifest import write_manifest

RAW = Source("raw", "raw", Partitioning.INTAKE_BATCH)
TAKEN = Stage("taken", "data/taken/{partition}", (RAW,), (), "1", Partitioning.INTAKE_BATCH)
PACKED = Stage("packed", "data/packed", (TAKEN,), (), "1")
TOLD = Stage("told", "data/told", (PACKED,), ("splits",), "1")
STAGES = (TAKEN, PACKED, TOLD)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").touch()
    for batch in ("batch_001", "batch_002"):
        (tmp_path / "raw" / batch).mkdir(parents=True)
        for table in ("participants.csv", "recordings.csv"):
            (tmp_path / "raw" / batch / table).write_text(batch)
    return tmp_path


def build(root: Path, stage: Stage) -> None:
    workspace = Workspace(root=str(root))
    for key in workspace.partition_keys(stage.partitioning) or [None]:
        folder = stage.directory(workspace, key)
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(
            folder, kind=stage.name, facts={"lineage": lineage_of(workspace, stage, key)}
        )


def states(root: Path) -> list[str]:
    return list(list_states(Workspace(root=str(root)), STAGES).values())


def test_what_lies_behind_something_stale_waits_and_is_fresh_if_that_comes_out_as_it_was(
    root: Path,
) -> None:
    assert states(root) == ["missing"] * 4
    for stage in STAGES:
        build(root, stage)
    assert states(root) == ["fresh"] * 4

    table = root / "raw" / "batch_002" / "recordings.csv"
    before = table.read_text()
    table.write_text("another")
    assert states(root) == ["fresh", "stale", "waiting", "waiting"]
    build(root, TAKEN)
    assert states(root) == ["fresh", "fresh", "stale", "waiting"]
    table.write_text(before)
    build(root, TAKEN)
    assert states(root) == ["fresh"] * 4

    (root / "params.yaml").write_text("splits: {seed: 1}")
    (root / "data" / "packed" / "manifest.json").unlink()
    assert states(root) == ["fresh", "fresh", "stale", "stale"]


def test_many_alike_share_a_line_and_the_odd_ones_are_named() -> None:
    states = {"splits": "fresh"} | {f"model/{number}": "fresh" for number in range(12)}
    assert say_states(states) == ["fresh    splits", "fresh    model: all 12"]
    states |= {"model/3": "stale", "model/5": "stale", "score": "missing"}
    assert say_states(states) == [
        "fresh    splits",
        "fresh    model: 10 of 12",
        "stale    model/3",
        "stale    model/5",
        "missing  score",
    ]
    assert say_states(states, names_all=True)[1] == "fresh    model/0"
    assert len(say_states(states, names_all=True)) == len(states)


def test_a_stage_may_say_something_of_itself(root: Path) -> None:
    workspace = Workspace(root=str(root))
    assert list_remarks(workspace, STAGES) == {}
    build(root, TAKEN)
    folder = TAKEN.directory(workspace, "batch_002")
    write_manifest(folder, kind="taken", facts={REMARK: "half of it"})
    remarks = {"taken/batch_002": "half of it"}
    assert list_remarks(workspace, STAGES) == remarks
    for state, said in (("fresh", " (half of it)"), ("stale", "")):
        line = f"{state:8} taken/batch_002{said}"
        assert say_states({"taken/batch_002": state}, remarks) == [line]
    (folder / "manifest.json").write_text("damaged")
    assert list_remarks(workspace, STAGES) == {}
