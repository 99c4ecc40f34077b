import json
import re

import numpy as np
import pytest

from transforms.errors import SettingsError
from transforms.settings import SynthSettings
from transforms.synth.plan import BatchPlan, RecordingPlan, plan_cohort, plan_participants
from transforms.synth.walker import locate


def _settings(**changes: object) -> SynthSettings:
    return SynthSettings.model_validate(changes)


def _recordings(batches: list[BatchPlan]) -> list[RecordingPlan]:
    return [plan for batch in batches for plan in batch.recordings]


def test_the_default_cohort_has_the_counts_of_the_settings() -> None:
    batches = plan_cohort(SynthSettings())
    people = [person for batch in batches for person in batch.participants]
    recordings = _recordings(batches)
    assert [batch.batch_id for batch in batches] == ["batch_001", "batch_002"]
    assert len({person.participant_id for person in people}) == len(people) == 38
    labels = [person.label for person in people]
    assert {label: labels.count(label) for label in labels} == SynthSettings().participants
    assert len(recordings) == 48
    assert sum(len(plan.actors) == 2 for plan in recordings) == round(0.35 * 48)
    assert {plan.frame_count for plan in recordings} == {100}
    assert all(len({p.label for p in batch.participants}) == 3 for batch in batches)


def test_ids_are_pseudonyms_and_recordings_carry_session_and_view() -> None:
    for plan in _recordings(plan_cohort(SynthSettings())):
        assert re.fullmatch(r"p[0-9a-f]{8}", plan.participant_id)
        assert plan.recording_id == f"{plan.participant_id}_{plan.session}_{plan.view}"


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    def prints(seed: int) -> list[str]:
        return [plan.fingerprint() for plan in _recordings(plan_cohort(_settings(seed=seed)))]

    assert prints(5) == prints(5)
    assert not set(prints(5)) & set(prints(6))


def test_participants_stay_when_the_cohort_grows() -> None:
    small = plan_participants(3, {"positive": 2, "negative": 3})
    large = plan_participants(3, {"positive": 4, "neutral": 2, "negative": 3})
    assert {p.participant_id for p in small} < {p.participant_id for p in large}


@pytest.mark.parametrize("change", [{"fps": 30}, {"frame_width_px": 320}, {"duration_s": 5.0}])
def test_a_setting_that_changes_the_video_changes_the_fingerprint(change: dict[str, float]) -> None:
    before = {
        plan.recording_id: plan.fingerprint() for plan in _recordings(plan_cohort(_settings()))
    }
    after = _recordings(plan_cohort(_settings(**change)))
    assert all(before[plan.recording_id] != plan.fingerprint() for plan in after)


def test_two_views_of_a_session_share_the_walk_and_the_sync_group() -> None:
    recordings = _recordings(plan_cohort(_settings(views=("side", "front"))))
    by_group: dict[str | None, list[RecordingPlan]] = {}
    for plan in recordings:
        by_group.setdefault(plan.sync_group, []).append(plan)
    assert None not in by_group
    for front, side in by_group.values():
        assert (front.view, side.view) == ("front", "side")
        assert front.actors == side.actors
        assert front.camera != side.camera


def test_cameras_start_apart_and_see_one_walk() -> None:
    settings = _settings(
        participants={"asd": 3, "hipoa": 2}, views=("front", "side"), start_spread_s=1.5
    )
    recordings = _recordings(plan_cohort(settings))
    starts = [plan.start_offset_s for plan in recordings]
    assert len(set(starts)) == len(starts)
    assert all(start is not None and 0 <= start <= 1.5 for start in starts)
    for front, side in zip(recordings[::2], recordings[1::2], strict=True):
        assert (front.view, side.view) == ("front", "side")
        assert front.sync_group == side.sync_group
        assert front.actors == side.actors
        strides = front.actors[0].strides
        assert strides is not None
        # Enough of them for the last frame of either camera.
        last_s = 1.5 + front.frame_count / front.fps
        assert len(strides.ahead) > last_s * front.actors[0].gait.stride_hz + 1


def test_without_a_spread_there_are_no_offsets_and_patients_still_walk_unevenly() -> None:
    recordings = _recordings(
        plan_cohort(_settings(participants={"lcs": 2}, views=("front", "side")))
    )
    assert {plan.start_offset_s for plan in recordings} == {None}
    assert all(plan.actors[0].strides is not None for plan in recordings)


def test_cohorts_made_before_there_were_patients_are_still_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(
        "transforms.synth.plan.canonical_json",
        lambda values: hashed.append(json.dumps(values)) or b"",
    )
    later = ("start_offset_s", "strides", "posture")
    for plan in _recordings(plan_cohort(_settings(views=("front", "side")))):
        plan.fingerprint()
    assert not any(f'"{name}"' in text for name in later for text in hashed)
    hashed.clear()
    changes = {"participants": {"asd": 2}, "views": ("front", "side"), "start_spread_s": 1.0}
    for plan in _recordings(plan_cohort(_settings(**changes))):
        plan.fingerprint()
    assert all(f'"{name}"' in text for name in later for text in hashed)


def test_a_single_view_has_no_sync_group() -> None:
    assert {plan.sync_group for plan in _recordings(plan_cohort(SynthSettings()))} == {None}


@pytest.mark.parametrize("changes", [{}, {"participants": {"asd": 9, "lcs": 4}}])
@pytest.mark.parametrize("duration_s", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("views", [("front",), ("side",), ("front", "side")])
def test_participants_take_40_to_75_percent_of_the_height(
    views: tuple[str, ...], duration_s: float, changes: dict[str, object]
) -> None:
    spread_s = 1.5 if len(views) == 2 else 0.0
    settings = _settings(views=views, duration_s=duration_s, start_spread_s=spread_s, **changes)
    for plan in _recordings(plan_cohort(settings)):
        person = plan.actors[0]
        times_s = np.arange(plan.frame_count) / plan.fps + (plan.start_offset_s or 0.0)
        x, _ = locate(person.path, times_s)
        points = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
        _, scale = plan.camera.project(points)
        share = scale * person.physique.stature_m / plan.height_px
        assert share.min() > 0.39
        assert share.max() < 0.76


def test_a_walk_seen_from_the_side_crosses_the_scene() -> None:
    crossed = []
    for plan in _recordings(plan_cohort(SynthSettings())):
        x, _ = locate(plan.actors[0].path, np.arange(plan.frame_count) / plan.fps)
        columns = plan.camera.project(np.stack([x, 0 * x, 0 * x], axis=1))[0][:, 0]
        crossed.append(np.ptp(columns) / plan.width_px)
    assert min(crossed) > 0.7
    assert np.median(crossed) > 0.85


def test_more_batches_than_participants_are_refused() -> None:
    with pytest.raises(SettingsError, match="at most 3, found 4"):
        plan_cohort(_settings(participants={"positive": 3}, batches=4))
