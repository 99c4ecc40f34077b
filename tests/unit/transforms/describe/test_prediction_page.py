"""The page of one judged walk: what it says, and what it never says."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from transforms.describe.prediction_page import (
    NOTICE,
    PictureMaterial,
    list_questions,
    render_prediction,
    render_refusal,
    say_cohort,
    say_named,
)
from transforms.describe.prediction_views import ViewMaterial
from transforms.explanation.regions import HALVES, REGIONS
from transforms.explanation.shares import SequenceMaps
from transforms.extract.result import RecordingResult

_FIGURE = {"value": 0.5, "low": 0.2, "high": 0.8}
_PREDICTION = {
    "answer": {
        "predicted": "positive",
        "probability": 0.6,
        "probabilities": {"negative": 0.3, "neutral": 0.1, "positive": 0.6},
    },
    "uncertainty": {
        "entropy_bits": 1.2,
        "entropy_bits_of_a_guess": 1.58,
        "window_s": 1.0,
        "step_s": 0.5,
        "windows": 4,
        "agreeing_windows": 3,
        "spread": {
            name: {"quantile_5": 0.1, "quantile_50": 0.2, "quantile_95": 0.3}
            for name in ("negative", "neutral", "positive")
        },
    },
    "questions": {"any_abnormality": {"classes": ["neutral", "positive"], "probability": 0.7}},
    "own_test": {
        "participants": 9,
        "participants_per_class": {"negative": 4, "neutral": 2, "positive": 3},
        "named_class": {
            "class": "positive",
            "named": 4,
            "were": 2,
            "precision": _FIGURE,
            "recall": _FIGURE,
            "mean_probability": 0.55,
        },
        "questions": {"any_abnormality": {"sensitivity": _FIGURE}},
        "accuracy": _FIGURE,
        "brier": _FIGURE,
        "ece": _FIGURE,
    },
    "explanation": {
        "explained_class": "positive",
        "method": "evidence",
        "views": [
            {
                "view": "side",
                "share": 1.0,
                "reference": "the mean silhouette of 3 walks",
                "gait_cycle_found": False,
                "shares": [
                    {"region": region, "half": half, "share": 0.1, "body_share": 0.2}
                    for region in REGIONS
                    for half in HALVES
                ],
            }
        ],
    },
    "model": {
        "model": "sconet",
        "experiment": "sconet-a",
        "dataset_version": "d",
        "split_sha256": "s",
        "weights_sha256": "w",
        "trained_on": {"participants": 1, "sequences": 2, "is_synthetic": True},
    },
    "videos": [
        {
            "file": "<walk>.mp4",
            "sha256": "v",
            "overruled": False,
            "gates": {"verdict": "accepted", "reason_code": None, "reason": None},
            "target": {"track_id": 0, "why": "walks across the scene"},
            "tracks_id": "abc",
            "kept_frames": 3,
            "frames": 5,
            "judged_frames": 3,
            "explained_frames": 3,
            "view": "side",
            "warnings": ["the file looks cut off"],
            "backends": {"base": "numpy 1"},
            "known_as": None,
        }
    ],
}


@pytest.fixture
def found() -> RecordingResult:
    silhouettes = np.zeros((3, 64, 64), np.uint8)
    silhouettes[:, 10:60, 25:40] = 255
    track = {
        "track_id": 0, "first_frame": 0, "last_frame": 4, "frame_count": 5, "mean_score": 1.0,
        "mean_height_px": 50.0, "travel_px": 90.0, "target_score": 1.0, "role": "target",
        "sample_frames": [0, 4], "sample_boxes": [[0, 0, 10, 50], [60, 0, 70, 50]],
    }  # fmt: skip
    return RecordingResult(
        verdict="accepted",
        target_track_id=0,
        tracks=(track,),
        tracks_id="abc",
        frame_shape=(100, 100),
        pts_s=np.arange(5) / 25,
        drop_reasons=(None, None, "touching_side", "touching_side", None),
        silhouettes=silhouettes,
    )


@pytest.fixture
def material(found: RecordingResult) -> PictureMaterial:
    body = np.zeros((64, 44), np.float32)
    body[10:60, 15:30] = 1
    whole = np.full((16, 11), 1 / 176, np.float32)
    maps = SequenceMaps("", "", "side", "", "positive", body, {"evidence": whole}, None, {})
    one = ViewMaterial(found, maps, None)
    return PictureMaterial(np.full((4, 3), 1 / 3), np.arange(4) / 2, (one,))


def test_the_page_says_what_the_answer_rests_on(material: PictureMaterial) -> None:
    page = render_prediction(_PREDICTION, material)
    for words in (
        NOTICE,
        "&lt;walk&gt;.mp4: positive, 0.60",
        "3 of 4",
        "Of 4 test participants that it called positive, 2 were",
        "Reference: the mean silhouette of 3 walks",
        "1 participant, 2 sequences; synthetic walkers",
        "the file looks cut off",
        "neutral + positive",
        "One walk, judged by a trained model",
    ):
        assert words in page, words
    assert "<walk>" not in page
    assert "person asked for it" not in page
    assert page == render_prediction(_PREDICTION, material)


def test_the_page_keeps_the_gates_words_where_a_person_overruled_them(
    material: PictureMaterial,
) -> None:
    overruled = copy.deepcopy(_PREDICTION)
    overruled["videos"][0] |= {
        "overruled": True,
        "gates": {"verdict": "rejected", "reason_code": "too_few_frames", "reason": "3 of 20"},
    }
    page = render_prediction(overruled, material)
    assert "judged because a person asked for it" in page
    assert "rejected, too few frames: 3 of 20" in page


def test_what_is_not_known_is_said(material: PictureMaterial) -> None:
    bare = copy.deepcopy(_PREDICTION)
    bare["own_test"] = {"reason": "it has not been judged"}
    bare["uncertainty"] |= {"spread": None, "agreeing_windows": None, "reason": "a short walk"}
    bare["explanation"]["views"][0]["shares"] = []
    page = render_prediction(bare, material)
    assert "Not known: it has not been judged" in page
    assert "a short walk" in page
    assert "there is no map to show" in page


def test_a_refused_video_shows_who_walked_where(found: RecordingResult) -> None:
    page = render_refusal([("walk.mp4", found)], "not judged: it is not sure who it is")
    assert "not sure who it is" in page
    assert "0@abc" in page
    assert page.count("<img") == 2  # silhouettes, and ways


def test_two_videos_are_shown_one_after_the_other(material: PictureMaterial) -> None:
    pair = copy.deepcopy(_PREDICTION)
    for part in (pair["videos"], pair["explanation"]["views"]):
        part.append(part[0] | {"view": "front", "file": "other.mp4", "share": 0.25})
    pair["clips"] = {
        "count": 3, "duration_s": 1.0, "stride_s": 0.5, "left_out": ["a gap", "a gap"],
        "alignment": {"offset_s": -0.25, "source": "estimated", "confidence": 0.97},
    }  # fmt: skip
    one = material.views[0]
    page = render_prediction(pair, replace(material, views=(one, one)))
    for words in (
        "&lt;walk&gt;.mp4 + other.mp4: positive",
        "Front view, 25% of the evidence",
        "The walk, side view: &lt;walk&gt;.mp4",
        "3 of 1 s, one every 0.5 s; 2 left out: a gap",
        "begins -0.250 s after the front video (estimated, confidence 0.97)",
    ):
        assert words in page, words
    refused = render_refusal([("a.mp4", one.found), ("b.mp4", one.found)], "no common rhythm")
    assert "a.mp4 + b.mp4: not judged" in refused
    assert refused.count("<img") == 4


def test_a_class_that_the_test_never_named_is_no_evidence() -> None:
    nobody = _PREDICTION["own_test"]["named_class"] | {"named": 0, "were": 0}
    assert "nobody positive" in say_named(nobody)


@pytest.mark.parametrize(
    ("is_synthetic", "words"),
    [(True, "nobody was filmed"), (False, "people who were filmed"), (None, "is not recorded")],
)
def test_whom_the_model_saw_is_said(is_synthetic: bool | None, words: str) -> None:
    trained = {"participants": None, "sequences": None, "is_synthetic": is_synthetic}
    assert words in say_cohort(trained)
    assert words in say_cohort(trained | {"participants": 3, "sequences": 4})


@pytest.mark.parametrize(
    ("side", "was_learnt_from", "is_caution", "words"),
    [
        ("train", True, True, "trained on it, its answer is no test"),
        ("selection", True, True, "chosen by it, its answer is no test"),
        ("unused", True, True, "other walks of this person, its answer is no test"),
        (None, None, True, "its answer may be no test"),
        ("test", False, False, "learnt nothing from this person"),
    ],
)
def test_a_video_of_the_models_dataset_is_called_that(
    material: PictureMaterial,
    side: str | None,
    was_learnt_from: bool | None,
    is_caution: bool,
    words: str,
) -> None:
    known = {"sequence_id": "s1", "side": side, "was_learnt_from": was_learnt_from}
    prediction = copy.deepcopy(_PREDICTION)
    prediction["videos"][0]["known_as"] = known | {"variant": "v"}
    page = render_prediction(prediction, material)
    assert words in page
    assert "is sequence s1 of the model&#39;s dataset" in page
    assert ("holds this video" in page) == is_caution
    for nothing in (None, {"reason": "the dataset is not here"}):
        prediction["videos"][0]["known_as"] = nothing
        assert "model&#39;s dataset" not in render_prediction(prediction, material)


def test_a_question_that_is_one_class_is_not_told_twice(material: PictureMaterial) -> None:
    alone = {"positive_vs_rest": {"classes": ["positive"], "probability": 0.6}}
    both = _PREDICTION | {"questions": _PREDICTION["questions"] | alone}
    assert list_questions(both) == _PREDICTION["questions"]
    assert "Questions" in render_prediction(both, material)
    assert "Questions" not in render_prediction(_PREDICTION | {"questions": alone}, material)
