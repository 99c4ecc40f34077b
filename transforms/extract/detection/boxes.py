"""What tracking asks of two boxes, and of a box and the picture's edge."""

from typing import Final

from transforms.extract.protocols import Box

_BORDER_PX: Final = 3.0


def intersect(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def box_area(box: Box) -> float:
    """Return a box's area, never zero."""
    return max(1e-9, (box[2] - box[0]) * (box[3] - box[1]))


def covered_share(inner: Box, outer: Box) -> float:
    """Return the share of `inner` that lies in `outer`, 0..1."""
    return intersect(inner, outer) / box_area(inner)


def overlap_share(a: Box, b: Box) -> float:
    """Return the share of the smaller box that the other one covers, 0..1."""
    return intersect(a, b) / min(box_area(a), box_area(b))


def intersection_over_union(a: Box, b: Box) -> float:
    """Return the shared area over the joint area, 0..1."""
    shared = intersect(a, b)
    return shared / (box_area(a) + box_area(b) - shared)


def side_touched(box: Box, frame_shape: tuple[int, int]) -> str | None:
    """Return which side of the picture the box reaches: `left`, `right` or None."""
    if box[0] <= _BORDER_PX:
        return "left"
    return "right" if box[2] >= frame_shape[1] - _BORDER_PX else None
