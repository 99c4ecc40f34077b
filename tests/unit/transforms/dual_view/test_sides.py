import polars as pl
import pytest

from transforms.dual_view.sides import check_clips, side_of_clips
from transforms.errors import InputError

CLIPS = pl.DataFrame(
    {
        "clip_id": ["c1", "c2", "c3"],
        "front_sequence_id": ["a-front", "b-front", "c-front"],
        "side_sequence_id": ["a-side", "b-side", "c-side"],
    }
)


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
    assert check_clips(CLIPS, split(a_side="unused")).status == "clean"


def test_a_clip_across_two_sides_is_refused_and_found_by_the_audit():
    leaky = split(a_side="test")
    with pytest.raises(InputError, match="c1"):
        side_of_clips(CLIPS, leaky, "v")
    check = check_clips(CLIPS, leaky)
    assert check.status == "error"
    (finding,) = check.findings
    assert (finding.code, finding.records) == ("clip_on_two_sides", ("c1",))


def test_a_sequence_that_the_split_does_not_know_is_found():
    unknown = split(b_front=None)
    with pytest.raises(InputError, match="c2"):
        side_of_clips(CLIPS, unknown, "v")
    assert [finding.code for finding in check_clips(CLIPS, unknown).findings] == [
        "clip_not_in_split"
    ]


def test_an_unknown_variant_is_refused():
    with pytest.raises(InputError, match="no such variant"):
        side_of_clips(CLIPS, split(), "w")
