import polars as pl
import pytest

from transforms.dual_view.sides import check_clips, side_of_clips
from transforms.errors import InputError

PEOPLE = ("a", "b", "c")
CLIPS = pl.DataFrame(
    {
        "clip_id": ["c1", "c2", "c3"],
        "participant_id": PEOPLE,
        "label": ["asd", "dhs", "lcs"],
        "front_sequence_id": ["a-front", "b-front", "c-front"],
        "side_sequence_id": ["a-side", "b-side", "c-side"],
    }
)


INDEX = pl.DataFrame(
    {
        "sequence_id": [f"{person}-{view}" for view in ("front", "side") for person in PEOPLE],
        "participant_id": PEOPLE * 2,
        "label": ["asd", "dhs", "lcs"] * 2,
    }
)


def findings_of(clips=CLIPS, index=INDEX, split=None):
    checks = check_clips(clips, index, split)
    assert [one.examined for one in checks] == [clips.height] * (1 if split is None else 2)
    return {one.code: one.records for check in checks for one in check.findings}


def split(**changes):
    sides = {"a": "train", "b": "test", "c": "unused"}
    of_sequence = {
        f"{person}-{view}": side for person, side in sides.items() for view in ("front", "side")
    }
    of_sequence |= {name.replace("_", "-"): side for name, side in changes.items()}
    rows = [
        {"variant": "v", "sequence_id": name, "side": side}
        for name, side in of_sequence.items()
        if side is not None
    ]
    return pl.DataFrame(rows)


def test_a_clip_is_on_the_side_of_its_participant():
    assert side_of_clips(CLIPS, split(), "v").to_list() == ["train", "test", "unused"]


def test_a_clip_is_unused_where_one_of_its_views_is():
    # Variants of a class ratio take sequences as wholes, and may take one view of a visit only.
    assert side_of_clips(CLIPS, split(a_side="unused"), "v").to_list()[0] == "unused"
    assert findings_of(split=split(a_side="unused")) == {}


def test_a_clip_across_two_sides_is_refused_and_found_by_the_audit():
    leaky = split(a_side="test")
    with pytest.raises(InputError, match="c1"):
        side_of_clips(CLIPS, leaky, "v")
    assert findings_of(split=leaky) == {"clip_on_two_sides": ("c1",)}
    assert [one.status for one in check_clips(CLIPS, INDEX, leaky)] == ["clean", "error"]


def test_a_sequence_that_the_split_does_not_know_is_found():
    unknown = split(b_front=None)
    with pytest.raises(InputError, match="c2"):
        side_of_clips(CLIPS, unknown, "v")
    assert findings_of(split=unknown) == {"clip_not_in_split": ("c2",)}


def test_a_clip_that_is_not_its_sequences_is_found():
    is_first = pl.col("clip_id") == "c1"

    def changed(**columns):
        return CLIPS.with_columns(
            **{
                name: pl.when(is_first).then(pl.lit(value)).otherwise(name)
                for name, value in columns.items()
            }
        )

    assert findings_of(changed(participant_id="b")) == {"clip_of_another_participant": ("c1",)}
    assert findings_of(changed(label="dhs")) == {"clip_of_another_label": ("c1",)}
    assert findings_of(changed(side_sequence_id="b-side")) == {
        "clip_of_two_participants": ("c1",),
        "clip_of_another_label": ("c1",),
    }
    assert findings_of(index=INDEX.filter(pl.col("sequence_id") != "a-side")) == {
        "clip_not_in_dataset": ("c1",)
    }
    # A sequence listed twice is another check's, and multiplies no clip.
    assert findings_of(index=pl.concat([INDEX, INDEX])) == {}


def test_an_unknown_variant_is_refused():
    with pytest.raises(InputError, match="no such variant"):
        side_of_clips(CLIPS, split(), "w")
