import numpy as np
import pytest

from transforms.dual_view.crops import crop_person
from transforms.extract.pictures import ColourPicture


def painted(height, width, box, colour=(10, 200, 90)):
    pixels = np.full((height, width, 3), 60, np.uint8)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1] = colour
    return ColourPicture(pixels)


def test_a_person_fills_the_height_keeps_the_aspect_and_stands_on_black():
    box = (30, 10, 50, 90)
    square = crop_person(painted(100, 120, box), np.array(box, float), 64)
    assert square.shape == (64, 64, 3)
    inside = (square == (10, 200, 90)).all(axis=2)
    columns = np.flatnonzero(inside.all(axis=0))
    assert len(columns) == 16  # 20 / 80 of the height
    assert columns[0] == 24
    assert not square[:, :24].any()
    assert not square[:, 40:].any()


def test_one_wider_than_high_is_scaled_to_the_width():
    box = (10, 40, 110, 65)
    square = crop_person(painted(100, 120, box), np.array(box, float), 64)
    inside = (square == (10, 200, 90)).all(axis=2)
    assert np.flatnonzero(inside.all(axis=1)).tolist() == list(range(24, 40))
    assert inside[24].all()


def test_what_lies_outside_the_picture_is_left_out():
    box = np.array([-20.0, -5.0, 20.0, 60.0])
    square = crop_person(painted(60, 120, (0, 0, 20, 60)), box, 60)
    inside = (square == (10, 200, 90)).all(axis=2)
    assert len(np.flatnonzero(inside.all(axis=0))) == 20
    with pytest.raises(ValueError, match="outside the picture"):
        crop_person(painted(60, 120, (0, 0, 1, 1)), np.array([130.0, 0.0, 140.0, 20.0]), 60)


@pytest.mark.parametrize("box", [(5, 5, 6, 100), (5, 5, 119, 6), (5, 5, 6, 6)])
def test_the_thinnest_boxes_give_whole_pictures(box):
    assert crop_person(painted(100, 120, box), np.array(box, float), 32).shape == (32, 32, 3)
