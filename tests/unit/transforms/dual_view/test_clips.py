"""From a dataset of two views to the tables of its clips, and what is said of a broken one."""

import polars as pl
import pytest

from transforms.dual_view.clips import Pictures, write_clips
from transforms.dual_view.verify import find_broken_clips
from transforms.manifest import write_manifest
from transforms.progress import NoProgress
from transforms.schemas import CLIP_PAIRS, CLIP_REJECTS, CLIPS, conform
from transforms.settings import ClipSettings
from transforms.shards.parquet import write_table
from transforms.shards.reader import open_dataset


@pytest.fixture
def built(write_walks, uneven_walk, even_walk, tmp_path):
    """An aligned pair, a quarantined one, and one view alone; the clips in `clips`."""
    views = [("p1-a", walk) for walk in uneven_walk] + [("p2-a", walk) for walk in even_walk]
    intake, dataset = write_walks([*views, ("p3-a", even_walk[0])])
    output = tmp_path / "clips"
    output.mkdir()
    facts = write_clips([intake], dataset, ClipSettings(), output, progress=NoProgress())
    write_manifest(output, kind="dual_view_clips", facts=facts)
    return facts, output, dataset, intake


def test_clips_pairs_and_rejects_account_for_every_sync_group(built):
    facts, output, dataset, _ = built
    clips, pairs, rejects = (
        pl.read_parquet(output / f"{name}.parquet") for name in ("clips", "pairs", "rejects")
    )
    for table, schema in ((clips, CLIPS), (pairs, CLIP_PAIRS), (rejects, CLIP_REJECTS)):
        conform(table, schema, where="test")
    assert dict(pairs.select("sync_group", "verdict").iter_rows()) == {
        "p1-a": "accepted",
        "p2-a": "quarantined",
    }
    assert set(clips["sync_group"]) == {"p1-a"}
    assert set(clips["participant_id"]) == {"p1"}
    assert set(clips["offset_source"]) == {"estimated"}
    assert clips["offset_s"].to_list() == pytest.approx([0.637] * clips.height, abs=0.02)
    whole = rejects.filter(pl.col("clip_id").is_null())
    assert set(whole.select("sync_group", "reason_code").iter_rows()) == {
        ("p2-a", "offset_uncertain"),
        ("p3-a", "missing_view"),
    }
    assert facts["counts"] == {
        "pairs": 2,
        "accepted_pairs": 1,
        "participants": 1,
        "clips": clips.height,
        "clips_with_pictures": 0,
    }
    assert facts["restricted"] is False
    assert sum(row["count"] for row in facts["rejects"]) == rejects.height
    assert find_broken_clips(output, dataset) == []


def test_the_report_says_how_they_were_aligned_and_who_has_no_clip(built):
    from transforms.describe.clips_section import clips_section
    from transforms.describe.gather import ReportInputs, gather

    _, output, dataset, _ = built
    material = gather(ReportInputs("t", dataset_dir=dataset, clips_dir=output))
    assert [one.name for one in material.directories] == ["shards", "clips"]
    section = clips_section(material)
    (tiles,) = (block for block in section.blocks if block.kind == "tiles")
    clips = material.clips.clips.height
    assert [value for value, _ in tiles.tiles] == ["3", "2", "1", "1", str(clips), "1"]
    tables = {block.caption: block for block in section.blocks if block.kind == "table"}
    offsets = tables["Pairs by where their offset comes from"].rows
    assert [row[:3] for row in offsets] == [
        ("declared", "0", "0"),
        ("estimated", "1", str(clips)),
        ("quarantined", "1", "0"),
    ]
    (of_label,) = tables["Clips by diagnosis"].rows
    assert of_label[1:] == ("3", "1", "2", str(clips))
    without = tables["Participants of the dataset without a clip"].rows
    assert [(person, why) for person, _, _, why, _ in without] == [
        ("p2", "offset uncertain"),
        ("p3", "missing view"),
    ]
    reasons = {(row[0], row[2]) for row in tables["What was left out, by reason"].rows}
    assert {("offset uncertain", "1"), ("missing view", "1")} <= reasons
    (picture,) = (block for block in section.blocks if block.kind == "picture")
    assert picture.source.startswith("data:image/png")


def test_the_frames_of_a_clip_show_one_moment(built, uneven_walk):
    _, output, dataset_dir, _ = built
    dataset = open_dataset(dataset_dir)
    front, side = uneven_walk
    for clip in pl.read_parquet(output / "clips.parquet").iter_rows(named=True):
        ours = front.times_s[clip["front_frames"]]
        theirs = side.times_s[clip["side_frames"]] + 0.637
        assert abs(ours - theirs).max() <= 0.04 + 0.02
        assert clip["front_frame_index"] == [round(time * 25) for time in ours]
        for view in ("front", "side"):
            frames = dataset.read(clip[f"{view}_sequence_id"])[clip[f"{view}_frames"]]
            assert frames.shape == (8, 64, 44)


def test_the_same_input_gives_the_same_bytes(built, tmp_path):
    _, output, dataset, intake = built
    again = tmp_path / "again"
    again.mkdir()
    write_clips([intake], dataset, ClipSettings(), again, progress=NoProgress())
    for name in ("clips.parquet", "pairs.parquet", "rejects.parquet"):
        assert (again / name).read_bytes() == (output / name).read_bytes()


def test_a_cohort_of_one_camera_gives_empty_tables_without_opening_its_shards(
    write_walks, even_walk, tmp_path
):
    intake, dataset = write_walks([("p1-a", even_walk[1])])
    recordings = pl.read_parquet(intake / "recordings.parquet")
    no_group = pl.lit(None, pl.String).alias("sync_group")
    recordings.with_columns(no_group).write_parquet(intake / "recordings.parquet")
    facts = write_clips(
        [intake], dataset / "is not looked at", ClipSettings(), tmp_path, progress=NoProgress()
    )
    assert facts["counts"]["clips"] == 0
    assert pl.read_parquet(tmp_path / "clips.parquet").is_empty()


def test_what_gave_no_pictures_is_among_the_rejects(built, tmp_path):
    from transforms.dual_view.pairing import Reject

    _, _, dataset, intake = built
    seen = []

    def cut(aligned):
        seen.extend(found.pair.sync_group for found in aligned if found.cut.clips)
        return Pictures(rejects=(Reject("p1-a", "pictures", "video_missing", "gone"),))

    output = tmp_path / "other"
    output.mkdir()
    facts = write_clips(
        [intake], dataset, ClipSettings(), output, progress=NoProgress(), cut_pictures=cut
    )
    assert seen == ["p1-a"]
    assert facts["restricted"] is True
    codes = pl.read_parquet(output / "rejects.parquet")["reason_code"].to_list()
    assert "video_missing" in codes


def change(output, **columns):
    clips = pl.read_parquet(output / "clips.parquet").with_columns(**columns)
    write_table(conform(clips, CLIPS, where="test"), output / "clips.parquet")


WRONG = [
    ({"side_sequence_id": pl.lit("elsewhere")}, "its side sequence is not in the dataset"),
    ({"side_sequence_id": pl.col("front_sequence_id")}, "of somebody or something else"),
    ({"label": pl.lit("positive")}, "of somebody or something else"),
    ({"participant_id": pl.lit("p2")}, "of somebody or something else"),
    (
        {"front_frames": pl.col("front_frames").list.eval(pl.element() + 100_000)},
        "frames of the front that the sequence has not",
    ),
    ({"front_frames": pl.col("front_frames").list.head(3)}, "one view has more frames"),
    ({"clip_id": pl.lit("c")}, "c: listed twice"),
]


def test_a_wrong_clip_is_named(built):
    _, output, dataset, _ = built
    sound = (output / "clips.parquet").read_bytes()
    for columns, words in WRONG:
        (output / "clips.parquet").write_bytes(sound)
        change(output, **columns)
        assert any(words in problem for problem in find_broken_clips(output, dataset)), words


def test_pictures_outside_their_folder_or_unmarked_are_named(built):
    _, output, dataset, _ = built
    (output / "restricted").mkdir()
    (output / "restricted" / "rgb-1.parquet").write_bytes(b"\xff\xd8\xff")
    (problem,) = find_broken_clips(output, dataset)
    assert "the manifest says restricted: false" in problem
    (output / "notes.txt").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    problems = find_broken_clips(output, dataset)
    assert "notes.txt: a JPEG picture" in problems
