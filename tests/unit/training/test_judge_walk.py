"""One walk judged as evaluation judges it, and its seconds as they would be judged alone."""

import math

import numpy as np
import pytest
import torch

from training.described_model import DescribedModel
from training.judge_walk import find_windows, judge_walk, to_model_input
from training.judgement import Judgement
from training.models.registry import build_model
from training.predict import predict_probabilities
from transforms.errors import InputError, IntegrityError
from transforms.labels import SCOLIOSIS, SCOLIOSIS_LABELS
from transforms.progress import NoProgress
from transforms.settings import TrainingSettings

SETTINGS = TrainingSettings(channels=(2, 2, 4, 4), embedding_size=4, parts=4)
FPS = 10


def describe(name: str, settings: TrainingSettings = SETTINGS) -> DescribedModel:
    return DescribedModel({}, SCOLIOSIS, settings, build_model(name, settings, 3).eval())


def draw_walk(frames: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(frames)
    silhouettes = (generator.random((frames, 64, 44)) > 0.5).astype(np.float32)
    return silhouettes, 7 + np.arange(frames) / FPS


class OneWalk:
    def __init__(self, silhouettes):
        self.positions = np.array([0])
        self._silhouettes = silhouettes

    def __len__(self):
        return 1

    def read(self, position, *, cap):
        return self._silhouettes[None, None, :cap]


@pytest.mark.parametrize("name", ["sconet", "baseline_cnn_triplet", "gait_mil"])
@pytest.mark.parametrize("cap", [40, 22])
def test_the_whole_is_what_evaluation_says(name: str, cap: int) -> None:
    described = describe(name, SETTINGS.model_copy(update={"evaluation_frame_cap": cap}))
    silhouettes, times_s = draw_walk(35)
    judged = judge_walk(described, silhouettes, times_s)
    walk = OneWalk(silhouettes)
    expected = predict_probabilities(
        described.model, walk, walk, described.training, torch.device("cpu"), NoProgress()
    )
    np.testing.assert_array_equal(judged.whole, expected[0])
    assert judged.frames == (min(35, cap),)
    assert judged.whole.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["sconet", "gait_mil"])
def test_a_window_is_what_the_model_says_of_these_frames_alone(name: str) -> None:
    described = describe(name)
    silhouettes, times_s = draw_walk(35)
    judged = judge_walk(described, silhouettes, times_s)
    spans = find_windows(times_s)
    assert len(judged.windows) == len(spans) == 6
    for found, middle, (start, stop) in zip(judged.windows, judged.middles_s, spans, strict=True):
        alone = judge_walk(described, silhouettes[start:stop], times_s[start:stop])
        np.testing.assert_allclose(found, alone.whole, rtol=1e-5)
        assert middle == pytest.approx((times_s[start] + times_s[stop - 1]) / 2)


def test_windows_last_a_second_and_overlap_by_half() -> None:
    times = 3.0 + np.arange(25) / 10
    assert find_windows(times) == [(0, 10), (5, 15), (10, 20), (15, 25)]
    assert find_windows(times[:10]) == [(0, 10)]
    assert find_windows(times[:9]) == []
    assert find_windows(times[:0]) == []
    assert find_windows(times[:1]) == []
    # Half a second without frames: the windows that are left with too few are not judged.
    gap = np.concatenate([times[:12], times[17:]])
    assert find_windows(gap) == [(0, 10), (12, 20)]


def make_judgement(whole: list[float], windows: list[list[float]]) -> Judgement:
    parts = np.array(windows).reshape(len(windows), 3)
    middles_s = np.arange(len(windows)) / 2
    return Judgement(SCOLIOSIS_LABELS, np.array(whole), parts, middles_s, 1.0, 0.5, (30,))


def test_entropy_runs_from_sure_to_a_guess() -> None:
    assert make_judgement([1.0, 0.0, 0.0], []).entropy_bits == 0
    assert make_judgement([1 / 3] * 3, []).entropy_bits == pytest.approx(math.log2(3))
    assert make_judgement([0.5, 0.5, 0.0], []).entropy_bits == pytest.approx(1)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_no_probability_is_no_judgement(number: float) -> None:
    with pytest.raises(IntegrityError, match="gives no probabilities"):
        make_judgement([number, 0.5, 0.5], [])
    with pytest.raises(IntegrityError, match="gives no probabilities"):
        make_judgement([0.2, 0.2, 0.6], [[0.2, number, 0.6]])


def test_the_spread_is_that_of_the_windows() -> None:
    windows = [[0.1, 0.2, 0.7], [0.2, 0.2, 0.6], [0.6, 0.2, 0.2], [0.3, 0.2, 0.5]]
    found = make_judgement([0.2, 0.2, 0.6], windows).describe()
    assert found["answer"] == {
        "predicted": "positive",
        "probability": 0.6,
        "probabilities": {"negative": 0.2, "neutral": 0.2, "positive": 0.6},
    }
    unsure = found["uncertainty"]
    assert (unsure["windows"], unsure["agreeing_windows"]) == (4, 3)
    assert unsure["spread"]["positive"] == pytest.approx(
        {f"quantile_{q}": np.quantile([0.7, 0.6, 0.2, 0.5], q / 100) for q in (5, 50, 95)}
    )


def test_a_short_walk_has_no_spread_and_says_why() -> None:
    unsure = make_judgement([0.2, 0.2, 0.6], [[0.1, 0.2, 0.7]] * 2).describe()["uncertainty"]
    assert unsure["spread"] is unsure["agreeing_windows"] is None
    assert "2 window(s)" in unsure["reason"]


def test_models_take_the_middle_columns_in_zero_to_one() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64), dtype=np.uint8)
    np.testing.assert_array_equal(
        to_model_input(frames), frames[:, :, 10:54].astype(np.float32) / np.float32(255)
    )
    with pytest.raises(InputError, match="size that no model takes"):
        to_model_input(frames[:, :, :43])
