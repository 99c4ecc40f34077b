import numpy as np
import pytest

from transforms.dual_view.pairing import Reject
from transforms.dual_view.segments import Clip, Frames, cut_segments, cut_video, find_nearest
from transforms.settings import ClipSettings


def frames(fps, seconds, without=()):
    index = np.array([n for n in range(round(fps * seconds)) if n not in without], np.int32)
    return Frames(index / fps, index, 1 / fps)


def cut(front, side, offset_s=0.0, **settings):
    return list(cut_segments("g", front, side, offset_s, ClipSettings(**settings)))


def test_clips_follow_one_another_and_show_the_same_moments():
    clips = cut(frames(25, 3), frames(25, 3), offset_s=0.2)
    assert [clip.clip_id for clip in clips] == ["g_c000", "g_c001"]
    for clip in clips:
        assert isinstance(clip, Clip)
        assert len(clip.front) == len(clip.side) == 8
        # Five frames earlier on its own clock, which began five frames later.
        assert np.abs(clip.front - clip.side - 5).max() == 0
        moments = clip.front / 25 - clip.start_s
        assert np.abs(moments - (np.arange(8) + 0.5) / 8).max() <= 0.02
    assert clips[1].start_s - clips[0].start_s == pytest.approx(1.0)
    # The common time begins with the side, half a frame before its first.
    assert clips[0].start_s == pytest.approx(0.2 - 0.02)


def test_views_of_different_rates_are_joined_by_time():
    clips = cut(frames(30, 3), frames(25, 3), offset_s=-0.5)
    for clip in clips:
        apart = clip.front / 30 - (clip.side / 25 - 0.5)
        assert np.abs(apart).max() <= 1 / 60 + 1 / 50 + 1e-9


def test_a_clip_that_lacks_a_frame_is_left_out_and_says_which_view():
    side = frames(25, 3, without=range(30, 34))
    clips = cut(frames(25, 3), side)
    assert [type(one) for one in clips] == [Clip, Reject, Clip]
    assert clips[1].clip_id == "g_c001"
    assert clips[1].reason_code == "frames_missing"
    assert "of the side view" in clips[1].reason
    # Its number is not given to another.
    assert clips[2].clip_id == "g_c002"


def test_a_single_missing_frame_between_two_moments_does_no_harm():
    assert all(isinstance(one, Clip) for one in cut(frames(25, 2), frames(25, 2, without=(2,))))


@pytest.mark.parametrize("offset_s", [1.5, -1.2, 9.0, 1e300, float("inf")])
def test_too_little_common_time_is_a_reject_of_the_group(offset_s):
    (reject,) = cut(frames(25, 2), frames(25, 2), offset_s)
    assert (reject.clip_id, reject.reason_code) == (None, "no_common_time")
    assert "expected at least 1 s" in reject.reason


def test_a_view_without_frames_is_a_reject():
    none = Frames(np.empty(0), np.empty(0, np.int32), 0.04)
    (reject,) = cut(frames(25, 2), none)
    assert reject.reason_code == "no_common_time"


def test_exactly_one_clip_fits_into_exactly_its_duration():
    assert len(cut(frames(25, 1), frames(25, 1))) == 1
    assert len(cut(frames(25, 4), frames(25, 4), stride_s=0.5)) == 7
    assert len(cut(frames(25, 4), frames(25, 4), duration_s=2.0, stride_s=2.0, frames=16)) == 2


def test_the_nearest_frame_is_found_at_both_ends():
    places, apart = find_nearest(np.array([0.0, 1.0, 2.0]), np.array([-1.0, 0.4, 0.6, 5.0]))
    assert places.tolist() == [0, 0, 1, 2]
    assert apart.tolist() == pytest.approx([1.0, 0.4, 0.4, 3.0])
    assert find_nearest(np.array([1.0]), np.array([3.0]))[0].tolist() == [0]


def test_one_video_alone_is_cut_from_its_first_frame_on():
    walk = frames(25, 3, without=range(30, 34))
    found = list(cut_video("walk", walk, ClipSettings()))
    assert [type(one) for one in found] == [Clip, Reject, Clip]
    assert found[0].start_s == pytest.approx(-0.02)
    assert np.array_equal(found[0].front, found[0].side)
    both = cut(walk, walk)
    assert np.array_equal(found[2].side, both[2].side)
    short = list(cut_video("walk", frames(25, 0.6), ClipSettings()))
    none = list(cut_video("walk", Frames(np.empty(0), np.empty(0, np.int32), 0.04), ClipSettings()))
    said = [one.reason for one in (found[1], *short, *none)]
    assert said == [
        "1 of 8 frames are missing",
        "the walk lasts 0.60 s, expected at least 1 s",
        "the video has no frame",
    ]
