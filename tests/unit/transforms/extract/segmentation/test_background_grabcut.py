import numpy as np
import pytest

from transforms.extract.detection.background import BackgroundModel
from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Frame
from transforms.extract.segmentation.background_grabcut import (
    BackgroundGrabCutSegmenter,
    cut_person,
    refine_by_colour,
)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def model(level: int = 150) -> BackgroundModel:
    colour = np.full((120, 160, 3), level, np.float32)
    return BackgroundModel(colour, np.full_like(colour, 2))


def picture(people: list[tuple[slice, slice, tuple[int, int, int]]]) -> Frame:
    image = np.full((120, 160, 3), 150, np.uint8)
    for rows, columns, colour in people:
        image[rows, columns] = colour
    return Frame(0, 0.0, ColourPicture(image))


PERSON = (slice(20, 100), slice(60, 85), (30, 40, 160))


def test_the_walker_is_cut_out_closely(walk, person_mask, person_box) -> None:
    target = {index: tuple(map(float, person_box(20 + 4 * index))) for index in range(5, 35, 5)}
    crops = list(BackgroundGrabCutSegmenter().segment(walk.frames(), target, {}, walk))
    assert [crop.frame_index for crop in crops] == list(target)
    for crop in crops:
        x0, y0, x1, y1 = crop.box
        assert crop.mask.shape == (y1 - y0, x1 - x0)
        assert set(np.unique(crop.mask)) <= {0, 255}
        full = np.zeros((120, 200), bool)
        full[y0:y1, x0:x1] = crop.mask > 0
        assert iou(full, person_mask(20 + 4 * crop.frame_index)) > 0.9
        assert crop.confidence > 0.7


def test_a_neighbour_in_the_crop_is_left_out() -> None:
    frame = picture([PERSON, (slice(25, 95), slice(91, 110), (160, 60, 20))])
    crop = cut_person(frame, (58, 18, 100, 102), [(90, 23, 112, 97)], model())
    x0, y0, _, _ = crop.box
    assert crop.mask[60 - y0, 70 - x0] == 255
    assert not crop.mask[:, 91 - x0 :].any()


def test_a_soft_shadow_at_the_feet_is_not_part_of_the_body() -> None:
    dark = tuple(round(150 * 0.85) for _ in range(3))
    frame = picture([(slice(96, 102), slice(40, 110), dark), PERSON])
    crop = cut_person(frame, (42, 20, 108, 102), (), model())
    x0, y0, _, _ = crop.box
    assert crop.mask[50 - y0, 70 - x0] == 255
    assert crop.mask[92 - y0, 70 - x0] == 255
    assert np.count_nonzero(crop.mask[:, : 55 - x0]) == 0


def test_an_empty_box_gives_an_empty_mask() -> None:
    crop = cut_person(picture([]), (150, 100, 170, 130), (), model())
    assert not crop.mask.any()


def test_grabcut_only_adds_and_only_where_in_doubt() -> None:
    rng = np.random.default_rng(0)
    image = np.full((60, 40, 3), 150, np.uint8)
    image[5:55, 10:30] = (30, 40, 160)
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    mask = np.zeros((60, 40), np.uint8)
    mask[5:55, 10:22] = 255
    doubtful = np.zeros((60, 40), bool)
    doubtful[5:30, 22:34] = True
    refined = refine_by_colour(image, mask, doubtful)
    assert (refined[mask > 0] == 255).all()
    assert np.mean(refined[8:28, 22:29]) > 200
    assert np.mean(refined[8:28, 31:34]) < 50
    np.testing.assert_array_equal(refined[~doubtful], mask[~doubtful])
    np.testing.assert_array_equal(refined, refine_by_colour(image, mask, doubtful))


@pytest.mark.parametrize("fill", [0, 255])
def test_grabcut_needs_both_sides_to_learn_from(fill: int) -> None:
    mask = np.full((20, 20), fill, np.uint8)
    image = np.full((20, 20, 3), 90, np.uint8)
    np.testing.assert_array_equal(refine_by_colour(image, mask, np.ones((20, 20), bool)), mask)
