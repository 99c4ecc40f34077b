import numpy as np
import pytest

from transforms.extract.detection.background_detector import (
    BackgroundDetector,
    describe_appearance,
    score_shape,
)


def test_the_walker_is_found_where_it_is(walk, person_box) -> None:
    found = list(BackgroundDetector().detect(walk.frames(), walk))
    assert len(found) == len(walk.images)
    for index in range(5, 35):
        assert found[index], f"nobody found in frame {index}"
        best = found[index][0]
        assert best.score > 0.6
        np.testing.assert_allclose(best.box, person_box(20 + 4 * index), atol=4)


def test_an_empty_scene_has_nobody_in_it(walk) -> None:
    rng = np.random.default_rng(0)
    room = walk.background.colour
    images = [np.clip(room + rng.normal(0, 1.5, room.shape), 0, 255).astype(np.uint8)] * 12
    stage = type(walk)(images)
    assert all(found == () for found in BackgroundDetector().detect(stage.frames(), stage))


@pytest.mark.parametrize(
    ("width", "height", "area", "low", "high"),
    [
        (40, 100, 2000, 0.99, 1.0),
        (100, 100, 5000, 0.3, 0.7),
        (200, 60, 6000, 0.0, 0.01),
        (40, 100, 300, 0.0, 0.01),
        (4, 10, 20, 0.0, 0.01),
    ],
    ids=["a walker", "as wide as high", "a lying bar", "a wire", "a speck"],
)
def test_the_score_says_how_much_a_region_looks_like_a_walker(
    width: int, height: int, area: int, low: float, high: float
) -> None:
    assert low <= score_shape(width, height, area, 180) <= high


def test_appearance_tells_clothes_apart() -> None:
    inside = np.ones((20, 10), dtype=bool)
    red = np.tile(np.array([20, 20, 200], np.uint8), (20, 10, 1))
    mixed = red.copy()
    mixed[10:] = (200, 20, 20)
    same, half = describe_appearance(red, inside), describe_appearance(mixed, inside)
    assert float(same @ same) == pytest.approx(1, abs=1e-5)
    assert float(same @ half) == pytest.approx(0.5, abs=1e-5)
    assert np.isfinite(describe_appearance(red, np.zeros((20, 10), bool))).all()
