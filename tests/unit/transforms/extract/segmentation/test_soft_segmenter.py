from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from transforms.extract.pictures import ColourPicture
from transforms.extract.protocols import Box, Frame, MaskCrop, PersonCrop
from transforms.extract.segmentation.soft_segmenter import SoftSegmenter, expect_overlap
from transforms.settings import SegmentationSettings

RED = (40, 30, 170)


@dataclass
class RednessModel:
    """Takes red for the person: how red a pixel is says how likely it is."""

    batch_size: int = 1
    sizes: list[int] = field(default_factory=list)
    room: int = 0

    def view_size(self, height: int, width: int) -> tuple[int, int]:
        return height + 2 * self.room, width + 2 * self.room

    def predict(self, crops: Sequence[PersonCrop]) -> list[np.ndarray]:
        self.sizes.append(len(crops))
        found = []
        for crop in crops:
            blue, _, red = (crop.image[..., channel].astype(int) for channel in range(3))
            found.append(np.clip((red - blue) * 2, 0, 255).astype(np.uint8))
        return found


def picture(*people: tuple[slice, slice]) -> np.ndarray:
    image = np.full((120, 160, 3), 150, np.uint8)
    for place in people:
        image[place] = RED
    return image


def frames(images: Sequence[np.ndarray], start: int = 0) -> list[Frame]:
    return [
        Frame(start + index, index / 25, ColourPicture(image)) for index, image in enumerate(images)
    ]


def run(
    images: Sequence[np.ndarray],
    target: dict[int, Box],
    neighbours: dict[int, list[Box]] | None = None,
    model: RednessModel | None = None,
    **settings: float,
) -> list[MaskCrop]:
    segmenter = SoftSegmenter(model or RednessModel(), SegmentationSettings(**settings))
    return list(segmenter.segment(frames(images), target, neighbours or {}, context=None))


PERSON = (slice(20, 100), slice(60, 85))
BOX = (60.0, 20.0, 85.0, 100.0)


def test_the_walker_is_cut_out_exactly(walk, person_mask, person_box) -> None:
    target = {index: tuple(map(float, person_box(20 + 4 * index))) for index in range(5, 35, 5)}
    segmenter = SoftSegmenter(RednessModel(), SegmentationSettings())
    crops = list(segmenter.segment(walk.frames(), target, {}, walk))
    assert [crop.frame_index for crop in crops] == list(target)
    for crop in crops:
        x0, y0, x1, y1 = crop.box
        assert crop.mask.shape == (y1 - y0, x1 - x0)
        assert set(np.unique(crop.mask)) <= {0, 255}
        full = np.zeros((120, 200), bool)
        full[y0:y1, x0:x1] = crop.mask > 0
        truth = person_mask(20 + 4 * crop.frame_index)
        assert (full & truth).sum() / (full | truth).sum() > 0.99
        assert crop.confidence > 0.95


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_batches_change_nothing_but_the_calls(batch_size: int) -> None:
    images = [picture((slice(20, 100), slice(40 + 2 * t, 60 + 2 * t))) for t in range(11)]
    target = {t: (40.0 + 2 * t, 20.0, 60.0 + 2 * t, 100.0) for t in range(11) if t != 4}
    model = RednessModel(batch_size)
    found, expected = run(images, target, model=model), run(images, target)
    assert [crop.frame_index for crop in found] == list(target)
    assert all(size == batch_size for size in model.sizes[:-1])
    assert sum(model.sizes) == len(target)
    for one, other in zip(found, expected, strict=True):
        assert (one.box, one.confidence) == (other.box, other.confidence)
        np.testing.assert_array_equal(one.mask, other.mask)


def test_the_margin_is_a_share_of_the_box_and_ends_at_the_picture() -> None:
    (crop,) = run([picture(PERSON)], {0: BOX}, margin=0.2)
    assert crop.box == (55, 4, 90, 116)
    (crop,) = run([picture(PERSON)], {0: (60.0, 20.0, 85.0, 119.0)}, margin=0.5)
    assert crop.box == (48, 0, 98, 120)


def test_a_neighbour_in_the_crop_is_left_out_even_where_it_touches() -> None:
    beside = (slice(30, 110), slice(85, 110))
    (crop,) = run(
        [picture(PERSON, beside)], {0: BOX}, {0: [(85.0, 30.0, 110.0, 110.0)]}, margin=0.5
    )
    x0, y0, _, _ = crop.box
    assert (crop.mask[20 - y0 : 100 - y0, 60 - x0 : 85 - x0] == 255).all()
    assert not crop.mask[:, 85 - x0 :].any()


def test_somebody_whom_nobody_detected_is_left_out() -> None:
    apart = (slice(30, 110), slice(92, 110))
    (crop,) = run([picture(PERSON, apart)], {0: BOX}, margin=0.5)
    assert not crop.mask[:, 90 - crop.box[0] :].any()
    assert crop.confidence < 0.9  # what is left out was likely a person


def test_doubt_is_settled_by_the_frames_around() -> None:
    faded = picture(PERSON)
    faded[50:70, 65:80] = (70, 60, 122)  # red - blue gives 104 of 255
    target = dict.fromkeys(range(3), BOX)
    crops = run([picture(PERSON), faded, picture(PERSON)], target, doubt=0.2)
    assert crops[1].mask[60 - crops[1].box[1], 72 - crops[1].box[0]] == 255
    crops = run([picture(PERSON), faded, picture(PERSON)], target, doubt=0.0)
    assert crops[1].mask[60 - crops[1].box[1], 72 - crops[1].box[0]] == 0


def test_nobody_there_is_an_empty_mask_without_confidence() -> None:
    for crop in run([picture()] * 2, {0: BOX, 1: (170.0, 130.0, 180.0, 140.0)}):
        assert not crop.mask.any()
        assert crop.confidence == 0.0
        x0, y0, x1, y1 = crop.box
        assert 0 <= x0 < x1 <= 160
        assert 0 <= y0 < y1 <= 120


def test_frames_are_taken_as_they_come() -> None:
    """Never further ahead than the batch at hand and the frame after it."""
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in frames([picture(PERSON)] * 30):
            taken += 1
            yield frame

    segmenter = SoftSegmenter(RednessModel(batch_size=4), SegmentationSettings())
    target = dict.fromkeys(range(30), BOX)
    for crop in segmenter.segment(counted(), target, {}, context=None):
        assert taken <= crop.frame_index + 1 + 4
    assert taken == 30


def test_the_confidence_is_the_overlap_to_expect() -> None:
    probability = np.array([[255, 255, 0, 0]], np.uint8)
    full, half = np.array([[255, 255, 0, 0]], np.uint8), np.array([[255, 0, 0, 0]], np.uint8)
    assert expect_overlap(probability, full) == pytest.approx(1.0)
    assert expect_overlap(probability, half) == pytest.approx(0.5)
    assert expect_overlap(probability, np.full((1, 4), 255, np.uint8)) == pytest.approx(0.5)
    assert expect_overlap(probability, np.zeros((1, 4), np.uint8)) == 0.0
    unsure = np.array([[204, 204, 51, 0]], np.uint8)  # 0.8, 0.8, 0.2
    assert expect_overlap(unsure, full) == pytest.approx(1.6 / 2.2)


@pytest.mark.parametrize("room", [7, 500])
def test_seeing_more_of_the_picture_moves_no_mask(room: int) -> None:
    images = [picture((slice(20, 100), slice(40 + 2 * t, 60 + 2 * t))) for t in range(4)]
    target = {t: (40.0 + 2 * t, 20.0, 60.0 + 2 * t, 100.0) for t in range(4)}
    found, expected = run(images, target, model=RednessModel(room=room)), run(images, target)
    for one, other in zip(found, expected, strict=True):
        assert one.box == other.box
        np.testing.assert_array_equal(one.mask, other.mask)
