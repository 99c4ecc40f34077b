import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from transforms.errors import InputError, IntegrityError
from transforms.files import sha256_file
from transforms.manifest import encode_manifest, read_manifest
from transforms.progress import NoProgress
from transforms.release.diff import compare_releases, compare_sides
from transforms.release.diff_rule import Level, judge_version
from transforms.release.diff_sides import read_side
from transforms.release.diff_text import describe_difference, render_difference
from transforms.settings import ReleaseSettings
from transforms.shards.codec import GREY, encode_silhouettes

FIRST = "p00000000"
SEQUENCE = f"{FIRST}-s1-side"


@pytest.fixture
def side(release):
    return read_side(release, NoProgress())


def _compare(side, **changed):
    return compare_sides(side, dataclasses.replace(side, **changed), NoProgress())


def _found(difference):
    """Return each change as part, kind, what, level and the records' names."""
    return [
        (c.part, c.kind, c.what, c.level.value, [item.name for item in c.items])
        for c in difference.changes
    ]


def test_a_release_does_not_differ_from_itself(side):
    difference = _compare(side)
    assert (difference.changes, difference.level) == ((), Level.NONE)
    assert difference.verdict.is_honoured
    assert "Nothing differs." in render_difference(difference, shown=10)


def _without(table, name):
    return table.filter(pl.col("participant_id") != name)


def _with_value(table, column, value, key="participant_id", name=FIRST):
    changed = pl.when(pl.col(key) == name).then(pl.lit(value)).otherwise(pl.col(column))
    return table.with_columns(changed.alias(column))


def test_a_removed_participant_is_a_major_change(side):
    difference = _compare(
        side,
        participants=_without(side.participants, FIRST),
        index=_without(side.index, FIRST),
        split=side.split.filter(pl.col("sequence_id") != SEQUENCE),
    )
    assert _found(difference) == [
        ("participants", "removed", "participants", "major", [FIRST]),
        ("sequences", "removed", "sequences", "major", [SEQUENCE]),
    ]


def test_an_added_participant_is_a_minor_change(side):
    older = dataclasses.replace(
        side,
        participants=_without(side.participants, FIRST),
        index=_without(side.index, FIRST),
        split=side.split.filter(pl.col("sequence_id") != SEQUENCE),
    )
    assert _found(compare_sides(older, side, NoProgress())) == [
        ("participants", "added", "participants", "minor", [FIRST]),
        ("sequences", "added", "sequences", "minor", [SEQUENCE]),
    ]


def test_another_label_is_a_major_change(side):
    difference = _compare(
        side,
        participants=_with_value(side.participants, "label", "negative"),
        index=_with_value(side.index, "label", "negative"),
    )
    assert _found(difference) == [
        ("labels", "changed", "of participants", "major", [FIRST]),
        ("labels", "changed", "of sequences", "major", [SEQUENCE]),
    ]
    assert f"{FIRST}: positive -> negative" in render_difference(difference, shown=10)


def test_another_owner_of_a_sequence_is_a_major_change(side):
    index = _with_value(side.index, "participant_id", "p00000001", "sequence_id", SEQUENCE)
    assert _found(_compare(side, index=index)) == [
        ("sequences", "changed", "participant_id", "major", [SEQUENCE])
    ]


@pytest.mark.parametrize("moved_to", ["test", None])
def test_a_record_that_changes_sides_is_a_major_change(side, moved_to):
    split = _with_value(side.split, "side", moved_to or "", "sequence_id", SEQUENCE)
    split = split.filter(pl.col("side") != "")  # or leaves the split altogether
    difference = _compare(side, split=split)
    assert _found(difference) == [
        ("splits", "changed", "side in by_hand/ratio_1_1_2", "major", [SEQUENCE])
    ]
    (item,) = difference.changes[0].items
    assert (item.before, item.after) == ("train", moved_to or "not there")


def test_a_further_split_is_minor_and_a_lost_one_major(side):
    further = side.split.with_columns(split=pl.lit("k_fold/fold_0"))
    both = dataclasses.replace(side, split=pl.concat([side.split, further]))
    gained, lost = (side, both, "added", "minor"), (both, side, "removed", "major")
    for older, newer, kind, level in (gained, lost):
        assert _found(compare_sides(older, newer, NoProgress())) == [
            ("splits", kind, "splits", level, ["k_fold/fold_0"])
        ]


def test_corrected_notes_are_minor_and_corrected_lineage_is_a_patch(side):
    participants = _with_value(side.participants, "sex", "M")
    index = _with_value(side.index, "view", "front")
    index = _with_value(index, "extraction_key", "0" * 64)
    frames = side.frames.with_columns(
        pts_s=pl.when(recording_id=SEQUENCE).then(pl.col("pts_s") + 1).otherwise(pl.col("pts_s"))
    )
    assert _found(_compare(side, participants=participants, index=index, frames=frames)) == [
        ("participants", "changed", "sex", "minor", [FIRST]),
        ("sequences", "changed", "view", "minor", [SEQUENCE]),
        ("sequences", "changed", "extraction_key", "patch", [SEQUENCE]),
        ("frames", "changed", "ledger of recordings", "minor", [SEQUENCE]),
    ]


def test_lost_and_retyped_columns_break_the_schema_and_new_ones_do_not(side):
    columns = side.tables["index.parquet"]
    changed = {name: kind for name, kind in columns.items() if name != "session"}
    changed |= {"fps": "float", "height_m": "double"}
    difference = _compare(side, tables=side.tables | {"index.parquet": changed})
    assert _found(difference) == [
        ("schema", "added", "columns of index.parquet", "minor", ["height_m"]),
        ("schema", "removed", "columns of index.parquet", "major", ["session"]),
        ("schema", "changed", "columns of index.parquet", "major", ["fps"]),
    ]


def test_numbers_and_words_are_patches_and_the_licence_is_not(side):
    (experiment,) = side.metrics
    place = "units.participant.metrics.accuracy.value"
    assert side.metrics[experiment][place] == 0.75
    difference = _compare(
        side,
        metrics={experiment: side.metrics[experiment] | {place: 0.8}},
        hashes=side.hashes | {"README.md": "0" * 64, "NOTES.md": "0" * 64},
        licence="CC-BY-NC-4.0",
    )
    assert _found(difference) == [
        ("metrics", "changed", f"numbers of {experiment}", "patch", [place]),
        ("licence", "changed", "licence", "major", ["licence"]),
        ("documents", "added", "documents", "patch", ["NOTES.md"]),
        ("documents", "changed", "documents", "patch", ["README.md"]),
    ]


@pytest.mark.parametrize(
    ("older", "newer", "level", "is_honoured", "needs"),
    [
        ("2026.11.0", "2026.11.0", Level.NONE, True, "2026.11.0 or later"),
        ("2026.11.1", "2026.11.0", Level.NONE, False, "2026.11.1 or later"),
        ("2026.11.0", "2026.11.0", Level.PATCH, False, "2026.11.1 or later"),
        ("2026.11.0", "2026.11.1", Level.PATCH, True, "2026.11.1 or later"),
        ("2026.11.9", "2026.11.10", Level.MINOR, True, "2026.11.10 or later"),
        ("2026.11.9", "2026.2.10", Level.MINOR, False, "2026.11.10 or later"),
        ("2026.11.0", "2026.12.0", Level.MINOR, True, "2026.11.1 or later"),
        ("2026.11.0", "2026.11.1", Level.MAJOR, False, "a new YYYY.M: 2026.12.0 or later"),
        ("2026.9.3", "2026.10.0", Level.MAJOR, True, "a new YYYY.M: 2026.10.0 or later"),
        ("2026.12.3", "2026.12.4", Level.MAJOR, False, "a new YYYY.M: 2027.1.0 or later"),
        ("2026.12.3", "2027.1.0", Level.MAJOR, True, "a new YYYY.M: 2027.1.0 or later"),
    ],
)
def test_version_numbers_are_held_against_the_change(older, newer, level, is_honoured, needs):
    verdict = judge_version(older, newer, level)
    assert (verdict.is_honoured, verdict.needs) == (is_honoured, needs)


@pytest.mark.parametrize("version", ["", "2026.13.0", "2026.11", "v1", "2026.011.0"])
def test_other_version_numbers_are_never_honoured(version):
    assert not judge_version(version, "2026.11.0", Level.NONE).is_honoured
    assert not judge_version("2026.11.0", version, Level.NONE).is_honoured


# Whole releases: pixels, formats, damage.


@pytest.fixture
def publish_two(make_inputs, publish, tmp_path):
    """Return a function that publishes two releases and returns where they are."""

    def build(older, newer, version="2026.11.1"):
        first = publish(make_inputs(**older), "older")
        for path in set(tmp_path.iterdir()) - {first}:
            path.rename(path.with_name(f"older-{path.name}"))
        inputs = make_inputs(**newer)
        settings = ReleaseSettings(version=version)
        return first, publish(dataclasses.replace(inputs, release=settings), "newer")

    return build


def _recordings(**changes):
    return [
        {"participant_id": name, "label": label, "frames": 3} | changes.get(name, {})
        for name, label in [
            ("p00000001", "positive"),
            ("p00000002", "neutral"),
            ("p00000003", "negative"),
            ("p00000004", "negative"),
        ]
    ]


SIDES = ["train", "train", "train", "test"]


def test_other_shards_with_the_same_silhouettes_are_no_other_pixels(publish_two):
    further = {"participant_id": FIRST, "label": "negative", "frames": 3}
    older, newer = publish_two(
        {"recordings": _recordings(), "sides": SIDES},
        {"recordings": [further, *_recordings()], "sides": ["unused", *SIDES]},
    )
    shards = [set((path / "sequences").iterdir()) for path in (older, newer)]
    names = [{shard.name for shard in found} for found in shards]
    assert not names[0] & names[1]
    difference = compare_releases(older, newer)
    parts = {change.part for change in difference.changes}
    assert {"participants", "sequences"} <= parts <= {"participants", "sequences", "documents"}
    assert difference.level is Level.MINOR
    assert difference.verdict.is_honoured


def test_other_silhouettes_are_a_major_change(publish_two):
    pixels = np.zeros((3, 64, 64), dtype=np.uint8)
    pixels[1, 30:40, 30:34] = 255
    packed = {"silhouettes": encode_silhouettes(pixels, GREY, 1)}
    older, newer = publish_two(
        {"recordings": _recordings(), "sides": SIDES},
        {"recordings": _recordings(p00000002=packed), "sides": SIDES},
    )
    difference = compare_releases(older, newer)
    assert ("pixels", "changed", "silhouettes", "major", ["p00000002-s1-side"]) in _found(
        difference
    )
    assert (difference.verdict.is_honoured, difference.verdict.part) == (False, "YYYY.M")
    text = render_difference(difference, shown=10)
    assert text.endswith(
        "A major change moves YYYY.M (needed: a new YYYY.M: 2026.12.0 or later); 2026.11.1 does "
        "not honour that."
    )
    described = json.loads(json.dumps(describe_difference(difference)))
    assert (described["level"], described["version"]["is_honoured"]) == ("major", False)


def _rewrite_as_other_format(release):
    """Make it a release of a later format, whose index has a column more and one less."""
    path = release / "index.parquet"
    index = pl.read_parquet(path).drop("sync_group").with_columns(site=pl.lit("north"))
    index.write_parquet(path)
    manifest = read_manifest(release) | {"format": "gaitworks/2"}
    (entry,) = (entry for entry in manifest["files"] if entry["path"] == "index.parquet")
    entry |= {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    (release / "manifest.json").write_bytes(encode_manifest(manifest))


def test_a_release_of_another_format_is_compared_in_what_both_have(publish_two):
    same = {"recordings": _recordings(), "sides": SIDES}
    older, newer = publish_two(same, same)
    _rewrite_as_other_format(newer)
    difference = compare_releases(older, newer)
    found = _found(difference)
    assert ("schema", "changed", "format of the release", "major", ["format"]) in found
    assert ("schema", "added", "columns of index.parquet", "minor", ["site"]) in found
    assert ("schema", "removed", "columns of index.parquet", "major", ["sync_group"]) in found
    assert not {"pixels", "labels", "sequences"} & {part for part, *_ in found}
    text = render_difference(difference, shown=10)
    assert "gaitworks/1 and gaitworks/2: tables are compared in the columns that both" in text


def test_damage_is_found_in_a_release_of_another_format_too(publish_two):
    same = {"recordings": _recordings(), "sides": SIDES}
    older, newer = publish_two(same, same)
    _rewrite_as_other_format(newer)
    (newer / "LICENSE").write_text("do what you like")
    with pytest.raises(IntegrityError, match="LICENSE"):
        compare_releases(older, newer)


def test_silhouettes_that_can_not_be_unpacked_are_said_to_be(side):
    difference = _compare(side, index=_with_value(side.index, "codec", "bits-zstd/9"))
    parts = [(c.part, c.what, c.level) for c in difference.changes]
    assert parts == [
        ("pixels", "silhouettes that can't be compared", Level.MAJOR),
        ("schema", "packing of silhouettes", Level.MAJOR),
    ]
    assert f"{SEQUENCE}: unknown codec" in render_difference(difference, shown=10)


def test_a_damaged_release_is_not_compared(release, tmp_path):
    (release / "LICENSE").write_text("do what you like")
    with pytest.raises(IntegrityError, match="LICENSE"):
        compare_releases(release, release)


def test_what_is_no_release_is_refused(release, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        compare_releases(release, tmp_path / "nothing")
    with pytest.raises(InputError, match="not a release"):
        compare_releases(release, tmp_path / "dataset")


def test_long_lists_are_cut_and_can_be_asked_for(side):
    index = side.index.with_columns(label=pl.lit("asd"))
    difference = _compare(side, index=index)
    assert "and 3 more; --all shows them" in render_difference(difference, shown=2)
    assert "more" not in render_difference(difference, shown=None)
