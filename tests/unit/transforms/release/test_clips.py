"""Dual-view clips in a release: the table goes with it, pictures of people never do."""

import dataclasses
import json

import polars as pl
import pytest

from transforms.dual_view.files import README, README_NAME
from transforms.dual_view.rgb_shards import write_rgb_shard
from transforms.errors import RefusalError
from transforms.manifest import read_manifest, write_manifest
from transforms.release.build import build_release
from transforms.release.pictures import find_pictures
from transforms.release.schema import describe_tables
from transforms.release.verify import verify_release
from transforms.schemas import CLIP_PAIRS, CLIP_REJECTS, CLIPS, conform
from transforms.shards.parquet import write_table

JPEG = b"\xff\xd8\xff\xe0" + b"face" * 20
LABELS = ["positive", "neutral", "negative", "negative"]


def recordings():
    return [
        {
            "participant_id": f"p00000{number:03x}",
            "label": label,
            "view": view,
            "frames": 9,
            "sync_group": f"p00000{number:03x}_s1",
        }
        for number, label in enumerate(LABELS)
        for view in ("front", "side")
    ]


def write_clips_dir(directory, index, *, with_pictures=False, **columns):
    """Write one clip per participant; `columns` overrides some."""
    sequences = {(row["participant_id"], row["view"]): row for row in index.to_dicts()}
    rows = [
        dict.fromkeys(CLIPS.names)
        | {"clip_id": f"{person}_s1_c000", "sync_group": f"{person}_s1", "participant_id": person}
        | {"label": sequences[person, "front"]["label"], "batch_id": "batch_001", "session": "s1"}
        | {"start_s": 0.0, "duration_s": 1.0, "offset_s": 0.0, "offset_source": "declared"}
        | {f"{view}_sequence_id": sequences[person, view]["sequence_id"] for view in VIEWS}
        | {f"{view}_frames": [1, 4] for view in VIEWS}
        | {f"{view}_frame_index": [2, 5] for view in VIEWS}
        for person in sorted({name for name, _ in sequences})
    ]
    directory.mkdir()
    schema = pl.DataFrame(CLIPS.empty_table()).schema
    clips = pl.DataFrame(rows, schema=schema).with_columns(**columns)
    write_table(conform(clips, CLIPS, where="clips"), directory / "clips.parquet")
    write_table(CLIP_PAIRS.empty_table(), directory / "pairs.parquet")
    write_table(CLIP_REJECTS.empty_table(), directory / "rejects.parquet")
    if with_pictures:
        picture = {"clip_id": "c", "view": "front", "frame_index": [2], "size_px": 8}
        write_rgb_shard([picture | {"pictures": [JPEG]}], directory)
        (directory / README_NAME).write_text(README)
    write_manifest(directory, kind="dual_view_clips", facts={"restricted": with_pictures})
    return directory


VIEWS = ("front", "side")


@pytest.fixture
def make(make_inputs, tmp_path):
    """Return a function that makes release inputs with clips."""

    def build(sides=None, **options):
        inputs = make_inputs(recordings=recordings(), sides=sides or ["train"] * 6 + ["test"] * 2)
        index = pl.read_parquet(inputs.dataset_dir / "index.parquet")
        clips = write_clips_dir(tmp_path / "clips", index, **options)
        return dataclasses.replace(inputs, clips_dir=clips)

    return build


def refusal(inputs, tmp_path):
    output = tmp_path / "refused"
    output.mkdir()
    with pytest.raises(RefusalError) as caught:
        build_release(inputs, output)
    assert list(output.iterdir()) == []
    return str(caught.value)


@pytest.mark.slow
def test_the_table_joins_the_release_and_its_descriptions_and_no_picture_does(make, publish):
    inputs = make(with_pictures=True)
    release = publish(inputs)
    released = pl.read_parquet(release / "dual_view_clips.parquet")
    assert released.equals(pl.read_parquet(inputs.clips_dir / "clips.parquet"))
    assert find_pictures(release) == []
    assert not list(release.rglob("*restricted*"))
    assert all(JPEG[:8] not in path.read_bytes() for path in release.rglob("*") if path.is_file())
    rows = {entry["path"]: entry.get("rows") for entry in read_manifest(release)["files"]}
    assert rows["dual_view_clips.parquet"] == len(LABELS)
    assert verify_release(release) == []
    names = {
        one["@id"] for one in json.loads((release / "croissant.json").read_bytes())["recordSet"]
    }
    assert "dual_view_clips" in names
    tables = json.loads((release / "schema.json").read_bytes())["tables"]
    assert "dual_view_clips" in {table["name"] for table in tables}
    assert "path: dual_view_clips.parquet" in (release / "README.md").read_text()
    audit = json.loads((release / "splits" / "audit.json").read_bytes())
    checks = [one for one in audit["checks"] if one["group"] == "clips"]
    assert [(one["examined"], one["status"]) for one in checks] == [(len(LABELS), "clean")] * 2


def test_a_cohort_without_clips_gives_the_release_it_always_gave(make_inputs, publish, tmp_path):
    inputs = make_inputs()
    plain = publish(inputs, "plain")
    index = pl.read_parquet(inputs.dataset_dir / "index.parquet")
    none = write_clips_dir(tmp_path / "clips", index.head(0))
    other = publish(dataclasses.replace(inputs, clips_dir=none), "other")
    assert (plain / "manifest.json").read_bytes() == (other / "manifest.json").read_bytes()


def test_every_column_of_the_clips_is_described():
    (table,) = [
        one for one in describe_tables(with_clips=True)["tables"] if one["name"].startswith("dual")
    ]
    assert [column["name"] for column in table["columns"]] == CLIPS.names
    assert all(column["description"] for column in table["columns"])


def test_a_clip_across_two_sides_is_refused(make, tmp_path):
    message = refusal(make(sides=["train", "test", *["train"] * 4, *["test"] * 2]), tmp_path)
    assert "clip_on_two_sides" in message


def test_a_clip_of_somebody_else_is_refused(make, tmp_path):
    message = refusal(make(participant_id=pl.lit("p00000000")), tmp_path)
    assert "of somebody or something else" in message


@pytest.mark.parametrize("where", ["dataset_dir", "splits_dir", "evaluation_dirs", "model_dirs"])
def test_whatever_comes_from_a_restricted_folder_is_refused_by_name(make, tmp_path, where):
    inputs = make()
    chosen = getattr(inputs, where)
    directory = chosen if where.endswith("_dir") else chosen[0]
    (directory / "restricted").mkdir()
    (directory / "restricted" / "notes.txt").write_text("harmless words")
    facts = read_manifest(directory)["facts"]
    write_manifest(directory, kind="x", facts=facts)
    message = refusal(inputs, tmp_path)
    assert f"{directory.name}/restricted/notes.txt: lies in a folder that is restricted" in message


def test_a_picture_under_another_name_is_refused(make, tmp_path):
    inputs = make()
    (inputs.splits_dir / "notes.txt").write_bytes(JPEG)
    write_manifest(inputs.splits_dir, kind="x", facts={})
    assert "splits/notes.txt: a JPEG picture" in refusal(inputs, tmp_path)


def test_pictures_among_the_clips_tables_are_refused(make, tmp_path):
    inputs = make()
    (inputs.clips_dir / "faces.parquet").write_bytes(JPEG)
    write_manifest(inputs.clips_dir, kind="dual_view_clips", facts={})
    assert "clips: faces.parquet: a JPEG picture" in refusal(inputs, tmp_path)
