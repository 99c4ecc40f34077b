from pathlib import Path

import numpy as np
import pytest

from tests.unit.transforms.extract.runtimes.onnx_files import constant_model, write_weights
from transforms.errors import IntegrityError, SettingsError
from transforms.extract.detection.letterbox import Letterbox
from transforms.extract.detection.yolo_decode import Candidates
from transforms.extract.protocols import PersonCrop
from transforms.extract.segmentation.yolo_seg import (
    SegContract,
    YoloSegPredictor,
    cut_out,
    load_onnx_yolo_seg,
)
from transforms.settings import DetectionSettings

SIDE = 96
CELLS = 144 + 36 + 9
PLAIN = Letterbox.fit((SIDE, SIDE), (SIDE, SIDE), centred=True)


def people(*rows: tuple[tuple[float, ...], float, tuple[float, ...]]) -> Candidates:
    boxes, scores, coefficients = zip(*rows, strict=True) if rows else ((), (), ())
    return Candidates(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(coefficients, np.float32).reshape(
            len(rows), len(coefficients and coefficients[0])
        ),
    )


def prototypes() -> np.ndarray:
    """Two masks of (24, 24): one on columns 0..11, the other on 10..23."""
    masks = np.full((2, 24, 24), -9, np.float32)
    masks[0, :, :12] = 9
    masks[1, :, 10:] = 9
    return masks


def test_a_persons_mask_is_drawn_in_the_pixels_of_the_crop() -> None:
    found = cut_out(people(((8, 16, 80, 64), 0.9, (1, 0))), prototypes(), PLAIN, (8, 16, 80, 64))
    assert found.dtype == np.uint8
    assert found.shape == (SIDE, SIDE)
    assert (found[16:64, 8:44] == 255).all()
    assert (found[16:64, 52:80] == 0).all()
    assert not found[:16].any()
    assert not found[64:].any()
    assert not found[:, :8].any()
    # Half way between the two outermost prototypes, on the border of two pixels.
    edge = found[40, 44:52].astype(int)
    assert (np.diff(edge) <= 0).all()
    assert edge[3] + edge[4] == pytest.approx(255, abs=2)


def test_the_mask_lies_right_in_a_crop_that_was_scaled_and_padded() -> None:
    # A crop of 192x48 fills the columns 36..60 of an input of 96x96, at half its size.
    letterbox = Letterbox.fit((192, 48), (SIDE, SIDE), centred=True)
    masks = np.full((1, 24, 24), -9, np.float32)
    masks[0, 6:18, 12:24] = 9  # rows 24..72 and columns from 48 on of the input
    found = cut_out(people(((36, 0, 60, 96), 0.9, (1,))), masks, letterbox, (0, 0, 48, 192))
    rows, columns = np.nonzero(found > 127)
    assert (rows.min(), rows.max() + 1) == (48, 144)
    assert (columns.min(), columns.max() + 1) == (24, 48)


def test_the_instance_that_overlaps_the_box_most_is_the_person() -> None:
    both = people(((0, 0, 46, 96), 0.95, (1, 0)), ((50, 0, 96, 96), 0.3, (0, 1)))
    left = cut_out(both, prototypes(), PLAIN, (2, 0, 46, 96))
    right = cut_out(both, prototypes(), PLAIN, (50, 0, 94, 96))
    assert left[48, 20] == 255
    assert left[48, 70] == 0
    assert right[48, 20] == 0
    assert right[48, 70] == 255


@pytest.mark.parametrize(("box", "is_found"), [((0, 0, 96, 30), True), ((0, 0, 96, 28), False)])
def test_a_box_that_no_instance_matches_gives_nothing(
    box: tuple[float, ...], is_found: bool
) -> None:
    found = cut_out(people(((0, 0, 96, 96), 0.9, (1, 1))), prototypes(), PLAIN, box)
    assert found.any() == is_found


def test_nobody_gives_nothing() -> None:
    assert not cut_out(people(), prototypes(), PLAIN, (0, 0, 96, 96)).any()


def test_pixels_likelier_another_persons_fall_below_theirs() -> None:
    masks = np.zeros((2, 24, 24), np.float32)
    masks[0, :, :12] = 2  # sure to 88 % on the left, undecided on the right
    masks[1] = -2
    masks[1, :, 8:] = 3  # sure to 95 % from column 8 on
    rows = [((0, 0, 96, 96), 0.9, (1, 0)), ((30, 0, 96, 96), 0.8, (0, 1))]
    found = cut_out(people(*rows), masks, PLAIN, (0, 0, 96, 96))
    alone = cut_out(people(rows[0]), masks, PLAIN, (0, 0, 96, 96))
    assert alone[48, 40] == round(255 / (1 + np.exp(-2)))
    assert found[48, 10] == alone[48, 10]
    assert found[48, 40] == round(255 / (1 + np.exp(3)))
    assert found[48, 80] == round(255 / (1 + np.exp(3)))


def test_a_person_found_twice_takes_no_pixels_from_itself() -> None:
    masks = np.ones((1, 24, 24), np.float32)
    rows = [((0, 0, 96, 96), 0.9, (2,)), ((2, 0, 94, 96), 0.8, (3,))]
    alone = cut_out(people(rows[0]), masks, PLAIN, (0, 0, 96, 96))
    both = cut_out(people(*rows), masks, PLAIN, (0, 0, 96, 96))
    assert np.array_equal(alone, both)
    assert alone.all()


def test_who_is_hardly_there_takes_no_pixels() -> None:
    masks = np.zeros((2, 24, 24), np.float32)
    masks[0, :, :12] = 2
    masks[1, :, 8:] = 3
    target = ((0, 0, 96, 96), 0.9, (1, 0))
    alone = cut_out(people(target), masks, PLAIN, (0, 0, 96, 96))
    for score, is_somebody in ((0.24, False), (0.26, True)):
        rows = (target, ((30, 0, 96, 96), score, (0, 1)))
        found = cut_out(people(*rows), masks, PLAIN, (0, 0, 96, 96))
        assert np.array_equal(found, alone) != is_somebody


def test_extreme_logits_do_not_overflow() -> None:
    masks = prototypes() * np.float32(1e30)
    found = cut_out(people(((0, 0, 96, 96), 0.9, (1, 0))), masks, PLAIN, (0, 0, 96, 96))
    assert set(np.unique(found[:, :40])) == {255}


def test_the_network_sees_red_first_from_0_to_1() -> None:
    def run(tensor: np.ndarray) -> list[np.ndarray]:
        output = np.zeros((1, 4 + 1 + 2, CELLS), np.float32)
        output[0, :, 0] = (48, 48, 96, 96, tensor[0, 0].mean(), 1, 0)  # as sure as it is red
        return [output, prototypes()[None]]

    predictor = YoloSegPredictor(
        run, SegContract(SIDE, SIDE, 0), DetectionSettings(), batch_size=1, named_classes=1, name=""
    )
    for colour, is_found in (((0, 0, 255), True), ((255, 0, 0), False)):
        crop = PersonCrop(np.full((96, 96, 3), colour, np.uint8), (0, 0, 96, 96))
        assert predictor.predict([crop])[0].any() == is_found


# The network as a file


CONTRACT = {"family": "yolo_seg", "input_width_px": SIDE, "input_height_px": SIDE}


def seg_model(*, batch: int = 1, masks: bool = True) -> bytes:
    output = np.zeros((batch, 4 + 3 + 2, CELLS), np.float32)
    output[:, :, 5] = (48, 48, 60, 80, 0.9, 0.1, 0, 1, 0)
    shape = (batch, 3, SIDE, SIDE)
    pages = np.repeat(prototypes()[None], batch, axis=0)
    names = {"names": "{0: 'person', 1: 'chair', 2: 'tv'}"}
    return constant_model(shape, [output, pages] if masks else [output], **names)


def build(folder: Path, data: bytes, **contract: object) -> YoloSegPredictor:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    weights = write_weights(folder, data, **{**CONTRACT, **contract})
    return load_onnx_yolo_seg(weights, providers=("CPUExecutionProvider",), threads=1)


@pytest.mark.parametrize("batch", [1, 2])
def test_crops_of_several_sizes_come_back_in_their_own(tmp_path: Path, batch: int) -> None:
    model = build(tmp_path, seg_model(batch=batch))
    assert model.batch_size == batch
    sizes = [(96, 96), (48, 48), (200, 150)]
    crops = [
        PersonCrop(np.zeros((height, width, 3), np.uint8), (0, 0, width, height))
        for height, width in sizes
    ]
    found = model.predict(crops)
    assert [mask.shape for mask in found] == sizes
    assert np.array_equal(np.unique(found[0][20:80, 20:40]), [255])
    assert (found[1][10:40, 10:20] == 255).all()
    assert (found[1][10:40, 30:40] == 0).all()
    found[0][:] = 0  # the caller may write into them


def test_no_crops_give_no_masks(tmp_path: Path) -> None:
    assert build(tmp_path, seg_model()).predict([]) == []


def test_a_model_without_masks_is_refused(tmp_path: Path) -> None:
    model = build(tmp_path, seg_model(masks=False))
    crop = PersonCrop(np.zeros((96, 96, 3), np.uint8), (0, 0, 96, 96))
    with pytest.raises(IntegrityError, match="a model without masks"):
        model.predict([crop])


@pytest.mark.parametrize(
    "contract",
    [{"input_width_px": None}, {"input_height_px": 100}, {"person_class": -1}],
)
def test_a_contract_that_is_none_is_refused(tmp_path: Path, contract: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"weights\.tiny\.contract"):
        build(tmp_path, seg_model(), **contract)


def test_the_files_own_size_goes_before_the_contracts(tmp_path: Path) -> None:
    weights = write_weights(tmp_path, b"", **CONTRACT)
    assert SegContract.of(weights, (1, 3, 64, 32)) == SegContract(32, 64, 0)
    assert SegContract.of(weights, ("n", 3, "h", "w")) == SegContract(SIDE, SIDE, 0)


def test_what_is_less_sure_than_the_settings_ask_is_nobody(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    weights = write_weights(tmp_path, seg_model(), **CONTRACT)
    crop = PersonCrop(np.zeros((96, 96, 3), np.uint8), (0, 0, 96, 96))
    for min_score, is_found in ((0.89, True), (0.91, False)):
        model = load_onnx_yolo_seg(
            weights,
            providers=("CPUExecutionProvider",),
            threads=1,
            settings=DetectionSettings(min_score=min_score),
        )
        assert model.predict([crop])[0].any() == is_found
