"""`gaitworks audit`: on datasets, splits and releases, sound, leaky and damaged."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.integration.workspaces import gaitworks, make_workspace
from transforms.files import canonical_json
from transforms.manifest import directory_version, read_manifest, write_manifest
from transforms.progress import NoProgress
from transforms.release.build import ReleaseInputs, build_release
from transforms.schemas import (
    CLIPS,
    NEAR_DUPLICATES,
    NEAR_DUPLICATES_NAME,
    SEQUENCES,
    SPLIT,
    conform,
)
from transforms.settings import ReleaseSettings, ShardSettings, parse_settings
from transforms.shards.parquet import encode_shard, write_table
from transforms.shards.writer import write_shards
from transforms.synth.sequence_plan import CohortShape
from transforms.synth.silhouettes import write_silhouette_batch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_LABELS = ("positive", "neutral", "negative")
_SHAPE = CohortShape(
    participants=dict.fromkeys(_LABELS, 4),
    sequences=dict.fromkeys(_LABELS, 5),
    frames_mean=60,
    frames_sd=0,
)
_QUICK = "--no-near-duplicates"

Audit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a dataset and two folds of it. Do not change it."""
    workspace = make_workspace(tmp_path_factory.mktemp("built") / "workspace")
    batch = tmp_path_factory.mktemp("batch") / "tables"
    write_silhouette_batch(_SHAPE, 1, batch, worker_count=1, progress=NoProgress())
    write_dataset(batch, workspace / "data" / "shards")
    shutil.copytree(batch, workspace / "batch")
    write_split(workspace)
    return workspace


@pytest.fixture
def workspace(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "workspace"))


@pytest.fixture
def audit(workspace: Path) -> Audit:
    return lambda *arguments: gaitworks(workspace, "audit", *map(str, arguments))


def write_dataset(batch: Path, output: Path) -> None:
    output.mkdir(parents=True)
    directories = [batch / "intake"], [batch / "extraction"]
    settings = ShardSettings(sequences_per_shard=4)
    facts = write_shards(*directories, settings, output, progress=NoProgress())
    write_manifest(output, kind="silhouette_shards", facts=facts)


def write_split(workspace: Path, **columns: Any) -> Path:
    """Write two folds of the workspace's dataset, with some columns replaced."""
    dataset = workspace / "data" / "shards"
    index = pl.read_parquet(dataset / "index.parquet")
    people = index.select("participant_id", "label").unique().sort("participant_id")
    fold = people.select("participant_id", fold=pl.int_range(pl.len()).over("label") % 2)
    rows = index.join(fold, on="participant_id")
    split = pl.concat(
        rows.select(
            "sequence_id",
            "participant_id",
            "label",
            dataset_version=pl.lit(directory_version(dataset)),
            protocol=pl.lit("k_fold"),
            variant=pl.lit(f"fold_{number + 1}"),
            side=pl.when(pl.col("fold") == number).then(pl.lit("test")).otherwise(pl.lit("train")),
        )
        for number in range(2)
    ).with_columns(**columns)
    directory = workspace / "data" / "splits"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    write_table(conform(split, SPLIT, where="split"), directory / "split.parquet")
    (directory / "proof.json").write_bytes(canonical_json({"protocol": "k_fold"}))
    write_table(NEAR_DUPLICATES.empty_table(), directory / NEAR_DUPLICATES_NAME)
    write_manifest(directory, kind="participant_splits", facts={})
    return directory / "split.parquet"


def make_release(workspace: Path, output: Path) -> Path:
    inputs = ReleaseInputs(
        dataset_dir=workspace / "data" / "shards",
        splits_dir=workspace / "data" / "splits",
        evaluation_dirs=[],
        release=ReleaseSettings(),
        settings=parse_settings({}).model_dump(mode="json"),
    )
    output.mkdir()
    write_manifest(output, kind="dataset_release", facts=build_release(inputs, output))
    return output


def first_of(workspace: Path, label: str) -> list[str]:
    """Return the first sequence of every participant of a class."""
    index = pl.read_parquet(workspace / "data" / "shards" / "index.parquet").sort("participant_id")
    own = index.filter(pl.col("label") == label)
    return own.unique("participant_id", keep="first", maintain_order=True)["sequence_id"].to_list()


def test_a_clean_split_says_what_was_looked_at(audit: Audit) -> None:
    done = audit(_QUICK)
    assert done.returncode == 0, done.stderr
    assert "15 sequences of 12 participants" in done.stdout
    assert "k_fold, 2 variant(s)" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "no participant is on two" in line)
    assert "12 participants in use" in line
    assert "nothing was found" in done.stdout
    assert "not checked: near-duplicates were not searched for" in done.stdout


def test_clips_are_looked_at_where_there_are_any(workspace: Path, audit: Audit) -> None:
    split = pl.read_parquet(workspace / "data" / "splits" / "split.parquet")
    tested = split.filter((pl.col("variant") == "fold_1") & (pl.col("side") == "test"))
    trained = split.filter((pl.col("variant") == "fold_1") & (pl.col("side") == "train"))
    one, other = (table.sort("sequence_id").row(0, named=True) for table in (tested, trained))
    empty = pl.DataFrame(CLIPS.empty_table())
    values = dict.fromkeys(CLIPS.names) | dict.fromkeys(
        ("clip_id", "sync_group", "batch_id", "offset_source"), "c"
    )
    values |= {"start_s": 0.0, "duration_s": 1.0, "offset_s": 0.0}
    values |= {name: one[name] for name in ("participant_id", "label")}
    values |= {name: [0] for name in CLIPS.names if name.endswith(("_frames", "_frame_index"))}

    def write(side: dict[str, Any], **changes: str) -> None:
        ids = {"front_sequence_id": one["sequence_id"], "side_sequence_id": side["sequence_id"]}
        row = values | ids | changes
        path = workspace / "data" / "clips" / "clips.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pl.DataFrame([row], schema=empty.schema)
        write_table(conform(table, CLIPS, where="clips"), path)

    write(one)
    done = audit(_QUICK)
    assert done.returncode == 0, done.stdout
    assert "both views of every clip are on one side" in done.stdout
    write(other)
    done = audit(_QUICK)
    assert done.returncode == 1
    assert "clip_on_two_sides" in done.stdout
    write(one, participant_id=other["participant_id"])
    done = audit(_QUICK)
    assert done.returncode == 1
    assert "clip_of_another_participant" in done.stdout
    (workspace / "data" / "clips" / "clips.parquet").write_bytes(b"PAR1")
    assert audit(_QUICK).returncode == 4


def test_somebody_on_two_sides_ends_with_exit_code_one(workspace: Path, audit: Audit) -> None:
    split = pl.read_parquet(workspace / "data" / "splits" / "split.parquet")
    twice = split.group_by("participant_id").len().sort("len", "participant_id").item(-1, 0)
    one = split.filter(pl.col("participant_id") == twice)["sequence_id"].sort()[0]
    side = pl.when(pl.col("sequence_id") == one).then(pl.lit("selection")).otherwise("side")
    path = write_split(workspace, side=side)
    done = audit(_QUICK, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    leak = next(one for one in said["findings"] if one["code"] == "participant_on_two_sides")
    assert (leak["severity"], leak["records"]) == ("error", [twice])
    assert said["errors"] >= 1
    assert {"leaks", "copies", "dataset", "rows", "protocol"} == {
        check["group"] for check in said["checks"]
    }
    assert (said["split"], said["near_duplicates"]) == (str(path), None)
    done = audit(workspace / "data" / "shards", "--split", path.parent, _QUICK)
    assert done.returncode == 1
    assert f"participant_on_two_sides: on more than one side of fold_1, fold_2 ({twice})" in (
        done.stdout
    )


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_planted_copy_under_another_participant_is_found(
    workspace: Path, audit: Audit, is_mirrored: bool
) -> None:
    from transforms.shards.codec import decode_silhouettes, encode_silhouettes

    done = audit()
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = first_of(workspace, "neutral")[:2]  # in different folds
    path = workspace / "batch" / "extraction" / "sequences.parquet"
    table = pl.read_parquet(path)
    row = table.filter(pl.col("sequence_id") == first).row(0, named=True)
    shape = (row["frame_count"], row["height_px"], row["width_px"])
    pixels = decode_silhouettes(row["silhouettes"], row["codec"], shape)
    pixels = pixels[:, :, ::-1].copy() if is_mirrored else pixels
    copy = pl.lit(encode_silhouettes(pixels, row["codec"], 3))
    is_second = pl.col("sequence_id") == second
    planted = table.with_columns(silhouettes=pl.when(is_second).then(copy).otherwise("silhouettes"))
    path.write_bytes(encode_shard(conform(planted, SEQUENCES, where="planted")))
    shutil.rmtree(workspace / "data" / "shards")
    write_dataset(workspace / "batch", workspace / "data" / "shards")
    write_split(workspace)
    done = audit("--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    code = "near_duplicate_on_two_sides" if is_mirrored else "identical_on_two_sides"
    (leak,) = (one for one in said["findings"] if one["code"] == code)
    names = sorted((first, second))
    assert leak["records"] == [
        " ~ ".join(names) + " (mirrored)" if is_mirrored else " = ".join(names)
    ]
    assert [(one["first"], one["second"]) for one in said["near_duplicates"]] == [tuple(names)]


def test_another_dataset_is_audited_without_a_split(workspace: Path, audit: Audit) -> None:
    other = Path(shutil.copytree(workspace / "data" / "shards", workspace / "elsewhere"))
    done = audit(other, _QUICK)
    assert done.returncode == 0, done.stderr
    assert "no split: the dataset alone was audited" in done.stdout
    assert "protocol" not in done.stdout


def test_a_release_is_audited_with_its_own_split(workspace: Path, audit: Audit) -> None:
    release = make_release(workspace, workspace / "release")
    done = audit(release, _QUICK)
    assert done.returncode == 0, done.stderr
    assert "release, version" in done.stdout
    assert "k_fold, 2 variant(s)" in done.stdout
    split = release / "splits" / "split.parquet"
    data = bytearray(split.read_bytes())
    data[len(data) // 2] ^= 1
    split.write_bytes(bytes(data))
    done = audit(release, _QUICK)
    assert (done.returncode, "damaged" in done.stderr) == (4, True)


def test_a_split_that_leaks_by_design_is_an_error_in_a_release_alone(
    workspace: Path, audit: Audit
) -> None:
    release = make_release(workspace, workspace / "release")
    # Single sequences of each class are dealt out, in the same way for two ratios of equal size.
    names = {"fold_1": "ratio_1_1_1", "fold_2": "ratio_2_2_2"}
    index = pl.read_parquet(workspace / "data" / "shards" / "index.parquet").sort("sequence_id")
    place = index.select("sequence_id", place=pl.int_range(pl.len()).over("label"))
    sides = {
        name: ("test", "train", "train", "unused", "unused")[number]
        for name, number in place.iter_rows()
    }
    path = write_split(
        workspace,
        protocol=pl.lit("sequence_wise"),
        variant=pl.col("variant").replace_strict(names),
        side=pl.col("sequence_id").replace_strict(sides),
    )
    done = audit(_QUICK)
    assert done.returncode == 0, done.stdout
    assert "leaky_by_design" in done.stdout
    shutil.copyfile(path, release / "splits" / "split.parquet")
    write_manifest(release, kind="dataset_release", facts=read_manifest(release)["facts"])
    done = audit(release, _QUICK, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    errors = {one["code"] for one in said["findings"] if one["severity"] == "error"}
    assert errors == {"leaky_by_design"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("split.parquet", None, "no such file"),
        ("split.parquet", b"PAR1 not at all", "not a readable Parquet file"),
    ],
)
def test_a_file_that_is_no_split(
    workspace: Path, audit: Audit, name: str, content: bytes | None, words: str
) -> None:
    path = workspace / "odd" / name
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    done = audit("--split", path, _QUICK)
    assert done.returncode == 4
    assert words in done.stderr


def test_a_split_of_another_version_or_with_other_columns_is_refused(
    workspace: Path, audit: Audit
) -> None:
    path = write_split(workspace, dataset_version=pl.lit("f" * 64))
    done = audit("--split", path, _QUICK)
    assert done.returncode == 4
    assert "another dataset version" in done.stderr
    pl.DataFrame({"side": ["train"]}).write_parquet(path)
    done = audit("--split", path, _QUICK, "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["what"] == "columns differ from the contract"


def test_damaged_datasets_are_refused(workspace: Path, audit: Audit) -> None:
    assert audit(workspace / "raw", _QUICK).returncode == 4
    index = workspace / "data" / "shards" / "index.parquet"
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.write_bytes(bytes(data))
    done = audit(_QUICK)
    assert done.returncode == 4
    assert "index.parquet" in done.stderr


def test_names_in_a_split_can_not_move_the_cursor(workspace: Path, audit: Audit) -> None:
    path = write_split(workspace, protocol=pl.lit("\x1b[2J\x1b[31mall is well\r" + "x" * 5000))
    done = audit("--split", path, _QUICK)
    assert "protocol_unknown" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 1500
