"""The stand-in for non-maximum suppression does what torchvision's operator does."""

import numpy as np
import pytest
import torch

from transforms.extract.runtimes.torchvision_guard import suppress_overlaps


def _iou(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    overlap = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return overlap / (sum(areas) - overlap)


def _keep_by_hand(boxes: list[list[float]], scores: list[float], threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(_iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_the_same_boxes_stay_as_by_hand(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 20, (30, 2))
    boxes = np.hstack([corners, corners + rng.integers(1, 15, (30, 2))]).astype(np.float32)
    scores = (rng.integers(0, 8, 30) / 8).astype(np.float32)  # with ties
    kept = suppress_overlaps(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
    assert kept.dtype == torch.int64
    assert kept.tolist() == _keep_by_hand(boxes.tolist(), scores.tolist(), threshold)


def test_no_boxes_keep_nothing() -> None:
    kept = suppress_overlaps(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.int64


def test_empty_boxes_do_not_suppress_each_other() -> None:
    boxes = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert suppress_overlaps(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() == [1, 0]
