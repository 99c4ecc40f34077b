import cv2
import numpy as np
import pytest

from transforms.errors import InputError, IntegrityError
from transforms.extract.detection.letterbox import Canvas, Letterbox, choose_input_shape
from transforms.extract.pictures import ColourPicture

GREY = np.float32(114)


@pytest.mark.parametrize(
    ("frame", "centred", "expected"),
    [
        ((720, 1280), True, (140, 0, 360, 640)),
        ((720, 1280), False, (0, 0, 360, 640)),
        ((640, 320), True, (0, 160, 640, 320)),
        ((560, 1768), True, (218, 0, 203, 640)),  # an odd rest: the far side gets more
        ((16, 32), True, (160, 0, 320, 640)),  # small ones grow
        ((1, 2000), True, (319, 0, 1, 640)),
    ],
)
def test_a_picture_lies_where_networks_were_trained_to_see_it(
    frame: tuple[int, int], centred: bool, expected: tuple[int, ...]
) -> None:
    found = Letterbox.fit(frame, (640, 640), centred=centred)
    assert (found.top, found.left, found.height, found.width) == expected


def test_boxes_come_back_to_the_picture_and_are_clipped_to_it() -> None:
    letterbox = Letterbox.fit((720, 1280), (640, 640), centred=True)
    boxes = np.array([[0, 140, 640, 500], [10, 150, 20, 160], [-50, 0, 700, 640]], np.float32)
    assert letterbox.to_picture(boxes).tolist() == [
        [0, 0, 1280, 720],
        [20, 20, 40, 40],
        [0, 0, 1280, 720],
    ]


def test_sides_rounded_to_whole_pixels_still_map_to_the_whole_picture() -> None:
    letterbox = Letterbox.fit((560, 1768), (640, 640), centred=True)
    inside = np.array([[320, 218 + 101.5, 640, 218 + 203]], np.float32)
    assert letterbox.to_picture(inside).tolist() == [[884, 280, 1768, 560]]


def test_a_tensor_is_red_first_scaled_and_padded_with_grey() -> None:
    canvas = Canvas(Letterbox.fit((2, 4), (4, 4), centred=True), 2, is_rgb=True, divisor=255)
    image = np.zeros((2, 4, 3), np.uint8)
    image[:] = (10, 20, 30)
    canvas.write(1, ColourPicture(image))
    assert canvas.tensor.dtype == np.float32
    assert canvas.tensor.shape == (2, 3, 4, 4)
    for plane, level in zip(canvas.tensor[1], (30, 20, 10), strict=True):
        assert (plane[1:3] == np.float32(level) / np.float32(255)).all()
        assert (plane[[0, 3]] == GREY / np.float32(255)).all()
    assert (canvas.tensor[0] == GREY / np.float32(255)).all()


def test_a_tensor_can_keep_blue_first_and_grey_levels() -> None:
    canvas = Canvas(Letterbox.fit((2, 4), (4, 4), centred=False), 1, is_rgb=False, divisor=1)
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    canvas.write(0, ColourPicture(image))
    assert np.array_equal(canvas.tensor[0, :, :2], image.transpose(2, 0, 1))
    assert (canvas.tensor[0, :, 2:] == GREY).all()


def test_a_canvas_forgets_the_picture_before() -> None:
    rng = np.random.default_rng(0)
    letterbox = Letterbox.fit((30, 50), (32, 32), centred=True)
    first, second = (rng.integers(0, 256, (30, 50, 3), dtype=np.uint8) for _ in range(2))
    used, fresh = (Canvas(letterbox, 1, is_rgb=True, divisor=255) for _ in range(2))
    used.write(0, ColourPicture(first))
    used.write(0, ColourPicture(second))
    fresh.write(0, ColourPicture(second))
    assert np.array_equal(used.tensor, fresh.tensor)
    wanted = cv2.resize(second, (32, 19))[..., ::-1].transpose(2, 0, 1) / np.float32(255)
    assert np.array_equal(used.tensor[0, :, 6:25], wanted)


def test_a_picture_of_another_size_is_refused() -> None:
    canvas = Canvas(Letterbox.fit((2, 4), (4, 4), centred=True), 1, is_rgb=True, divisor=255)
    with pytest.raises(InputError, match=r"\(2, 4\).*\(4, 2\)"):
        canvas.write(0, ColourPicture(np.zeros((4, 2, 3), np.uint8)))


@pytest.mark.parametrize(
    ("declared", "frame", "expected"),
    [
        ((1, 3, 640, 640), (720, 1280), (640, 640)),
        ((1, 3, 320, 416), (720, 1280), (320, 416)),
        (("n", 3, "h", "w"), (720, 1280), (384, 640)),
        (("n", 3, None, None), (1280, 720), (640, 384)),
        (("n", 3, "h", "w"), (560, 1768), (224, 640)),
        (("n", 3, "h", "w"), (1, 1000), (32, 640)),
    ],
)
def test_the_input_is_the_files_own_or_as_small_as_the_picture_allows(
    declared: tuple[object, ...], frame: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert choose_input_shape(declared, frame, 640, where="tiny") == expected


@pytest.mark.parametrize("declared", [(1, 640, 640, 3), (1, 3, 640), (1, 1, 64, 64), ()])
def test_a_model_that_takes_no_colour_pictures_is_refused(declared: tuple[object, ...]) -> None:
    with pytest.raises(IntegrityError, match="does not take colour pictures"):
        choose_input_shape(declared, (10, 10), 640, where="tiny")
